"""The table is read beside the loop."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from consumer.errors import Retry
from consumer.state.head import Gap
from consumer.stream.records import Decoder
from consumer.worker.table_reader import TableReader
from window.samples import Kind

GAP = Gap("backfill-100", 100.0, "trimmed", 200.0, until=150.0)


class History:
    """Has one item a second; reads when it is let."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, float, Sequence[str]]] = []
        self.failures = 0
        self.let = threading.Event()

    def items(self, since: float, until: float, devices: Sequence[str], progress: Any) -> list[dict[str, Any]]:
        self.asked.append((since, until, devices))
        assert self.let.wait(5)
        progress(0.5, 1)
        progress(1.0, 2)
        if self.failures:
            self.failures -= 1
            raise Retry("throttled")
        seconds = range(int(since), int(until) + 1)
        return [{"ts": {"N": str(s)}, "current": {"N": "1"}, "temperature": {"N": "20"}} for s in seconds]


@pytest.fixture
def history() -> History:
    """Reads at once, unless the test says otherwise."""
    made = History()
    made.let.set()
    return made


def answers(reader: TableReader) -> list[tuple[str, Gap, Any]]:
    """What came, when all that was asked for has been read or failed once."""
    for reading in reader._readings:
        reading.future.exception(timeout=5)
    return list(reader.answers())


def test_an_interval_is_read_and_decoded_under_the_gaps_name(history: History, decoder: Decoder) -> None:
    """For the lane that asked, in order of time."""
    reader = TableReader(history, decoder)
    reader.ask("table", GAP, ["d"])
    ((lane, gap, decoded),) = answers(reader)
    assert (lane, gap) == ("table", GAP)
    assert history.asked == [(100.0, 150.0, ["d"])]
    assert decoded.samples.ts.tolist() == [float(s) for s in range(100, 151)]
    assert set(decoded.samples.kind.tolist()) == {Kind.BACKFILL}
    assert answers(reader) == []
    reader.stop()


def test_asking_does_not_block(history: History, decoder: Decoder) -> None:
    """The loop goes on while the table is read."""
    history.let.clear()
    reader = TableReader(history, decoder)
    reader.ask("table", GAP, [])
    assert list(reader.answers()) == []
    history.let.set()
    assert len(answers(reader)) == 1
    reader.stop()


def test_a_table_that_cannot_be_read_is_asked_again(history: History, decoder: Decoder) -> None:
    """Until it answers: nothing later is told before."""
    history.failures = 2
    reader = TableReader(history, decoder)
    reader.ask("table", GAP, [])
    assert answers(reader) == []
    assert answers(reader) == []
    assert len(answers(reader)) == 1
    assert len(history.asked) == 3
    reader.stop()


def test_stopping_drops_what_is_still_to_be_read(history: History, decoder: Decoder) -> None:
    """The gap stays open in the head."""
    history.let.clear()
    reader = TableReader(history, decoder)
    for _ in range(3):
        reader.ask("table", GAP, [])
    reader.stop()
    history.let.set()
    assert len(history.asked) <= 1
