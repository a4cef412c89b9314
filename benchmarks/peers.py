"""What else a user could pick, each on decoded rows and one thread: the old way, river, a random cut forest."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from itertools import count

import numpy as np

from benchmarks.charges import reading
from consumer.settings import SHIPPED_BUNDLE

Measure = Callable[[], float]
"""Runs a round, and returns samples a second of processor time."""
WINDOW = 1500
NAIVE_SAMPLES, PEER_SAMPLES = 30, 10_000
TREES = 100
HOW_TO_GET_KRCF = "krcf is not installed: .venv/bin/pip install krcf"


def krcf_installed() -> bool:
    """Is the random cut forest there?"""
    return importlib.util.find_spec("krcf") is not None


def _timed(rows: Iterator[tuple[float, float]], samples: int, take: Callable[[tuple[float, float]], object]) -> float:
    taken = [next(rows) for _ in range(samples)]
    begin = time.process_time()
    for row in taken:
        take(row)
    return samples / (time.process_time() - begin)


def _rows() -> Iterator[tuple[float, float]]:
    return (reading(second, 0) for second in count())


def river_hst() -> Measure:
    """HalfSpaceTrees as river has it by default: score, then learn. Its readings must lie in [0, 1]."""
    from river.anomaly import HalfSpaceTrees

    forest = HalfSpaceTrees(limits={"current": (0.0, 10.0), "temperature": (0.0, 100.0)}, seed=7)
    rows = _rows()

    def take(row: tuple[float, float]) -> None:
        sample = {"current": row[0], "temperature": row[1]}
        forest.score_one(sample)
        forest.learn_one(sample)

    return lambda: _timed(rows, PEER_SAMPLES, take)


def krcf() -> Measure:
    """A random cut forest with its own defaults over shingles of eight readings: score, then update."""
    from krcf import RandomCutForest

    forest = RandomCutForest({"dimensions": 2, "shingle_size": 8, "random_seed": 7})
    rows = _rows()

    def take(row: tuple[float, float]) -> None:
        forest.score(row)
        forest.update(row)

    return lambda: _timed(rows, PEER_SAMPLES, take)


def naive() -> Measure:
    """The old service's way with each sample: the whole window's features with pandas, `keras.predict`, sklearn."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # TensorFlow has much to say before it can be asked not to
    import keras
    import pandas as pd
    from sklearn.ensemble import IsolationForest

    from scoring.bundle import load

    bundle = load(SHIPPED_BUNDLE)
    network = keras.models.load_model(SHIPPED_BUNDLE / "autoencoder.keras", compile=False)
    rng = np.random.default_rng(7)
    forest = IsolationForest(n_estimators=TREES, max_samples=256, random_state=0)
    forest.fit(bundle.scaler.mean + bundle.scaler.scale * rng.normal(size=(1000, 14)))
    rows = _rows()
    window = [next(rows) for _ in range(WINDOW)]

    def take(row: tuple[float, float]) -> None:
        window.append(row)
        window.pop(0)
        frame = pd.DataFrame(window, columns=["a", "c"])
        rolling = frame.rolling(5, min_periods=1)
        mean, std, least, most = rolling.mean(), rolling.std().fillna(0.0), rolling.min(), rolling.max()
        rate, lag = frame.diff().fillna(0.0), frame.shift().bfill()
        columns = [frame.a, frame.c, mean.a, std.a, least.a, most.a, mean.c, std.c, rate.a, rate.c, lag.a, lag.c]
        features = pd.concat([*columns, frame.a / frame.c, frame.a * frame.c], axis=1).to_numpy()[-1:]
        scaled = (features - bundle.scaler.mean) / bundle.scaler.scale
        np.mean((network.predict(scaled, verbose=0) - scaled) ** 2)
        forest.score_samples(features)

    return lambda: _timed(rows, NAIVE_SAMPLES, take)
