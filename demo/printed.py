"""Prints the script before a run and the summary after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from demo.score import Summary
from demo.view import View, clock, milliseconds


@dataclass(frozen=True, slots=True)
class Left:
    """The files of a run: its folder, the worker's last chart, and the picture of the recovery."""

    folder: Path
    chart: Path | None = None
    recovery: Path | None = None


def print_script(console: Console, view: View) -> None:
    """The script, before anything happens."""
    console.print(Text("The charger's script (the upload's faults lie in the past; times are UTC):", "bold"))
    for fault in view.script.faults:
        console.print(
            f"  {clock(view.epoch_s + fault.start_s)}  {fault.part:<6}  {fault.kind:<17}  "
            f"{fault.end_s - fault.start_s:>2} s  {fault.says}",
            highlight=False,
            soft_wrap=True,
        )
    if view.outage is not None:
        console.print(
            f"  {clock(view.epoch_s + view.outage.at_s)}  live    SIGKILL: the worker itself is killed, "
            f"as the {view.outage.fault.kind} begins",
            highlight=False,
            soft_wrap=True,
        )


def print_summary(console: Console, summary: Summary, left: Left) -> None:
    """The figures, where the files are, and the verdict."""
    console.print()
    for name, value in _rows(summary, left):
        console.print(Text(f"{name:<11}", "bold") + Text(value, ""), soft_wrap=True, highlight=False)
    if summary.passed:
        words = ", nothing lost over the kill" if summary.kills else ""
        console.print(
            Text(
                f"Passed: every record accounted for, every fault told as what it is, no false alarm{words}.",
                "bold green",
            ),
            soft_wrap=True,
        )
    for failure in summary.failures:
        console.print(Text(f"Failed: {failure}", "bold red"), soft_wrap=True)


def _rows(summary: Summary, left: Left) -> Iterator[tuple[str, str]]:
    yield (
        "records",
        f"{summary.written:,} written, {summary.scored:,} scored, {summary.duplicate} duplicate,"
        f" {summary.quarantined} quarantined, {summary.late} late; {summary.lost} lost,"
        f" {summary.unaccounted} unaccounted for",
    )
    yield (
        "anomalies",
        f"{summary.anomalies} samples archived, {summary.behind:.1%} of them behind the end of a fault; "
        f"{summary.time_in_alarm:.1%} of the time in alarm",
    )
    yield (
        "messages",
        f"{summary.messages} different ones, {summary.duplicate_messages} sent again in the same words,"
        f" {summary.conflicting} in others",
    )
    words = ", ".join(f"{count} {kind}" for kind, count in summary.episodes.items() if count)
    yield "episodes", f"{words or 'none'}; {summary.false_episodes} that no fault explains"
    found = summary.faults_injected - summary.faults_missed
    yield (
        "faults",
        f"{found} of {summary.faults_injected} found by their kinds, {summary.most_messages} messages a fault at most; "
        f"{summary.false_alarms} false alarms",
    )
    yield (
        "latency",
        f"put to message: p50 {milliseconds(summary.latency_ms.p50)}, p99 {milliseconds(summary.latency_ms.p99)}"
        + (" (without what waited for the recovery)" if summary.waited.messages else ""),
    )
    if summary.kills:
        yield "kill", _recovery(summary)
    yield "charts", f"{summary.charts}, the last: {left.chart}" if left.chart else "none"
    if left.recovery:
        yield "picture", f"charge, faults, kill and recovery: {left.recovery}"
    yield "kept in", str(left.folder)


def _recovery(summary: Summary) -> str:
    if summary.recovery_s is None:
        return "the worker was killed, and no other took over"
    waited = summary.waited
    plural = "" if waited.messages == 1 else "s"
    words = f"{waited.messages} message{plural} waited for that, {waited.max_s} s at most"
    return f"watching again after {summary.recovery_s:.1f} s; {words if waited.messages else 'no message waited'}"
