"""`battery-watch explain`: why was this sample flagged, and does that still hold?"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta

import click

from battery_watch.explain.request import parse_request
from battery_watch.options.failure import fail
from battery_watch.options.times import TimeInPast

LOOKED_AT = timedelta(hours=24)
EPILOG = """\b
Examples:
  battery-watch explain 3f9c0a6be8d14f0a9c31c5a2d7e08b64                 the id from the message
  battery-watch explain 3f9c0a6be8d14f0a9c31c5a2d7e08b64 --since 3d --device cell-7
  battery-watch explain - < message.json                                 the message itself: no search
  battery-watch explain message.json --json | jq .agreement

\b
Exit codes: 0 the numbers agree; 1 they do not, or nothing was found; 2 the options, the settings, the
bucket, the table or the bundle must be fixed."""


@click.command("explain", epilog=EPILOG)
@click.argument("event", metavar="EVENT_ID|FILE|-")
@click.option("--table", metavar="NAME", help="With an id: the table, if not BATTERY_TABLE_NAME.")
@click.option("--device", metavar="NAME", help="With an id: search this device alone.")
@click.option(
    "--since",
    type=TimeInPast(),
    metavar="T",
    help="With an id: start of the search; 3d is 3 days ago, or 2026-11-22T15:00Z. Default: the last 24 h.",
)
@click.option("--until", type=TimeInPast(), metavar="T", help="With an id: end of the search. Default: now.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
def command(
    event: str,
    table: str | None,
    device: str | None,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
) -> None:
    """Explain an anomaly event: what was measured and expected, scores, shares, and whether all of it still holds.

    EVENT_ID is searched in the archive. A message (a FILE, or - for stdin: as published, as SNS or SQS wrap it, or the
    text of an e-mail) leads there directly, and is compared too. For an episode it is the sample that the message
    shows.

    The command reads the sample and those before it from the table and scores them again with the bundle that the event
    names, from MODEL_DIR or from the bucket. It says whether the numbers agree to the bit with what was sent.

    Needs the worker's settings, and the rights to read the bucket and the table. Writes nothing.
    """
    found = parse_request(event)
    if found.sent is not None and (table or device or since or until):
        raise click.UsageError("--table, --device, --since and --until go with an id: a message names its sample.")
    now = datetime.now(UTC)
    ends = until or now + timedelta(minutes=5)
    begins = since or ends - LOOKED_AT - (timedelta() if until else timedelta(minutes=5))
    if begins >= ends:
        raise click.UsageError("--until must be later than --since.")

    from rich.console import Console

    from battery_watch.explain import view
    from battery_watch.explain.recheck import Interval, NotFound, recheck
    from battery_watch.options.progress import progress_bars
    from consumer.aws import session
    from consumer.errors import BatteryWatchError
    from consumer.logs import configure
    from consumer.settings import load_settings

    configure("console", "error")
    words = f"samples of {begins:%Y-%m-%d %H:%M} to {f'{until:%Y-%m-%d %H:%M} UTC' if until else 'now'}"
    interval = Interval(device, begins.timestamp(), ends.timestamp(), words)
    try:
        settings = load_settings()
        if table is not None:
            settings = settings.model_copy(update={"table": table})
        with progress_bars() as progress:
            checked = recheck(found, settings, session(settings.region), interval, progress)
    except NotFound as error:
        fail(error, 1)
    except BatteryWatchError as error:
        fail(error)
    if as_json:
        click.echo(json.dumps(view.as_json(checked), ensure_ascii=False))
    else:
        console = Console()
        if not console.is_terminal:
            console.width = 120
        view.show(checked, console)
    sys.exit(0 if checked.agreement != "no" else 1)
