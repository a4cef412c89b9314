"""Samples in any order, scored together, with the result of one by one: by policy `evidence`, where a sample touches 35
others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import numpy as np
import pytest

from scoring import scorer as scorer_module
from scoring.bundle import Bundle
from scoring.graph import Graph, Scores
from scoring.scorer import Scored, Scorer
from window.rolling import RETAINED_S
from window.samples import Floats, Samples

Order = Callable[[np.random.Generator, int], np.ndarray]


def writers(rng: np.random.Generator, n: int) -> np.ndarray:
    """Of four that write at the same time, each in order."""
    return np.argsort(np.arange(n) + rng.uniform(0, 6, n), kind="stable")


def shards(rng: np.random.Generator, n: int) -> np.ndarray:
    """Of four shards, one after the other."""
    return np.concatenate([np.arange(k, n, 4) for k in range(4)])


def shuffled(rng: np.random.Generator, n: int) -> np.ndarray:
    """Any order within 200 samples."""
    return np.concatenate([rng.permutation(np.arange(at, min(at + 200, n))) for at in range(0, n, 200)])


def charge(rng: np.random.Generator, n: int, *, hot: int, apart_s: float = 1.0) -> Samples:
    """Three devices with pauses in their sessions, a stuck sensor, and some hot readings."""
    device = np.sort(rng.integers(0, 3, n))
    ts = np.empty(n)
    for code in range(3):
        rows = device == code
        ts[rows] = np.cumsum(
            rng.choice([apart_s, apart_s, apart_s, 3 * apart_s, 70.0], rows.sum(), p=[0.3] * 3 + [0.09, 0.01])
        )
    current_a = np.round(2.5 + 0.004 * rng.standard_normal(n), 3)
    temperature_c = np.round(25.0 + 0.03 * rng.standard_normal(n), 2)
    temperature_c[rng.integers(0, n, hot)] = 61.5
    if hot:
        current_a[n // 2 : n // 2 + 40] = 2.511
    by_time = np.argsort(ts, kind="stable")
    return Samples.of(ts, current_a, temperature_c, device=device).take(by_time)


def told(scored: Scored) -> Iterator[tuple[object, ...]]:
    """All that leaves the scorer about rows that changed."""
    for row in np.flatnonzero(scored.changed):
        yield (
            int(scored.device[row]),
            float(scored.ts[row]),
            scored.features[row].tobytes(),
            float(scored.scores.reconstruction_error[row]),
            float(scored.scores.forest_score[row]),
            scored.scores.reconstruction[row].tobytes(),
            int(scored.verdicts.severity[row]),
            int(scored.verdicts.stages[row]),
            bool(scored.verdicts.warming[row]),
            bool(scored.rescored[row]),
            bool(scored.was_anomaly[row]),
        )


def fed(scorer: Scorer, samples: Samples, sizes: int) -> tuple[list[tuple[object, ...]], int]:
    """What is told of the samples, offered so many at a time, and how many runs it took."""
    found: list[tuple[object, ...]] = []
    for runs in count():
        if len(samples) == 0:
            return found, runs
        scored, taken = scorer.take(samples.take(slice(0, sizes)), most_anomalies=10**6)
        found += told(scored)
        samples = samples.take(slice(taken, None))
    raise AssertionError


def same_windows(one: Scorer, other: Scorer) -> None:
    for device in range(3):
        mine, yours = one.windows.retained(device), other.windows.retained(device)
        for name in mine.__slots__:
            np.testing.assert_array_equal(getattr(mine, name), getattr(yours, name), err_msg=name)


@pytest.mark.parametrize("hot", [0, 5])
@pytest.mark.parametrize("order", [writers, shards, shuffled])
def test_a_run_in_any_order_gives_what_one_by_one_gives(default_bundle: Bundle, order: Order, hot: int) -> None:
    """Scores to the bit, verdicts, revisions, the order in which rows are told, and the windows that stay; also where
    some samples come twice with other readings."""
    rng = np.random.default_rng(11 + hot)
    samples = charge(rng, 700, hot=hot)
    rows = order(rng, len(samples))
    again = rng.choice(rows[:200], 3)
    samples = samples.take(np.concatenate([rows[:300], again, rows[300:]]))
    samples.current_a[300:303] += 0.01
    together, alone = Scorer(default_bundle), Scorer(default_bundle)
    mine, runs = fed(together, samples, 500)
    yours, _ = fed(alone, samples, 1)
    assert mine == yours
    same_windows(together, alone)
    assert runs < len(samples) / (2 if hot else 10)


def test_at_the_end_of_a_window_too(default_bundle: Bundle) -> None:
    """Samples that leave the window on the way, and some that are placed beside its oldest."""
    rng = np.random.default_rng(3)
    samples = charge(rng, 900, hot=0, apart_s=20.0)
    assert samples.ts.max() - samples.ts.min() > 2 * RETAINED_S
    samples = samples.take(np.argsort(samples.ts + rng.uniform(0, 0.9 * RETAINED_S, len(samples))))
    together, alone = Scorer(default_bundle), Scorer(default_bundle)
    mine, runs = fed(together, samples, 500)
    assert mine == fed(alone, samples, 1)[0]
    same_windows(together, alone)
    assert runs < len(samples) / 2


def test_beside_samples_that_wait_for_their_own_record(default_bundle: Bundle) -> None:
    """What the table gave at a first start is context: it is scored as new with its own record (rule 18)."""
    rng = np.random.default_rng(4)
    samples = charge(rng, 300, hot=0)

    def started() -> Scorer:
        scorer = Scorer(default_bundle)
        scorer.windows.keep_as_context(scorer.windows.upsert(samples.take(slice(0, 200))))
        return scorer

    rows = shuffled(rng, len(samples))
    together, alone = started(), started()
    assert fed(together, samples.take(rows), 500)[0] == fed(alone, samples.take(rows), 1)[0]
    same_windows(together, alone)


def test_rule_26_out_of_order_is_scored_in_batches(default_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """A late upload through four shards took a graph call, 71 rows and 1.4 ms for each sample out of order."""
    calls: list[int] = []
    score = Graph.score

    def counted(graph: Graph, features: Floats) -> Scores:
        calls.append(len(features))
        return score(graph, features)

    monkeypatch.setattr(Graph, "score", counted)
    rng = np.random.default_rng(5)
    samples = charge(rng, 1000, hot=0).of_device(0)
    samples = samples.take(np.unique(samples.ts, return_index=True)[1])
    fed(Scorer(default_bundle), samples.take(shards(rng, len(samples))), 2048)
    assert len(calls) < len(samples) / 20
    assert sum(calls) < 6 * len(samples)


def test_short_runs_are_not_walked_through_again_and_again(default_bundle: Bundle) -> None:
    """Where samples are loud, fewer are offered."""
    rng = np.random.default_rng(6)
    samples = charge(rng, 400, hot=40)
    scorer = Scorer(default_bundle)
    fed(scorer, samples.take(shuffled(rng, len(samples))), 500)
    assert scorer_module.LEAST_UNORDERED <= scorer._unordered < scorer_module.MOST_UNORDERED
