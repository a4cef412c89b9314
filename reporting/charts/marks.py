"""What is laid over the curves of a chart: anomalies, thresholds, moments and intervals with a name."""

from __future__ import annotations

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from reporting.charts.axis import Limits, clusters
from reporting.charts.data import ChartData
from reporting.charts.style import FAINT, FONT, INK, LIMIT, LOOKS, SOFT, drawable
from window.samples import Floats

MARK_ROWS = 3
"""The labels of moments stand in so many rows, in turn, so that neighbours do not overlap."""
LABELLED = 4
"""Values beyond an axis that are written beside their arrows; the worst first."""


def shade_anomalies(panel: Axes, data: ChartData) -> None:
    """A band behind each run of anomalous samples: the eye finds them in every panel."""
    anomalous = np.flatnonzero(data.severity > 0)
    for run in clusters(anomalous, 1):
        worst = int(data.severity[run].max())
        first, last = data.ts[run[0]] - 0.5, data.ts[run[-1]] + 0.5
        panel.axvspan(first, last, color=LOOKS[worst].colour, alpha=0.16, linewidth=0, zorder=0.5)


def mark_anomalies(
    panel: Axes, data: ChartData, values: Floats, shown: Limits, only: NDArray[np.bool_] | None = None
) -> None:
    """Markers on the anomalous samples, of those in ``only`` if given; arrows for all values beyond the axis."""
    for code, look in LOOKS.items():
        rows = (data.severity == code) & ~shown.outside(values)
        rows = rows if only is None else rows & only
        panel.scatter(
            data.ts[rows],
            values[rows],
            s=look.size,
            c=look.colour,
            marker=look.shape,
            edgecolors=look.edge,
            linewidths=0.35,
            zorder=3 + code,
        )
    _beyond(panel, data, values, np.flatnonzero(values > shown.high), "top")
    _beyond(panel, data, values, np.flatnonzero(values < shown.low), "bottom")


def draw_threshold(panel: Axes, value: float, label: str, side: Literal["top", "bottom"]) -> None:
    """A line with its name at the left end: the newest samples, at the right, stay visible."""
    low, high = panel.get_ylim()
    if not low <= value <= high:
        return
    panel.axhline(value, color=LIMIT, linewidth=1.1, linestyle=(0, (5, 3)), zorder=2)
    panel.annotate(
        f"{label} {value:.4g}",
        (0.0, value),
        xycoords=("axes fraction", "data"),
        xytext=(4, 2 if side == "bottom" else -2),
        textcoords="offset points",
        ha="left",
        va=side,
        fontsize=8.5,
        fontfamily=FONT,
        color=LIMIT,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
        zorder=8,
    )


def mark_moments(panels: list[Axes], data: ChartData, span: Limits) -> None:
    """A dotted line through all panels for each of the chart's ``marks``, its label at the top of the first."""
    top = panels[0].get_ylim()[1]
    inside = [(ts, label) for ts, label in sorted(data.marks) if span.low <= ts <= span.high]
    for k, (ts, label) in enumerate(inside):
        for panel in panels:
            panel.axvline(ts, color=INK, linewidth=1.1, linestyle=(0, (1, 2)), zorder=2)
        left = (ts - span.low) / (span.high - span.low) > 0.85
        _note(panels[0], ts, top, drawable(label), "top", left=left, row=k % MARK_ROWS)


def name_intervals(panels: list[Axes], data: ChartData, span: Limits) -> None:
    """A bar along the top of each panel for each interval in ``spans``, its name above the first panel."""
    for first, last, label in data.spans:
        if last < span.low or first > span.high:
            continue
        first, last = max(first, span.low), min(last, span.high)
        for panel in panels:
            panel.plot(
                [first, last],
                [1.0, 1.0],
                transform=panel.get_xaxis_transform(),
                color=SOFT,
                linewidth=4.0,
                solid_capstyle="butt",
                clip_on=False,
            )
        panels[0].annotate(
            drawable(label),
            ((first + last) / 2, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=9,
            fontfamily=FONT,
            color=SOFT,
            parse_math=False,
        )


def hatch_blind(panels: list[Axes], data: ChartData) -> None:
    """Hatching over the intervals in which nobody watched."""
    for first, last in data.blind:
        for panel in panels:
            panel.axvspan(first, last, facecolor="none", edgecolor=FAINT, hatch="///", linewidth=0, zorder=0.4)


def _beyond(
    panel: Axes, data: ChartData, values: Floats, rows: NDArray[np.intp], edge: Literal["top", "bottom"]
) -> None:
    """An arrow at the edge for each value beyond it; the worst values also as numbers."""
    at = panel.get_ylim()[1 if edge == "top" else 0]
    if not len(rows):
        return
    panel.scatter(
        data.ts[rows],
        np.full(len(rows), at),
        s=64,
        c=[LOOKS[int(code)].colour if code else INK for code in data.severity[rows]],
        marker="^" if edge == "top" else "v",
        edgecolors=INK,
        linewidths=0.5,
        clip_on=False,
        zorder=9,
    )
    low, high = panel.get_xlim()
    groups = clusters(rows, max(1, len(data) // 12))
    worst = sorted((int(group[np.argmax(np.abs(values[group]))]) for group in groups), key=lambda k: -abs(values[k]))
    for row in worst[:LABELLED]:
        ts = float(data.ts[row])
        _note(panel, ts, at, f"{values[row]:.4g}", edge, left=(ts - low) / (high - low) > 0.85)


def _note(
    panel: Axes, ts: float, at: float, text: str, edge: Literal["top", "bottom"], *, left: bool, row: int = 0
) -> None:
    """Words beside a moment, within the panel, on the side where there is room. ``row`` 1 lies below row 0."""
    inwards = -3 - 14 * row if edge == "top" else 3 + 14 * row
    panel.annotate(
        text,
        (ts, at),
        xytext=(-8 if left else 8, inwards),
        textcoords="offset points",
        ha="right" if left else "left",
        va=edge,
        fontsize=9,
        fontfamily=FONT,
        fontweight="bold",
        color=INK,
        parse_math=False,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0},
        zorder=10,
    )
