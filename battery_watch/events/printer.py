"""Events for people, as they come from the topic or stand in the archive, and the stdout that they are printed to."""

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

from scoring.explanation import WORDS

STYLES = {"low": "yellow", "medium": "dark_orange", "high": "bold red", "critical": "bold white on dark_magenta"}
WIDTH = 120
"""Of what is no terminal."""
INDENT = "    "


class NobodyReads(Exception):
    """The reader of stdout has left, as in ``battery-watch tail | head``."""


class Output(Console):
    """Stdout. Raises `NobodyReads` where its reader has left."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        # Named, because a progress bar puts its own stream in the place of stdout.
        super().__init__(file=stream or sys.stdout)
        if not self.is_terminal:
            self.width = WIDTH

    def verbatim(self, raw: bytes) -> None:
        """Bytes as they are, out at once."""
        stream: Any = self.file
        try:
            stream.buffer.write(raw)
            stream.buffer.flush()
        except BrokenPipeError:
            self.on_broken_pipe()

    def check(self) -> None:
        """Notice also while there is nothing to print that nobody reads."""
        try:
            watched = self.file.fileno()
        except (OSError, ValueError):  # no file of the system's
            return
        poll = select.poll()
        poll.register(watched, 0)
        if any(found & (select.POLLERR | select.POLLHUP) for _, found in poll.poll(0)):
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """Called by rich where a write fails."""
        self.quiet = True
        # What is still in the stream's buffer must not fail a second time when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
        raise NobodyReads

    def event(self, event: Mapping[str, Any]) -> None:
        """An event of the topic: a line, its summary below, the chart's link below that."""
        data = event["data"]
        kind = Text.assemble("  ", (plain(event["type"]), "dim"))
        self.print(_head(datetime.fromisoformat(event["time"]), event["severitytext"], event["subject"], "") + kind)
        summary = textwrap.fill(
            plain(data["summary"]), max(40, self.width), initial_indent=INDENT, subsequent_indent=INDENT
        )
        self.print(Text(summary), soft_wrap=True)
        chart = data.get("chart")
        if chart:
            until = datetime.fromisoformat(chart["expires"]).astimezone(UTC)
            self.print(Text(f"{INDENT}{plain(chart['url'])} (until {until:%Y-%m-%d %H:%M} UTC)"), soft_wrap=True)


def archive_text(line: Mapping[str, Any]) -> Text:
    """An archived sample in one line. The archive keeps no sentence: what is said is made of its numbers. Raises
    KeyError, TypeError or ValueError for what is no line of the archive."""
    actual, expected = line["actual"], line["expected"]
    most, share = max(line["contributions"].items(), key=lambda each: each[1])
    error, forest = line["scores"]["reconstruction_error"], line["scores"]["forest"]
    said = (
        f"  {actual['current_a']:.2f} A ({expected['current_a']:.2f} expected), "
        f"{actual['temperature_c']:.1f} °C ({expected['temperature_c']:.1f} expected), "
        f"most of the error: {WORDS[most][0] if most in WORDS else plain(most)} {share:.0%}; "
        f"by {plain(', '.join(line['stages']))}: error {error['value']:.4g} (threshold {error['threshold']:.4g}), "
        f"forest score {forest['value']:.3f} (threshold {forest['threshold']:.3f})"
    )
    at = datetime.fromtimestamp(line["ts"], UTC)
    return _head(at, line["severity"], line["device"], f".{at:%f}"[:4]) + Text(said)


def plain(text: str) -> str:
    """On one line, and without what a terminal would obey: a device may be called anything.

    >>> plain("rack 7\\n\\x1b[31mred")
    'rack 7 ?[31mred'
    """
    return "".join(c if c.isprintable() else "?" for c in " ".join(str(text).split()))


def _head(at: datetime, severity: str, device: str, fraction: str) -> Text:
    return Text.assemble(
        (f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}{fraction}", "dim"),
        "  ",
        (f"{plain(severity).upper():8}", STYLES.get(severity, "")),
        "  ",
        (plain(device), "bold"),
    )
