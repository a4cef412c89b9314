"""What shards have lost: which gap it makes, where it begins, and when it is done with."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from consumer.intake.gaps import STREAM_KEEPS_S, Gaps
from consumer.intake.losses import Losses
from consumer.intake.reread import Reread
from consumer.state.head import ShardPosition
from consumer.stream.records import Decoder
from window.merge import Merge
from window.rolling import RETAINED_S
from window.samples import Names

T = 1_784_989_500.0


class Rig:
    """Losses over a merge with one shard. ``positions``: how far it was processed; ``before``: what the head that the
    lane began with says of it, all of which is to be read again."""

    def __init__(
        self, positions: Mapping[str, ShardPosition] | None = None, before: Mapping[str, ShardPosition] | None = None
    ) -> None:
        names = Names()
        self.merge, self.gaps = Merge(), Gaps()
        self.positions = dict(positions or {})
        self.reread = Reread(before or {}, {}, names)
        self.decoder = Decoder(table="device4", device_key="device", devices=Names(), shards=names)
        self.losses = Losses(self.merge, self.positions, self.gaps, self.reread, before or {})


def at(stamp: float | None, sequence: str | None = "7", *, ended: bool = False) -> ShardPosition:
    return ShardPosition(sequence=sequence, stamp=stamp, ended=ended)


def test_what_was_trimmed_is_missing_from_where_the_shard_was_read_to() -> None:
    """The gap is a lineage of the merge; the shard goes on at the horizon, and that is to be stored soon."""
    rig = Rig({"s": at(T)})
    rig.losses.trimmed("s", "trimmed", T + 100.0)
    (gap,) = rig.gaps.open
    assert (gap.since, gap.shards, gap.known_to) == (T, ("s",), None)
    assert rig.merge.shards == {gap.name: T}
    assert rig.positions["s"] == ShardPosition(stamp=T)
    assert rig.losses.rebased


def test_a_shard_of_which_nothing_was_ever_read_has_lost_nothing_that_is_known() -> None:
    """There is no time at which a gap could begin."""
    rig = Rig({"s": ShardPosition()})
    assert rig.losses.trimmed("s", "trimmed", T) == []
    assert rig.losses.gone("s", "deleted", T) == []
    assert rig.gaps.open == []


def test_a_shard_that_is_gone_lost_nothing_where_all_of_it_was_read() -> None:
    """The last owner had read it to its end."""
    ended, open_still = Rig({"s": at(T)}, {"s": at(T, ended=True)}), Rig({"s": at(T)}, {"s": at(T)})
    for rig in (ended, open_still):
        rig.losses.gone("s", "deleted", T)
    assert (len(ended.gaps.open), len(open_still.gaps.open)) == (0, 1)


def test_what_the_head_stands_for_is_read_from_the_table_for_the_windows_alone() -> None:
    """It was committed before the restart, from the stream."""
    rig = Rig({"s": at(T)}, {"s": at(T + 60.0, "90")})
    rig.losses.trimmed("s", "trimmed", T + 100.0)
    (gap,) = rig.gaps.open
    assert gap.known_to == T + 60.0
    assert gap.name in rig.reread.shards


@pytest.mark.parametrize(("late_s", "gaps"), [(-1.0, 0), (1.0, 1)])
def test_a_shard_read_from_the_horizon_on_may_have_lost_more_a_day_later(late_s: float, gaps: int) -> None:
    """Without a number to begin after, the stream does not say so."""
    rig = Rig({"s": at(T, None)}, {"s": at(T)})
    rig.losses.check_horizon("s", T + STREAM_KEEPS_S + late_s)
    assert len(rig.gaps.open) == gaps
    rig.losses.check_horizon("s", T + STREAM_KEEPS_S + late_s)
    assert len(rig.gaps.open) == gaps


def test_where_the_windows_do_not_have_a_shard_what_they_could_have_held_is_missing() -> None:
    """The head knows it, the windows stored do not."""
    rig = Rig({"s": ShardPosition()}, {"s": at(T)})
    rig.losses.check_horizon("s", T + STREAM_KEEPS_S + 1.0)
    (gap,) = rig.gaps.open
    assert gap.since == T - RETAINED_S


def test_a_closed_gap_is_kept_until_windows_that_have_it_are_durable() -> None:
    """Two commits: one that takes the windows, and the next, before which those were written."""
    rig = Rig({"s": at(T)})
    rig.losses.trimmed("s", "trimmed", T + 100.0)
    (gap,) = rig.gaps.open
    rig.gaps.close(gap.name)
    rig.losses.next_commit(windows=False)
    assert (rig.gaps.closed, rig.losses.rebased) == ([gap.name], True)
    rig.losses.next_commit(windows=True)
    assert (rig.gaps.closed, rig.losses.rebased) == ([gap.name], False)
    rig.losses.next_commit(windows=False)
    assert rig.gaps.closed == []
    assert gap.name not in rig.positions
