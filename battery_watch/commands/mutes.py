"""`battery-watch mutes`: what is muted, until when, why, and by whom."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import click

from battery_watch.options.failure import complain, fail
from reporting.duration import duration
from reporting.names import flat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reporting.mutes import Mute


@click.command(
    epilog="""\b
Examples:
  battery-watch mutes
  battery-watch mutes --ended         also those that ended in the last 7 days
  battery-watch mutes --json | jq"""
)
@click.option("--ended", is_flag=True, help="Also those that ended in the last 7 days.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of a table.")
def command(ended: bool, as_json: bool) -> None:
    """List the mutes in force. The one that ends first comes first.

    Exit codes: 0 listed, 1 an object among them cannot be read and mutes nothing, 2 the bucket cannot be read.
    """
    from consumer.aws import CALLS, session
    from consumer.errors import ConfigurationError, Retry
    from consumer.mutes.store import MuteStore
    from consumer.mutes.watcher import KEPT_S
    from consumer.settings import load_settings

    now = time.time()
    try:
        settings = load_settings()
        store = MuteStore(session(settings.region).client("s3", config=CALLS), settings.bucket)
        found = store.read(now - KEPT_S if ended else now)
    except (ConfigurationError, Retry) as error:
        fail(error)
    listed = sorted((f.mute for f in found.values() if f.mute is not None), key=lambda mute: (mute.until, mute.id))
    listed = [mute for mute in listed if ended or mute.until > now]
    if as_json:
        for mute in listed:
            click.echo(json.dumps(_said(mute, now)))
    else:
        _table(listed, now)
    broken = [f for f in found.values() if f.mute is None]
    for each in broken:
        complain(flat(f"{each.key} is no mute, and mutes nothing: {each.fault}", longest=None))
    sys.exit(1 if broken else 0)


def _said(mute: Mute, now: float) -> dict[str, object]:
    from reporting.contract.events import utc

    return {
        "mute": mute.id,
        "device": mute.device,
        "since": utc(mute.since).isoformat(),
        "until": utc(mute.until).isoformat(),
        "in_force": mute.since <= now < mute.until,
        "health": mute.health,
        "reason": mute.reason,
        "by": mute.by,
    }


def _table(mutes: Sequence[Mute], now: float) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from reporting.contract.events import utc

    console = Console()
    if not console.is_terminal:
        console.width = 140
    if not mutes:
        console.print("No mutes: everything is published.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("mute", "device", "until (UTC)", "left", "what", "reason", "by"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("mute", "until (UTC)"))
    for mute in mutes:
        table.add_row(
            Text(flat(mute.id)),
            Text("every device" if mute.device is None else flat(mute.device)),
            Text(f"{utc(mute.until):%Y-%m-%d %H:%M:%S}"),
            Text(duration(mute.until - now) if mute.until > now else "ended"),
            Text("anomalies, health" if mute.health else "anomalies"),
            Text(flat(mute.reason, longest=None)),
            Text(flat(mute.by, longest=None)),
        )
    console.print(table)
