"""Who listens to a lane beside its commits: a replay, which wants a row for every sample and not only the anomalies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from scoring.scorer import Scored


class LaneObserver(Protocol):
    """Is told of what the lane judges, in its order. It must change nothing."""

    def judged(self, scored: Scored, episodes: Mapping[int, str]) -> None:
        """Rows were scored and reported. A row comes again when it is scored again. ``episodes``: by row, the id of the
        episode of a sample that has become an anomaly, or another one."""


class Nobody:
    """A `LaneObserver` that does nothing: a worker's."""

    def judged(self, scored: Scored, episodes: Mapping[int, str]) -> None:
        """See `LaneObserver`."""
