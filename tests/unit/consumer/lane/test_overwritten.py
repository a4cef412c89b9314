"""Records that overwrite a sample of the same time: counted in the ledger, told once, whatever pages and restarts."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from lane_rig import Record, Rig, T

from scoring.bundle import Bundle

At = Callable[..., Record]


def two_packs(at: At, seconds: int, begin: int = 0) -> list[Record]:
    """Two devices write under one name, each a sample a second."""
    return [
        at(begin + n // 2, (2.0, 1.0)[n % 2], number=1000 + 2 * begin + n, temperature=(25.0, 21.0)[n % 2])
        for n in range(2 * seconds)
    ]


def told(*rigs: Rig) -> list[tuple[str, float]]:
    messages = [json.loads(m.body) for rig in rigs for m in rig.messages if m.type == "health.overwritten"]
    return [(event["data"]["state"], event["data"]["count"]) for event in messages]


def test_a_record_that_overwrites_is_scored_and_counted_as_overwritten_too(rig: Rig, at: At) -> None:
    """It is no class of its own, so the ledger balances. The same readings again are no overwrite."""
    rig.batch("s", at(1), at(2), at(2, 2.1, number=1021), at(2, 2.1, number=1022), at(1, 2.2, number=1023), at(3))
    rig.turn()
    assert rig.counts == {"read": 6, "scored": 6, "overwritten": 2}
    assert rig.lane.ledger.imbalance() == 0
    assert rig.lane.tally()["overwritten"] == 2
    assert rig.head.ledger["2026-07-25"]["device4"] == {"read": 6, "scored": 6, "overwritten": 2}


@pytest.mark.parametrize("page", [1, 7, 200])
def test_rule_30_two_devices_under_one_name_are_one_notice_of_many(rig: Rig, at: At, page: int) -> None:
    """With the 30th sample that was overwritten, and never again, whatever the pages."""
    records = two_packs(at, 60)
    for begin in range(0, len(records), page):
        rig.batch("s", *records[begin : begin + page]).until_quiet(T + 60)
    assert told(rig) == [("opened", 30)]
    assert rig.counts == {"read": 120, "scored": 120, "overwritten": 60}


@pytest.mark.parametrize(("cut", "snapshot"), [(40, 0), (59, 20), (60, 20), (61, 60), (100, 30)])
def test_a_restart_neither_tells_nor_counts_it_twice(rig: Rig, at: At, cut: int, snapshot: int) -> None:
    """The windows are older than the head, so that records are read again."""
    records = two_packs(at, 60)
    if snapshot:
        rig.batch("s", *records[:snapshot]).turn(T + 1000)
    stored = rig.snapshot
    rig.batch("s", *records[snapshot:cut]).until_quiet(T + 1001)
    rig.snapshot = stored
    after = rig.successor().open("s").batch("s", *records[snapshot if stored else 0 :]).until_quiet(T + 1100)
    assert told(rig, after) == [("opened", 30)]
    assert after.counts == {"read": 120, "scored": 120, "overwritten": 60}
    assert after.head.health["device4"].overwriting is not None
    assert (after.head.health["device4"].overwriting.count, after.head.health["device4"].overwriting.told) == (60, True)


def test_what_scores_like_noise_is_counted_and_quiet(plain_bundle: Bundle, at: At) -> None:
    """Two loggers of one battery."""
    rig = Rig(plain_bundle).open("s")
    rig.batch("s", *(at(n // 2, 2.0 + n % 2 / 50, number=1000 + n) for n in range(120))).until_quiet(T + 60)
    assert rig.counts == {"read": 120, "scored": 120, "overwritten": 60}
    assert told(rig) == []
