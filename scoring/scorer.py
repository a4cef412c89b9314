"""The scoring path: samples enter the windows and get their features, their scores and a verdict.

The worker and a replay of recorded data run this same code, in batches of one or of a thousand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scoring.bundle import Bundle
from scoring.detectors import Stage
from scoring.evidence import LENGTH, Past
from scoring.explanation import kinds
from scoring.faults import FaultKind
from scoring.graph import Scores
from scoring.succession import Succession
from scoring.unordered import place
from scoring.verdict import Verdicts, judge
from window.features import Tails, features, tails
from window.ring import Columns
from window.rolling import Touched, Windows
from window.samples import Codes, Floats, Samples

LEAST_UNORDERED, MOST_UNORDERED = 8, 512
"""Samples out of order that are placed together. 512 take about 40 ms with 35 followers each."""
ORDERED_ENOUGH = 16
"""A run in order of this length is cheaper than the same samples in one that is not."""
Table = TypeVar("Table", Scores, Verdicts)
_NO_PAST = Past(tails(*(np.empty(0),) * 3, length=LENGTH), np.empty((0, 1)))


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows of the windows as they are now, each column of shape (n,).

    ``rescored``: the row had been scored before. ``changed``: the row is new, or a record out of order changed its
    scores or its verdict. ``was_anomaly``: it was an anomaly before that. ``past``: what lies before the rows that are
    anomalies, in their order.
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
    past: Past

    def past_of(self, row: int) -> Past:
        """What lies before one row that is an anomaly: a `Past` of one row. Raises ValueError for another row."""
        if not self.verdicts.anomaly[row]:
            raise ValueError(f"row {row} is no anomaly")
        place = int(np.count_nonzero(self.verdicts.anomaly[:row]))
        return self.past.take(slice(place, place + 1))


@dataclass(frozen=True, slots=True)
class Shown:
    """What a chart shows of a device: its samples as they are kept, what the autoencoder made of them in amperes and
    degrees Celsius, (n,) each, and the kinds of fault of each, empty for one that is no anomaly."""

    columns: Columns
    reconstructed_current_a: Floats
    reconstructed_temperature_c: Floats
    kinds: list[tuple[FaultKind, ...]]


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
        """How many rows depend on one sample: itself, and the followers whose features, policy or explanation reach
        back to it."""
        return LENGTH

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
            past=_NO_PAST,
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

    def shown(self, device: int) -> Shown:
        """A device's last 25 minutes. Its anomalies are those of the verdicts that are kept."""
        columns = self.windows.shown(device)
        rows = self.windows.rows(device)
        rows = rows.take(slice(len(rows) - len(columns.ts), None))
        _, scores, verdicts, past = self._judged(rows, columns.ts, columns.current_a, columns.temperature_c)
        found: list[tuple[FaultKind, ...]] = [()] * len(columns.ts)
        for bundle, among in self._by_bundle(rows.device, columns.ts, verdicts.anomaly):
            places = np.flatnonzero(verdicts.anomaly)[among]
            stages = [Stage(int(stage)) for stage in verdicts.stages[places]]
            named = kinds(past.take(among), scores.take(places), stages, bundle.config)
            for row, of in zip(places.tolist(), named, strict=True):
                found[row] = of
        return Shown(columns, scores.reconstruction[:, 0], scores.reconstruction[:, 1], found)

    def _by_bundle(self, device: Codes, ts: Floats, of: NDArray[np.bool_]) -> Iterator[tuple[Bundle, NDArray[np.intp]]]:
        """The bundles that are active at rows ``of``, each with the places of its rows among these."""
        place = self.bundles.rows(device[of], ts[of])
        for one in np.unique(place):
            yield self.bundles.bundles[one], np.flatnonzero(place == one)

    def _score(self, touched: Touched) -> Scored:
        ts, current_a, temperature_c = self.windows.samples(touched)
        made, scores, verdicts, past = self._judged(touched, ts, current_a, temperature_c)
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
            past,
        )

    def _judged(
        self, rows: Touched, ts: Floats, current_a: Floats, temperature_c: Floats
    ) -> tuple[Floats, Scores, Verdicts, Past]:
        """Features, scores and verdicts of rows, each by the bundle that is active at its time; and what lies before
        the anomalies among them."""
        bundles = self.bundles.bundles
        if len(bundles) == 1:
            return self._by(bundles[0], rows, current_a, temperature_c)
        place = self.bundles.rows(rows.device, ts)
        used = np.unique(place)
        if len(used) <= 1:
            return self._by(bundles[used[0] if len(used) else -1], rows, current_a, temperature_c)
        groups = [np.flatnonzero(place == one) for one in used]
        made, scores, verdicts, pasts = zip(
            *(
                self._by(bundles[one], rows.take(group), current_a[group], temperature_c[group])
                for one, group in zip(used, groups, strict=True)
            ),
            strict=True,
        )
        back = np.argsort(np.concatenate(groups))
        anomalous = np.concatenate([group[each.anomaly] for group, each in zip(groups, verdicts, strict=True)])
        past = _joined_pasts(pasts).take(np.argsort(anomalous))
        return np.concatenate(made)[back], _joined(scores, back), _joined(verdicts, back), past

    def _by(
        self, bundle: Bundle, rows: Touched, current_a: Floats, temperature_c: Floats
    ) -> tuple[Floats, Scores, Verdicts, Past]:
        """The same by one bundle. It also scores the samples that its policy looks back to, whichever bundle scored
        them before: a verdict depends on the samples and on this one bundle alone."""
        config, windows = bundle.config, self.windows
        if config.evidence is None:
            made = features(windows.tails(rows), config.features.rules)
            scores = bundle.graph.score(made)
            verdicts = judge(scores, current_a, temperature_c, config)
            found = np.flatnonzero(verdicts.anomaly)
            before = windows.tails(rows.take(found), LENGTH)
            return made, scores, verdicts, Past(before, scores.reconstruction_error[found, None])
        around, at = windows.before(rows, config.evidence.out_of)
        made = features(windows.tails(around), config.features.rules)
        scores = bundle.graph.score(made)
        past = Past(windows.tails(rows, LENGTH), scores.reconstruction_error[at])
        made, scores = made[at[:, -1]], scores.take(at[:, -1])
        verdicts = judge(scores, current_a, temperature_c, config, past)
        return made, scores, verdicts, past.take(np.flatnonzero(verdicts.anomaly))


def _joined(parts: Sequence[Table], order: NDArray[np.intp]) -> Table:
    """The rows of all parts, one part after the other, in the given order."""
    kind = type(parts[0])
    return kind(*(np.concatenate([getattr(part, field.name) for part in parts])[order] for field in fields(kind)))


def _joined_pasts(parts: Sequence[Past]) -> Past:
    """The rows of all parts, one part after the other. Policies may look back on different numbers of errors."""
    width = max(part.error.shape[1] for part in parts)
    errors = [np.pad(part.error, ((0, 0), (width - part.error.shape[1], 0)), constant_values=np.nan) for part in parts]
    columns = (np.concatenate([getattr(part.tails, field.name) for part in parts]) for field in fields(Tails))
    return Past(Tails(*columns), np.concatenate(errors))
