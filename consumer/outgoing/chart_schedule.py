"""When charts are drawn: every 5 minutes of event time, when an episode opens, and at the end (rule 16)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import floor, inf

import numpy as np

from reporting.charts.data import ChartData, blame, limits_of
from reporting.keys import chart_key
from scoring.scorer import Scorer
from scoring.succession import Succession
from window.ring import Columns
from window.rolling import Windows

EVERY_S = 300.0
"""The time between two periodic charts of a device, on the watermark."""
BEHIND_S = 600.0
"""While the watermark is further behind the clock than this, no periodic charts are drawn: nobody would look at them,
and the charts of openings would wait for them."""
OPENING_S = 60.0
"""The chart of an opening shows at most so many seconds of what came after it in the same page."""


AT_ONCE = 50
"""Devices whose windows are copied in one go at a boundary: with full windows about 2 ms of work."""


@dataclass(frozen=True, slots=True)
class ChartWindow:
    """What a chart shows: copies of a device's window, and the bundles, as they were when the chart was asked for.

    To copy costs microseconds. To score it again costs milliseconds, so that happens where the chart is drawn, and only
    if it is (rule 26). ``code``: the device's, for the bundle that is active by its own clock.
    """

    device: str
    code: int
    columns: Columns
    bundles: Succession

    def data(self) -> ChartData:
        """Score and shape it: some milliseconds. Any thread may call."""
        windows = Windows(capacity=len(self.columns.ts))
        windows.restore(self.code, self.columns)
        shown = Scorer(self.bundles, windows).shown(self.code)
        columns = shown.columns
        bundle = self.bundles.at(self.code, windows.newest(self.code))
        error_limit, forest_limit = limits_of(bundle.config)
        return ChartData(
            device=self.device,
            ts=columns.ts,
            current_a=columns.current_a,
            temperature_c=columns.temperature_c,
            reconstructed_current_a=shown.reconstructed_current_a,
            reconstructed_temperature_c=shown.reconstructed_temperature_c,
            reconstruction_error=columns.reconstruction_error,
            forest_score=columns.forest_score,
            severity=np.maximum(columns.severity, 0),  # a sample that is context only has no severity yet
            stages=columns.stages,
            blamed=blame(shown.kinds),
            error_limit=error_limit,
            forest_limit=forest_limit,
            model=bundle.id,
        )


@dataclass(frozen=True, slots=True)
class ChartRequest:
    """A chart to draw, and its key. A periodic chart may be dropped where too many wait."""

    key: str
    window: ChartWindow
    periodic: bool


class ChartSchedule:
    """Makes chart requests. It goes by the watermark, so a replay requests the same charts.

    ``due`` is the next aligned boundary, epoch seconds; infinite before the first sample.
    """

    def __init__(self, scorer: Scorer, devices: Mapping[str, int], prefix: str) -> None:
        """``devices``: the codes of all devices that the lane has seen, by name; the mapping grows."""
        self._scorer = scorer
        self._devices = devices
        self._prefix = prefix
        self._requests: list[ChartRequest] = []
        self._drawn: dict[str, float] = {}
        self._left: deque[str] = deque()
        self.due = inf

    def begin(self, stamp: float) -> None:
        """Begin at the stamp of the first sample."""
        if self.due == inf:
            self.due = (floor(stamp / EVERY_S) + 1) * EVERY_S

    def until(self, stamp: float) -> float:
        """The stamp before which a run of records that begins at ``stamp`` must end, so that charts show no more."""
        return min(self.due, stamp + OPENING_S)

    def fire(self, now: float) -> None:
        """The watermark has passed ``due``: request a chart of every device that has sent since its last chart, unless
        ``due`` is too far behind ``now`` (epoch seconds).

        One call looks at `AT_ONCE` devices, and ``due`` stays until all were looked at. Until then no record is
        processed, so all these charts show what the first one does.
        """
        if not self._left:
            self._left = deque(self._devices if now - self.due <= BEHIND_S else ())
        for _ in range(min(AT_ONCE, len(self._left))):
            device = self._left.popleft()
            code = self._devices.get(device)
            if code is not None and self._scorer.windows.newest(code) > self._drawn.get(device, -inf):
                self._ask(device, self.due, periodic=True)
        if not self._left:
            self.due += EVERY_S

    def final(self, goes_on: Callable[[], bool] = lambda: True) -> None:
        """Request a last chart of every device, at its newest sample, as long as ``goes_on``: each takes time. They may
        be dropped like periodic ones, and never take the place of an opening's."""
        for device, code in self._devices.items():
            if not goes_on():
                return
            if self._scorer.windows.count(code):
                self._ask(device, self._scorer.windows.newest(code), periodic=True)

    def opening(self, device: str, at: float) -> None:
        """Request a chart: an episode of the device has opened at ``at``."""
        self._ask(device, at, periodic=False)

    def forget(self, device: str) -> None:
        """Forget a device that is no longer the lane's."""
        self._drawn.pop(device, None)

    def drain(self) -> list[ChartRequest]:
        """Take the requests since the last call."""
        requests, self._requests = self._requests, []
        return requests

    def _ask(self, device: str, at: float, *, periodic: bool) -> None:
        code = self._devices[device]
        self._drawn[device] = self._scorer.windows.newest(code)
        window = ChartWindow(device, code, self._scorer.windows.retained(code), self._scorer.bundles.copy())
        self._requests.append(ChartRequest(chart_key(self._prefix, device, at), window, periodic))


class NoCharts(ChartSchedule):
    """Asks for none: what a replay draws it draws at its end."""

    def begin(self, stamp: float) -> None:
        """See `ChartSchedule`."""

    def until(self, stamp: float) -> float:
        """See `ChartSchedule`."""
        return inf

    def opening(self, device: str, at: float) -> None:
        """See `ChartSchedule`."""

    def final(self, goes_on: Callable[[], bool] = lambda: True) -> None:
        """See `ChartSchedule`."""
