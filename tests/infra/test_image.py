"""The image without an engine: what its recipe copies, and that the worker runs of just that, as the recipe says."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from closure import reached
from container import Container, cannot
from recipe import Stage, copied, sent, stages
from repository import ROOT

from battery_watch.cli import COMMANDS
from demo.emulator import Emulator
from demo.environment import client_environment
from demo.world import ARCHIVE, CHARTS, World, clients
from infra.supply.lock import IMAGE_PYTHON, RUNTIME, pins
from scoring.bundle import FILES, MANIFEST

ASKED = {"run", "healthcheck", "doctor", "explain", "events", "ledger", "mute", "unmute", "mutes", "state", "tail"}
"""The commands that somebody needs where the worker runs."""


@pytest.fixture(scope="module")
def recipe() -> dict[str, Stage]:
    """The Dockerfile's stages by name."""
    return {stage.name: stage for stage in stages((ROOT / "Dockerfile").read_text())}


@pytest.fixture(scope="module")
def source(recipe: dict[str, Stage]) -> dict[str, str]:
    """The files of the build stage: where each comes from, by its path there."""
    return copied(recipe["build"], sent(ROOT, (ROOT / ".dockerignore").read_text()))


@pytest.fixture(scope="module")
def environment(source: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the build stage makes: an environment of the lock's packages and the wheel of the copied files."""
    folder = tmp_path_factory.mktemp("build")
    for name, comes_from in source.items():
        (folder / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / comes_from, folder / "src" / name)
    _run([sys.executable, "-m", "hatchling", "build", "--target", "wheel"], folder / "src")
    uv = str(Path(sys.executable).parent / "uv")
    # Relocatable: its scripts must run where the image has it.
    _run([uv, "venv", "--quiet", "--offline", "--relocatable", "--python", sys.executable, "venv"], folder)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    for pin in pins(RUNTIME.read_text(), python="{}.{}".format(*sys.version_info)):
        _link(pin.name, pin.version, packages)
    (wheel,) = (folder / "src" / "dist").glob("*.whl")
    to = ["--python", "venv", "--no-deps", "--no-index", "--offline", "--link-mode", "copy"]
    _run([uv, "pip", "install", "--quiet", *to, str(wheel)], folder)
    return folder / "venv"


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def _link(package: str, version: str, to: Path) -> None:
    """Lay an installed package into another environment. What it has outside of its folders, scripts, is left."""
    installed = importlib.metadata.distribution(package)
    assert installed.version == version, f"{package} {installed.version} is installed, and {version} locked: make setup"
    for file in installed.files or ():
        if ".." not in file.parts:
            (to / file).parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(str(installed.locate_file(file)), to / file)
            except OSError:  # another file system
                shutil.copyfile(str(installed.locate_file(file)), to / file)


def test_the_image_holds_exactly_what_its_commands_import(source: dict[str, str]) -> None:
    """No module that they lack, none that they do not need, no code of `models` or `demo`; and the shipped bundle."""
    code = {name: (ROOT / name).read_text() for name in source if name.endswith(".py")}
    commands = {f"battery_watch/commands/{name}.py" for name in ASKED}
    needed, outside = reached(code, {"battery_watch/__main__.py", *commands})
    first_party = {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()}
    assert {module for module in outside if module.split(".")[0] in first_party} == set()
    assert needed == set(code), "left out or named too much in .dockerignore"
    bundle = {f"models/default/{name}" for name in (*FILES, MANIFEST)}
    build = {"pyproject.toml", "README.md", "requirements/build.txt", "requirements/runtime.txt"}
    assert set(source) - set(code) == bundle | build


def test_the_base_is_the_python_that_the_lock_is_read_for(recipe: dict[str, Stage]) -> None:
    """Of one minor in all stages, which is the one that CI tests first; the label says the version that is built."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {stage.base for stage in recipe.values()} == {f"python:{IMAGE_PYTHON}-slim"}
    assert project["requires-python"].startswith(f">={IMAGE_PYTHON},")
    assert recipe["worker"].pairs("LABEL")["org.opencontainers.image.version"] == project["version"]


def test_every_module_of_the_image_imports_with_the_locked_packages_alone(environment: Path) -> None:
    """With what trains or tests not installed."""
    script = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    (packages,) = environment.glob("lib/python*/site-packages")
    ours = ("battery_watch", "consumer", "reporting", "scoring", "window")
    files = [path.relative_to(packages).with_suffix("") for each in ours for path in (packages / each).rglob("*.py")]
    names = sorted({".".join(path.parts).removesuffix(".__init__") for path in files} - {"battery_watch.__main__"})
    assert "consumer.worker.worker" in names
    _run([str(environment / "bin" / "python"), "-I", "-c", script, *names], environment)


def test_a_command_that_the_image_leaves_out_is_not_offered(environment: Path) -> None:
    """And says where it is to be had; its help would promise what cannot work."""
    program = environment / "bin" / "battery-watch"
    offered = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=20, check=True).stdout
    assert {word for word in COMMANDS if f"\n  {word} " in offered} == ASKED
    refused = subprocess.run([program, "train"], capture_output=True, text=True, timeout=20, check=False)
    assert (refused.returncode, "not part of the image" in refused.stderr) == (2, True), refused.stderr


@pytest.fixture
def contained(recipe: dict[str, Stage], environment: Path, tmp_path: Path) -> Any:
    """Starts the image's worker; skipped where the kernel does not let us."""
    if reason := cannot():
        pytest.skip(reason)
    return lambda more: Container(recipe["worker"], environment, tmp_path / "root", more)


def test_the_worker_runs_read_only_and_without_rights(contained: Any) -> None:
    """From start to stop with nothing to write but the volume: a fault is told, archived and drawn, the health check
    passes, and the stop signal ends it in order."""
    with Emulator() as emulator:
        world = World.create(clients(emulator.environment()))
        with contained({**emulator.environment(), **world.worker_settings(), "START": "trim_horizon"}) as worker:
            worker.until(lambda: "watching" in worker.heard)
            assert worker.status("Uid") == ["65532"] * 4
            assert int(worker.status("CapEff")[0], 16) == 0
            start = int(time.time()) - 60
            for second in range(20):
                sample = {"ts": start + second, "current": 2.5, "temperature": 61.5 if second == 15 else 25.0}
                world.put({name: {"N": str(value)} for name, value in sample.items()})
            worker.until(lambda: world.keys(ARCHIVE) and world.keys(CHARTS))
            checked = worker.healthcheck()
            assert checked.returncode == 0, checked.stderr + worker.logs()
            written = worker.written()
            assert worker.stop() == 0, worker.logs()
            assert [word for word in ("Traceback", "Read-only", "telemetry") if word in worker.logs()] == []
        expected = ("/tmp/battery-watch-default-device4.", "/tmp/matplotlib/fontlist-")
        assert [name for name in written if not name.startswith(expected)] == []
        assert all(body.startswith(b"\x89PNG") for _, body in world.objects(CHARTS))


def test_a_stop_is_heard_before_the_worker_watches(contained: Any) -> None:
    """A container's first process has no default action for a signal: unheard, a stop in the middle of the checks would
    wait for the engine's SIGKILL."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings = {"RESULTS_BUCKET_NAME": "results", "TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:none"}
        with contained({**client_environment({}, url), **settings}) as worker:
            worker.until(lambda: "starting" in worker.heard)
            assert worker.stop(within_s=5) == 0, worker.logs()
