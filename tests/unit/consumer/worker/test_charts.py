"""Charts on their way, over a twin of the drawing process."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from consumer.outgoing.chart_schedule import ChartRequest
from consumer.worker import charts as charting_module
from consumer.worker.charts import Charting
from reporting.charts.process import ChartFailed
from reporting.sinks.archive import Archive


class Drawing:
    """A process that draws what the test says: bytes, or an error."""

    def __init__(self) -> None:
        self.outcome: dict[str, Any] = {}
        self.asked: list[tuple[str, bool]] = []
        self.waiting: list[Future[bytes]] = []
        self.closed = False

    def submit(self, data: Any, *, periodic: bool) -> Future[bytes]:
        self.asked.append((data, periodic))
        future: Future[bytes] = Future()
        outcome = self.outcome.get(data, b"png")
        if outcome is None:
            self.waiting.append(future)
        elif isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
        return future

    def close(self, timeout_s: float) -> None:
        self.closed = True
        for future in self.waiting:
            future.set_exception(ChartFailed("closed"))


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> Drawing:
    """In place of the child process."""
    process = Drawing()
    monkeypatch.setattr(charting_module, "ChartProcess", lambda: process)
    return process


def request(name: str, *, periodic: bool = True) -> ChartRequest:
    window: Any = SimpleNamespace(data=name)
    return ChartRequest(f"reports/{name}.png", window, periodic)


def test_charts_are_drawn_and_stored(drawing: Drawing, s3: Any) -> None:
    """As images, under the keys that were asked for."""
    charting = Charting(Archive(s3, "b"))
    charting.draw([request("a"), request("b", periodic=False)])
    charting.finish(5.0)
    assert drawing.asked == [("a", True), ("b", False)]
    assert {key: stored.body for key, stored in s3.objects.items()} == {
        "reports/a.png": b"png",
        "reports/b.png": b"png",
    }
    assert s3.objects["reports/a.png"].content_type == "image/png"
    assert drawing.closed


def test_a_chart_that_fails_concerns_nobody_else(drawing: Drawing, s3: Any) -> None:
    """Not drawn, or not stored: the next one is there."""
    drawing.outcome["bad"] = ChartFailed("it died")
    s3.refuse = [s3.refused(503, "SlowDown")]
    charting = Charting(Archive(s3, "b"))
    charting.draw([request("bad"), request("unlucky"), request("good")])
    charting.finish(5.0)
    assert set(s3.objects) == {"reports/good.png"}


def test_finishing_does_not_wait_for_a_chart_for_ever(drawing: Drawing, s3: Any) -> None:
    """A stop has ten seconds in all."""
    drawing.outcome["stuck"] = None
    charting = Charting(Archive(s3, "b"))
    charting.draw([request("stuck"), request("behind it")])
    charting.finish(0.01)
    assert drawing.closed
    assert "reports/stuck.png" not in s3.objects


def test_drawing_does_not_block(drawing: Drawing, s3: Any) -> None:
    """Nor does what was drawn pile up."""
    drawing.outcome["stuck"] = None
    charting = Charting(Archive(s3, "b"))
    for _ in range(50):
        charting.draw([request("stuck")])
    charting.draw([])
    charting.finish(0.0)
    assert s3.objects == {}
