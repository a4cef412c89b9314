"""The heading of a chart: device, verdict, interval, model, and the legend with its counts."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D

from reporting.charts.axis import interval
from reporting.charts.data import SEVERITIES, ChartData
from reporting.charts.style import FONT, INK, LOOKS, RECONSTRUCTED, SOFT, drawable

LEFT, RIGHT = 0.075, 0.968


def head(figure: Figure, data: ChartData) -> None:
    """Write the heading above the panels, which end at 0.865 of the height, at 0.845 where intervals have names."""
    device = drawable(data.device)
    # The name comes from a table: a dollar sign in it is no formula, and a long name must not reach the verdict.
    figure.text(
        LEFT,
        0.972,
        device,
        fontsize=17 if len(device) <= 32 else 11,
        fontweight="bold",
        color=INK,
        va="top",
        fontfamily=FONT,
        parse_math=False,
    )
    figure.text(
        LEFT,
        0.935,
        f"{interval(data.ts)}   ·   model {drawable(data.model)}",
        fontsize=10,
        color=SOFT,
        va="top",
        fontfamily=FONT,
        parse_math=False,
    )
    worst = int(data.severity.max()) if len(data) else 0
    figure.text(
        RIGHT,
        0.970,
        verdict(data),
        fontsize=12.5,
        fontweight="bold",
        ha="right",
        va="top",
        color=LOOKS[worst].colour if worst >= 3 else INK,
        fontfamily=FONT,
    )
    figure.text(
        RIGHT,
        0.935,
        drawable(data.note),
        fontsize=10,
        ha="right",
        va="top",
        color=SOFT,
        fontfamily=FONT,
        parse_math=False,
    )
    _key(figure, data)


def verdict(data: ChartData) -> str:
    """What the chart shows, in a few words."""
    if len(data) == 0:
        return "no samples"
    anomalies = int((data.severity > 0).sum())
    count = len(data) if data.counted is None else data.counted
    samples = f"{count:,} sample{'s' if count > 1 else ''}"
    if not anomalies:
        return f"{samples}, none anomalous"
    return f"{anomalies:,} of {samples} anomalous, worst {SEVERITIES[int(data.severity.max())]}"


def _key(figure: Figure, data: ChartData) -> None:
    handles = [Line2D([], [], color=INK, linewidth=1.2)]
    labels = ["measured"]
    if data.scores:
        handles.append(Line2D([], [], color=RECONSTRUCTED, linewidth=2.8))
        labels.append("reconstructed by the autoencoder")
    for code, look in LOOKS.items():
        handles.append(
            Line2D(
                [],
                [],
                linestyle="none",
                marker=look.shape,
                markersize=7.5,
                markerfacecolor=look.colour,
                markeredgecolor=look.edge,
                markeredgewidth=0.6,
            )
        )
        labels.append(f"{SEVERITIES[code]} {int((data.severity == code).sum()):,}")
    figure.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(LEFT - 0.007, 0.915),
        ncols=len(labels),
        frameon=False,
        prop=FontProperties(family=FONT, size=10),
        labelcolor=INK,
        handletextpad=0.4,
        columnspacing=1.8,
    )
