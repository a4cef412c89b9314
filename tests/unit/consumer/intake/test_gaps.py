"""Gaps: declared, told, read from the table, closed (rule 19)."""

from __future__ import annotations

import pytest

from consumer.intake.gaps import LANES_RECREATED, RESOLVE_AFTER_S, Gaps
from consumer.state.head import is_backfill

T = 1_784_989_500.0


def test_a_gap_is_read_once_its_end_is_known() -> None:
    """The stream says where it goes on; each gap is asked for once in a process."""
    gaps = Gaps()
    gap = gaps.declare(T, "trimmed", T + 90_000)
    assert is_backfill(gap.name)
    assert not is_backfill("shardId-0001-abc")
    assert gaps.to_read() == []
    ((known, notice),) = gaps.end_all(T + 5000)
    assert (known.name, known.since, known.until) == (gap.name, T, T + 5001)
    assert gaps.to_read() == [known]
    assert gaps.to_read() == []
    assert gaps.end_all(T + 6000) == []
    assert (notice.type, notice.device, notice.state, notice.since, notice.until) == (
        "health.gap",
        None,
        "opened",
        T,
        T + 5001,
    )
    assert "2026-07-25 14:25:00" in notice.summary
    assert "trimmed" in notice.summary


def test_a_gap_is_closed_with_what_was_found() -> None:
    """And says that the missing count is unknown: deleted items cannot be seen."""
    gaps = Gaps()
    gap = gaps.declare(T, "trimmed", T)
    gaps.end_all(T + 50)
    gaps.count(gap.name, 30)
    gaps.count(gap.name, 12)
    gaps.count("backfill-of-nobody", 1)
    (notice,) = gaps.close(gap.name)
    assert (notice.state, notice.count, notice.since, notice.until) == ("closed", 42, T, T + 51)
    assert "unknown" in notice.summary
    assert gaps.open == []


def test_shards_that_lost_the_same_time_make_one_gap() -> None:
    """As long as its end is not known; it begins with the first of them."""
    gaps = Gaps()
    first = gaps.declare(T, "trimmed", T + 10)
    second = gaps.declare(T - 60, "trimmed", T + 11)
    assert second.name == first.name
    assert [gap.since for gap in gaps.open] == [T - 60]
    assert gaps.declare(T + 60, "trimmed", T + 12).since == T - 60


def test_a_gap_that_begins_where_another_is_being_read_is_a_gap_of_its_own() -> None:
    """Two shards with the same last stamp, of which one is found trimmed later."""
    gaps = Gaps()
    first = gaps.declare(T, "trimmed", T)
    gaps.end_all(T + 50)
    assert [gap.name for gap in gaps.to_read()] == [first.name]
    second = gaps.declare(T, "trimmed", T + 1)
    assert second.name != first.name
    gaps.end_all(T + 70)
    assert [(gap.name, gap.until) for gap in gaps.to_read()] == [(second.name, T + 71)]
    assert len(gaps.open) == 2


def test_a_gap_that_is_closed_leaves_nothing_behind() -> None:
    """Once the windows that have it are stored: another at the same time has its name, and is read in its turn."""
    gaps = Gaps()
    for _ in range(3):
        gap = gaps.declare(T, "trimmed", T)
        gaps.end_all(T + 50)
        assert [one.name for one in gaps.to_read()] == [gap.name] == ["backfill-1784989500000"]
        gaps.close(gap.name)
        gaps.forget([gap.name])


@pytest.mark.parametrize("reason", [LANES_RECREATED, "the stream was made anew, and all lanes with it"])
def test_a_gap_that_no_lane_can_fill_says_so_also_if_0_1_0_declared_it(reason: str) -> None:
    """A head of 0.1.0 has the reason in its own spelling."""
    gaps = Gaps()
    gap = gaps.declare(T, reason, T + 10)
    ((_, opened),) = gaps.end_all(T + 50)
    (closed,) = gaps.close(gap.name)
    assert "battery-watch replay --table" in opened.summary
    assert "was not filled" in closed.summary


def test_a_stream_that_does_not_go_on_is_not_waited_for() -> None:
    """After half a minute the gap ends now."""
    gaps = Gaps()
    gaps.declare(T, "the stream was recreated", T + 10)
    assert not gaps.overdue(T + 10 + RESOLVE_AFTER_S - 0.1)
    assert gaps.overdue(T + 10 + RESOLVE_AFTER_S)
    gaps.end_all(T + 40)
    assert not gaps.overdue(T + 1e6)


def test_open_gaps_survive_a_restart() -> None:
    """They are read again: what was found of them is counted on."""
    before = Gaps()
    gap = before.declare(T, "trimmed", T)
    before.end_all(T + 50)
    before.to_read()
    before.count(gap.name, 5)
    after = Gaps(before.open)
    assert [(again.name, again.found) for again in after.to_read()] == [(gap.name, 5)]


@pytest.mark.parametrize("created", [T - 100, T])
def test_a_gap_never_ends_before_it_begins(created: float) -> None:
    """Whatever the clocks say."""
    gaps = Gaps()
    gaps.declare(T, "trimmed", T)
    ((known, _),) = gaps.end_all(created)
    assert known.until is not None
    assert known.until >= known.since


def test_the_intervals_of_the_last_gaps_are_kept() -> None:
    """The stream may bring a sample of them once more."""
    gaps = Gaps()
    for number in range(6):
        gap = gaps.declare(T + 1000 * number, "trimmed", T)
        gaps.end_all(T + 1000 * number + 99)
        assert gaps.covers(T + 1000 * number + 50)
        gaps.close(gap.name)
    assert gaps.filled == [(T + 1000 * number, T + 1000 * number + 100) for number in (2, 3, 4, 5)]
    again = Gaps((), gaps.filled)
    assert again.covers(T + 5050)
    assert not again.covers(T + 5150)
    assert again.reached == T + 5100


def test_a_gap_of_several_shards_ends_where_the_last_of_them_goes_on() -> None:
    """Or after half a minute, where one of them has nothing."""
    gaps = Gaps()
    for shard in ("a", "b"):
        gap = gaps.declare(T, "trimmed", T, shard)
    assert gaps.resumed(["c"], orphan=False, created=T + 10) == []
    assert gaps.resumed(["a"], orphan=False, created=T - 10) == []
    assert gaps.resumed(["a"], orphan=False, created=T + 20) == []
    assert gaps.awaited == {"b"}
    ((known, _),) = gaps.resumed(["b1", "b"], orphan=False, created=T + 15)
    assert (known.name, known.until, gaps.awaited) == (gap.name, T + 21, set())


def test_nothing_is_reported_where_nothing_new_is_missing() -> None:
    """All of it was in the last head: it is read for the windows alone."""
    gaps = Gaps()
    gap = gaps.declare(T, "trimmed", T, "a", known_to=T + 50)
    assert gaps.end_shard(gap.name, "a", T + 50) == []
    assert [known.until for known in gaps.to_read()] == [T + 50]
    assert gaps.close(gap.name) == []
