"""Catching up: hours of records in shards that are read at different speeds."""

from __future__ import annotations

import pytest
from sim_cases import BEGIN, charge, rotation, shard, stream
from sim_outage import Outage
from sim_outcome import Outcome, differences
from sim_pace import Pace
from sim_plan import Plan
from sim_script import Shard
from sim_stream import Weather
from sim_world import World

from scoring.bundle import Bundle

BACKLOG_S = 2 * 3600.0
STRANGE = [601.0, 606.0, 1801.0, 3601.0, 3606.0, 5401.0, 7101.0]


def four() -> list[Shard]:
    """Four shards, two of which rolled over within the two hours."""
    quarters = [shard(low=n / 4, high=(n + 1) / 4) for n in range(2)]
    for n in (2, 3):
        low, high = n / 4, (n + 1) / 4
        parent = shard(-60.0, 1500.0 * n, low=low, high=high)
        quarters += [parent, shard(1500.0 * n, parent=parent.name, low=low, high=high)]
    return quarters


@pytest.mark.parametrize("empty_pages", [0.1, 0.5])
@pytest.mark.parametrize("slow", [0, 2, 3])
def test_two_hours_over_four_shards_are_published_as_if_they_were_one(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle, slow: int, empty_pages: float
) -> None:
    """One shard gives two records a page, the others 7, 20 and 100; empty pages lie between; and the rotation's parents
    end while the others are being read. Nothing is late, nothing is forced, and what is told is what a single shard
    would have told."""
    readings = charge(1.0, BACKLOG_S, period_s=5.0, strange=STRANGE)
    calm = Plan(begins=BEGIN + BACKLOG_S)
    alone = Outcome.of(World(stream(readings, rotation([])), bundle, calm).run())
    shards = four()
    speeds = [100, 20, 7]
    speeds.insert(slow, 2)
    names = sorted({(each.low, each.name) for each in shards})
    most = {name: speeds[int(low * 4)] for low, name in names}
    seen = Outage(most=most).strike(monkeypatch)
    weather = Weather(empty_pages=empty_pages, empty_closed=True, short_pages=0.3)
    plan = Plan(begins=BEGIN + BACKLOG_S, weather=weather, pace=Pace(page=100, credit=400))
    script = stream(readings, shards)
    found = Outcome.of(World(script, bundle, plan, seed=slow).run())
    assert seen.read == {each.name: len(each.records) for each in script.shards}
    assert found.guesses == 0
    assert {name.rsplit(" ", 1)[1] for name in found.counts} == {"scored"}
    assert sum(found.counts.values()) == len(readings)
    told = [m["data"]["ts"] - BEGIN for m in found.messages["device4"] if m["type"] == "anomaly.sample"]
    assert {*STRANGE} <= {*told}
    assert told == sorted(told)
    assert differences(alone, found, across_shards=True) == []


def test_rule_24_any_number_of_empty_pages_in_a_catch_up_makes_nothing_late(bundle: Bundle) -> None:
    """Up to twenty in a row, over four seconds, in open shards too: none is taken for the tip. Nothing is late, forced
    or silent that is not so with one shard."""
    readings = charge(1.0, BACKLOG_S, period_s=5.0, strange=STRANGE)
    begins = BEGIN + BACKLOG_S + 900.0
    alone = Outcome.of(World(stream(readings, rotation([])), bundle, Plan(begins=begins)).run())
    weather = Weather(empty_pages=0.3, empty_run=20, empty_closed=True)
    plan = Plan(begins=begins, weather=weather, pace=Pace(page=50, credit=400, poll_s=0.2))
    found = Outcome.of(World(stream(readings, four()), bundle, plan).run())
    assert found.guesses == 0
    assert {name.rsplit(" ", 1)[1] for name in found.counts} == {"scored"}
    assert sum(found.counts.values()) == len(readings)
    assert differences(alone, found, across_shards=True) == []
