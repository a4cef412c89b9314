"""`battery-watch train`: make a model bundle."""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from battery_watch.options.failure import fail
from battery_watch.options.inputs import Inputs, input_options, read_input

if TYPE_CHECKING:
    from battery_watch.options.progress import StepProgress
    from models.data.material import Material
    from models.training.train import Recipe
    from scoring.bundle import Bundle

_NEEDS = ("keras", "onnx", "sklearn", "tensorflow")
_EXAMPLE = """\b
Examples:
  battery-watch train --input charges/ --out models/mine
  battery-watch train --input 'charges/cell_a_*.csv' --input cell_b.parquet --out models/mine
  battery-watch train --table device4 --out models/mine
  battery-watch train --export s3://bucket/exports --out models/mine
  battery-watch train --input charges/ --out models/mine --medium 5 45 --high 6 55 --critical 8 60
  battery-watch train --simulated --out models/default --seed 7 --force    the bundle that ships (some minutes)
"""


def _limit(level: str) -> Callable[[Any], Any]:
    return click.option(
        f"--{level}",
        nargs=2,
        type=float,
        metavar="AMPERES DEGREES",
        help=f"An anomaly is {level} from this current or temperature on. Without it: from the data.",
    )


@click.command("train", epilog=_EXAMPLE)
@click.option("--simulated", is_flag=True, help="Train on simulated charges of a 5 Ah cell.")
@input_options
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the bundle.")
@click.option("--seed", default=7, show_default=True, type=click.IntRange(min=0), help="Same seed, same bundle.")
@click.option("--sessions", type=click.IntRange(min=8), help="Charges to simulate. Fewer are faster and worse.")
@click.option("--epochs", type=click.IntRange(min=1), help="Most epochs of the autoencoder.")
@click.option(
    "--budget",
    default=0.05,
    show_default=True,
    type=click.FloatRange(min=0.0, min_open=True),
    help="False episodes per charge-hour to aim at.",
)
@_limit("medium")
@_limit("high")
@_limit("critical")
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
    medium: tuple[float, float] | None,
    high: tuple[float, float] | None,
    critical: tuple[float, float] | None,
    force: bool,
    **given: Any,
) -> None:
    """Make a model bundle: train both models, prove the graph that serves them, write it to a folder.

    Trains on recorded charges (--input, --table or --export), which should be healthy, or on simulated ones. A session
    ends with its file and at a gap of more than 60 s. The thresholds come from held-out charges: whole files, or whole
    sessions if there are fewer than eight files, never single rows. A label other than 0 marks a known fault, and is
    left out.

    Draws two pictures beside the folder, OUT-training.png and OUT-scores.png: how the training went, and where the
    scores of the held-out charges lie against the thresholds. They are no part of the bundle.
    """
    chosen = Inputs(inputs=(*inputs, *files), **given)
    if simulated == bool(chosen):
        raise click.UsageError("Say what to train on: --input, --table or --export, or else --simulated.")
    if simulated:
        if any(value is not None for value in (chosen.since, chosen.until, chosen.device)):
            raise click.UsageError("--since, --until and --device do not go with --simulated.")
    else:
        chosen.check()
        if sessions is not None:
            raise click.UsageError("--sessions goes with --simulated.")
    levels = {"medium": medium, "high": high, "critical": critical}
    limits = {level: pair for level, pair in levels.items() if pair is not None}
    _check(limits)
    if out.is_dir() and any(out.iterdir()) and not force:
        raise click.UsageError(f"{out} is not empty. Give another --out, or --force to replace its content.")
    # TensorFlow writes pages about processors and missing graphics cards to the terminal.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    needs = _NEEDS + (("pybamm",) if simulated else ())
    missing = [name for name in needs if importlib.util.find_spec(name) is None]
    if missing:
        click.echo(
            f"Training needs packages that are not installed ({', '.join(missing)}): "
            "run `make test` once, or `.venv/bin/pip install -e '.[train]'`.",
            err=True,
        )
        sys.exit(2)
    from models.training.train import Recipe

    recipe = replace(Recipe(), budget=budget)
    if epochs:
        recipe = replace(recipe, epochs=min(epochs, recipe.epochs), settle_epochs=max(0, epochs - recipe.epochs))

    def simulate(progress: StepProgress) -> Material:
        from models.simulation.material import SESSIONS, TEST, material

        count = sessions or SESSIONS
        return material(seed, progress, sessions=count, test=max(2, TEST * count // SESSIONS))

    _train(simulate if simulated else _recorded(chosen, seed), out, seed, recipe, limits)


def _check(limits: dict[str, tuple[float, float]]) -> None:
    """Refuse limits that no data could allow. Training finds those that contradict the data."""
    previous: tuple[str, float, float] | None = None
    for level, (current_a, temperature_c) in limits.items():
        if not (0 < current_a < float("inf") and -100 < temperature_c < 500):
            raise click.UsageError(
                f"--{level} {current_a:g} {temperature_c:g}: the current must be above 0 A, the temperature one in °C."
            )
        if previous and not (previous[1] < current_a and previous[2] < temperature_c):
            raise click.UsageError(
                f"--{level} {current_a:g} {temperature_c:g} must lie above --{previous[0]} {previous[1]:g} "
                f"{previous[2]:g}, in both."
            )
        previous = (level, current_a, temperature_c)


def _recorded(chosen: Inputs, seed: int) -> Callable[[StepProgress], Material]:
    """What to train on. Ends the program where it cannot be read or is too little."""
    from battery_watch.options.progress import progress_bars
    from consumer.errors import BatteryWatchError
    from models.data.measured import material
    from models.data.recordings import RecordingError

    try:
        with progress_bars() as progress:
            recordings = read_input(chosen, progress, labels=True).recordings
        found = material(recordings, seed)
    except (BatteryWatchError, RecordingError) as error:
        fail(error)
    for note in (note for recording in recordings for note in recording.notes):
        click.echo(f"Note: {note}.", err=True)
    return lambda _: found


def _train(
    make: Callable[[StepProgress], Material],
    out: Path,
    seed: int,
    recipe: Recipe,
    limits: dict[str, tuple[float, float]],
) -> None:
    from battery_watch.options.progress import progress_bars
    from models.detectors.parity import ParityError
    from models.training.train import pictures, train

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            with progress_bars() as progress:
                bundle = train(make(progress), out, seed, recipe, progress, limits=limits)
        except (ParityError, ValueError) as error:
            click.echo(f"No bundle was written: {error}", err=True)
            sys.exit(1)
    for warning in caught:
        if "held-out charging" in str(warning.message):
            click.echo(f"Note: {warning.message}.", err=True)
    _say(bundle, out)
    curve, histograms = pictures(out)
    click.echo(f"Look at {curve.name} and {histograms.name} beside it, and read {out / 'MODEL_CARD.md'}.")
    if not bundle.manifest.metrics.get("fresh"):
        click.echo(f"How good it is on other charges: battery-watch evaluate --bundle {out} --input OTHERS --inject")


def _say(bundle: Bundle, out: Path) -> None:
    click.echo(f"{bundle.id} in {out}")
    click.echo(bundle.manifest.training["summary"])
    for name, words in (("held_out", "held out"), ("fresh", "seen by neither models nor thresholds")):
        if normal := bundle.manifest.metrics.get(name):
            click.echo(
                f"{words}: {normal['false_episodes']} false episodes in {normal['hours']} h "
                f"({normal['false_samples']} of {normal['samples']:,} samples)"
            )
    faults = bundle.manifest.metrics["faults"]
    found, count = sum(row["found"] for row in faults), sum(row["count"] for row in faults)
    click.echo(
        f"faults put in: {found} of {count} found" if count else "faults put in: none, all sessions are too short"
    )
