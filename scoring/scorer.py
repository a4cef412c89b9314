"""The scoring path: samples enter the windows and get their features, their scores and a verdict.

The worker and a replay of recorded data run this same code, in batches of one or of a thousand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scoring.bundle import Bundle
from scoring.evidence import LENGTH, Past
from scoring.graph import Scores
from scoring.succession import Succession
from scoring.unordered import place
from scoring.verdict import REACH, Verdicts, judge
from window.features import ROLLING, features
from window.ring import Columns
from window.rolling import Touched, Windows
from window.samples import Codes, Floats, Samples

LEAST_UNORDERED, MOST_UNORDERED = 8, 512
"""Samples out of order that are placed together. 512 take about 40 ms with 35 followers each."""
ORDERED_ENOUGH = 16
"""A run in order of this length is cheaper than the same samples in one that is not."""
Table = TypeVar("Table", Scores, Verdicts)


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows of the windows as they are now, each column of shape (n,).

    ``rescored``: the row had been scored before. ``changed``: the row is new, or a record out of order changed its
    scores or its verdict. ``was_anomaly``: it was an anomaly before that.
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
    """A bundle, or a succession of bundles, over the windows of all devices.

    Each row is scored by the bundle that is active at its ``ts``, however late and however often that happens (rule
    17). Several scorers may share ``windows`` if each scores devices of its own.
    """

    def __init__(self, bundle: Bundle | Succession, windows: Windows | None = None) -> None:
        self.bundles = bundle if isinstance(bundle, Succession) else Succession(bundle)
        self.windows = windows or Windows()
        self._unordered = MOST_UNORDERED

    @property
    def touches(self) -> int:
        """How many rows depend on one sample: itself, and the followers whose features or policy reach back to it."""
        return max(ROLLING, *(REACH[each.config.policy] + 1 for each in self.bundles.bundles))

    def take(
        self, samples: Samples, *, most_anomalies: int, ends: NDArray[np.intp] | None = None
    ) -> tuple[Scored, int]:
        """Score a leading run of samples: one that is in order, or one in any order of which there is nothing to tell
        (`scoring.unordered`), or one sample that is neither.

        Returns the rows scored and how many samples were taken. It takes fewer than there are where the run breaks, and
        where there would be more than ``most_anomalies`` (at least 1). With ``ends`` (n,) it also stops before row
        ``ends[k]``, where k is the first anomaly: what that anomaly leads to is due there. A sample out of order is
        taken with all rows that it touches. The samples must be finite. Raises ValueError for ``most_anomalies`` below
        1.
        """
        if most_anomalies < 1:
            raise ValueError("allow at least one anomaly: a run may begin with one")
        count = max(1, self.windows.in_order(samples)) if len(samples) else 0
        if count < min(len(samples), ORDERED_ENOUGH) and len(self.bundles.bundles) == 1:
            found = self._take_unordered(samples, count)
            if found is not None:
                return found
        run = samples.take(slice(0, count))
        touched = self.windows.upsert(run, touches=self.touches)
        scored = self._score(touched)
        anomalies = np.cumsum(scored.verdicts.anomaly & scored.changed)
        most = count
        if count > 1 and anomalies[-1] > most_anomalies:
            most = int(np.searchsorted(anomalies, most_anomalies, side="right"))
        if ends is not None and count > 1 and anomalies[-1]:
            most = min(most, int(ends[int(np.searchsorted(anomalies, 1))]))
        if most < count:
            # Only a run in order is longer than 1, and it has one row for each sample.
            count = most
            self.windows.retract(touched, count)
            touched = touched.take(slice(0, count))
            scored = self._score(touched)
        self.windows.score(
            touched,
            reconstruction_error=scored.scores.reconstruction_error,
            forest_score=scored.scores.forest_score,
            severity=scored.verdicts.severity,
            stages=scored.verdicts.stages.astype(np.int8),
        )
        self.windows.evict(run.device)
        return scored, count

    def _take_unordered(self, samples: Samples, in_order: int) -> tuple[Scored, int] | None:
        """A quiet run in any order, if it is longer than the one ``in_order``."""
        offered = samples.take(slice(0, self._unordered))
        placed = place(self.windows, offered, self.bundles.bundles[0], self.touches)
        count = 0 if placed is None else placed.count
        # What does not count is walked through again, so offer less where runs are short.
        self._unordered = min(MOST_UNORDERED, max(LEAST_UNORDERED, 2 * count))
        if placed is None or count <= in_order:
            return None
        for device, (rank, columns) in placed.windows.items():
            self.windows.replace(device, rank, columns)
        self.windows.evict(offered.device[:count])
        rows = placed.rows
        scored = Scored(
            rows.device,
            rows.ts,
            rows.current_a,
            rows.temperature_c,
            placed.features,
            placed.scores,
            placed.verdicts,
            placed.rescored,
            placed.changed,
            was_anomaly=np.zeros(len(rows), bool),
        )
        return scored, count

    def recall(self, device: int) -> Scored:
        """A device's retained rows that were anomalies, scored once more. The windows stay as they are.

        It restores the archive lines after a restart, so all rows count as changed. Among the oldest rows, those that
        get other scores now are left out: the samples they reached back to are no longer retained.
        """
        rows = self.windows.rows(device)
        _, _, severity, _ = self.windows.scored(rows)
        keep = severity > 0
        oldest = rows.take(slice(0, self.touches - 1))
        keep[: len(oldest)] &= ~self._score(oldest).changed
        scored = self._score(Touched(rows.device[keep], rows.slot[keep], rows.rescored[keep]))
        return replace(scored, changed=np.ones(len(scored.ts), bool))

    def shown(self, device: int) -> tuple[Columns, Floats, Floats]:
        """A device's last 25 minutes, and the current and temperature that the autoencoder expected, each (n,)."""
        columns = self.windows.shown(device)
        rows = self.windows.rows(device)
        rows = rows.take(slice(len(rows) - len(columns.ts), None))
        _, scores, _ = self._judged(rows, columns.ts, columns.current_a, columns.temperature_c)
        return columns, scores.reconstruction[:, 0], scores.reconstruction[:, 1]

    def _score(self, touched: Touched) -> Scored:
        ts, current_a, temperature_c = self.windows.samples(touched)
        made, scores, verdicts = self._judged(touched, ts, current_a, temperature_c)
        error, forest, severity, stages = self.windows.scored(touched)
        same = (
            (error == scores.reconstruction_error)
            & (forest == scores.forest_score)
            & (severity == verdicts.severity)
            & (stages == verdicts.stages)
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

    def _judged(
        self, rows: Touched, ts: Floats, current_a: Floats, temperature_c: Floats
    ) -> tuple[Floats, Scores, Verdicts]:
        """Features, scores and verdicts of rows, each by the bundle that is active at its time."""
        bundles = self.bundles.bundles
        if len(bundles) == 1:
            return self._by(bundles[0], rows, current_a, temperature_c)
        place = self.bundles.rows(rows.device, ts)
        used = np.unique(place)
        if len(used) <= 1:
            return self._by(bundles[used[0] if len(used) else -1], rows, current_a, temperature_c)
        groups = [np.flatnonzero(place == one) for one in used]
        made, scores, verdicts = zip(
            *(
                self._by(bundles[one], rows.take(group), current_a[group], temperature_c[group])
                for one, group in zip(used, groups, strict=True)
            ),
            strict=True,
        )
        back = np.argsort(np.concatenate(groups))
        return np.concatenate(made)[back], _joined(scores, back), _joined(verdicts, back)

    def _by(
        self, bundle: Bundle, rows: Touched, current_a: Floats, temperature_c: Floats
    ) -> tuple[Floats, Scores, Verdicts]:
        """The same by one bundle. It also scores the samples that its policy looks back to, whichever bundle scored
        them before: a verdict depends on the samples and on this one bundle alone."""
        config, windows = bundle.config, self.windows
        if config.evidence is None:
            made = features(windows.tails(rows), config.features.rules)
            scores = bundle.graph.score(made)
            return made, scores, judge(scores, current_a, temperature_c, config)
        around, at = windows.before(rows, config.evidence.out_of)
        made = features(windows.tails(around), config.features.rules)
        scores = bundle.graph.score(made)
        past = Past(windows.tails(rows, LENGTH), scores.reconstruction_error[at])
        made, scores = made[at[:, -1]], scores.take(at[:, -1])
        return made, scores, judge(scores, current_a, temperature_c, config, past)


def _joined(parts: Sequence[Table], order: NDArray[np.intp]) -> Table:
    """The rows of all parts, one part after the other, in the given order."""
    kind = type(parts[0])
    return kind(*(np.concatenate([getattr(part, field.name) for part in parts])[order] for field in fields(kind)))
