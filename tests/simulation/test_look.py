"""One schedule made visible, for who looks for the cause of a broken promise."""

from __future__ import annotations

import subprocess
import sys

import pytest
from look import look
from repository import ROOT
from sim_schedule import drawn

from scoring.bundle import Bundle


def test_a_schedule_is_shown_in_the_order_of_its_virtual_time(bundle: Bundle) -> None:
    """Every record, every fault and the log of the hosts, on lines that begin with the second; the outcome is last."""
    title, *lines, outcome = look(21, bundle)
    assert title.startswith("seed 21: ")
    assert outcome == "the promise was kept"
    seconds = [float(line.split(" s  ")[0]) for line in lines]
    assert seconds == sorted(seconds)
    schedule = drawn(21)
    assert sum("written, " in line for line in lines) == len(schedule.script.writes)
    faults = schedule.disturbed(bundle).faults
    assert sum("fault: " in line for line in lines) >= 1
    assert {line.split("fault: ")[1] for line in lines if "fault: " in line} <= set(faults.injected)
    assert any("info: owner" in line for line in lines)


@pytest.mark.parametrize("command", [["chaos.py", "--seeds", "1", "--processes", "1"], ["look.py", "21"]])
def test_what_the_documents_say_to_run_runs(command: list[str]) -> None:
    """As scripts these have no conftest that makes the twins importable."""
    script, *options = command
    path = str(ROOT / "tests" / "simulation" / script)
    ran = subprocess.run([sys.executable, path, *options], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stderr
    assert "promise" in ran.stdout
