"""`battery-watch ledger`: what became of every record, and whether that adds up."""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import click

from battery_watch.options.failure import fail
from battery_watch.options.times import TimeInPast
from reporting.names import flat

if TYPE_CHECKING:
    from consumer.offline.ledger_reader import LedgerRow
    from consumer.offline.verify import Difference, Verification

SINCE, UNTIL = timedelta(hours=2), timedelta(minutes=5)
MOST_NAMED = 5


NAME_WIDTH = 32
"""A longer name takes several lines."""


@click.command(
    epilog="""\b
Examples:
  battery-watch ledger
  battery-watch ledger --day 2026-11-22 --json | jq
  battery-watch ledger --verify --since 2h
  battery-watch ledger --verify --since 2026-11-22T06:00Z --until 2026-11-22T09:00Z --json"""
)
@click.option(
    "--day", metavar="YYYY-MM-DD", callback=lambda *a: _day(a[2]), help="Only this UTC day (of the records' creation)."
)
@click.option("--verify", is_flag=True, help="Compare the table with what was scored, and name what is missing.")
@click.option("--since", type=TimeInPast(), metavar="TIME", help="With --verify: from this time on, 2h ago by default.")
@click.option(
    "--until",
    type=TimeInPast(),
    metavar="TIME",
    help="With --verify: up to this time, 5m ago by default. What devices upload later than that is not scored yet.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of a table.")
def command(day: str | None, verify: bool, since: datetime | None, until: datetime | None, as_json: bool) -> None:
    """Print what became of every record, by day and device, from the bucket.

    Every record that was read is exactly one of scored, duplicate, late, quarantined, ignored. Muted counts messages
    that were not published, not records. Overwritten, where there are any, counts scored records that took the place of
    a sample of the same ts with other readings.

    With --verify the table is the witness: each of its samples must have been scored. It prints the minutes (of the
    samples' ts) with samples that were not, and which these are where that can be told. Late and quarantined samples
    were not scored either; the ledger has their number. TIME is 2h, 1d or ISO 8601 with a zone.

    Exit codes: 0 the ledger balances or nothing is missing, 1 it does not, a record is proven lost or a sample is
    missing, 2 it cannot be read or compared.
    """
    from consumer.errors import ConfigurationError

    if verify and day is not None:
        raise click.UsageError("--day is not for --verify: name an interval with --since and --until")
    if not verify and (since or until):
        raise click.UsageError("--since and --until are for --verify; without it, --day names a day")
    try:
        wrong = _verify(since, until, as_json=as_json) if verify else _print(day, as_json=as_json)
    except ConfigurationError as error:
        fail(error)
    sys.exit(1 if wrong else 0)


def _print(day: str | None, *, as_json: bool) -> bool:
    """Print the ledger. True if something in it is wrong."""
    from consumer.aws import CALLS, session
    from consumer.offline.ledger_reader import read_ledger
    from consumer.settings import load_settings

    settings = load_settings()
    rows = read_ledger(session(settings.region).client("s3", config=CALLS), settings.bucket, day)
    if as_json:
        for row in rows:
            about = {"day": row.day, "lane": row.lane, "device": row.device}
            click.echo(json.dumps({**about, **row.counts, "balanced": row.imbalance == 0}))
    else:
        _table(rows)
    return any(row.imbalance or row.counts["lost"] for row in rows)


def _verify(since: datetime | None, until: datetime | None, *, as_json: bool) -> bool:
    """Compare the table with what was scored, and print the differences. True if there are any."""
    from battery_watch.options.progress import progress_bars
    from consumer.aws import session
    from consumer.offline.verify import Verifier
    from consumer.settings import load_settings

    now = datetime.now(UTC)
    start, end = since or now - SINCE, until or now - UNTIL
    if start >= end:
        raise click.UsageError("--since lies after --until")
    settings = load_settings()
    verifier = Verifier(session(settings.region), settings.bucket, table=settings.table, device_key=settings.device_key)
    with progress_bars() as progress:
        table_read, counts_read = partial(progress, "table"), partial(progress, "counts")
        found = verifier.verify(start.timestamp(), end.timestamp(), table_read, counts_read)
    for each in found.differences:
        if as_json:
            minute = f"{_utc(each.minute):%Y-%m-%dT%H:%MZ}"
            about = {"device": each.device, "minute": minute, "in_table": each.in_table, "scored": each.scored}
            click.echo(json.dumps({**about, "missing": each.missing}))
        else:
            click.echo(_line(each))
    click.echo(_summary(found), err=True)
    return bool(found.differences)


def _line(each: Difference) -> str:
    """A minute with samples that were not scored, for people."""
    named = [f"{ts:.6f}".rstrip("0").rstrip(".") for ts in each.missing]
    if each.scored == each.in_table:
        what = "as many were scored, but others"
    elif named:
        more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        what = f"missing: ts {', '.join(named[:MOST_NAMED])}{more}"
    else:
        what = f"missing: {each.in_table - each.scored}"
    return (
        f"{_utc(each.minute):%Y-%m-%d %H:%M} UTC  {flat(each.device)}  "
        f"{each.in_table} in the table, {each.scored} scored, {what}"
    )


def _summary(found: Verification) -> str:
    """What was compared, and the result."""
    compared = (
        f"{found.samples:,} samples of the table from {_utc(found.since):%Y-%m-%d %H:%M} "
        f"to {_utc(found.until):%Y-%m-%d %H:%M} UTC"
    )
    removed = f" In {found.removed:,} minutes the table has lost items since: not compared." if found.removed else ""
    if not found.differences:
        return f"{compared}: all were scored.{removed}"
    return f"{compared}: at least {found.missing:,} were not scored.{removed}"


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _day(value: str | None) -> str | None:
    if value is not None:
        try:
            date.fromisoformat(value)
        except ValueError:
            raise click.BadParameter(f"{value!r} is no day: write it like 2026-11-22") from None
    return value


def _table(rows: list[LedgerRow]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from consumer.state.classes import CLASSES

    console = Console()
    shown = [name for name in CLASSES if name != "overwritten" or any(row.counts[name] for row in rows)]
    if not console.is_terminal:
        console.width = 170 if "overwritten" in shown else 140
    if not rows:
        console.print("The ledger is empty: the worker writes it every few seconds once it has read something.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("day", "device", *shown, "balance"):
        if heading == "device":  # a name may be long, and the counts must stay readable beside it
            table.add_column(heading, overflow="fold", max_width=NAME_WIDTH)
        else:
            table.add_column(heading, justify="left" if heading == "day" else "right", no_wrap=heading == "day")
    for row in rows:
        balance = "[green]yes[/]" if row.imbalance == 0 else f"[bold red]off by {row.imbalance}[/]"
        table.add_row(row.day, Text(flat(row.device)), *(f"{row.counts[name]:,}" for name in shown), balance)
    console.print(table)
