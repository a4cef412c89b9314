"""An evaluation as a Markdown table and as a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from statistics import median

from models.evaluation.evaluate import DetectorFigures, FaultResult
from models.evaluation.faults import UNITS, Fault


def markdown(results: Sequence[DetectorFigures], baselines: Sequence[DetectorFigures] = ()) -> str:
    """The tables: every detector, and what the bundles find of each fault. Several bundles are summed up."""
    rows = [_row(one) for one in (*results, *baselines)]
    if len(results) > 1:
        rows.insert(len(results), _median(results))
    head = (
        "| detector | false episodes per charge-hour | time in alarm | labelled faults found | injected faults found |"
    )
    text = [head, "|---|---|---|---|---|", *rows, ""]
    if results and results[0].injected:
        text += fault_table([[one.injected[k] for one in results] for k in range(len(results[0].injected))])
        text.append("")
    return "\n".join(text)


def fault_table(rows: Sequence[Sequence[FaultResult]]) -> list[str]:
    """The lines of a table: what was found of each grade of fault, by one detector or several together."""
    head = ["| fault | strength | lasts | found | median delay |", "|---|---|---|---|---|"]
    return head + [_fault(row) for row in rows]


def _row(one: DetectorFigures) -> str:
    known = "-" if one.known is None else f"{one.known.found} of {one.known.count}"
    recall = f"{one.recall:.1%}" if one.injected else "-"
    return (
        f"| {one.name} | {one.false_per_hour:.3f} ({one.false_episodes} in {one.hours:.1f} h) "
        f"| {one.alarm_share:.4%} | {known} | {recall} |"
    )


def _median(results: Sequence[DetectorFigures]) -> str:
    false = [one.false_per_hour for one in results]
    recall = median(one.recall for one in results)
    return (
        f"| **median of {len(results)}** | **{median(false):.3f}** (worst {max(false):.3f}) "
        f"| {median(one.alarm_share for one in results):.4%} | | **{recall:.1%}** |"
    )


def _fault(rows: Sequence[FaultResult]) -> str:
    first = rows[0]
    found, count = sum(row.found for row in rows), sum(row.count for row in rows)
    delays = [row.delay_s for row in rows if row.delay_s is not None]
    delay = f"{median(delays):.0f} s" if delays else "-"
    unit = UNITS[Fault(first.fault)]
    strength = "" if unit == "" else f"{first.strength:g} {unit}"
    return f"| {first.fault.replace('_', ' ')} | {strength} | {first.lasts_s:.0f} s | {found} of {count} | {delay} |"


def picture(results: Sequence[DetectorFigures], baselines: Sequence[DetectorFigures] = ()) -> bytes:
    """A PNG: false episodes against faults found, one point per detector, and the share found of each kind of fault."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for some, marker in ((results, "o"), (baselines, "s")):
        for one in some:
            left.plot(one.false_per_hour, 100 * one.recall, marker, label=one.name)
    left.set(xlabel="false episodes per charge-hour", ylabel="injected faults found, %", ylim=(0, 103))
    left.set_xscale("symlog", linthresh=0.1)
    left.set_xlim(left=-0.005)
    left.axvline(0.05, color="0.7", lw=0.8)
    left.axhline(95, color="0.7", lw=0.8)
    left.legend(fontsize=7, loc="lower right")
    kinds: dict[str, tuple[int, int]] = {}
    for row in (row for one in results for row in one.injected):
        found, count = kinds.get(row.fault, (0, 0))
        kinds[row.fault] = (found + row.found, count + row.count)
    names = list(reversed(kinds))
    right.barh([n.replace("_", " ") for n in names], [100 * kinds[n][0] / kinds[n][1] for n in names], color="#31688e")
    right.set(xlabel="found, %", xlim=(0, 100))
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=110, metadata={"Software": None})
    return target.getvalue()
