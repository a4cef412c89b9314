"""Draws a chart with matplotlib's object interface: no pyplot, no global state. Only `reporting.charts.figure.render`
calls this, and imports it late: it takes long, and the worker's own process never draws."""

from __future__ import annotations

import io
from dataclasses import fields, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from reporting.charts.axis import (
    ABSURD,
    Limits,
    alone,
    broken,
    limits,
    log_limits,
    tick_label,
    time_limits,
    time_ticks,
)
from reporting.charts.data import CURRENT, SEVERITIES, TEMPERATURE, ChartData
from reporting.charts.heading import LEFT, RIGHT, head
from reporting.charts.marks import (
    MARK_ROWS,
    draw_threshold,
    hatch_blind,
    mark_anomalies,
    mark_moments,
    name_intervals,
    shade_anomalies,
)
from reporting.charts.style import FAINT, FONT, INK, RECONSTRUCTED, SOFT
from scoring.detectors import FOREST, RECONSTRUCTION, Stage
from window.samples import Floats

WIDTH_IN, HEIGHT_IN, DPI = 12.0, 9.5, 110
LOW_IN = 7.5
"""The height without the panels of the scores."""


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
        shade_anomalies(panel, data)
    _current(panels[0], data)
    _temperature(panels[1], data)
    if data.scores:
        _error(panels[2], data)
        _forest(panels[3], data)
    name_intervals(panels, data, span)
    hatch_blind(panels, data)
    mark_moments(panels, data, span)
    head(figure, data)
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    return png.getvalue()


def _in_order(data: ChartData) -> ChartData:
    """The rows by time, without those that have none."""
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


def _room(data: ChartData) -> float:
    """The share of the first panel's height that the labels of the marks need above the samples."""
    return 0.09 * min(MARK_ROWS, len(data.marks))


def _current(panel: Axes, data: ChartData) -> None:
    shown = _measured(panel, data, data.current_a, data.reconstructed_current_a, reach=8.0, room=_room(data))
    mark_anomalies(panel, data, data.current_a, shown, only=(data.blamed & CURRENT) > 0)
    _label(panel, data, "Current (A)")


def _temperature(panel: Axes, data: ChartData) -> None:
    shown = _measured(panel, data, data.temperature_c, data.reconstructed_temperature_c, reach=30.0)
    mark_anomalies(panel, data, data.temperature_c, shown, only=(data.blamed & TEMPERATURE) > 0)
    _label(panel, data, "Temperature (°C)")


def _measured(
    panel: Axes, data: ChartData, actual: Floats, reconstructed: Floats, *, reach: float, room: float = 0.0
) -> Limits:
    near = limits(actual, reach=reach)
    shown = limits(np.concatenate([actual, reconstructed[~near.outside(reconstructed)]]), reach=reach)
    shown = Limits(shown.low, shown.high + room * (shown.high - shown.low))
    panel.set_ylim(shown.low, shown.high)
    panel.yaxis.set_major_locator(MaxNLocator(5))
    # Beyond the axis the reconstruction says no more than the error below; a line along the edge would mislead.
    _line(panel, data.ts, np.where(shown.outside(reconstructed), np.nan, reconstructed), RECONSTRUCTED, 2.0)
    _line(panel, data.ts, shown.edge(actual), INK, 0.9)
    return shown


def _error(panel: Axes, data: ChartData) -> None:
    values = data.reconstruction_error
    shown = log_limits(values, data.error_limit)
    panel.set_yscale("log")
    panel.set_ylim(shown.low, shown.high)
    panel.yaxis.set_major_locator(LogLocator(numticks=6))
    panel.yaxis.set_minor_locator(NullLocator())
    _line(panel, data.ts, shown.edge(values), INK, 0.9)
    draw_threshold(panel, data.error_limit, f"alarm {RECONSTRUCTION.alarms}", "bottom")
    mark_anomalies(panel, data, values, shown, only=(data.stages & Stage.RECONSTRUCTION) > 0)
    _label(panel, data, RECONSTRUCTION.label.capitalize())


def _forest(panel: Axes, data: ChartData) -> None:
    values = data.forest_score
    around = limits(np.append(values, data.forest_limit), reach=1.0)
    shown = around
    if abs(data.forest_limit) <= ABSURD:
        # Leave room for the name of the threshold below it, also where every score lies above.
        shown = Limits(min(around.low, data.forest_limit - 0.25 * (around.high - around.low)), around.high)
    panel.set_ylim(shown.low, shown.high)
    panel.yaxis.set_major_locator(MaxNLocator(4))
    _line(panel, data.ts, shown.edge(values), INK, 0.9)
    draw_threshold(panel, data.forest_limit, f"alarm {FOREST.alarms}", "top")
    mark_anomalies(panel, data, values, shown, only=(data.stages & Stage.FOREST) > 0)
    _label(panel, data, FOREST.label.capitalize())


def _line(panel: Axes, ts: Floats, values: Floats, colour: str, width: float) -> None:
    panel.plot(*broken(ts, values), color=colour, linewidth=width, solid_capstyle="round")
    single = alone(ts)
    panel.plot(ts[single], values[single], ".", color=colour, markersize=5 + 2 * width)


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
