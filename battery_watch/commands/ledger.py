"""`battery-watch ledger`: the books, and whether they balance."""

from __future__ import annotations

import json
import sys
from datetime import date
from typing import TYPE_CHECKING

import click

from battery_watch.options.failure import fail

if TYPE_CHECKING:
    from consumer.offline.ledger_reader import LedgerRow


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

    Every record read is exactly one of scored, duplicate, late, quarantined, ignored. Muted
    are messages that were not published, no records.

    Exit codes: 0 the books balance, 1 they do not or a record is proven lost, 2 they cannot be read.
    """
    from consumer.aws import CALLS, session
    from consumer.errors import ConfigurationError
    from consumer.offline.ledger_reader import read_ledger
    from consumer.settings import load_settings

    try:
        settings = load_settings()
        books = read_ledger(session(settings.region).client("s3", config=CALLS), settings.bucket, day)
    except ConfigurationError as error:
        fail(error)
    wrong = [book for book in books if book.imbalance or book.counts["lost"]]
    if as_json:
        for book in books:
            about = {"day": book.day, "lane": book.lane, "device": book.device}
            click.echo(json.dumps({**about, **book.counts, "balanced": book.imbalance == 0}))
    else:
        _table(books)
    sys.exit(1 if wrong else 0)


def _day(value: str | None) -> str | None:
    if value is not None:
        try:
            date.fromisoformat(value)
        except ValueError:
            raise click.BadParameter(f"{value!r} is no day: write it like 2026-11-22") from None
    return value


def _table(books: list[LedgerRow]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from consumer.state.classes import CLASSES

    console = Console()
    if not console.is_terminal:
        console.width = 140
    if not books:
        console.print("No books here: the worker writes them every few seconds once it has read something.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("day", "device", *CLASSES, "balance"):
        named = heading in ("day", "device")
        table.add_column(heading, justify="left" if named else "right", no_wrap=named)
    for book in books:
        balance = "[green]yes[/]" if book.imbalance == 0 else f"[bold red]off by {book.imbalance}[/]"
        table.add_row(book.day, book.device, *(f"{book.counts[name]:,}" for name in CLASSES), balance)
    console.print(table)
