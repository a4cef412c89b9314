"""How far a lane has processed, and how often it had to guess."""

from __future__ import annotations

from math import inf

import numpy as np

from consumer.lane.processed import Processed
from consumer.state.head import Head
from consumer.stream.records import FUTURE_S
from window.released import Released
from window.samples import Samples


def run(*stamps: float, offset_s: float = 0.0) -> Released:
    """Records with these stamps, sampled so much later than they were written."""
    created = np.array(stamps)
    samples = Samples.of(created + offset_s, [2.0] * len(stamps), [20.0] * len(stamps), created=created)
    return Released(samples, created, np.array(["1"] * len(stamps), object))


def test_a_new_lane_has_processed_nothing() -> None:
    """And says nothing of it in the head."""
    processed = Processed.restore(Head(lane="table", owner="me", bundle="b"))
    assert (processed.up_to, processed.before, processed.newest) == (-inf, -inf, -inf)
    assert processed.stored() == {"newest": None, "forced": 0}


def test_a_successor_goes_on_where_the_head_stands() -> None:
    """Guesses are counted on, and those of before are not new."""
    head = Head(lane="table", owner="me", bundle="b", watermark=100.0, newest=99.5, forced=4)
    processed = Processed.restore(head)
    assert (processed.up_to, processed.before) == (100.0, 100.0)
    assert processed.stored() == {"newest": 99.5, "forced": 4}
    assert processed.newly_forced() == 0


def test_it_never_goes_back_but_to_read_again() -> None:
    """What the last owner had reached stays known."""
    processed = Processed(100.0)
    processed.advance(120.0)
    processed.advance(110.0)
    assert processed.up_to == 120.0
    processed.restart()
    assert (processed.up_to, processed.before) == (-inf, 100.0)


def test_a_record_below_what_was_processed_breaks_a_promise() -> None:
    """A shard was taken for idle and was not. Each is counted, and told once."""
    processed = Processed()
    processed.advance(10.0)
    processed.count_out_of_order(run(8.0, 9.0, 10.0), reread=False)
    assert (processed.forced, processed.newly_forced(), processed.newly_forced()) == (2, 2, 0)


def test_among_records_that_are_read_again_the_last_owners_watermark_breaks_none() -> None:
    """They are below it by their nature; new ones below it are not."""
    again, new = Processed(100.0), Processed(100.0)
    for processed, reread in ((again, True), (new, False)):
        processed.restart()
        processed.count_out_of_order(run(50.0), reread=reread)
    assert (again.forced, new.forced) == (0, 1)


def test_a_record_that_comes_too_low_shows_that_its_device_is_alive_now() -> None:
    """All others show it at their own time."""
    processed = Processed()
    processed.advance(10.0)
    assert processed.times(run(8.0, 12.0)).tolist() == [10.0, 12.0]


def test_a_sample_from_the_future_is_not_the_newest() -> None:
    """A bundle found later would take effect at its time."""
    processed = Processed()
    processed.scored(run(100.0, 101.0).samples)
    processed.scored(run(102.0, offset_s=FUTURE_S + 1.0).samples)
    assert processed.newest == 101.0
