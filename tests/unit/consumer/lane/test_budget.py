"""A step ends when its budget ends (rule 26), and where that is changes nothing that leaves the lane."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count
from random import Random
from typing import Any

import pytest
from lane_rig import Record, Rig, T, named

from consumer.heartbeat import HEARTBEAT_S
from consumer.lane.budget import unlimited
from consumer.lane.runs import LONGEST_RUN
from scoring.bundle import Bundle
from window.merge import IDLE_SLACK_S

DEVICES, SECONDS, SHARDS = 60, 30, 3
TURN_S = 0.1
"""By the clock: far behind it no charts of a boundary are made (rule 16)."""


def backlog(at: Callable[..., Record]) -> Iterator[tuple[str, list[Record]]]:
    """By shard: half a minute of many devices across a boundary of charts, some samples strange, some out of order."""
    rng, number = Random(5), count(1000)
    pages: dict[str, list[Record]] = {f"s{n}": [] for n in range(SHARDS)}
    for second in range(SECONDS):
        for device in rng.sample(range(DEVICES), DEVICES):
            back = rng.choice([0, 0, 0, 7])
            record = at(
                280.0 + second - back,
                9.0 if rng.random() < 0.03 else 2.0,
                created=float(T + 280 + second),
                device=named(f"d{device}"),
                number=next(number),
            )
            pages[rng.choice([*pages])].append(record)
    yield from pages.items()


def settled(rig: Rig, at: Callable[..., Record]) -> dict[str, Any]:
    """Work the backlog off, until every device was told to be silent; all that left the lane."""
    rig.open(*(f"s{n}" for n in range(SHARDS)))
    for shard, page in backlog(at):
        rig.batch(shard, *page)
    end = T + 500.0
    rig.idle(*(f"s{n}" for n in range(SHARDS)), at=end + IDLE_SLACK_S)
    charts: list[tuple[str, Any]] = []
    for n in range(100_000):
        commit = rig.turn(end + n * TURN_S)
        # The chart of an opening also shows what came after it in its run, which depends on when commits were cut.
        charts += [
            (request.key, request.window.data().ts.tolist() if request.periodic else None)
            for request in rig.lane.charts.drain()
        ]
        if rig.lane.idle and commit is not None and not commit.messages:
            break
    messages: dict[str, list[Any]] = {}
    for message in rig.messages:
        event = json.loads(message.body)
        event.pop("recordedtime")
        messages.setdefault(message.device, []).append(event)
    return {"archive": rig.archive, "messages": messages, "counts": rig.counts, "charts": charts, "aside": rig.aside}


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.long) for n in range(1, 4))])
def test_rule_26_where_a_step_ends_changes_no_output(
    plain_bundle: Bundle, at: Callable[..., Record], seed: int
) -> None:
    """Archive, messages in their order, accounts and charts are those of a lane that is never interrupted."""
    expected = settled(Rig(plain_bundle), at)
    assert len(expected["charts"]) > DEVICES
    assert expected["counts"]["scored"] == DEVICES * SECONDS
    rng = Random(seed)
    rig = Rig(plain_bundle)
    rig.budget = (lambda: False) if seed == 0 else (lambda: rng.random() < 0.7)
    assert settled(rig, at) == expected


def test_bug_31_a_step_over_a_backlog_ends_with_its_budget(plain_bundle: Bundle, at: Callable[..., Record]) -> None:
    """Thousands of buffered records: commits and heartbeats come in between."""
    rig = Rig(plain_bundle).open("s")
    rig.batch("s", *(at(n * 0.1, created=T + 601.0, number=n + 1) for n in range(5000)))
    rig.budget = lambda: False
    rig.idle("s", at=T + 700.0)
    processed, heartbeats = [0], 0
    while processed[-1] < 5000 and len(processed) < 50:
        commit = rig.turn(T + 700.0 + HEARTBEAT_S * len(processed))
        processed.append(rig.counts.get("read", 0))
        heartbeats += commit is not None
    assert processed[-1] == 5000
    assert processed[1] <= LONGEST_RUN
    assert heartbeats == len(processed) - 1


def test_a_step_makes_progress_without_any_budget(rig: Rig, at: Callable[..., Record]) -> None:
    """Else a lane whose turn comes last would never get on."""
    rig.budget = lambda: False
    rig.batch("s", at(1), at(2)).turn()
    assert rig.lane.unfinished
    assert not rig.lane.idle
    rig.budget = unlimited
    rig.turn()
    assert not rig.lane.unfinished
    assert rig.counts["scored"] == 2
