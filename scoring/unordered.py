"""Samples in any order, placed and scored together with the result of one by one.

A sample out of order takes its place by ``ts``, and its followers are scored again: one by one that is a graph call and
some hundred array operations for each sample. Here a run of them is walked through first, which costs microseconds a
sample: what each sample and its followers see at that moment, with the samples that came before it and without those
that come later. Then all of that is scored in one go.

Only a *quiet* run is taken: one whose rows were no anomalies and never become one on the way, so that nothing is to be
told of any moment of it. It ends before the first sample that is not quiet, or that is no plain sample of its place
(written again, too old, beside one that is not scored yet). That one goes the other way, alone.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, fields

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from scoring.bundle import Bundle
from scoring.config import BundleConfig
from scoring.evidence import LENGTH, Past
from scoring.graph import Scores
from scoring.verdict import Verdicts, judge
from window.features import ROLLING, Tails, features
from window.ring import Columns, Index
from window.rolling import RETAINED_S, Windows
from window.samples import Floats, Samples

ABSENT = -1
Mask = NDArray[np.bool_]
READINGS, SCORES = ("ts", "current_a", "temperature_c"), ("reconstruction_error", "forest_score")


@dataclass(frozen=True, slots=True)
class Placed:
    """A quiet run, not written yet: how many samples it has, the rows whose scores changed on the way, in order (a row
    as often as it changed), and the windows afterwards.

    ``rows``: these rows, with their ``features``, ``scores`` and ``verdicts`` at that moment; ``rescored``: the row had
    been scored before; ``changed``: with another result. ``windows``: by device code, how many samples stay as they
    are, and all that follow.
    """

    count: int
    rows: Samples
    features: Floats
    scores: Scores
    verdicts: Verdicts
    rescored: Mask
    changed: Mask
    windows: dict[int, tuple[int, Columns]]


@dataclass(slots=True)
class _Device:
    """One device on the way. ``times`` and ``rows``: of its samples from ``rank`` on, in order of time; those before
    ``gone`` are too old by now."""

    rank: int
    base: Columns
    times: list[float]
    rows: list[int]
    newest: float
    gone: int = 0


@dataclass(slots=True)
class _Walk:
    """What is known of a run: columns of all rows, those in the windows and then the samples; and by step the rows
    around the place of its sample, shape (steps, 2 * touches - 1), the sample itself in the middle."""

    devices: dict[int, _Device]
    base: int
    columns: dict[str, Floats]
    severity: NDArray[np.int8]
    stages: NDArray[np.int8]
    around: Index
    touches: int

    def tails(self, rows: Index) -> Tails:
        """Tails of these rows, shape (n, length), newest last. Column by column in memory: what follows sums over
        columns, which takes a third of the time."""
        rows = np.asfortranarray(rows)
        present = rows != ABSENT
        rows = np.where(present, rows, rows[:, -1:])
        ts, current_a, temperature_c = (self.columns[name][rows.T].T for name in READINGS)
        return Tails(ts, current_a, temperature_c, present)


def place(windows: Windows, samples: Samples, bundle: Bundle, touches: int) -> Placed | None:
    """Find the longest leading quiet run of samples in any order; None if not even the first is quiet. Changes nothing.
    ``touches``: how many rows depend on one sample, itself included, at least `ROLLING`."""
    config = bundle.config
    walk = _walk(windows, samples, config, touches)
    steps = len(walk.around)
    if steps == 0:
        return None
    middle = touches - 1
    first = walk.around[:, middle : middle + ROLLING]
    there = first != ABSENT
    made = features(
        walk.tails(
            sliding_window_view(walk.around[:, middle - ROLLING + 1 : middle + ROLLING], ROLLING, axis=1)[there]
        ),
        config.features.rules,
    )
    scores = bundle.graph.score(made)
    errors, forests, rescored, changed = _scores_on_the_way(walk, first, there, scores)
    touched = walk.around[:, middle:]
    pairs = touched != ABSENT if config.evidence is not None else np.pad(there, ((0, 0), (0, touches - ROLLING)))
    verdicts = _verdicts(walk, pairs, errors, forests, config)
    loud = np.zeros(pairs.shape, bool)
    loud[pairs] = verdicts.anomaly | verdicts.unscorable
    # Of a row that is context alone, or that could not be scored, the windows do not have the error.
    unknown = np.isnan(errors) & (walk.around != ABSENT)
    anomalous = (touched != ABSENT) & (walk.severity[touched] != 0)  # what is told of them may change
    noisy = loud.any(1) | unknown.any(1) | anomalous.any(1)
    count = int(np.argmax(noisy)) if noisy.any() else steps
    if count == 0:
        return None
    kept = np.broadcast_to(np.arange(steps)[:, None] < count, there.shape)[there]
    row, step = first[there][kept], np.nonzero(there)[0][kept]
    among = np.zeros(pairs.shape, bool)
    among[:, :ROLLING] = there
    among = among[pairs]
    return Placed(
        count,
        Samples.of(*(walk.columns[name][row] for name in READINGS), device=samples.device[step]),
        made[kept],
        scores.take(kept),
        Verdicts(*(getattr(verdicts, column.name)[among][kept] for column in fields(Verdicts))),
        rescored[there][kept],
        changed[there][kept],
        _after(walk, count, row, scores.take(kept)),
    )


def _walk(windows: Windows, samples: Samples, config: BundleConfig, touches: int) -> _Walk:
    """Put the samples into their places, one after the other, as far as each is new and not too old."""
    devices: dict[int, _Device] = {}
    base = 0
    for code in np.unique(samples.device):
        earliest = float(samples.ts[samples.device == code].min())
        rank, columns = windows.since(int(code), earliest, 2 * touches)
        rows = [*range(base, base + len(columns.ts))]
        devices[int(code)] = _Device(rank, columns, columns.ts.tolist(), rows, windows.newest(int(code)))
        base += len(columns.ts)
    around: list[list[int]] = []
    reach = 0 if config.evidence is None else config.evidence.out_of
    for number, (code, ts) in enumerate(zip(samples.device.tolist(), samples.ts.tolist(), strict=True)):
        device = devices[code]
        times, rows, gone = device.times, device.rows, device.gone
        at = bisect_left(times, ts)
        oldest = device.newest - RETAINED_S
        if ts <= oldest or (at < len(times) and times[at] == ts):
            break
        near_the_end = device.rank == 0 and at - gone < reach + ROLLING
        if near_the_end and at > gone and times[gone] <= oldest + config.features.session_gap_s:
            break  # what the oldest reached back to is gone, so that it would get other scores now
        times.insert(at, ts)
        rows.insert(at, base + number)
        begin, end = max(gone, at - touches + 1), at + touches
        found = rows[begin:end]
        around.append([ABSENT] * (begin - (at - touches + 1)) + found + [ABSENT] * (end - begin - len(found)))
        if ts > device.newest:
            device.newest = ts
            while times[device.gone] <= ts - RETAINED_S:
                device.gone += 1
    parts = [device.base for device in devices.values()]
    none = np.full(len(samples), np.nan)
    table = {
        name: np.concatenate([*(getattr(part, name) for part in parts), getattr(samples, name, none)])
        for name in (*READINGS, *SCORES)
    }
    severity, stages = (
        np.concatenate([*(getattr(part, name) for part in parts), np.zeros(len(samples), np.int8)])
        for name in ("severity", "stages")
    )
    shape = len(around), 2 * touches - 1
    return _Walk(devices, base, table, severity, stages, np.array(around, np.int64).reshape(shape), touches)


def _scores_on_the_way(walk: _Walk, first: Index, there: Mask, scores: Scores) -> tuple[Floats, Floats, Mask, Mask]:
    """By step: reconstruction error and forest score of the rows around, (steps, around) each; and of the rows that get
    new scores, shape as ``first``, which had some before, and for which they are others."""
    new_error, new_forest = np.full(first.shape, np.nan), np.full(first.shape, np.nan)
    new_error[there], new_forest[there] = scores.reconstruction_error, scores.forest_score
    error, forest = (walk.columns[name].copy() for name in SCORES)
    errors, forests = np.empty(walk.around.shape), np.empty(walk.around.shape)
    old_error, old_forest = new_error.copy(), new_forest.copy()
    for step, many in enumerate(there.sum(1).tolist()):
        rows = first[step, :many]
        old_error[step, :many], old_forest[step, :many] = error[rows], forest[rows]
        error[rows], forest[rows] = new_error[step, :many], new_forest[step, :many]
        errors[step], forests[step] = error[walk.around[step]], forest[walk.around[step]]
    return errors, forests, ~np.isnan(old_error), (old_error != new_error) | (old_forest != new_forest)


def _verdicts(walk: _Walk, pairs: Mask, errors: Floats, forests: Floats, config: BundleConfig) -> Verdicts:
    """The verdicts on all touched rows at all steps (``pairs``)."""
    middle = walk.touches - 1
    rows = walk.around[:, middle:][pairs]
    scores = Scores(errors[:, middle:][pairs], forests[:, middle:][pairs], np.empty((len(rows), 0)))
    readings = walk.columns["current_a"][rows], walk.columns["temperature_c"][rows]
    if config.evidence is None:
        return judge(scores, *readings, config)
    out_of = config.evidence.out_of
    tails = walk.tails(sliding_window_view(walk.around[:, middle - LENGTH + 1 :], LENGTH, axis=1)[pairs])
    past = Past(tails, np.asfortranarray(sliding_window_view(errors[:, middle - out_of + 1 :], out_of, axis=1)[pairs]))
    return judge(scores, *readings, config, past, closely=False)  # a quiet run has none that a closer look would clear


def _after(walk: _Walk, count: int, row: Index, scores: Scores) -> dict[int, tuple[int, Columns]]:
    """The windows after ``count`` samples, in which ``row`` got these scores, one after the other."""
    columns = {**walk.columns}
    for name in SCORES:
        columns[name] = columns[name].copy()
        columns[name][row] = getattr(scores, name)  # of a row that is there twice the last one stays
    found = {}
    for code, device in walk.devices.items():
        rows = np.array([row for row in device.rows if row < walk.base + count], np.int64)
        if len(rows) > len(device.base.ts):
            floats = {name: column[rows] for name, column in columns.items()}
            found[code] = device.rank, Columns(**floats, severity=walk.severity[rows], stages=walk.stages[rows])
    return found
