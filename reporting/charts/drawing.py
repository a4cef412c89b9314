"""Draws a chart with matplotlib's object interface: no pyplot, no global state. The chart process imports this."""

from __future__ import annotations

import io
from dataclasses import fields, replace
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from reporting.charts.axis import (
    ABSURD,
    Limits,
    alone,
    broken,
    clusters,
    limits,
    log_limits,
    tick_label,
    time_limits,
    time_ticks,
)
from reporting.charts.data import SEVERITIES, ChartData
from reporting.charts.heading import LEFT, RIGHT, head
from reporting.charts.style import EXPECTED, FAINT, FONT, INK, LIMIT, LOOKS, SOFT, drawable
from window.samples import Floats

WIDTH_IN, HEIGHT_IN, DPI = 12.0, 9.5, 110
LOW_IN = 7.5
"""The height without the scores' panels."""
MARK_ROWS = 3
LABELLED = 4
"""Values beyond an axis that are written beside their arrows; the worst first."""


def draw(data: ChartData) -> bytes:
    """The chart as a PNG."""
    data = _in_order(data)
    heights = [3.2, 3.2, 2.3, 1.9] if data.scores else [3.2, 3.2]
    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN if data.scores else LOW_IN), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    bottom = 0.06 if data.scores else 0.075
    top = 0.845 if data.spans else 0.865
    grid = figure.add_gridspec(
        len(heights), 1, height_ratios=heights, left=LEFT, right=RIGHT, top=top, bottom=bottom, hspace=0.14
    )
    panels = [figure.add_subplot(grid[row]) for row in range(len(heights))]
    span = time_limits(data.ts)
    for panel in panels:
        _frame(panel, data, span, last=panel is panels[-1])
        _shade(panel, data)
    _measured(panels[0], data, data.current_a, data.expected_current_a, "Current (A)", reach=8.0, room=_room(data))
    _measured(panels[1], data, data.temperature_c, data.expected_temperature_c, "Temperature (°C)", reach=30.0)
    if data.scores:
        _error(panels[2], data)
        _forest(panels[3], data)
    _name(panels, data, span)
    _hatch(panels, data)
    _mark(panels, data, span)
    head(figure, data)
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    return png.getvalue()


def _in_order(data: ChartData) -> ChartData:
    """Rows by time; a row without a time has no place."""
    rows = np.argsort(data.ts, kind="stable")
    rows = rows[np.isfinite(data.ts[rows])]
    columns = {
        each.name: getattr(data, each.name)[rows]
        for each in fields(data)
        if isinstance(getattr(data, each.name), np.ndarray)
    }
    columns["severity"] = np.clip(columns["severity"], 0, len(SEVERITIES) - 1)
    return replace(data, **columns)


def _frame(panel: Axes, data: ChartData, span: Limits, *, last: bool) -> None:
    panel.set_facecolor("white")
    panel.grid(True, color=FAINT, linewidth=0.6)
    panel.set_axisbelow(True)
    for side, spine in panel.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(SOFT)
        spine.set_linewidth(0.8)
    panel.tick_params(colors=SOFT, labelsize=9, labelfontfamily=FONT, length=3)
    panel.set_xlim(span.low, span.high)
    length_s = span.high - span.low
    panel.xaxis.set_major_locator(FixedLocator(time_ticks(span) if len(data) else []))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda ts, _: tick_label(ts, length_s)))
    panel.tick_params(axis="x", labelbottom=last)
    if last:
        panel.set_xlabel("time (UTC)", color=SOFT, fontsize=9, fontfamily=FONT)


def _shade(panel: Axes, data: ChartData) -> None:
    """A band behind each run of anomalous samples, so that the eye finds them in every panel."""
    anomalous = np.flatnonzero(data.severity > 0)
    for run in clusters(anomalous, 1):
        worst = int(data.severity[run].max())
        first, last = data.ts[run[0]] - 0.5, data.ts[run[-1]] + 0.5
        panel.axvspan(first, last, color=LOOKS[worst].colour, alpha=0.16, linewidth=0, zorder=0.5)


def _room(data: ChartData) -> float:
    """The share of the first panel's height that its marks' labels want above the samples."""
    return 0.09 * min(MARK_ROWS, len(data.marks))


