"""`battery-watch train`: make a model bundle."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from battery_watch.inputs import Inputs, options, take

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.tables import Recording
    from models.train import Tell
    from scoring.bundle import Bundle

_NEEDS = ("keras", "onnx", "sklearn", "tensorflow")
_EXAMPLE = """\b
Examples:
  battery-watch train --input charges/ --out models/mine
  battery-watch train --input 'charges/cell_a_*.csv' --input cell_b.parquet --out models/mine
  battery-watch train --table device4 --out models/mine
  battery-watch train --export s3://bucket/exports --out models/mine
  battery-watch train --simulated --out models/default --seed 7 --force    the bundle that ships (about six minutes)
"""


@click.command("train", epilog=_EXAMPLE)
@click.option("--simulated", is_flag=True, help="Train on simulated charges of a 5 Ah cell.")
@options
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the bundle.")
@click.option("--seed", default=7, show_default=True, type=click.IntRange(min=0), help="Same seed, same bundle.")
@click.option("--sessions", type=click.IntRange(min=8), help="Charges to simulate; fewer are quicker and worse.")
@click.option("--epochs", type=click.IntRange(min=1), help="Most epochs of the autoencoder.")
@click.option(
    "--budget",
    default=0.05,
    show_default=True,
    type=click.FloatRange(min=0.0, min_open=True),
    help="Of recorded charges: false episodes per charge-hour to aim at.",
)
@click.option("--force", is_flag=True, help="Replace what is in the folder.")
def command(
    simulated: bool,
    inputs: tuple[Path, ...],
    files: tuple[Path, ...],
    out: Path,
    seed: int,
    sessions: int | None,
    epochs: int | None,
    budget: float,
    force: bool,
    **given: Any,
) -> None:
    """Make a model bundle: train both models, prove the graph that serves them, write it to a folder.

    Trains on recorded charges (--input, --table or --export), which should be healthy ones, or on simulated ones. A
    session ends with its file and with a gap of more than 60 s; what is held out to find the thresholds is whole files
    or sessions, never rows.
    """
    chosen = Inputs(inputs=(*inputs, *files), **given)
    if simulated == bool(chosen):
        raise click.UsageError("Say what to train on: --input, --table or --export, or else --simulated.")
    if not simulated:
        chosen.check()
    if out.is_dir() and any(out.iterdir()) and not force:
        raise click.UsageError(f"{out} is not empty. Give another --out, or --force to replace what is in it.")
    # TensorFlow writes pages about processors and missing graphics cards to the terminal.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    needs = _NEEDS + (("pybamm",) if simulated else ("pandas", "pyarrow"))
    missing = [name for name in needs if importlib.util.find_spec(name) is None]
    if missing:
        click.echo(
            f"Training needs packages that are not installed ({', '.join(missing)}): "
            "run `make test` once, or `.venv/bin/pip install -e '.[train]'`.",
            err=True,
        )
        sys.exit(2)
    if simulated:
        _train_simulated(out, seed, sessions, epochs)
    else:
        _train_recorded(chosen, out, seed, epochs, budget)


def _told(make: Callable[[Tell], Bundle]) -> Bundle:
    """Run a training with a progress bar; ends the program where no bundle can be made."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    from models.parity import ParityError

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def tell(step: str, done: int, total: int) -> None:
            name = step.split(" (")[0]
            if name not in tasks:
                tasks[name] = progress.add_task(step, total=total)
            progress.update(tasks[name], description=step, completed=done, total=total)

        try:
            return make(tell)
        except (ParityError, ValueError) as error:
            progress.stop()
            click.echo(f"No bundle was written: {error}", err=True)
            sys.exit(1)


def _recorded(chosen: Inputs) -> list[Recording]:
    """What to train on; ends the program where it cannot be read."""
    from battery_watch.bars import bars
    from consumer.errors import BatteryWatchError
    from models.recordings import RecordingError, to_train_on
    from models.tables import Recording, TableError, files, read

    try:
        if chosen.inputs:
            return [read(path) for path in files(chosen.inputs)]
        with bars() as tell:
            sessions = to_train_on(take(chosen, tell).recordings)
    except (BatteryWatchError, RecordingError, TableError) as error:
        click.echo(f"battery-watch: {error}", err=True)
        sys.exit(2)
    # Of a table or an export every session stands for itself, as a file does.
    return [Recording(str(n), one.samples, np.zeros(len(one.samples), bool)) for n, one in enumerate(sessions)]


def _train_recorded(chosen: Inputs, out: Path, seed: int, epochs: int | None, budget: float) -> None:
    import warnings
    from dataclasses import replace

    from models.measured import Recipe, train_measured

    recordings = _recorded(chosen)

    recipe = replace(Recipe(), budget=budget)
    if epochs:
        recipe = replace(recipe, epochs=min(epochs, recipe.epochs), settle_epochs=max(0, epochs - recipe.epochs))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        bundle = _told(lambda tell: train_measured(recordings, out, seed, recipe, tell))
    for warning in caught:
        if "held-out charging" in str(warning.message):
            click.echo(f"Note: {warning.message}.", err=True)
    click.echo(f"{bundle.id} in {out}")
    click.echo(bundle.manifest.training["summary"])
    click.echo(f"What it finds: battery-watch evaluate --bundle {out} --input OTHER_CHARGES --inject")


def _train_simulated(out: Path, seed: int, sessions: int | None, epochs: int | None) -> None:
    from dataclasses import replace

    from models.train import Recipe, train_simulated

    recipe = Recipe()
    if sessions:
        recipe = replace(recipe, sessions=sessions, fresh=max(2, sessions // 4))
    if epochs:
        recipe = replace(recipe, epochs=min(epochs, recipe.epochs), settle_epochs=max(0, epochs - recipe.epochs))
    bundle = _told(lambda tell: train_simulated(out, seed, recipe, tell))
    held = bundle.manifest.metrics["held_out"]
    click.echo(f"{bundle.id} in {out}")
    click.echo(
        f"fresh charges without a fault: {held['fresh_false_samples']} of {held['fresh_samples']} samples anomalous "
        f"({held['fresh_hours']} h)"
    )
    for row in bundle.manifest.metrics["faults"]:
        click.echo(f"{row['fault']:>18} {row['strength']:<5g} found {row['found']} of {row['injected']}")
