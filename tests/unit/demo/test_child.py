from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from demo.child import Child

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def start(code: str, **options: object) -> tuple[Child, threading.Event]:
    up = threading.Event()
    child = Child([sys.executable, "-c", code], os.environ, on_stdout=lambda _: up.set(), **options)  # type: ignore[arg-type]
    return child, up


def test_a_child_that_ignores_sigterm_is_killed_after_the_grace() -> None:
    """`stop` ends it surely, and says by which signal."""
    child, up = start(STUBBORN)
    assert up.wait(20)
    assert child.stop(0.2) == -9
    assert child.stop(0.2) == -9
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


def test_both_streams_are_kept_and_written_to_the_log(tmp_path: Path) -> None:
    """An error report quotes the last lines; the log holds all of them."""
    log = tmp_path / "child.log"
    child, _ = start("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)", log=log)
    assert child.stop(20.0) in (3, -15)
    if child.exit_code == 3:
        assert set(child.last_lines(5).splitlines()) == {"out", "err"}
        assert set(log.read_text().splitlines()) == {"out", "err"}


def test_a_child_has_a_session_of_its_own() -> None:
    """Ctrl-C in the terminal reaches the demo alone, which stops its children in order."""
    child, up = start(STUBBORN)
    assert up.wait(20)
    assert os.getsid(child.pid) == child.pid
    child.kill()
    assert child.exit_code == -9
