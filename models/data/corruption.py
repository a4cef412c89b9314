"""Corrupts inputs of the autoencoder, which learns to restore the original (Vincent et al., 2008).

Trained on clean rows alone, it rebuilds a sudden step as well as the normal start of a charge. Trained to undo steps,
it expects the charge without the step, and its residual shows the difference.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from window.features import ROLLING, Tails

STEP = (0.2, 1.5)
"""Size of a step, as a share of the current before it."""
SMALLEST_A = 0.4
_KINDS = 2


def corrupt(clean: Tails, rng: np.random.Generator) -> Tails:
    """The same tails (n, 5), each with one random change of its newest samples: a step of the current up or down, or no
    current at all."""
    n = len(clean.ts)
    kind = rng.integers(_KINDS, size=n)[:, None]
    onset = rng.integers(1, ROLLING, size=n)[:, None]
    position = np.arange(ROLLING)[None, :]
    after = position >= onset

    def drawn(low: float, high: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        return np.exp(rng.uniform(np.log(low), np.log(high), (n, 1)))

    sign = rng.choice([-1.0, 1.0], size=(n, 1))
    newest = clean.current_a[:, -1:]
    factor = np.maximum(1.0 + sign * drawn(*STEP), 0.0)
    # Below a few tenths of an ampere the noise at constant voltage is as large as the step.
    hit = after & (newest > SMALLEST_A)
    current_a = np.where((kind == 0) & hit, clean.current_a * factor, clean.current_a)
    current_a = np.where((kind == 1) & hit, 0.0, current_a)
    return replace(clean, current_a=current_a)
