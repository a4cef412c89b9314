"""`battery-watch mute`: publish nothing about a device for a while."""

from __future__ import annotations

import getpass
import secrets
import socket
from datetime import UTC, datetime, timedelta

import click

from battery_watch.options.failure import fail
from battery_watch.options.times import parse_time
from reporting.duration import duration
from reporting.names import flat

LONGEST = timedelta(days=7)
LONGEST_FORCED = timedelta(days=366)


@click.command(
    epilog="""\b
Examples:
  battery-watch mute --device device4 --until 2h --reason "new fan"
  battery-watch mute --device device4 --until 2026-11-22T15:00Z --reason "cell swap" --health
  battery-watch mute --every-device --until 30m --reason "fire drill"
  battery-watch mutes"""
)
@click.option("--device", metavar="D", help="The device, as its events name it.")
@click.option("--every-device", is_flag=True, help="Instead of --device: all devices, also future ones.")
@click.option(
    "--until", required=True, metavar="T", help="When it ends: 30m, 2h, 3d, or ISO 8601 with a zone. At most 7 days."
)
@click.option("--reason", required=True, metavar="R", help="Why, for people who wonder (one line, 200 characters).")
@click.option("--by", metavar="WHO", help="Who mutes. Default: your name on this machine.")
@click.option("--health", is_flag=True, help="Also mute its health notices: silence, stuck readings, wrong clock, ...")
@click.option("--force", is_flag=True, help="Allow more than 7 days, up to 366.")
def command(
    device: str | None, every_device: bool, until: str, reason: str, by: str | None, health: bool, force: bool
) -> None:
    """Archive and count a device's anomalies for a while, but publish none of them.

    The time of the sample counts: samples taken from now until T are muted, whenever the worker reads them. A mute
    always ends. If an episode is still open then, it is published with its beginning. The same holds for silence and
    for everything else that --health muted. Gaps in the table's stream are never muted.

    Exit codes: 0 muted, 2 not muted: the input, the settings or the bucket must be fixed.
    """
    from consumer.aws import CALLS, session
    from consumer.errors import ConfigurationError, Retry
    from consumer.mutes.store import MuteStore
    from consumer.settings import load_settings
    from reporting.mutes import Mute

    if every_device == bool(device):
        raise click.UsageError("name one: --device D, or --every-device")
    now = datetime.now(UTC).replace(microsecond=0)
    ends = _until(until, now, force=force)
    mute = Mute(
        id=secrets.token_hex(4),
        device=device or None,
        since=now.timestamp(),
        until=ends.timestamp(),
        reason=_line("--reason", reason),
        by=_line("--by", by if by is not None else _me()),
        health=health,
    )
    try:
        settings = load_settings()
        MuteStore(session(settings.region).client("s3", config=CALLS), settings.bucket).put(mute)
    except (ConfigurationError, Retry) as error:
        fail(error)
    what = "Anomalies and health notices" if health else "Anomalies"
    length = duration(mute.until - mute.since)
    click.echo(f"Muted {flat(device) if device else 'every device'} until {ends:%Y-%m-%d %H:%M:%S} UTC ({length}).")
    click.echo(f"{what} are archived and counted as always, but not published. A worker knows within 30 s.")
    click.echo(f"To undo it: battery-watch unmute {mute.id}")


def _until(text: str, now: datetime, *, force: bool) -> datetime:
    try:
        ends = parse_time(text, now)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--until") from None
    if ends <= now:
        raise click.BadParameter(
            f"{ends:%Y-%m-%d %H:%M:%S} UTC has passed: it is {now:%Y-%m-%d %H:%M:%S} UTC", param_hint="--until"
        )
    if ends - now > LONGEST_FORCED:
        raise click.BadParameter("more than 366 days ahead: every mute must end", param_hint="--until")
    if ends - now > LONGEST and not force:
        raise click.BadParameter(
            f"{duration(ends.timestamp() - now.timestamp())} is more than 7 days: add --force if you mean it",
            param_hint="--until",
        )
    return ends


def _line(option: str, text: str) -> str:
    text = text.strip()
    if not text or len(text) > 200 or not text.isprintable():
        raise click.BadParameter("is one line of 1 to 200 characters", param_hint=option)
    return text


def _me() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        return socket.gethostname()
