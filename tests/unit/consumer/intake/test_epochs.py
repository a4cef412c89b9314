"""The epochs in which shards are read."""

from __future__ import annotations

from consumer.intake.epochs import Epochs


def test_a_shard_is_read_in_the_epoch_that_began_last() -> None:
    """One that nobody reads has none."""
    epochs = Epochs()
    assert (epochs.of("s"), "s" in epochs) == (None, False)
    epochs.begin("s", 3)
    assert (epochs.of("s"), "s" in epochs) == (3, True)


def test_an_older_opening_is_stale() -> None:
    """The same epoch again is not, while it goes on; once it is over it is."""
    epochs = Epochs()
    assert not epochs.stale("s", 0)
    epochs.begin("s", 3)
    assert [epochs.stale("s", epoch) for epoch in (2, 3, 4)] == [True, False, False]
    epochs.end("s")
    assert (epochs.of("s"), "s" in epochs) == (None, False)
    assert [epochs.stale("s", epoch) for epoch in (2, 3, 4)] == [True, True, False]


def test_a_shard_that_comes_back_is_known_for_one_until_it_has_something_new() -> None:
    """The source may begin before the last record that was processed."""
    epochs = Epochs()
    epochs.begin("s", 0)
    assert not epochs.reopened("s")
    epochs.end("s")
    epochs.begin("s", 1)
    assert epochs.reopened("s")
    epochs.caught_up("s")
    assert not epochs.reopened("s")


def test_a_shard_that_the_stream_has_no_more_leaves_nothing_behind() -> None:
    """Neither its epoch nor the one that is over; a shard never heard of may be forgotten too."""
    epochs = Epochs()
    epochs.begin("s", 1)
    epochs.end("s")
    epochs.begin("s", 2)
    epochs.forget("s")
    epochs.forget("other")
    assert ("s" in epochs, epochs.reopened("s"), epochs.stale("s", 0)) == (False, False, False)
