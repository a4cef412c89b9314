"""`battery-watch evaluate`: how often a bundle is wrong on recorded charges, and which faults it finds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from battery_watch.options.failure import fail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.evaluation.evaluate import DetectorFigures

_EXAMPLES = """\b
Examples:
  battery-watch evaluate --bundle models/mine --input charges/
  battery-watch evaluate --bundle models/mine --input 'new/*.parquet' --inject --peers charges/ --out report/
"""


@click.command("evaluate", epilog=_EXAMPLES)
@click.option(
    "--bundle",
    "bundles",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder of a bundle. Repeat it for trainings with several seeds: the median is printed too.",
)
@click.option(
    "--input",
    "inputs",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="Charges: a CSV or Parquet file (ts, current, temperature, and label: not 0 during a fault), a folder, or a "
    "pattern. May be repeated.",
)
@click.option("--inject", is_flag=True, help="Also put faults into the healthy charges.")
@click.option("--per-grade", default=25, show_default=True, type=click.IntRange(min=1), help="Faults of each strength.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0), help="Same seed, same faults.")
@click.option(
    "--peers",
    "normal",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Also judge simpler detectors, calibrated on these normal charges. May be repeated.",
)
@click.option(
    "--budget",
    default=0.05,
    show_default=True,
    type=float,
    help="False episodes per hour that --peers are calibrated to.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for evaluation.md and .png.")
def command(
    bundles: tuple[Path, ...],
    inputs: tuple[Path, ...],
    inject: bool,
    per_grade: int,
    seed: int,
    normal: tuple[Path, ...],
    budget: float,
    out: Path | None,
) -> None:
    """Run recorded charges through the worker's scoring path. Count false episodes per charge-hour, faults found
    between onset and end, the delay, and the time in alarm."""
    from models.data.recordings import RecordingError
    from models.evaluation.report import markdown, picture
    from scoring.bundle import BundleError

    try:
        results, baselines = _figures(bundles, inputs, per_grade if inject else 0, seed, normal, budget)
    except (BundleError, RecordingError, ValueError) as error:
        fail(error)
    text = markdown(results, baselines)
    click.echo(text, nl=False)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "evaluation.md").write_text(text)
        (out / "evaluation.png").write_bytes(picture(results, baselines))


def _figures(
    bundles: Sequence[Path], inputs: Sequence[Path], per_grade: int, seed: int, normal: Sequence[Path], budget: float
) -> tuple[list[DetectorFigures], list[DetectorFigures]]:
    from models.data.files import read
    from models.data.recordings import RecordingError, series
    from models.evaluation.baselines import baselines
    from models.evaluation.evaluate import LEAST_SAMPLES, exam, judge, of_bundle
    from scoring.bundle import load

    loaded = [load(path) for path in bundles]
    first = loaded[0].config
    gap_s = first.features.session_gap_s
    recorded = series(read(inputs, labels=True))
    on = exam(recorded, first.plausible, gap_s=gap_s, seed=seed, per_grade=per_grade)
    results = [judge(f"{b.id} ({b.config.policy})", of_bundle(b), on) for b in loaded]
    if not normal:
        return results, []
    sessions = [
        s
        for one in series(read(normal, labels=True))
        for s in one.healthy(gap_s=gap_s, least=LEAST_SAMPLES, within=first.plausible)
    ]
    if not sessions:
        raise RecordingError(f"--peers: no session of {LEAST_SAMPLES} good samples is in these files to calibrate on")
    others = baselines(loaded[0], sessions, budget=budget, seed=seed)
    return results, [judge(name, detect, on) for name, detect in others.items()]
