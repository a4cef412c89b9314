"""Two devices under one name, through shards, restarts and crashes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sim_cases import BEGIN, Calls, charge, live, shard, stream
from sim_faults import S3, SNS
from sim_found import ledger_totals, messages
from sim_outcome import Outcome, differences
from sim_script import Script
from sim_world import World

from scoring.bundle import Bundle

SECONDS = 70
CRASHES = 50
"""About so many calls are tried of a run that makes hundreds: each is a run of its own."""


@pytest.fixture
def script() -> Script:
    """Each second two samples, half a second apart, of one name and one ``ts``."""
    first = charge(1.0, 1.0 + SECONDS)
    second = [
        replace(
            each,
            written=each.ts + 0.6,
            current_a=each.current_a / 2,
            temperature_c=21.0,
            place=(each.place + 0.5) % 1.0,
        )
        for each in first
    ]
    return stream([*first, *second], [shard(high=0.5), shard(low=0.5)])


def told(world: World) -> list[tuple[str, str]]:
    return [(event["id"], event["data"]["state"]) for event in messages(world, "health.overwritten")]


@pytest.mark.parametrize("edge", [S3, SNS])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_rule_30_overwritten_samples_are_counted_and_told_once_whatever_is_crashed(
    script: Script, bundle: Bundle, calls: Calls, edge: str, moment: str
) -> None:
    """A crash at any call changes neither the count nor the one notice."""
    calm = World(script, bundle, live()).run()
    expected = Outcome.of(calm)
    assert ledger_totals(calm) == {"read": 2 * SECONDS, "scored": 2 * SECONDS, "overwritten": SECONDS}
    assert [state for _, state in told(calm)] == ["opened"]
    made = calm.faults.calls[edge]
    for call in calls(made)[:: max(1, made // CRASHES)]:
        world = World(script, bundle, live(downtime_s=(1.0,)))
        world.faults.crash_at = (edge, call, moment)
        world.run()
        assert differences(expected, Outcome.of(world)) == [], call
        assert told(world) == told(calm), call


def test_what_was_overwritten_is_counted_once_over_a_restart(script: Script, bundle: Bundle) -> None:
    """Killed in the middle: what is read again is not counted again, and is in the windows once more."""
    world = World(script, bundle, live(downtime_s=(0.0,)))
    for second in (25.0, 45.0):
        world.run(until=lambda w, at=BEGIN + second: w.clock.now > at)
        world.kill()
    world.run()
    assert ledger_totals(world)["overwritten"] == SECONDS
    assert [state for _, state in told(world)] == ["opened"]
