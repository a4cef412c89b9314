"""The pictures of a training: how the losses fell, and where held-out scores lie against their thresholds."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from models.detectors.network import Epoch
from scoring.config import BundleConfig
from window.samples import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TRAINING, _HELD, _LIMIT, _SOFT = "#31688e", "#e07b39", "#b40426", "#8a5a83"
_BINS = 80


def training_curve(epochs: Sequence[Epoch]) -> bytes:
    """A PNG: the losses of training and validation by epoch, on a logarithmic scale."""
    figure, axes = _figure("Training of the autoencoder")
    number = range(1, len(epochs) + 1)
    axes.plot(
        number,
        [e.loss for e in epochs],
        "o-",
        ms=3,
        color=_TRAINING,
        label="training (half of the rows corrupted as well)",
    )
    axes.plot(
        number,
        [e.held_out for e in epochs],
        "o-",
        ms=3,
        color=_HELD,
        label="validation (held-out charges, nothing corrupted)",
    )
    settling = sum(e.dropout for e in epochs)
    if 0 < settling < len(epochs):
        axes.axvspan(0.5, settling + 0.5, color="0.92", zorder=0, label="with dropout: only the training is harder")
    axes.set(xlabel="epoch", ylabel="mean squared error, standardised features", xlim=(0.5, len(epochs) + 0.5))
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.legend()
    return _png(figure)


def score_histograms(error: Floats, forest: Floats, config: BundleConfig) -> bytes:
    """A PNG: how often held-out normal samples have which reconstruction error and which forest score, (n,) each, and
    the thresholds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    figure.suptitle(f"Scores of {len(error):,} held-out normal samples, and thresholds")
    left, right = figure.subplots(1, 2)
    threshold = config.thresholds.reconstruction_error
    limits = [(threshold, "threshold", _LIMIT, "-")]
    if (by := config.evidence) is not None:
        limits = [
            (by.once * threshold, f"anomalous once ({by.once:g} x threshold)", _LIMIT, "-"),
            (by.share * threshold, f"anomalous {by.of} times of {by.out_of}", _SOFT, "--"),
        ]
    low, high = float(error.min()), max(float(error.max()), *(at for at, *_ in limits))
    _histogram(left, error, np.geomspace(max(low, high * 1e-9) / 1.2, high * 1.5, _BINS), limits)
    left.set_xscale("log")
    left.set(xlabel="reconstruction error", ylabel="samples")
    at = config.thresholds.forest_score
    edges = np.linspace(min(float(forest.min()), at) - 0.02, float(forest.max()) + 0.02, _BINS)
    _histogram(right, forest, edges, [(at, "anomalous below", _LIMIT, "-")])
    right.set(xlabel="forest score (lower is stranger)", ylabel="samples")
    return _png(figure)


def _histogram(axes: Axes, scores: Floats, edges: Floats, limits: Sequence[tuple[float, str, str, str]]) -> None:
    axes.hist(scores, edges.tolist(), color=_TRAINING)
    for at, label, color, style in limits:
        axes.axvline(at, color=color, ls=style, label=f"{label}: {at:.3g}")
    # A single sample near a threshold must be visible beside a million ordinary ones.
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.7)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1, frameon=False)


def _figure(title: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    return figure, axes


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=110, metadata={"Software": None})
    return target.getvalue()
