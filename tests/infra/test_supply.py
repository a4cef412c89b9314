"""What the image is made of: the lock as it is installed, its licences, its bill of materials, its audit."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from repository import ROOT

from infra.supply.licences import page
from infra.supply.lock import RUNTIME, pins

Make = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Runs a target of the Makefile in an environment that is set up; what it makes lies in ``tmp_path``."""

    def run(target: str, tool: str, **variables: str) -> subprocess.CompletedProcess[str]:
        if missing := [name for name in ("make", tool) if not shutil.which(name, path=_path())]:
            pytest.skip(f"{missing[0]} is not installed (make test installs all but make)")
        given = {"BIN": str(Path(sys.executable).parent), "BUILD": str(tmp_path), **variables}
        return subprocess.run(
            ["make", "--assume-old=.venv/.dev", target, *(f"{name}={value}" for name, value in given.items())],
            cwd=ROOT,
            env={"PATH": _path(), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def _path() -> str:
    return f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"


def test_the_lock_is_read_for_one_python() -> None:
    """A package that is locked twice is installed once, in the version for that Python; all are pinned and hashed."""
    lock = RUNTIME.read_text()
    for python, numpy in (("3.11", "2.4"), ("3.13", "2.5")):
        found = {pin.name: pin for pin in pins(lock, python)}
        assert len(found) == len(pins(lock, python))
        assert found["numpy"].version.startswith(numpy)
        assert all(re.fullmatch(r"[0-9][0-9a-z.]*", pin.version) for pin in found.values())
        assert all("--hash=sha256:" in pin.lines for pin in found.values())
    named = {line.split("==")[0] for line in lock.splitlines() if "==" in line and not line.startswith(" ")}
    assert named == {pin.name for pin in pins(lock)}


def test_the_page_of_licences_is_that_of_the_lock() -> None:
    """Where it is not: `make licences`."""
    assert (ROOT / "docs" / "licences.md").read_text() == page(pin.name for pin in pins(RUNTIME.read_text()))


def test_the_bill_of_materials_is_the_lock_and_the_same_each_time(make: Make, tmp_path: Path) -> None:
    """Every package with version and hashes, and nothing of when or where it was written."""
    made = []
    for _ in range(2):
        done = make("sbom", "cyclonedx-py")
        assert done.returncode == 0, done.stderr
        made.append((tmp_path / "sbom.json").read_text())
    assert made[0] == made[1]
    bill = json.loads(made[0])
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "battery-watch")
    found = {part["name"]: part for part in bill["components"]}
    assert {name: part["version"] for name, part in found.items()} == {
        p.name: p.version for p in pins(RUNTIME.read_text())
    }
    assert all(part["externalReferences"][0]["hashes"] for part in found.values())
    assert str(ROOT) not in made[0]


class _Advisories(http.server.BaseHTTPRequestHandler):
    """Knows of one flaw, in pillow; counts what it is asked."""

    asked: list[str]

    def do_POST(self) -> None:
        package = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
        self.asked.append(package)
        flaw = {
            "id": "TEST-1",
            "summary": "a flaw",
            "affected": [{"package": {"name": "pillow", "ecosystem": "PyPI"}, "ranges": []}],
        }
        body = json.dumps({"vulns": [flaw]} if package == "pillow" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def test_an_audit_asks_of_every_package_and_fails_for_a_flaw(make: Make) -> None:
    """Of what the image installs, and says which."""
    asked: list[str] = []
    handler = type("Handler", (_Advisories,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = make("advisories", "pip-audit", ARGS=f"--osv-url http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert done.returncode != 0
    assert "TEST-1" in done.stdout, done.stdout + done.stderr
    assert sorted(asked) == sorted(pin.name for pin in pins(RUNTIME.read_text()))


def test_an_audit_that_reaches_nobody_says_so_and_fails(make: Make) -> None:
    """It is no clean bill."""
    done = make("advisories", "pip-audit", ARGS="--osv-url http://127.0.0.1:1")
    assert done.returncode != 0
    assert "not audited" in done.stderr, done.stdout + done.stderr
