"""The scoring path: samples enter the window, get their features, their scores and a verdict.

The worker and a replay of recorded data run this very code, in batches of one or of a thousand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scoring.bundle import Bundle
from scoring.graph import Scores
from scoring.verdict import Verdicts, judge
from window.features import ROLLING, features
from window.rolling import Columns, Touched, Windows
from window.samples import Codes, Floats, Samples


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows of the window as they now stand, each column of shape (n,).

    ``changed``: the row is new, or a record out of order changed its scores or its verdict. ``was_anomaly``: what it
    was before that.
    """

    device: Codes
    ts: Floats
    current_a: Floats
    temperature_c: Floats
    features: Floats
    scores: Scores
    verdicts: Verdicts
    rescored: NDArray[np.bool_]
    changed: NDArray[np.bool_]
    was_anomaly: NDArray[np.bool_]


class Scorer:
    """A bundle over the windows of all devices."""

    def __init__(self, bundle: Bundle, windows: Windows | None = None) -> None:
        self.bundle = bundle
        self.windows = windows or Windows()
        self._rules = bundle.config.features.rules

    def take(self, samples: Samples, *, most_anomalies: int) -> tuple[Scored, int]:
        """Score the longest leading run of samples that is in order, or one sample that is not.

        Returns the rows scored and how many samples were taken: fewer than there are where the run breaks, or where
        ``most_anomalies`` (at least `ROLLING`) would be passed. The samples must be finite.
        """
        if most_anomalies < ROLLING:
            raise ValueError(f"a sample out of order can touch {ROLLING} rows: allow at least that many anomalies")
        count = max(1, self.windows.in_order(samples)) if len(samples) else 0
        run = samples.take(slice(0, count))
        touched = self.windows.upsert(run)
        scored = self._score(touched)
        told = np.cumsum(scored.verdicts.anomaly & scored.changed)
        if len(told) and told[-1] > most_anomalies:
            # Only a run in order can be this long, and its rows stand one to one for its samples.
            count = int(np.searchsorted(told, most_anomalies, side="right"))
            self.windows.retract(touched, count)
            touched = touched.take(slice(0, count))
            scored = self._score(touched)
        self.windows.score(
            touched,
            reconstruction_error=scored.scores.reconstruction_error,
            forest_score=scored.scores.forest_score,
            severity=scored.verdicts.severity,
        )
        self.windows.evict(run.device)
        return scored, count

    def recall(self, device: int) -> Scored:
        """A device's retained rows that were anomalies, scored once more; the window itself stays as it is.

        For what can be told of them again after a restart, so all count as changed. Left out are those of the oldest
        rows that score otherwise now: the samples their features reached back to are no longer retained.
        """
        rows = self.windows.rows(device)
        _, _, severity = self.windows.scored(rows)
        keep = severity > 0
        oldest = rows.take(slice(0, ROLLING - 1))
        keep[: len(oldest)] &= ~self._score(oldest).changed
        scored = self._score(Touched(rows.device[keep], rows.slot[keep], rows.rescored[keep]))
        return replace(scored, changed=np.ones(len(scored.ts), bool))

    def shown(self, device: int) -> tuple[Columns, Floats, Floats]:
        """A device's last 25 minutes, with the current and the temperature the autoencoder expected, each (n,)."""
        columns = self.windows.shown(device)
        rows = self.windows.rows(device)
        rows = rows.take(slice(len(rows) - len(columns.ts), None))
        expected = self.bundle.graph.score(features(self.windows.tails(rows), self._rules)).reconstruction
        return columns, expected[:, 0], expected[:, 1]

    def _score(self, touched: Touched) -> Scored:
        ts, current_a, temperature_c = self.windows.samples(touched)
        made = features(self.windows.tails(touched), self._rules)
        scores = self.bundle.graph.score(made)
        verdicts = judge(scores, current_a, temperature_c, self.bundle.config)
        error, forest, severity = self.windows.scored(touched)
        same = (
            (error == scores.reconstruction_error) & (forest == scores.forest_score) & (severity == verdicts.severity)
        )
        return Scored(
            touched.device,
            ts,
            current_a,
            temperature_c,
            made,
            scores,
            verdicts,
            touched.rescored,
            ~same,
            severity > 0,
        )
