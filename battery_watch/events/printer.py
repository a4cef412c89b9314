"""Prints events for people: those of the topic and those of the archive."""

from __future__ import annotations

import os
import select
import sys
import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, Any

from rich.console import Console
from rich.text import Text

from reporting.names import flat

STYLES = {"low": "yellow", "medium": "dark_orange", "high": "bold red", "critical": "bold white on dark_magenta"}
WIDTH = 120
"""Of output that is no terminal."""
INDENT = "    "


class NobodyReads(Exception):
    """The reader of stdout has left, as in ``battery-watch tail | head``."""


class Output(Console):
    """Stdout. Raises `NobodyReads` where its reader has left."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        # Passed by name: a progress bar replaces sys.stdout by a stream of its own.
        super().__init__(file=stream or sys.stdout)
        if not self.is_terminal:
            self.width = WIDTH

    def verbatim(self, raw: bytes) -> None:
        """Write bytes as they are, and flush them."""
        stream: Any = self.file
        try:
            stream.buffer.write(raw)
            stream.buffer.flush()
        except BrokenPipeError:
            self.on_broken_pipe()

    def check(self) -> None:
        """Notice that the reader has left, also while there is nothing to print."""
        try:
            watched = self.file.fileno()
        except (OSError, ValueError):  # not a file of the system
            return
        poll = select.poll()
        poll.register(watched, 0)
        if any(found & (select.POLLERR | select.POLLHUP) for _, found in poll.poll(0)):
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """rich calls this when a write fails."""
        self.quiet = True
        # The rest of the stream's buffer must not fail a second time when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
        raise NobodyReads

    def event(self, event: Mapping[str, Any]) -> None:
        """An event of the topic: a line, its summary below, the chart's link below that."""
        data = event["data"]
        kind = Text.assemble("  ", (flat(event["type"]), "dim"))
        head = _head(datetime.fromisoformat(event["time"]), event["severitytext"], event["subject"], "")
        self.print(head + kind, soft_wrap=True)
        summary = textwrap.fill(
            flat(data["summary"], longest=None), max(40, self.width), initial_indent=INDENT, subsequent_indent=INDENT
        )
        self.print(Text(summary), soft_wrap=True)
        chart = data.get("chart")
        if chart:
            until = datetime.fromisoformat(chart["expires"]).astimezone(UTC)
            url = flat(str(chart["url"]), longest=None)
            self.print(Text(f"{INDENT}{url} (until {until:%Y-%m-%d %H:%M} UTC)"), soft_wrap=True)


def archive_text(line: Mapping[str, Any]) -> Text:
    """An archived sample in one line, made from its numbers: the archive keeps no sentence. Raises KeyError, TypeError
    or ValueError for anything that is no line of the archive."""
    actual, expected = line["actual"], line.get("expected") if "rules" in line else None
    said = f"  {_kinds(line)}: {_reading(actual, expected, 'current_a', 'A', 2)}, "
    said += f"{_reading(actual, expected, 'temperature_c', '°C', 1)}; by {_met(line)}"
    at = datetime.fromtimestamp(line["ts"], UTC)
    return _head(at, line["severity"], line["device"], f".{at:%f}"[:4]) + Text(said)


def _kinds(line: Mapping[str, Any]) -> str:
    return flat(", ".join(kind.replace("_", " ") for kind in line.get("kinds", ("unusual_pattern",))))


def _reading(
    actual: Mapping[str, float], expected: Mapping[str, float] | None, key: str, unit: str, digits: int
) -> str:
    wanted = f" ({expected[key]:.{digits}f} expected)" if expected else ""
    return f"{actual[key]:.{digits}f} {unit}{wanted}"


def _met(line: Mapping[str, Any]) -> str:
    """The rules that were met; lines of earlier versions name their stages only."""
    if "rules" not in line:
        return flat(", ".join(line["stages"]))
    return "; ".join(
        flat(f"{rule['rule'].replace('_', ' ')}{' of the ' + rule['reading'] if 'reading' in rule else ''}")
        + f" {rule['value']:.4g} (limit {rule['limit']:.4g})"
        for rule in line["rules"]
    )


def _head(at: datetime, severity: str, device: str, fraction: str) -> Text:
    return Text.assemble(
        (f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}{fraction}", "dim"),
        "  ",
        (f"{flat(str(severity)).upper():8}", STYLES.get(severity, "")),
        "  ",
        (flat(str(device)), "bold"),
    )
