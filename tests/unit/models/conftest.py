"""One small training for all tests of this folder, and the made-up charges it learns from."""

from __future__ import annotations

import fcntl
import io
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from battery_watch.commands.train import command
from models.data.files import read
from models.data.measured import material
from models.data.recordings import Series
from models.detectors.forest import Forest
from models.training import train as pipeline
from models.training.train import Recipe
from scoring.bundle import Bundle, load
from window.samples import Samples

SMALL = Recipe(rows_per_session=200, trees=15, epochs=2, settle_epochs=3, parity_rows=3000, per_grade=1)


def charge(seed: int, n: int = 900) -> Samples:
    """A short charge at 3 A: constant current, then a noisy fall; it warms and cools."""
    rng = np.random.default_rng(seed)
    t = np.arange(n, dtype=float)
    falling = np.maximum(t - 600.0, 0.0) / 150.0
    current_a = 3.0 * np.exp(-falling) + rng.normal(0, 0.01, n) + (falling > 0) * rng.normal(0, 0.05, n)
    temperature_c = 22.0 + rng.uniform(0, 2) + 3.0 * np.sin(t / 400.0) + rng.normal(0, 0.02, n)
    current_a[0] = 0.02
    return Samples.of(1e9 + 1e5 * seed + t, current_a, temperature_c)


def charges(folder: Path, count: int = 10) -> Path:
    """A folder of charges as CSV files; the fifth has broken and labelled samples."""
    folder.mkdir()
    for k in range(count):
        of = charge(k)
        fault = np.zeros(len(of), int)
        if k == 4:
            of.current_a[300], of.current_a[400], of.temperature_c[500] = 3.4e38, np.nan, 25.0
            of.current_a[600:640] = 60.0
            fault[600:640] = 1
        rows = zip(of.ts.tolist(), of.current_a.tolist(), of.temperature_c.tolist(), fault.tolist(), strict=True)
        lines = ["ts,current,temperature,label", *(",".join(map(repr, row)) for row in rows)]
        (folder / f"charge_{k}.csv").write_text("\n".join(lines).replace("nan", "") + "\n")
    return folder


@dataclass(frozen=True)
class Trained:
    """A bundle, its folder, what it was made of, and what the command said while it was made."""

    bundle: Bundle
    folder: Path
    charges: Path
    said: str


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """`battery-watch train --input`, seed 3, with a small recipe."""

    def train(root: Path) -> str:
        of, out = charges(root / "charges"), root / "bundle"
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(pipeline, "Recipe", lambda: SMALL)
            arguments = ["--input", str(of / "charge_*.csv"), "--out", str(out), "--seed", "3", "--critical", "9", "70"]
            done = CliRunner().invoke(command, arguments)
        assert done.exit_code == 0, done.output
        return done.output

    root, said = _once(tmp_path_factory, "small", train)
    return Trained(load(root / "bundle"), root / "bundle", root / "charges", said)


@pytest.fixture(scope="session")
def again(small: Trained, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The same by a second training, without the command; ``said`` names the steps, and the bundle as returned."""

    def train(root: Path) -> str:
        steps = dict[str, None]()

        def progress(step: str, done: int, total: int) -> None:
            assert 0 <= done <= total
            steps[step.split(" (")[0]] = None

        of = material(read([small.charges], labels=True), 3)
        made = pipeline.train(of, root / "bundle", 3, SMALL, progress, limits={"critical": (9.0, 70.0)})
        return "\n".join([*steps, made.id])

    root, said = _once(tmp_path_factory, "again", train)
    return Trained(load(root / "bundle"), root / "bundle", small.charges, said)


def _once(factory: pytest.TempPathFactory, name: str, train: Callable[[Path], str]) -> tuple[Path, str]:
    """A folder with what ``train`` made, and what it said. Of the processes that run tests the first one trains, the
    others wait for it."""
    own = factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    root, said = shared / name, shared / f"{name}.said"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            root.mkdir()
            with warnings.catch_warnings():
                # TensorFlow warns about its own insides and Keras about numpy, the pipeline about the few hours.
                warnings.simplefilter("ignore")
                text = train(root)
            said.write_text(text)
    return root, said.read_text()


@pytest.fixture(scope="session")
def forest_of() -> Callable[[bytes], Forest]:
    """Rebuilds a forest from the bytes of `isolation_forest.npz`, without unpickling."""

    def rebuild(content: bytes) -> Forest:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return Forest(**{name: arrays[name] for name in arrays.files})

    return rebuild


@pytest.fixture
def series() -> Callable[..., Series]:
    """A made-up charge of a seed, nothing known to be wrong with it."""

    def make(seed: int) -> Series:
        return Series(str(seed), samples := charge(seed), np.zeros(len(samples), bool))

    return make
