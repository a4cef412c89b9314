"""The isolation forest: trained by scikit-learn, stored as plain arrays from which every tree can be rebuilt
exactly."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from window.samples import Floats

Ints = NDArray[np.int32]
LEAF = -1


@dataclass(frozen=True, slots=True)
class Forest:
    """All trees' nodes one after the other; tree k's nodes are ``starts[k]`` to ``starts[k + 1]``.

    A node sends a row left when its ``feature``, rounded to float32, is at most ``threshold`` (float64);
    ``left`` and ``right`` count from the tree's first node and are `LEAF` at a leaf. ``samples`` is the number
    of training rows that reached the node. ``max_samples``: rows a tree was grown on.
    """

    starts: Ints
    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    samples: Ints
    max_samples: int

    @property
    def trees(self) -> int:
        """The number of trees."""
        return len(self.starts) - 1

    @property
    def normaliser(self) -> float:
        """The total path length over all trees that gives a score of 0.5."""
        return float(self.trees * average_path_length(np.array([self.max_samples]))[0])

    def path_lengths(self) -> Floats:
        """What a row that ends in a node adds to its total path length: the node's depth, plus the path that the rows
        left in it would still need (Liu, Ting and Zhou, 2008)."""
        depth = np.zeros(len(self.feature))
        for start, end in zip(self.starts[:-1], self.starts[1:], strict=True):
            # scikit-learn numbers a node before its children.
            for node in range(start, end):
                if self.left[node] != LEAF:
                    depth[start + self.left[node]] = depth[node] + 1
                    depth[start + self.right[node]] = depth[node] + 1
        return depth + average_path_length(self.samples)

    def to_bytes(self) -> bytes:
        """An .npz archive without pickled objects; the same forest gives the same bytes."""
        target = io.BytesIO()
        arrays: dict[str, Any] = {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}
        np.savez_compressed(target, **arrays)
        return target.getvalue()

    @classmethod
    def of(cls, trained: Any) -> Forest:
        """The arrays of a fitted scikit-learn IsolationForest that uses every feature."""
        trees = [e.tree_ for e in trained.estimators_]

        def column(name: str, dtype: type) -> Any:
            return np.concatenate([getattr(t, name) for t in trees]).astype(dtype)

        return cls(
            starts=np.cumsum([0, *(t.node_count for t in trees)]).astype(np.int32),
            feature=column("feature", np.int32),
            threshold=column("threshold", np.float64),
            left=column("children_left", np.int32),
            right=column("children_right", np.int32),
            samples=column("n_node_samples", np.int32),
            max_samples=int(trained._max_samples),
        )


def fit(features: Floats, *, trees: int, seed: int) -> Any:
    """Train a scikit-learn forest on raw features (n, 14). A split does not depend on scale, and without a scaler the
    graph gets exactly the float32 numbers that scikit-learn saw."""
    from sklearn.ensemble import IsolationForest

    return IsolationForest(n_estimators=trees, max_samples=256, random_state=seed, n_jobs=1).fit(features)


def average_path_length(samples: NDArray[Any]) -> Floats:
    """Mean path length of an unsuccessful search in a binary tree of ``samples`` rows (Liu et al., 2008)."""
    n = np.asarray(samples, np.float64)
    many = np.maximum(n, 3.0)
    long = 2.0 * (np.log(many - 1.0) + np.euler_gamma) - 2.0 * (many - 1.0) / many
    return np.where(n <= 1, 0.0, np.where(n == 2, 1.0, long))
