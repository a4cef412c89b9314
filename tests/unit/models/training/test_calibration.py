"""Rarity from the scores of held-out charging."""

import numpy as np

from models.training.calibration import calibrate, residuals
from window.samples import Samples


def test_the_table_counts_what_reached_each_score() -> None:
    """Every row against a plain count, ties included, down to the worst sample."""
    rng = np.random.default_rng(2)
    error, forest = rng.exponential(size=5000).round(2), -rng.uniform(0.3, 0.7, 5000).round(3)
    found = calibrate(error, forest, 12.345)
    assert found.normal_hours == 12.35 or found.normal_hours == 12.34
    for score, times in found.reconstruction_error:
        assert times == sum(1 for one in error.tolist() if one >= score)
    for score, times in found.forest_score:
        assert times == sum(1 for one in forest.tolist() if one <= score)
    assert found.reconstruction_error[-1][0] == error.max()
    assert found.forest_score[-1][0] == forest.min()
    assert len(found.reconstruction_error) <= 24


def test_the_band_holds_99_of_100_normal_samples() -> None:
    """Of a thousand, five lie below it and five above, whatever the expectation's own offset."""
    rng = np.random.default_rng(3)
    off_a, off_c = rng.permutation(np.arange(1000.0)) / 1000, -rng.permutation(np.arange(1000.0)) / 100
    reconstruction = rng.normal(size=(1000, 14))
    current_a, temperature_c = reconstruction[:, 0] + off_a, reconstruction[:, 1] + off_c
    sessions = [Samples.of(np.arange(n), current_a[at], temperature_c[at]) for n, at in parts(400, 600)]
    found = residuals(sessions, reconstruction)
    for off, (low, high) in ((off_a, found.current_a), (off_c, found.temperature_c)):
        assert (off < low).sum() == 5
        assert (off > high).sum() == 5
    assert calibrate(off_a, -off_a, 1.0, found).residual == found
    assert calibrate(off_a, -off_a, 1.0).residual is None


def parts(*lengths: int) -> list[tuple[int, slice]]:
    """Slices of these lengths, one after the other."""
    ends = np.cumsum(lengths).tolist()
    return [(n, slice(end - n, end)) for n, end in zip(lengths, ends, strict=True)]
