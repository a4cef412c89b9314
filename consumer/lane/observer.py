"""An observer of a lane beside its commits: a replay needs a row for every sample, not only for anomalies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from consumer.outgoing.told import Told
from scoring.scorer import Scored


class LaneObserver(Protocol):
    """Gets what the lane judges, in its order. It must change nothing."""

    def judged(self, scored: Scored, told: Mapping[int, Told]) -> None:
        """Rows were scored and reported. A row that is scored again comes again. ``told``: by row, of a sample that is
        now an anomaly, or now another one."""

    def recalled(self, scored: Scored) -> None:
        """Rows that were reported before a restart were re-read and scored, for the windows alone."""


class NoObserver:
    """A `LaneObserver` that does nothing. The worker uses it."""

    def judged(self, scored: Scored, told: Mapping[int, Told]) -> None:
        """See `LaneObserver`."""

    def recalled(self, scored: Scored) -> None:
        """See `LaneObserver`."""
