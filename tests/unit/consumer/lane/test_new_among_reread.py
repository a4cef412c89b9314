"""After a restart a shard that had seemed idle brings new records between those that are read again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lane_rig import Record, Rig, T

from consumer.lane.commit_builder import MAX_MESSAGES
from scoring.bundle import Bundle

Make = Callable[..., Record]


@pytest.fixture
def two(plain_bundle: Bundle) -> Rig:
    """A lane with two open shards."""
    return Rig(plain_bundle).open("s", "t")


def begun(two: Rig, at: Make) -> list[Record]:
    """Forty seconds are processed, all but the first of shard s: t seemed idle. Returns what s had."""
    known = [at(n, number=2000 + n) for n in range(1, 40)]
    two.batch("t", at(0, number=1)).batch("s", *known).idle("s", "t", at=T + 60.0).until_quiet(T + 60)
    assert two.counts == {"read": 40, "scored": 40}
    return known


def test_more_new_messages_than_a_commit_takes_do_not_stop_the_reading(two: Rig, at: Make) -> None:
    """No commit is made before all is read again, so none could make room."""
    known = begun(two, at)
    after = two.successor(snapshot=False).open("s", "t")
    new = [at(n * 0.3 + 0.4, 9.0, number=3000 + n) for n in range(2 * MAX_MESSAGES)]
    after.batch("t", at(0, number=1), *new).batch("s", *known).idle("s", "t", at=T + 100.0).until_quiet(T + 100)
    assert not after.lane.recovering
    assert len({ts for _, ts, _ in after.told}) >= len(new)


def test_a_minute_whose_samples_are_judged_otherwise_is_written_again(two: Rig, at: Make) -> None:
    """The new record comes before them now, and is their neighbour, in the minute before: the archive is as it is in
    order."""
    known = [at(n, 2.0 + 0.2 * (n % 2), number=2000 + n) for n in range(54, 68)]
    new = at(59.5, 12.0, number=3000)
    calm = Rig(two.bundle).open("s")
    calm.batch("s", *sorted([at(50, number=1), *known, new], key=_ts)).until_quiet(T + 120)
    two.batch("t", at(50, number=1)).batch("s", *known).idle("s", "t", at=T + 120.0).until_quiet(T + 120)
    after = two.successor(snapshot=False).open("s", "t")
    after.archive |= two.archive
    after.batch("t", at(50, number=1), new).batch("s", *known).idle("s", "t", at=T + 160.0).until_quiet(T + 160)
    assert len(calm.lines("device4", T + 60)) > 1
    assert after.archive == calm.archive


def _ts(record: Record) -> float:
    return float(record["dynamodb"]["NewImage"]["ts"]["N"])


def test_a_silence_whose_end_the_head_knows_is_not_ended_again(two: Rig, at: Make) -> None:
    """By another record than the first time."""
    two.batch("t", at(0, number=1)).batch("s", at(1, number=2)).idle("s", "t", at=T + 190.0).until_quiet(T + 190)
    two.batch("s", at(200, number=3)).idle("s", "t", at=T + 210.0).until_quiet(T + 210)
    assert [state for _, _, state in two.notices] == ["opened", "closed"]
    after = two.successor(snapshot=False).open("s", "t")
    new = at(199, number=4)
    after.batch("t", at(0, number=1), new).batch("s", at(1, number=2), at(200, number=3))
    after.idle("s", "t", at=T + 230.0).until_quiet(T + 230)
    assert after.counts["scored"] == 4
    assert after.notices == []


@pytest.mark.parametrize("back", [[], [170]], ids=["stays", "comes back"])
def test_a_silence_that_waited_for_a_shard_is_told_after_a_restart(two: Rig, at: Make, back: list[int]) -> None:
    """The shard was passed by, so the head's watermark lies above the deadline, and nobody was told. The deadline
    passes again between records that are read again; by their end the device may be back."""
    others = [at(n, number=1000 + n, device={"S": "x"}) for n in (150, 180)]
    two.batch("t", at(0, number=1)).batch("s", at(1, number=2)).turn(T + 31)
    two.idle("s", at=T + 60.0)
    for now in range(T + 32, T + 110, 9):
        two.lane.step(float(now))
    assert two.lane.tally()["forced"] > 0
    two.batch("s", *others).idle("s", at=T + 190.0).until_quiet(T + 190)
    assert two.head.watermark == T + 188.0
    assert two.notices == []
    after = two.successor(snapshot=False).open("s", "t")
    after.batch("t", at(0, number=1), *(at(n, number=n) for n in back)).batch("s", at(1, number=2), *others)
    after.idle("s", "t", at=T + 195.0).until_quiet(T + 195)
    assert [state for _, device, state in after.notices if device == "device4"] == ["opened", "closed"][: 1 + len(back)]


def test_a_record_below_the_watermark_counts_though_nothing_was_processed(rig: Rig, at: Make) -> None:
    """The promise of idleness was broken: what is compared between two runs must know."""
    rig.idle("s", at=T + 100.0).turn(T + 100)
    rig.batch("s", at(50)).turn(T + 101)
    assert rig.lane.tally()["forced"] == 1


def test_a_record_below_the_last_owners_watermark_shows_that_its_device_is_alive_now(two: Rig, at: Make) -> None:
    """Also when all is read again, and what is read again lies far below that watermark."""
    known = begun(two, at)
    assert two.head.watermark == T + 58.0
    after = two.successor(snapshot=False).open("s", "t")
    after.batch("t", at(0, number=1)).batch("s", *known).turn(T + 70)
    after.batch("t", at(50, number=9000)).idle("s", "t", at=T + 100.0).until_quiet(T + 100)
    assert after.counts["scored"] == 41
    assert after.head.health["device4"].last == T + 58.0


def test_a_lag_while_records_are_read_again_waits_behind_the_last_owners_watermark(two: Rig, at: Make) -> None:
    """What came before it was told."""
    known = begun(two, at)
    after = two.successor(snapshot=False).open("s", "t").batch("s", *known)
    for now in range(1000, 1080, 4):
        after.turn(T + float(now))
    after.batch("t", at(0, number=1)).idle("s", "t", at=T + 1080.0).until_quiet(T + 1080)
    lag = next(message for message in after.messages if message.type == "health.lagging")
    assert (lag.state, lag.at) == ("opened", T + 58.0)
