"""Where a command reads recorded data from: files, a table, an export in S3."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from battery_watch.options.progress import StepProgress
from battery_watch.options.times import TimeInPast

if TYPE_CHECKING:
    from consumer.stream.records import Decoded
    from models.data.recordings import Recording
    from scoring.config import Range
    from window.samples import Names

Command = TypeVar("Command", bound=Callable[..., Any])


def input_options(command: Command) -> Command:
    """Adds the options that `Inputs` holds."""
    for option in reversed(
        [
            # So that a shell's `--input *.csv` works.
            click.argument("files", nargs=-1, metavar="", type=click.Path(path_type=Path)),
            click.option(
                "--input",
                "inputs",
                multiple=True,
                metavar="FILE...",
                type=click.Path(path_type=Path),
                help="CSV or Parquet files with the columns ts, current, temperature, or folders of them.",
            ),
            click.option("--table", metavar="NAME", help="A DynamoDB table, read by a parallel scan."),
            click.option("--export", metavar="S3-URL", help="An export of a table: s3://bucket/prefix."),
            click.option(
                "--since",
                type=TimeInPast(),
                metavar="T",
                help="With --table: start; 24h is 24 hours ago, or 2026-11-22T15:00Z.",
            ),
            click.option("--until", type=TimeInPast(), metavar="T", help="With --table: end."),
            click.option("--device", metavar="NAME", help="With --input: the device of rows without one."),
            click.option(
                "--device-key",
                envvar="DEVICE_KEY_NAME",
                default="device",
                show_default=True,
                show_envvar=True,
                help="The column or attribute that names the device.",
            ),
        ]
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the options say. Exactly one of ``table``, ``export`` and ``inputs`` is given."""

    inputs: tuple[Path, ...] = ()
    table: str | None = None
    export: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    device: str | None = None
    device_key: str = "device"

    def __bool__(self) -> bool:
        """True if there is something to read."""
        return bool(self.inputs or self.table or self.export)

    def check(self) -> None:
        """Raises `click.UsageError` for options that do not go together."""
        if sum(map(bool, (self.inputs, self.table, self.export))) != 1:
            raise click.UsageError("Say what to read: --input FILE (several times), --table NAME or --export S3-URL.")
        if (self.since or self.until) and not self.table:
            raise click.UsageError("--since and --until go with --table.")
        if self.since and self.until and self.since >= self.until:
            raise click.UsageError("--until must be later than --since.")
        if self.device is not None and not self.inputs:
            raise click.UsageError("--device goes with --input.")


@dataclass(frozen=True, slots=True)
class RecordedInput:
    """What was read. ``table``: the name that messages carry. ``one_device``: the table's key can hold one device
    only. ``arn``: the table's, empty for files."""

    recordings: list[Recording]
    table: str
    one_device: bool = False
    arn: str = ""


def read_input(
    given: Inputs,
    progress: StepProgress,
    *,
    plausible: Range | None = None,
    before_s: float = 0.0,
    labels: bool = False,
) -> RecordedInput:
    """Read the chosen input. ``before_s``: from a table also read that many seconds before ``since``. ``labels``: from
    files also read the column ``label``.

    Raises `RecordingError` and `ConfigurationError`.
    """
    if given.inputs:
        from models.data.files import read

        found = read(
            given.inputs,
            device=given.device,
            device_key=given.device_key,
            labels=labels,
            progress=lambda name, done, total: progress("reading files", done, total),
        )
        return RecordedInput(found, given.device or "replay")
    from consumer.aws import session
    from consumer.stream.records import Decoder
    from consumer.table import export, scan
    from scoring.config import PLAUSIBLE
    from window.samples import Names

    aws, devices = session(None), Names()

    def decoder(table: str) -> Decoder:
        within = plausible or PLAUSIBLE
        return Decoder(table=table, device_key=given.device_key, devices=devices, shards=Names(), plausible=within)

    if given.export:
        exported = export.find(aws, given.export)
        pages = export.read(
            aws,
            exported,
            decoder(exported.table),
            progress=lambda done, total: progress("reading the export", done, total),
        )
        return RecordedInput([_recording(exported.table, pages, devices)], exported.table, arn=exported.arn)
    assert given.table is not None
    table = scan.describe(aws, given.table)
    pages = scan.scan(
        aws,
        table,
        decoder(table.name),
        since=given.since.timestamp() - before_s if given.since else None,
        until=given.until.timestamp() if given.until else None,
        progress=lambda done, total: progress("reading the table", done, total),
    )
    return RecordedInput([_recording(table.name, pages, devices)], table.name, table.time_keyed, table.arn)


def _recording(name: str, pages: Iterable[Decoded], devices: Names) -> Recording:
    """The items of a table in order of time."""
    import numpy as np

    from models.data.recordings import Recording, Unusable
    from window.samples import Kind, concat

    parts, unusable, count = [], {}, 0
    for page in pages:
        parts.append(page.samples)
        unusable.update({count + row: Unusable(each.reason, each.raw) for row, each in page.rejects.items()})
        count += len(page.samples)
    whole = concat(parts)
    kind = np.where(whole.kind == Kind.BACKFILL, Kind.SAMPLE, whole.kind).astype(np.int8)
    created = np.where(whole.created > 0, whole.created, np.nan)  # 0: how the decoder marks an item without a time
    samples = replace(whole, kind=kind, created=created)
    return Recording.of(name, samples, [devices[code] for code in range(len(devices))], unusable)
