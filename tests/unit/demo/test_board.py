from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from demo.board import Audience, BoardOn, LiveBoard, PlainBoard, picture
from demo.charger import Charger
from demo.interrupt import Interrupted
from demo.message import Message
from demo.outage import Outage, planned
from demo.printed import Left, print_script, print_summary
from demo.score import Latency, RunRecord, summarise
from demo.script import Fault, write
from demo.view import View

SCRIPT = write(1, 60)
LIVE_FAULT = next(fault for fault in SCRIPT.faults if fault.part == "live")
MESSAGE = Message(
    "1", "opened", "over_current", "device4", 1_700_000_000.0, "critical", "e", "7 A [bold] of 2.5 A.", 0.0
)


def view(
    offset_s: int,
    messages: Sequence[Message] = (),
    found: Mapping[Fault, int] | None = None,
    outage: Outage | None = None,
) -> View:
    return View(
        phase="live",
        second="3 of 60",
        script=SCRIPT,
        epoch_s=1_700_000_000,
        measurement=Charger(1, SCRIPT).measure(offset_s),
        charged=0.4,
        written=1203,
        messages=messages,
        distinct=len(messages),
        found=found or {},
        charts=0,
        link="",
        latency=Latency(120.0, 180.0),
        outage=outage,
    )


def plain() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=60), out


def test_what_is_no_terminal_gets_plain_lines_and_a_terminal_a_live_board() -> None:
    """A pipe sees no control characters."""
    console, out = plain()
    with BoardOn(console) as board:
        assert isinstance(board, PlainBoard)
        board.show(view(0, [MESSAGE]))
    assert "\x1b" not in out.getvalue()
    with BoardOn(Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "xterm"})) as board:
        assert isinstance(board, LiveBoard)
        board.show(view(0, [MESSAGE]))


def test_plain_lines_tell_each_event_and_fault_once_with_its_sentence() -> None:
    """Markup in a sentence is text, and a long line is not broken."""
    console, out = plain()
    board = PlainBoard(console)
    for _ in range(2):
        board.show(view(LIVE_FAULT.start_s, [MESSAGE]))
    lines = out.getvalue().splitlines()
    assert sum("7 A [bold] of 2.5 A." in line for line in lines) == 1
    assert sum(f"the charger's fault: {LIVE_FAULT.kind}" in line for line in lines) == 1


@pytest.mark.parametrize("height", [12, 24, 60])
def test_the_picture_shows_charge_script_and_events(height: int) -> None:
    """Whatever the size of the terminal."""
    out = io.StringIO()
    Console(file=out, width=100).print(picture(view(20, [MESSAGE] * 50, {LIVE_FAULT: 2}), height))
    text = out.getvalue()
    for part in ("1,203 written", "50 messages", "p50 120 ms", "found, 2 messages", "not found yet", "7 A [bold]"):
        assert part in text


def test_the_summary_says_passed_or_why_not() -> None:
    """One sentence a reason; paths are printed whole."""
    console, out = plain()
    record = RunRecord(SCRIPT, 0, 10, [], {"scored": 10}, [], 1, {})
    folder = Path("/somewhere/with/a/name/that/is/longer/than/the/console/is/wide/20260101T000000Z")
    print_script(console, view(0))
    print_summary(console, summarise(record), Left(folder, folder / "chart.png"))
    text = out.getvalue()
    assert f"{folder}/chart.png" in text
    assert text.count("Failed: No episode of kind") == len(SCRIPT.faults)
    assert "Passed" not in text
    assert "kill" not in text


def test_the_kill_is_in_the_script_on_the_board_and_in_the_summary() -> None:
    """Announced, shown while nobody watches, and reported apart, with the picture's place."""
    console, out = plain()
    plan = planned(SCRIPT)
    print_script(console, view(0, outage=plan))
    assert "SIGKILL" in out.getvalue()
    down = replace(plan, killed_s=100.0, started_s=102.0)
    board = io.StringIO()
    Console(file=board, width=140).print(picture(view(50, outage=down), 50))
    assert board.getvalue().count("killed, nobody watches") == 2
    back = replace(down, owned_s=113.5, back_s=114.0)
    put_s = {1_700_000_000: 105.0}
    record = RunRecord(SCRIPT, 0, 10, [replace(MESSAGE, received_s=114.2)], {"scored": 10}, [], 1, put_s, outage=back)
    print_summary(console, summarise(record), Left(Path("out"), None, Path("out/recovery.png")))
    assert "watching again after 14.0 s; 1 message waited for that, 9.2 s at most" in out.getvalue()
    assert "out/recovery.png" in out.getvalue()


def test_each_step_is_told_whole_and_a_repetition_is_called_one() -> None:
    """A message sent again after a kill is no second fault."""
    console, out = plain()
    closed = replace(MESSAGE, id="2", step="closed", summary="Over after 9 s; high at worst.")
    PlainBoard(console).show(view(0, [MESSAGE, closed, replace(MESSAGE, again=True)]))
    lines = out.getvalue().splitlines()[-3:]
    assert lines[0].endswith("opened: 7 A [bold] of 2.5 A.")
    assert lines[1].endswith("closed: Over after 9 s; high at worst.")
    assert lines[2].endswith("sent again, same id: opened: 7 A [bold] of 2.5 A.")


def test_a_closed_pipe_ends_the_demo_as_a_signal_does() -> None:
    """Later writes, as those of the cleaning up, go nowhere and raise nothing."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as pipe:
        console = Audience(file=pipe)
        with pytest.raises(Interrupted) as caught:
            console.print("anybody?")
        console.print("nobody.")
    assert caught.value.exit_code == 141
