from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from demo.board import BoardOn, LiveBoard, PlainBoard, picture, print_script, print_summary
from demo.charger import Charger
from demo.score import Evidence, Latency, Message, summarise
from demo.script import Fault, write
from demo.view import View

SCRIPT = write(1, 60)
LIVE_FAULT = next(fault for fault in SCRIPT.faults if fault.part == "live")
MESSAGE = Message("1", "anomaly.sample", "device4", 1_700_000_000.0, "critical", "e", "7 A [bold] of 2.5 A.", 0.0)


def view(offset_s: int, messages: Sequence[Message] = (), found: Mapping[Fault, int] | None = None) -> View:
    return View(
        phase="live",
        second="3 of 60",
        script=SCRIPT,
        epoch_s=1_700_000_000,
        measurement=Charger(1, SCRIPT).measure(offset_s),
        charged=0.4,
        written=1203,
        messages=messages,
        found=found or {},
        charts=0,
        link="",
        latency=Latency(120.0, 180.0),
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
    evidence = Evidence(SCRIPT, 0, 10, [], {"scored": 10}, 0, 1, {})
    folder = Path("/somewhere/with/a/name/that/is/longer/than/the/console/is/wide/20260101T000000Z")
    print_script(console, view(0))
    print_summary(console, summarise(evidence), folder / "chart.png", "http://link", folder)
    text = out.getvalue()
    assert f"{folder}/chart.png" in text
    assert text.count("Failed: No message about the") == len(SCRIPT.faults)
    assert "Passed" not in text
