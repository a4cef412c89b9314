from __future__ import annotations

from dataclasses import replace

import pytest

from demo.message import Message
from demo.script import Fault, FaultKind, Script
from demo.told import TOLD_AS, Told
from scoring.faults import FaultKind as Kind

EPOCH_S = 1_700_000_000
FIRST, SECOND = (
    Fault(FaultKind.DROP_OUT, "upload", -500, -490, 1.0),
    Fault(FaultKind.DROP_OUT, "live", 15, 18, 1.0),
)
SCRIPT = Script(60, (FIRST, SECOND))
OPENED = Message("1", "opened", "drop_out", "device4", EPOCH_S - 500, "low", "e", "It fell.", 0.0)


def told(*messages: Message) -> Told:
    found = Told()
    for message in messages:
        found.add(message, SCRIPT, EPOCH_S)
    return found


def at(offset_s: float, **more: str) -> Message:
    return replace(OPENED, ts=EPOCH_S + offset_s, **more)


def test_each_fault_of_the_demo_has_a_kind_of_the_contract() -> None:
    """Written as words here, since the demo loads no models."""
    assert set(TOLD_AS) == set(FaultKind)
    assert {Kind(kind) for kind in TOLD_AS.values()} < set(Kind)


def test_what_an_episode_says_is_about_the_fault_it_opened_in_until_it_opens_again() -> None:
    """Its end comes a minute later, perhaps inside another fault."""
    found = told(at(-500), at(-495, step="escalated"), at(16, step="closed"), at(15), at(80, step="closed"))
    assert found.found == {FIRST: 3, SECOND: 2}
    assert found.false == []


@pytest.mark.parametrize("offset_s", [-501, -474, 14, 34, 59])
def test_an_opening_outside_every_fault_and_its_aftermath_is_false(offset_s: int) -> None:
    """One second too early, and from the sixteenth second after a fault; later steps of it find nothing."""
    opened = at(offset_s)
    found = told(opened, at(16, step="escalated"))
    assert (found.false, found.found) == ([opened], {})


def test_an_opening_behind_a_fault_is_excused_and_finds_nothing() -> None:
    """It comes too late."""
    found = told(at(-485))
    assert (found.false, found.found) == ([], {})


def test_a_fault_that_is_called_something_else_is_not_found() -> None:
    """An unusual pattern is not what a technician would call a drop-out."""
    opened = at(-499, kind="unusual_pattern")
    found = told(opened)
    assert (found.false, found.found) == ([opened], {})
