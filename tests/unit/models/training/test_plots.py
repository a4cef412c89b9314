"""The pictures of a training hold what they should show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.detectors.network import Epoch
from models.training import plots
from scoring.bundle import Bundle


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that are drawn."""
    figures: list[Any] = []
    kept = plots._png
    monkeypatch.setattr(plots, "_png", lambda figure: figures.append(figure) or kept(figure))
    return figures


def test_the_curve_shows_both_losses_by_epoch(drawn: list[Any]) -> None:
    """And where dropout made the training harder than the validation."""
    content = plots.training_curve([Epoch(2.0, 1.0, True), Epoch(1.5, 0.9, True), Epoch(0.5, 0.6, False)])
    assert content.startswith(b"\x89PNG")
    (axes,) = drawn[0].axes
    training, held_out = axes.get_lines()
    assert training.get_ydata().tolist() == [2.0, 1.5, 0.5]
    assert held_out.get_ydata().tolist() == [1.0, 0.9, 0.6]
    assert held_out.get_xdata().tolist() == [1, 2, 3]
    (shaded,) = axes.patches
    assert shaded.get_window_extent().x1 == pytest.approx(axes.transData.transform((2.5, 1.0))[0])


def test_the_histograms_show_every_sample_and_the_thresholds(drawn: list[Any], default_bundle: Bundle) -> None:
    """Both errors' limits, the forest's, and no score outside of the picture."""
    rng = np.random.default_rng(1)
    error, forest = rng.lognormal(size=5000), rng.uniform(-0.8, -0.3, 5000)
    config = default_bundle.config
    plots.score_histograms(error, forest, config)
    left, right = drawn[0].axes
    for axes in (left, right):
        assert sum(bar.get_height() for bar in axes.patches) == 5000
    at = config.thresholds.reconstruction_error
    assert config.evidence is not None
    assert [line.get_xdata()[0] for line in left.get_lines()] == [config.evidence.once * at, config.evidence.share * at]
    assert [line.get_xdata()[0] for line in right.get_lines()] == [config.thresholds.forest_score]
    for axes in (left, right):
        low, high = axes.get_xlim()
        assert all(low < line.get_xdata()[0] < high for line in axes.get_lines())


def test_the_same_numbers_give_the_same_bytes() -> None:
    """Nothing of the moment is in them."""
    epochs = [Epoch(2.0, 1.0, True), Epoch(0.5, 0.6, False)]
    assert plots.training_curve(epochs) == plots.training_curve(epochs)
