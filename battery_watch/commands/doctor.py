"""`battery-watch doctor`: is everything there that the worker needs?"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from battery_watch.options.failure import fail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.findings import Finding


@click.command(
    epilog="""\b
Examples:
  battery-watch doctor
  battery-watch doctor --publish      sends one test message: do your subscribers get it?
  battery-watch doctor --json | jq"""
)
@click.option("--publish", is_flag=True, help="Also publish a test message to the topic (it may wake somebody).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of a table.")
def command(publish: bool, as_json: bool) -> None:
    """Check everything the worker needs, and say how to fix what is wrong.

    Looks at settings, bundle, credentials, table, key schema, stream, bucket, topic and the newest records: is their
    time in seconds, how far off is the device's clock, do they lie inside the bundle's training range? Writes one small
    object, `state/{NAMESPACE}/doctor`, to the bucket.

    Exit codes: 0 all fine (notes may remain), 1 something must be fixed, 2 the settings cannot be read.
    """
    from consumer.checks.doctor import diagnose
    from consumer.errors import ConfigurationError
    from consumer.findings import State
    from consumer.settings import load_settings

    try:
        settings = load_settings()
    except ConfigurationError as error:
        fail(error)
    findings = diagnose(settings, publish=publish)
    if as_json:
        for f in findings:
            click.echo(json.dumps({"subject": f.subject, "state": f.state.value, "found": f.found, "advice": f.advice}))
    else:
        _table(findings)
    sys.exit(1 if any(f.state is State.FAULT for f in findings) else 0)


def _table(findings: Sequence[Finding]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from consumer.findings import State

    styles = {State.FINE: "green", State.NOTE: "yellow", State.FAULT: "bold red"}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "what", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    for f in findings:
        table.add_row(Text(f.state.value, styles[f.state]), f.subject, Text(f.found), Text(f.advice))
    console = Console()
    console.print(table)
    faults = sum(f.state is State.FAULT for f in findings)
    if faults:
        console.print(f"{faults} to put right before `battery-watch run` can start or work.", style="bold red")
    else:
        console.print("Ready: battery-watch run", style="bold green")
