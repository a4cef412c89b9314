"""How long it takes to score a sample: the graph against Keras and scikit-learn, interleaved in one run.

python benchmarks/scoring.py [BUNDLE]
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# Run as a script, this file would be found under the name of the package it measures.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROUNDS = 15
TREES = 100


def peer(bundle_path: Path, rows: np.ndarray) -> Callable[[np.ndarray], Any]:
    """`keras.predict`, then scikit-learn: what the old service did for each sample."""
    import keras
    from sklearn.ensemble import IsolationForest

    model = keras.models.load_model(bundle_path / "autoencoder.keras", compile=False)
    forest = IsolationForest(n_estimators=TREES, max_samples=256, random_state=0).fit(rows)
    return lambda batch: (model.predict(batch, verbose=0), forest.score_samples(batch))


def main() -> None:
    """Print one table."""
    from scoring.bundle import load

    bundle = load(Path(sys.argv[1] if len(sys.argv) > 1 else "models/default"))
    rng = np.random.default_rng(0)
    rows = bundle.scaler.mean + bundle.scaler.scale * rng.normal(size=(1000, 14))
    old = peer(bundle.path, rows)
    cases: dict[str, tuple[Callable[[np.ndarray], Any], int, int]] = {
        "graph, batch 1": (bundle.graph.score, 1, 500),
        "graph, batch 100": (bundle.graph.score, 100, 50),
        "graph, batch 1000": (bundle.graph.score, 1000, 10),
        "keras + scikit-learn, batch 1": (old, 1, 3),
    }
    times: dict[str, list[float]] = {name: [] for name in cases}
    for name, (score, size, _) in cases.items():
        score(rows[:size])
        print(f"warm: {name}", file=sys.stderr)
    for _ in range(ROUNDS):
        for name, (score, size, calls) in cases.items():
            begin = time.perf_counter()
            for _ in range(calls):
                score(rows[:size])
            times[name].append((time.perf_counter() - begin) / calls / size * 1e6)
    medians = {name: statistics.median(found) for name, found in times.items()}
    slowest = max(medians.values())
    print(f"{bundle.id}, one thread, median of {ROUNDS} interleaved rounds")
    print(f"{'':32}{'us a sample':>14}{'lowest':>12}{'times faster':>14}")
    for name, median in medians.items():
        print(f"{name:32}{median:14.1f}{min(times[name]):12.1f}{slowest / median:14.0f}")


if __name__ == "__main__":
    main()
