"""Importing the worker does nothing: no call, no credentials, and none of what trains, draws or explores."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from repository import ROOT

PACKAGES = ("window", "scoring", "reporting", "consumer")
HEAVY = {"tensorflow", "keras", "sklearn", "pandas", "matplotlib", "models", "demo", "pyarrow", "onnx", "h5py", "scipy"}

SCRIPT = """
import importlib, json, os, pathlib, socket, subprocess, sys, threading

def refuse(*_, **__):
    raise AssertionError("an import opened a connection or started a process")

opened = []
socket.socket.connect = socket.socket.bind = socket.create_connection = socket.getaddrinfo = refuse
subprocess.Popen.__init__ = refuse
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)

import botocore.credentials, botocore.session
botocore.credentials.CredentialResolver.load_credentials = refuse
botocore.session.Session.get_credentials = refuse
botocore.session.Session.create_client = refuse

threads = threading.active_count()
files = sorted(f for p in sys.argv[1:] for f in pathlib.Path(p).rglob("*.py"))
names = [".".join(f.with_suffix("").parts).removesuffix(".__init__") for f in files]
drawn = ("reporting.charts.figure", "reporting.charts.process")  # all else there is imported by the drawing child only
names = [name for name in names if not name.startswith("reporting.charts.") or name in drawn]
for name in names:
    importlib.import_module(name)
print(json.dumps({
    "names": names,
    "loaded": sorted({name.split(".")[0] for name in sys.modules}),
    "threads": threading.active_count() - threads,
    "secrets": [path for path in opened if ".aws" in path],
}))
"""


@pytest.fixture(scope="module")
def imported() -> dict[str, list[str]]:
    """What a process says that has imported every module of the worker, without an environment to speak of."""
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent", "AWS_PROFILE": "no-such-profile"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, *PACKAGES],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_importing_any_module_makes_no_call_and_reads_no_credentials(imported: dict[str, list[str]]) -> None:
    """Nor does it start a thread or a process; no setting need be there."""
    assert {"consumer.worker.worker", "consumer.stream.direct", "reporting.sinks.archive", "window.merge"} <= set(
        imported["names"]
    )
    assert imported["secrets"] == []
    assert imported["threads"] == 0


def test_the_health_check_loads_no_worker() -> None:
    """It runs every 30 s beside the worker, on a quarter of a core: 0.2 s and 29 MB, not 0.6 s and 75 MB."""
    script = "import sys, consumer.worker.liveness; print({'numpy', 'onnxruntime', 'botocore'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_nothing_that_runs_in_the_worker_imports_what_trains_or_draws(imported: dict[str, list[str]]) -> None:
    """61 MB and 0.2 s instead of 680 MB and 6 s; charts are drawn in a process of their own."""
    assert HEAVY.isdisjoint(imported["loaded"])
