"""`battery-watch replay`: what would the worker have published about recorded data?"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from battery_watch.options.failure import fail
from battery_watch.options.inputs import Inputs, input_options, read_input

if TYPE_CHECKING:
    from battery_watch.replay.summary import DeviceFigures
    from consumer.offline.replay import Replayed
    from models.data.recordings import Recording
    from reporting.message import Publish

EPILOG = """\b
Examples:
  battery-watch replay --input charge.csv                    one file
  battery-watch replay --input charges/ --bundle my-bundle   a folder, with a bundle of your own
  battery-watch replay --table device4 --since 24h           yesterday, before anything is deployed
  battery-watch replay --export s3://bucket/exports

\b
Exit codes: 0 replayed, whatever was found; 1 the results could not be written; 2 the input, the bundle or the
options must be fixed; 130 ended by Ctrl-C, nothing was written."""


@click.command("replay", epilog=EPILOG)
@input_options
@click.option(
    "--bundle",
    "bundle_path",
    envvar="MODEL_DIR",
    show_envvar=True,
    metavar="PLACE",
    help="A bundle or a folder of bundles, also s3://bucket/prefix. Default: the shipped bundle.",
)
@click.option(
    "--out",
    default=Path("replay-out"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the results. It replaces those of an earlier replay there.",
)
@click.option(
    "--publish",
    envvar="PUBLISH",
    show_envvar=True,
    default="episodes",
    show_default=True,
    type=click.Choice(["episodes", "samples", "both"]),
    help="What events.ndjson holds: the steps of episodes, every anomalous sample, or both.",
)
@click.option("--charts/--no-charts", default=True, show_default=True, help="Draw a chart of each device.")
def command(
    files: tuple[Path, ...],
    inputs: tuple[Path, ...],
    bundle_path: str | None,
    out: Path,
    publish: Publish,
    charts: bool,
    **given: Any,
) -> None:
    """Run recorded data through the worker's own code, without stream, bucket or topic.

    Writes scores.parquet (scores.csv without pyarrow) with a row for each sample, events.ndjson with a line for each
    message that would have been published, quarantine.ndjson with the quarantined rows, and charts/ with a chart of
    each device. A file without a column for the device is one device, named like the file.

    Unlike the worker, replay knows no time of arrival: a sample counts as written at its ts, rows are sorted by time,
    and none is late or in the future. Mutes are ignored. The events of a table or an export have the worker's source
    and ids; files have no account, so theirs name the table alone.
    """
    chosen = Inputs(inputs=(*inputs, *files), **given)
    chosen.check()
    try:
        _replay(chosen, bundle_path, out, publish, charts=charts)
    except KeyboardInterrupt:
        click.echo("Stopped; nothing was written.", err=True)
        sys.exit(130)


def _replay(chosen: Inputs, bundle_path: str | None, out: Path, publish: Publish, *, charts: bool) -> None:
    from battery_watch.options.progress import progress_bars
    from battery_watch.replay import output
    from battery_watch.replay.run import replay_recordings
    from battery_watch.replay.summary import figures
    from consumer.aws import session
    from consumer.bundles.location import BundleSource
    from consumer.errors import BatteryWatchError
    from consumer.logs import configure
    from consumer.settings import SHIPPED_BUNDLE
    from models.data.recordings import RecordingError
    from scoring.bundle import BundleError
    from window.rolling import SHOWN_S

    configure("console", "error")
    try:
        bundle = BundleSource.at(bundle_path or str(SHIPPED_BUNDLE), lambda: session(None)).load()
        with progress_bars() as progress:
            recorded = read_input(chosen, progress, plausible=bundle.config.plausible, before_s=SHOWN_S)
            replayed = replay_recordings(
                recorded, bundle, since=chosen.since, device_key=chosen.device_key, publish=publish, progress=progress
            )
            try:
                with output.result_folder(out) as scratch:
                    output.write(replayed, bundle, scratch, charts=charts, progress=progress)
            except OSError as error:
                progress("writing", 0, 0)
                fail(f"{out} cannot be written: {error}", 1)
    except (BatteryWatchError, BundleError, RecordingError) as error:
        fail(error)
    _say(recorded.recordings, replayed, figures(replayed, bundle.config.features.session_gap_s), bundle.id, out)
    if not output.has_parquet():
        click.echo(
            "pyarrow is not installed: the scores are in scores.csv. See `pip install -e '.[parquet]'`.", err=True
        )


def _say(
    recordings: Sequence[Recording],
    replayed: Sequence[Replayed],
    found: Sequence[DeviceFigures],
    bundle: str,
    out: Path,
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from battery_watch.replay.overwritten import overwritten
    from battery_watch.replay.summary import withdrawals
    from reporting.duration import duration
    from reporting.names import flat

    console = Console()
    if not console.is_terminal:
        console.width = 120
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("device", overflow="fold")
    repeated = any(f.overwritten for f in found)
    for heading in (
        *(("rows", "overwritten") if repeated else ()),
        *("samples", "sessions", "hours", "anomalies", "episodes", "quarantined", "in alarm"),
    ):
        table.add_column(heading, justify="right")
    for f in found:
        read = (f.rows, f.overwritten) if repeated else ()
        judged = (f.samples, f.sessions, f"{f.hours:.2f}", f.anomalies, f.episodes)
        figures = (*read, *judged, f.quarantined, duration(f.alarm_s))
        table.add_row(Text(flat(f.device)), *(f"{each:,}" if isinstance(each, int) else each for each in figures))
    console.print(table)
    for said in overwritten(recordings):
        console.print(Text(str(said)), soft_wrap=True)  # as text: a name may hold what a terminal obeys
    for note in (note for recording in recordings for note in recording.notes):
        click.echo(note)
    messages = Counter(message.type for each in replayed for message in each.messages)
    told = ", ".join(f"{count:,} {kind}" for kind, count in sorted(messages.items())) or "none"
    click.echo(f"Messages: {told}. Bundle {bundle}. Results in {out}.")
    if withdrawn := withdrawals(message for each in replayed for message in each.messages):
        gone = "episode was withdrawn" if withdrawn == 1 else "episodes were withdrawn"
        click.echo(f"{withdrawn:,} {gone}: other readings overwrote their samples. The table counts what is left.")
