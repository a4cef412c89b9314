"""`battery-watch ledger`: what became of every record, and whether that adds up."""

from __future__ import annotations

import json
import sys
from datetime import date
from typing import TYPE_CHECKING

import click

from battery_watch.options.failure import fail

if TYPE_CHECKING:
    from consumer.offline.ledger_reader import LedgerRow


NAME_WIDTH = 32
"""A longer name takes several lines."""


@click.command(
    epilog="""\b
Examples:
  battery-watch ledger
  battery-watch ledger --day 2026-11-22 --json | jq"""
)
@click.option(
    "--day", metavar="YYYY-MM-DD", callback=lambda *a: _day(a[2]), help="Only this UTC day (of the records' creation)."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of a table.")
def command(day: str | None, as_json: bool) -> None:
    """Print what became of every record, by day and device, from the bucket.

    Every record that was read is exactly one of scored, duplicate, late, quarantined, ignored. Muted counts messages
    that were not published, not records.

    Exit codes: 0 the ledger balances, 1 it does not or a record is proven lost, 2 it cannot be read.
    """
    from consumer.aws import CALLS, session
    from consumer.errors import ConfigurationError
    from consumer.offline.ledger_reader import read_ledger
    from consumer.settings import load_settings

    try:
        settings = load_settings()
        rows = read_ledger(session(settings.region).client("s3", config=CALLS), settings.bucket, day)
    except ConfigurationError as error:
        fail(error)
    wrong = [row for row in rows if row.imbalance or row.counts["lost"]]
    if as_json:
        for row in rows:
            about = {"day": row.day, "lane": row.lane, "device": row.device}
            click.echo(json.dumps({**about, **row.counts, "balanced": row.imbalance == 0}))
    else:
        _table(rows)
    sys.exit(1 if wrong else 0)


def _day(value: str | None) -> str | None:
    if value is not None:
        try:
            date.fromisoformat(value)
        except ValueError:
            raise click.BadParameter(f"{value!r} is no day: write it like 2026-11-22") from None
    return value


def _shown(name: str) -> str:
    """A name without what a terminal would obey. It stays possible to tell which device it is."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def _table(rows: list[LedgerRow]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from consumer.state.classes import CLASSES

    console = Console()
    if not console.is_terminal:
        console.width = 140
    if not rows:
        console.print("The ledger is empty: the worker writes it every few seconds once it has read something.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("day", "device", *CLASSES, "balance"):
        if heading == "device":  # a name may have 255 characters, and the counts must stay readable beside it
            table.add_column(heading, overflow="fold", max_width=NAME_WIDTH)
        else:
            table.add_column(heading, justify="left" if heading == "day" else "right", no_wrap=heading == "day")
    for row in rows:
        balance = "[green]yes[/]" if row.imbalance == 0 else f"[bold red]off by {row.imbalance}[/]"
        table.add_row(row.day, Text(_shown(row.device)), *(f"{row.counts[name]:,}" for name in CLASSES), balance)
    console.print(table)
