"""Shows a run: a live board in a terminal, plain lines anywhere else."""

from __future__ import annotations

import os
import signal
import time
from types import TracebackType
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from demo.interrupt import Interrupted
from demo.message import Message
from demo.outage import Outage
from demo.view import FaultState, View, clock, milliseconds
from reporting.names import flat

SEVERITY_STYLES = {
    "low": "yellow",
    "medium": "dark_orange",
    "high": "bold red",
    "critical": "bold white on dark_magenta",
}
STATE_STYLES = {
    FaultState.AHEAD: "dim",
    FaultState.NOW: "bold yellow",
    FaultState.FOUND: "green",
    FaultState.OPEN: "bold red",
}
FRAME_S = 0.25


class Board(Protocol):
    """Where a run reports what happens."""

    def step(self, text: str) -> None:
        """Report that one thing is done."""

    def show(self, view: View) -> None:
        """Show the present state; called often."""

    def close(self) -> None:
        """The run is over. What was shown stays."""


class Audience(Console):
    """A console that ends the demo silently, as if by Ctrl-C, when its reader leaves (``demo | head``)."""

    def on_broken_pipe(self) -> None:
        """rich calls this when a write fails."""
        self.quiet = True
        # The rest of the stream's buffer must not fail a second time when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
        raise Interrupted(signal.SIGPIPE)


class PlainBoard:
    """One line per fact: for pipes, logs and dumb terminals."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._messages = 0
        self._begun = 0
        self._charts = 0
        self._phase = ""

    def step(self, text: str) -> None:
        """One line."""
        self._line(Text(text))

    def show(self, view: View) -> None:
        """Print what is new since the last call."""
        if view.phase != self._phase:
            self._phase = view.phase
            self._line(Text(view.phase))
        now_s = view.measurement.offset_s if view.measurement else -float("inf")
        for fault in view.script.faults[self._begun :]:
            if fault.start_s > now_s:
                break
            self._begun += 1
            if fault.part == "live":
                self._line(Text(f"the charger's fault: {fault.kind}, {fault.says}", "bold"))
        for message in view.messages[self._messages :]:
            self._line(_event(message))
        self._messages = len(view.messages)
        if view.charts > self._charts:
            self._charts = view.charts
            # The embedded AWS needs no signature, and without it a link fits on a line.
            self._line(Text(f"chart {view.charts}: {view.link.partition('?')[0]}"))

    def close(self) -> None:
        """Nothing to do."""

    def _line(self, text: Text) -> None:
        stamp = Text(f"{clock(time.time())}  ", "dim")
        self._console.print(stamp + text, soft_wrap=True, highlight=False)


class LiveBoard:
    """A picture that is drawn again a few times a second."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._drawn_s = 0.0
        self._view: View | None = None
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
        self._live.start()

    def step(self, text: str) -> None:
        """A line above the picture."""
        self._console.print(Text(f"{clock(time.time())}  ", "dim") + Text(text), highlight=False)

    def show(self, view: View) -> None:
        """Draw the view, unless the last picture is younger than `FRAME_S`."""
        self._view = view
        if time.monotonic() - self._drawn_s >= FRAME_S:
            self._draw()

    def close(self) -> None:
        """Draw the last picture and leave it there."""
        if self._view is not None:
            self._draw()
        self._live.stop()

    def _draw(self) -> None:
        if self._view is None:
            return
        self._drawn_s = time.monotonic()
        self._live.update(picture(self._view, self._console.height), refresh=True)


class BoardOn:
    """The board that fits a console; a context manager that closes it."""

    def __init__(self, console: Console) -> None:
        plain = not console.is_terminal or console.is_dumb_terminal
        self._board: Board = PlainBoard(console) if plain else LiveBoard(console)

    def __enter__(self) -> Board:
        return self._board

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._board.close()


def picture(view: View, height: int) -> RenderableType:
    """The whole board, cut to ``height`` rows."""
    script = script_table(view, limit=8)
    events = max(3, min(10, height - script.row_count - 14))
    return Group(_charge(view), Panel(script, title="what goes wrong", title_align="left"), _events(view, events))


def script_table(view: View, limit: int) -> Table:
    """The faults around now, and whether each was found."""
    table = Table(box=None, pad_edge=False, expand=True)
    for column in ("part", "fault", "", "from", "for"):
        table.add_column(column, no_wrap=True)
    table.add_column("found", no_wrap=True, ratio=1)
    for fault in view.shown_faults(limit):
        state, count = view.state(fault)
        said = f"found, {count} message{'s' if count > 1 else ''}" if count else str(state)
        table.add_row(
            fault.part,
            str(fault.kind),
            fault.says,
            clock(view.epoch_s + fault.start_s),
            f"{fault.end_s - fault.start_s} s",
            Text(said, STATE_STYLES[state]),
        )
    if view.outage is not None:
        table.add_row(
            "live",
            "SIGKILL",
            "the worker is killed",
            clock(view.epoch_s + view.outage.at_s),
            "",
            Text(view.outage.says, _outage_style(view.outage)),
        )
    return table


def _charge(view: View) -> Panel:
    grid = Table.grid(padding=(0, 3))
    if view.measurement is None:
        grid.add_row(Text("nothing measured yet"))
    else:
        odd = "bold yellow" if view.measurement.fault else "bold"
        charts = f"{view.charts} chart{'' if view.charts == 1 else 's'}"
        grid.add_row(
            Text(f"{view.measurement.current_a:.3f} A", odd),
            Text(f"{view.measurement.temperature_c:.2f} °C", odd),
            f"{view.charged:.0%} charged",
            f"{view.written:,} written",
            f"{view.distinct} messages",
            # Many terminals open it on a click.
            Text(charts, f"underline link {view.link}" if view.link else ""),
        )
    latency = f"put to message: p50 {milliseconds(view.latency.p50)}, p99 {milliseconds(view.latency.p99)}"
    title = Text(f"{view.phase} · {view.second}" if view.second else view.phase)
    if view.outage is not None and view.outage.going_on:
        title.append(f" · {view.outage.says}", "bold red")
    return Panel(grid, title=title, title_align="left", subtitle=latency, subtitle_align="right")


def _events(view: View, rows: int) -> Panel:
    lines = [_event(message) for message in view.messages[-rows:]]
    body = Text("\n", no_wrap=True, overflow="ellipsis").join(lines) if lines else Text("none yet", "dim")
    body.no_wrap, body.overflow = True, "ellipsis"
    return Panel(body, title="events on the topic", title_align="left")


def _event(message: Message) -> Text:
    style = SEVERITY_STYLES.get(message.severity, "")
    again = "sent again, same id: " if message.again else ""
    return Text.assemble(
        (f"{message.severity:<8}", style),
        " ",
        (clock(message.ts), "dim"),
        " ",
        again,
        (f"{message.step}: ", "bold"),
        flat(message.summary, longest=None),
    )


def _outage_style(outage: Outage) -> str:
    if outage.killed_s is None:
        return "dim"
    return "green" if outage.recovery_s is not None else "bold red"
