"""`battery-watch train`: make a model bundle."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import click

_NEEDS = ("keras", "onnx", "pybamm", "sklearn", "tensorflow")
_EXAMPLE = """\b
Example: rebuild the bundle that ships with battery-watch (about six minutes)
  battery-watch train --simulated --out models/default --seed 7 --force
"""


@click.command("train", epilog=_EXAMPLE)
@click.option("--simulated", is_flag=True, help="Train on simulated charges of a 5 Ah cell.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the bundle.")
@click.option("--seed", default=7, show_default=True, type=click.IntRange(min=0), help="Same seed, same bundle.")
@click.option("--sessions", type=click.IntRange(min=8), help="Charges to simulate; fewer are quicker and worse.")
@click.option("--epochs", type=click.IntRange(min=1), help="Most epochs of the autoencoder.")
@click.option("--force", is_flag=True, help="Replace what is in the folder.")
def command(simulated: bool, out: Path, seed: int, sessions: int | None, epochs: int | None, force: bool) -> None:
    """Make a model bundle: train both models, prove the graph that serves them, write it to a folder."""
    if not simulated:
        raise click.UsageError("Say what to train on: --simulated.")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise click.UsageError(f"{out} is not empty. Give another --out, or --force to replace what is in it.")
    # TensorFlow writes pages about processors and missing graphics cards to the terminal.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    missing = [name for name in _NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        click.echo(
            f"Training needs packages that are not installed ({', '.join(missing)}): "
            "run `make test` once, or `.venv/bin/pip install -e '.[train]'`.",
            err=True,
        )
        sys.exit(2)
    _train(out, seed, sessions, epochs)


def _train(out: Path, seed: int, sessions: int | None, epochs: int | None) -> None:
    from dataclasses import replace

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    from models.parity import ParityError
    from models.train import Recipe, train_simulated

    recipe = Recipe()
    if sessions:
        recipe = replace(recipe, sessions=sessions, fresh=max(2, sessions // 4))
    if epochs:
        recipe = replace(recipe, epochs=min(epochs, recipe.epochs), settle_epochs=max(0, epochs - recipe.epochs))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def tell(step: str, done: int, total: int) -> None:
            name = step.split(" (")[0]
            if name not in tasks:
                tasks[name] = progress.add_task(step, total=total)
            progress.update(tasks[name], description=step, completed=done, total=total)

        try:
            bundle = train_simulated(out, seed, recipe, tell)
        except (ParityError, ValueError) as error:
            progress.stop()
            click.echo(f"No bundle was written: {error}", err=True)
            sys.exit(1)
    held = bundle.manifest.metrics["held_out"]
    click.echo(f"{bundle.id} in {out}")
    click.echo(
        f"fresh charges without a fault: {held['fresh_false_samples']} of {held['fresh_samples']} samples anomalous "
        f"({held['fresh_hours']} h)"
    )
    for row in bundle.manifest.metrics["faults"]:
        click.echo(f"{row['fault']:>18} {row['strength']:<5g} found {row['found']} of {row['injected']}")
