"""`battery-watch state`: save where the worker stands, and put it back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from battery_watch.options.failure import fail

if TYPE_CHECKING:
    import boto3

    from consumer.offline.state_backup import Backup, Place, SavedLane
    from consumer.settings import Settings
    from consumer.state.store import Stores

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Save the state of the watched table, also while its worker runs, and put it back.

    The state is where the worker stands in the stream and what it remembers: open episodes, the last 32 minutes of each
    device, the ledger, messages on their way. Archive, charts and bundles are not in it.
    """


@command.command(
    epilog="""\b
Examples:
  battery-watch state save --out state-before
  battery-watch state save --out "state-$(date -u +%Y%m%dT%H%MZ)\""""
)
@click.option("--out", required=True, type=FOLDER, metavar="FOLDER", help="Where to; empty or not there yet.")
def save(out: Path) -> None:
    """Copy the state of all lanes of the table's stream into a folder, consistent, while the worker goes on.

    The folder holds the heads (JSON that can be read), the windows, and a manifest. It has no credentials, but the
    names and readings of your devices.

    Exit codes: 0 saved, 1 the state moved too fast or S3 did not answer: try again, 2 something must be fixed first.
    """
    from consumer.aws import CALLS
    from consumer.errors import ConfigurationError, Retry
    from consumer.offline import state_backup

    try:
        state_backup.free(out)
        aws, settings = _surroundings()
        place = _place(aws, settings)
        client = aws.client("s3", config=CALLS)
        backup = state_backup.save(client, _stores(aws, settings), settings.bucket, place, time.time(), _saved)
        state_backup.write(backup, out)
    except (ConfigurationError, Retry) as error:
        _failed(error)
    lanes = "1 lane" if len(backup.lanes) == 1 else f"{len(backup.lanes)} lanes"
    click.echo(f"Saved {lanes} of {place} in {out}.")
    click.echo(f"To put it back: battery-watch state restore {out}")


@command.command(
    epilog="""\b
Examples:
  battery-watch state restore state-before
  battery-watch state restore state-before --yes
  battery-watch state restore state-before --place default/device4/2026-11-22T08:15:30.123"""
)
@click.argument("folder", type=FOLDER)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--place",
    "named",
    metavar="NAMESPACE/TABLE/LABEL",
    help="Where the backup came from, if that is not what the settings name. It goes back there.",
)
def restore(folder: Path, yes: bool, named: str | None) -> None:
    """Put the state in a folder back where it was saved. Stop all workers of the table first.

    What the state says now is replaced; the bucket keeps the versions before for two days. If a worker has not released
    the table, this waits as long as a stand-by would, to see whether it lives. Needs s3:DeleteObject for lanes that
    began after the backup.

    Exit codes: 0 restored, 1 you said no, or S3 did not answer: try again, 2 nothing was restored, or not all of it:
    the message says what to do first.
    """
    from consumer.errors import ConfigurationError, Retry
    from consumer.offline import state_backup
    from consumer.offline.state_restore import Restorer, Timing, outlook

    try:
        backup = state_backup.read(folder)
        aws, settings = _surroundings()
        _same_place(backup, aws, settings, named)
        restorer = Restorer(_stores(aws, settings), backup.place, Timing(settings.take_over_s))
        _describe(backup, settings.bucket)
        if not yes and not click.confirm("Replace the state that is there?", err=True):
            fail("nothing was restored", 1)
        restorer.watch(_waiting)
        restorer.restore(backup, lambda line: click.echo(f"  {line}", err=True))
    except (ConfigurationError, Retry) as error:
        _failed(error)
    click.echo(f"Restored {backup.place} from {folder}.")
    for line in outlook(backup, time.time()):
        click.echo(line)


def _surroundings() -> tuple[boto3.Session, Settings]:
    from consumer.aws import session
    from consumer.settings import load_settings

    settings = load_settings()
    return session(settings.region), settings


def _stores(aws: boto3.Session, settings: Settings) -> Stores:
    from consumer.aws import CALLS, ONE_TRY
    from consumer.state.store import Stores

    return Stores(aws.client("s3", config=CALLS), aws.client("s3", config=ONE_TRY), settings.bucket)


def _place(aws: boto3.Session, settings: Settings) -> Place:
    """That of the table's stream as it is now."""
    from consumer.checks.preflight import check_table
    from consumer.errors import ConfigurationError
    from consumer.findings import State
    from consumer.offline.state_backup import Place

    stream, findings = check_table(aws, settings)
    if stream is None:
        raise ConfigurationError("; ".join(f.sentence for f in findings if f.state is State.FAULT))
    return Place(settings.namespace, settings.table, stream.label)


def _same_place(backup: Backup, aws: boto3.Session, settings: Settings, named: str | None) -> None:
    """Refuse a backup of another place, unless it is named."""
    from consumer.errors import ConfigurationError

    if named is not None:
        if named != str(backup.place):
            raise ConfigurationError(f"the backup is of {backup.place}, and --place names {named}")
        return
    place = _place(aws, settings)
    if place != backup.place:
        raise ConfigurationError(
            f"the backup is of {backup.place}, and the settings and the table's stream name {place}. The positions in "
            "it mean nothing in another stream. If it is to go back where it came from all the same, add "
            f"--place {backup.place}"
        )


def _describe(backup: Backup, bucket: str) -> None:
    from reporting.contract.events import utc
    from reporting.duration import duration

    age = duration(time.time() - backup.saved)
    click.echo(f"The backup is of {utc(backup.saved):%Y-%m-%d %H:%M:%S} UTC, {age} ago, by {backup.version}.", err=True)
    click.echo(f"It goes to s3://{bucket}/{backup.place.prefix}/", err=True)


def _saved(lane: SavedLane) -> None:
    head = lane.head
    windows = f"windows of commit {lane.revision[1]}" if lane.revision is not None else "no windows yet"
    devices = "1 device" if len(head.health) == 1 else f"{len(head.health)} devices"
    size = (len(lane.stored) + len(lane.windows or b"")) / 1000
    click.echo(f"  {head.lane}: commit {head.commit}, {windows}, {devices}, {size:,.0f} KB", err=True)


def _waiting(left_s: float) -> None:
    click.echo(f"  the last worker did not release the table: watching it for {left_s:.0f} s more", err=True)


def _failed(error: Exception) -> NoReturn:
    """A fault that may pass is 1, one to put right first is 2."""
    from consumer.errors import Retry

    fail(error, 1 if isinstance(error, Retry) else 2)
