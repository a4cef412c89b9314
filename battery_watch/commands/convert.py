"""`battery-watch convert`: a bundle from the old service's model files."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_NEEDS = ("h5py", "keras", "onnx", "sklearn", "tensorflow")
_EXAMPLE = """\b
LEGACY_DIR holds
  autoencoder_best.h5     (or autoencoder_converted.h5), from Keras 2 or 3
  scaler.pkl              a fitted StandardScaler, from pickle or joblib
  isolation_forest.pkl    a fitted IsolationForest
  feature_names.json      the 14 features in the order of the models
  config.json             the error threshold and the severity limits

\b
Examples
  battery-watch convert old/ --out bundle --trust-pickle
  battery-watch convert old/ --out bundle --trust-pickle --forest-input scaled
  battery-watch convert old/ --out bundle --trust-pickle --reconstruction-threshold 0.42 \\
      --medium 3.5 40 --high 4.5 50 --critical 5.5 60

\b
Exit codes
  0  converted, and proven equal to the old models
  1  a file is damaged, has lost weights, or is another model; or the proof failed
  2  the command line must say more first: the message names the option
"""


def _pair(name: str, metavar: str, text: str) -> Callable[[Any], Any]:
    return click.option(name, nargs=2, type=float, metavar=metavar, help=text)


@click.command("convert", epilog=_EXAMPLE)
@click.argument("legacy_dir", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the bundle.")
@click.option("--trust-pickle", is_flag=True, help="Open the .pkl files. They can run any code of whoever made them.")
@click.option("--autoencoder", metavar="FILE", help="Name of the .h5 file in LEGACY_DIR, if it has another name.")
@click.option(
    "--forest-input",
    type=click.Choice(["raw", "scaled"]),
    help="What the forest was trained on. Without this its split thresholds must show it.",
)
@click.option(
    "--reconstruction-threshold",
    type=float,
    metavar="ERROR",
    help="Above this mean squared error a sample is anomalous.",
)
@_pair("--medium", "AMPERES DEGREES", "An anomaly is medium from this current or temperature on.")
@_pair("--high", "AMPERES DEGREES", "An anomaly is high from this current or temperature on.")
@_pair("--critical", "AMPERES DEGREES", "An anomaly is critical from this current or temperature on.")
@_pair("--current-range", "LOW HIGH", "Amperes the old models know. Without it: from the splits of the forest.")
@_pair("--temperature-range", "LOW HIGH", "Degrees Celsius the old models know. Without it: from the splits.")
@click.option("--force", is_flag=True, help="Replace what is in the folder.")
def command(
    legacy_dir: Path,
    out: Path,
    trust_pickle: bool,
    autoencoder: str | None,
    forest_input: str | None,
    reconstruction_threshold: float | None,
    medium: tuple[float, float] | None,
    high: tuple[float, float] | None,
    critical: tuple[float, float] | None,
    current_range: tuple[float, float] | None,
    temperature_range: tuple[float, float] | None,
    force: bool,
) -> None:
    """Make a bundle from the old service's model files in LEGACY_DIR, and prove that it scores as they do."""
    if out.is_dir() and any(out.iterdir()) and not force:
        raise click.UsageError(f"{out} is not empty. Give another --out, or --force to replace its content.")
    if out.resolve() == legacy_dir.resolve():
        raise click.UsageError("--out is LEGACY_DIR itself: the old files would be replaced.")
    for name, ends in (("--current-range", current_range), ("--temperature-range", temperature_range)):
        if ends is not None and not ends[0] < ends[1]:
            raise click.UsageError(f"{name}: {ends[0]:g} is not below {ends[1]:g}.")
    # TensorFlow writes pages about processors and missing graphics cards to the terminal.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    missing = [name for name in _NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        click.echo(
            f"Converting needs packages that are not installed ({', '.join(missing)}): "
            "run `make test` once, or `.venv/bin/pip install -e '.[train]'`.",
            err=True,
        )
        sys.exit(2)
    from models.detectors.parity import ParityError
    from models.legacy.choices import Given
    from models.legacy.convert import convert
    from models.legacy.errors import LegacyError, Unanswered

    levels = {"medium": medium, "high": high, "critical": critical}
    given = Given(
        reconstruction_threshold,
        {level: pair for level, pair in levels.items() if pair is not None},
        forest_input,
        current_range,
        temperature_range,
        autoencoder,
    )
    try:
        bundle = convert(
            legacy_dir,
            out,
            given,
            lambda line: click.echo(line, err=True),
            trust_pickle=trust_pickle,
        )
    except Unanswered as error:
        click.echo(f"No bundle was written. {error}", err=True)
        sys.exit(2)
    except (LegacyError, ParityError, ValueError) as error:
        click.echo(f"No bundle was written. {error}", err=True)
        sys.exit(1)
    click.echo(f"{bundle.id} in {out}")
    click.echo(f"Read {out / 'MODEL_CARD.md'}, then point MODEL_DIR at {out}.")
