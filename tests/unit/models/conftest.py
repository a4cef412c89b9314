"""One small training for all tests of this folder, and the made-up charges it learns from."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from battery_watch.commands.train import command
from models import train as pipeline
from models.files import read
from models.measured import material
from models.recordings import Series
from models.train import Recipe
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
    root = tmp_path_factory.mktemp("small")
    of, out = charges(root / "charges"), root / "bundle"
    with pytest.MonkeyPatch.context() as patched, warnings.catch_warnings():
        # Keras warns about numpy, and whose test asks first for this fixture need not know.
        warnings.simplefilter("ignore")
        patched.setattr(pipeline, "Recipe", lambda: SMALL)
        arguments = ["--input", str(of / "charge_*.csv"), "--out", str(out), "--seed", "3", "--critical", "9", "70"]
        done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    return Trained(load(out), out, of, done.output)


@pytest.fixture(scope="session")
def again(small: Trained, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The same by a second training, without the command."""
    out, steps = tmp_path_factory.mktemp("again") / "bundle", dict[str, None]()

    def tell(step: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        steps[step.split(" (")[0]] = None

    with warnings.catch_warnings():
        # TensorFlow warns about its own insides, the pipeline about the few hours.
        warnings.simplefilter("ignore")
        of = material(read([small.charges], labels=True), 3)
        bundle = pipeline.train(of, out, 3, SMALL, tell, limits={"critical": (9.0, 70.0)})
    return Trained(bundle, out, small.charges, "\n".join(steps))


@pytest.fixture
def series() -> Callable[..., Series]:
    """A made-up charge of a seed, nothing known to be wrong with it."""

    def make(seed: int) -> Series:
        return Series(str(seed), samples := charge(seed), np.zeros(len(samples), bool))

    return make
