"""What a device keeps and uploads says the same as what it sends at once, through any number of shards (rule 23)."""

from __future__ import annotations

import os
from functools import cache

import pytest
from repository import SHIPPED_BUNDLE
from sim_kept import BEGIN, Told, Upload, charge, read, written

from scoring.bundle import Bundle, load

EVERY_S = (1, 10, 60, 300, 1200)
FEW, MORE = 2, range(2, int(os.environ.get("KEPT_SEEDS", "8")))
"""KEPT_SEEDS=100 tries a hundred charges of each kind, for some hours."""


@cache
def shipped() -> Bundle:
    """The shipped bundle: what it takes for an anomaly is what users are told."""
    return load(SHIPPED_BUNDLE)


@cache
def through_one_shard(seed: int, every_s: int, *, faults: bool) -> Told:
    """By one writer: in order."""
    return read(written(charge(seed, faults=faults), Upload(every_s), seed), shipped(), seed)


def same_as_one_shard(seed: int, upload: Upload, *, faults: bool) -> None:
    """The same messages in the same order, the same archive, and nothing guessed. (More writers are done earlier, so a
    silence may begin a second earlier.)"""
    expected = through_one_shard(seed, upload.every_s, faults=faults)
    found = read(written(charge(seed, faults=faults), upload, seed), shipped(), seed + 1)
    assert found.anomalies == expected.anomalies
    assert [m[0] for m in found.messages] == [m[0] for m in expected.messages]
    assert upload.writers > 1 or found.messages == expected.messages
    assert found.archive == expected.archive
    assert (found.openings > 0) == faults
    assert found.forced == 0


@pytest.mark.parametrize("faults", [False, True])
@pytest.mark.parametrize("every_s", EVERY_S)
@pytest.mark.parametrize("shards", [4, *(pytest.param(n, marks=pytest.mark.long) for n in (2, 8))])
def test_bug_32_an_upload_through_several_shards_says_what_one_shard_says(
    shards: int, every_s: int, faults: bool
) -> None:
    """A healthy charge opened one to four anomalies a run through four shards, and none through one."""
    for seed in range(FEW if every_s == 300 else 1):
        same_as_one_shard(seed, Upload(every_s, shards), faults=faults)


@pytest.mark.parametrize("every_s", [60, *(pytest.param(s, marks=pytest.mark.long) for s in (1, 10, 300, 1200))])
@pytest.mark.parametrize("shards", [1, 4])
def test_rule_23_four_writers_and_nodes_whose_clocks_differ_change_nothing(shards: int, every_s: int) -> None:
    """They take the samples from one queue; the nodes are up to 50 ms off."""
    same_as_one_shard(0, Upload(every_s, shards, writers=4, apart_s=0.05), faults=True)


@pytest.mark.long
@pytest.mark.parametrize("seed", MORE)
def test_rule_23_more_charges(seed: int) -> None:
    """Of all kinds."""
    for every_s in EVERY_S:
        for shards in (1, 2, 4, 8):
            same_as_one_shard(seed, Upload(every_s, shards), faults=bool(seed % 2))
            same_as_one_shard(seed, Upload(every_s, shards, writers=4, apart_s=0.05), faults=bool(seed % 2))


@pytest.mark.parametrize("late_s", [10, *(pytest.param(s, marks=pytest.mark.long) for s in (3, 60))])
def test_a_gateway_that_is_always_late_is_told_no_later_than_that(late_s: int) -> None:
    """Once its delay is known. The reading of 30 K too much begins after 15 minutes."""
    readings = charge(0, 960, faults=True)
    records = written(readings, Upload(1), 0)
    (rows,) = records.values()
    at_once = read(records, shipped(), 0, poll_s=1)
    for row in rows:
        row["dynamodb"]["ApproximateCreationDateTime"] += late_s
    found = read(records, shipped(), 0, poll_s=1)
    opened = [m[0] for m in at_once.messages].index("anomaly.opened")
    assert [m[0] for m in found.messages].index("anomaly.opened") == opened
    assert at_once.at[opened] - BEGIN - 900 < 10
    assert found.at[opened] - at_once.at[opened] <= late_s + 1
