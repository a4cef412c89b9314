"""The command line as a whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from repository import ROOT


def test_no_command_lets_the_runtime_report_to_its_maker(tmp_path: Path) -> None:
    """ONNX Runtime would keep an id of the machine and a queue of reports in the user's folder."""
    script = "import battery_watch.cli, scoring.bundle; scoring.bundle.load('models/default')"
    # Of the caller's environment nothing: what runs tests for others is often spared the reports.
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.rglob("*")) == []
