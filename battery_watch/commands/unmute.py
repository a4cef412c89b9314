"""`battery-watch unmute`: end a mute before its time."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from battery_watch.options.failure import complain, fail
from reporting.contract.events import utc
from reporting.mutes import Mutes
from reporting.names import flat

if TYPE_CHECKING:
    from consumer.mutes.store import MuteObject

TIME = "%Y-%m-%d %H:%M:%S"


@click.command(
    epilog="""\b
Examples:
  battery-watch unmute 1a2b3c4d             one mute, by its name in `battery-watch mutes`
  battery-watch unmute --device device4     all mutes of that device"""
)
@click.argument("mutes", metavar="[MUTE]...", nargs=-1)
@click.option("--device", metavar="D", help="All mutes of this device, but not those of every device.")
def command(mutes: tuple[str, ...], device: str | None) -> None:
    """Remove mutes. A worker knows within 30 s, and publishes again from then on.

    Messages that a mute suppressed are not published later: they lie in the archive.

    Exit codes: 0 all named mutes are gone, 1 there is no such mute, 2 the settings or the bucket must be fixed.
    """
    from consumer.aws import CALLS, session
    from consumer.errors import ConfigurationError, Retry
    from consumer.mutes.store import MuteStore
    from consumer.mutes.watcher import KEPT_S
    from consumer.settings import load_settings

    if bool(mutes) == (device is not None):
        raise click.UsageError("name mutes as `battery-watch mutes` lists them, or --device D")
    now = time.time()
    try:
        settings = load_settings()
        store = MuteStore(session(settings.region).client("s3", config=CALLS), settings.bucket)
        found = store.read(now - KEPT_S).values()
        ended = [f for f in found if f.id in mutes or _of(device, f, now)]
        for each in ended:
            store.delete(each.key)
            click.echo(_said(each, now))
    except (ConfigurationError, Retry) as error:
        fail(error)
    remaining = Mutes(f.mute for f in found if f.mute and f not in ended)
    for whom in sorted({device or ""} | {f.mute.device or "" for f in ended if f.mute}):
        # A person who ends one mute may not know of another.
        if other := remaining.covers(whom, now):
            said = flat(whom) if whom else "Every device"
            click.echo(f"{said} is still muted by {flat(other.id)}, until {utc(other.until):{TIME}} UTC.")
    missing = sorted(set(mutes).difference(f.id for f in ended))
    for name in missing:
        complain(f"there is no mute {flat(name)}: `battery-watch mutes` lists them")
    if device is not None and not ended:
        complain(f"there is no mute of {flat(device)} alone")
    sys.exit(1 if missing or not ended else 0)


def _of(device: str | None, found: MuteObject, now: float) -> bool:
    mute = found.mute
    return device is not None and mute is not None and mute.device == device and mute.until > now


def _said(found: MuteObject, now: float) -> str:
    if found.mute is None:
        return f"Removed {flat(found.key, longest=None)}, which muted nothing."
    whom = "every device" if found.mute.device is None else flat(found.mute.device)
    over = " It had ended." if found.mute.until <= now else ""
    reason = flat(found.mute.reason, longest=None)
    return f"Unmuted {whom} ({reason}; it would have lasted until {utc(found.mute.until):{TIME}} UTC).{over}"