def _measured(
    panel: Axes, data: ChartData, actual: Floats, expected: Floats, label: str, *, reach: float, room: float = 0.0
) -> None:
    near = limits(actual, reach=reach)
    shown = limits(np.concatenate([actual, expected[~near.outside(expected)]]), reach=reach)
    shown = Limits(shown.low, shown.high + room * (shown.high - shown.low))
    panel.set_ylim(shown.low, shown.high)
    panel.yaxis.set_major_locator(MaxNLocator(5))
    # Beyond the axis it has nothing to say that the error below does not; a line along the edge would mislead.
    _line(panel, data.ts, np.where(shown.outside(expected), np.nan, expected), EXPECTED, 2.0)
    _line(panel, data.ts, shown.edge(actual), INK, 0.9)
    _anomalies(panel, data, actual, shown)
    _label(panel, data, label)


def _error(panel: Axes, data: ChartData) -> None:
    values = data.reconstruction_error
    shown = log_limits(values, data.error_threshold)
    panel.set_yscale("log")
    panel.set_ylim(shown.low, shown.high)
    panel.yaxis.set_major_locator(LogLocator(numticks=6))
    panel.yaxis.set_minor_locator(NullLocator())
    _line(panel, data.ts, shown.edge(values), INK, 0.9)
    _threshold(panel, data.error_threshold, "alarm above", "bottom")
    _anomalies(panel, data, values, shown, only=values > data.error_threshold)
    _label(panel, data, "Reconstruction error")


def _forest(panel: Axes, data: ChartData) -> None:
    values = data.forest_score
    around = limits(np.append(values, data.forest_threshold), reach=1.0)
    shown = around
    if abs(data.forest_threshold) <= ABSURD:
        # Room for the threshold's name below it, also where every score lies above.
        shown = Limits(min(around.low, data.forest_threshold - 0.25 * (around.high - around.low)), around.high)
    panel.set_ylim(shown.low, shown.high)
    panel.yaxis.set_major_locator(MaxNLocator(4))
    _line(panel, data.ts, shown.edge(values), INK, 0.9)
    _threshold(panel, data.forest_threshold, "alarm below", "top")
    _anomalies(panel, data, values, shown, only=values < data.forest_threshold)
    _label(panel, data, "Forest score")


def _line(panel: Axes, ts: Floats, values: Floats, colour: str, width: float) -> None:
    panel.plot(*broken(ts, values), color=colour, linewidth=width, solid_capstyle="round")
    single = alone(ts)
    panel.plot(ts[single], values[single], ".", color=colour, markersize=5 + 2 * width)


def _anomalies(
    panel: Axes, data: ChartData, values: Floats, shown: Limits, only: NDArray[np.bool_] | None = None
) -> None:
    """Markers on the anomalous samples, or on ``only`` some; arrows for what lies beyond the axis, anomalous or not."""
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


def _beyond(
    panel: Axes, data: ChartData, values: Floats, rows: NDArray[np.intp], edge: Literal["top", "bottom"]
) -> None:
    """An arrow at the edge for each value beyond it, and the worst values in numbers."""
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
    """Words beside a moment, within the panel, on the side where there is room; ``row`` 1 lies below row 0."""
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


def _threshold(panel: Axes, value: float, label: str, side: Literal["top", "bottom"]) -> None:
    """The line, named at its left end: the newest samples, at the right, stay free."""
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


def _mark(panels: list[Axes], data: ChartData, span: Limits) -> None:
    top = panels[0].get_ylim()[1]
    inside = [(ts, label) for ts, label in sorted(data.marks) if span.low <= ts <= span.high]
    for k, (ts, label) in enumerate(inside):
        for panel in panels:
            panel.axvline(ts, color=INK, linewidth=1.1, linestyle=(0, (1, 2)), zorder=2)
        left = (ts - span.low) / (span.high - span.low) > 0.85
        _note(panels[0], ts, top, drawable(label), "top", left=left, row=k % MARK_ROWS)


def _name(panels: list[Axes], data: ChartData, span: Limits) -> None:
    """A bar along the top of each panel for an interval with a name, and the name above the first."""
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


def _hatch(panels: list[Axes], data: ChartData) -> None:
    for first, last in data.blind:
        for panel in panels:
            panel.axvspan(first, last, facecolor="none", edgecolor=FAINT, hatch="///", linewidth=0, zorder=0.4)


def _label(panel: Axes, data: ChartData, text: str) -> None:
    panel.set_ylabel(text, color=INK, fontsize=10, fontfamily=FONT)
    panel.yaxis.set_label_coords(-0.055, 0.5)
    if len(data) == 0:
        panel.yaxis.set_major_locator(NullLocator())
        panel.text(
            0.5,
            0.62,
            "no samples",
            transform=panel.transAxes,
            ha="center",
            va="center",
            color=SOFT,
            fontsize=11,
            fontfamily=FONT,
        )
