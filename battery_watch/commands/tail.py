"""`battery-watch tail`: the topic's events as they come."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Any

import click

from battery_watch.events.filters import LEVELS, EventFilter, EventType
from battery_watch.options.failure import complain, fail, in_one_line
from battery_watch.options.times import Duration

if TYPE_CHECKING:
    from battery_watch.events.printer import Output
    from battery_watch.events.temporary_queue import TemporaryQueue

EPILOG = """\b
Examples:
  battery-watch tail                                     everything, until Ctrl-C
  battery-watch tail --severity high --type anomaly.     anomalies, high and critical
  battery-watch tail --device cell-7 --device cell-8
  battery-watch tail --json --for 10m | jq .data.summary
  battery-watch tail --type health.silence --count 1     wait for one

\b
Exit codes: 0 ended by --for or --count; 1 the same, but something could not be removed; 2 the options, the
settings, the topic or the rights must be fixed; 130 Ctrl-C; 143 SIGTERM; 141 the reader left (tail | head)."""


@click.command("tail", epilog=EPILOG)
@click.option(
    "--severity",
    type=click.Choice(LEVELS),
    help="This severity and the graver ones, and the ends of such notices.",
)
@click.option("--device", "devices", multiple=True, metavar="D", help="Only this device. May be repeated.")
@click.option(
    "--type",
    "types",
    multiple=True,
    type=EventType(),
    metavar="T",
    help="Only this type, like health.silence, or all types that begin with `anomaly.` or `health.`. May be repeated.",
)
@click.option("--for", "lasting_s", type=Duration(), metavar="TIME", help="End after this time: 30s, 10m, 1h30m.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="End after N events.")
@click.option("--json", "as_json", is_flag=True, help="Each event's CloudEvents JSON on a line, as it was published.")
def command(
    severity: str | None,
    devices: tuple[str, ...],
    types: tuple[str, ...],
    lasting_s: float | None,
    count: int | None,
    as_json: bool,
) -> None:
    """Print the topic's events as they come.

    Makes a temporary SQS queue that only this topic may send to, and subscribes it with a filter. Removes both at the
    end, also on Ctrl-C. It does not show what was published before (see `events`). SNS and SQS promise no order, and
    may deliver an event twice with the same id.

    Needs the worker's settings, sns:Subscribe and Unsubscribe on the topic, and on queues named battery-watch-tail-*
    sqs:CreateQueue, GetQueueAttributes, SetQueueAttributes, ReceiveMessage, DeleteMessage and DeleteQueue.
    """
    from battery_watch.events.printer import NobodyReads, Output
    from battery_watch.events.temporary_queue import TemporaryQueue
    from consumer.aws import session
    from consumer.errors import ConfigurationError
    from consumer.settings import load_settings

    filters = EventFilter(severity, devices, types)
    with _noted() as signals:
        try:
            settings = load_settings()
            queue = TemporaryQueue(session(settings.region), settings.topic_arn, filters.policy())
        except ConfigurationError as error:
            fail(in_one_line(error))
        code = 2
        try:
            queue.open()
            if not signals:
                click.echo(
                    f"Listening to {settings.topic_arn} for {filters.words()}, by the temporary queue {queue.name}. "
                    "Ctrl-C ends it.",
                    err=True,
                )
            output = Output()
            bodies = _receive(queue, output, signals, inf if lasting_s is None else lasting_s)
            counted = _show(bodies, output, filters, count, as_json=as_json)
            code = 0 if counted or not signals else 128 + signals[0]
        except ConfigurationError as error:
            complain(in_one_line(error))
        except NobodyReads:
            code = 141
        finally:
            left = queue.remove()
            for each in left:
                complain(each)
    if not left and code not in (2, 141):
        click.echo("Ended; queue and subscription are removed.", err=True)
    sys.exit(code or (1 if left else 0))


def _receive(queue: TemporaryQueue, output: Output, signals: list[int], lasting_s: float) -> Iterator[str]:
    """What the topic publishes, until a signal or until the time is over."""
    deadline = time.monotonic() + lasting_s
    while not signals:
        output.check()
        if time.monotonic() >= deadline:
            return
        yield from queue.receive()


def _show(bodies: Iterator[str], output: Output, filters: EventFilter, count: int | None, *, as_json: bool) -> bool:
    """Print the events among the bodies. True when there were ``count`` of them."""
    shown = 0
    for body in bodies:
        event = _event(body)
        if event is None:
            complain(f"not shown, as it is no event: {body[:100]!r}")
        elif filters.matches(event):
            if as_json:
                output.verbatim((body if "\n" not in body else json.dumps(event)).encode() + b"\n")
            else:
                output.event(event)
            shown += 1
            if shown == count:
                return True
    return False


def _event(body: str) -> dict[str, Any] | None:
    """The event in a body, None where a field that is shown is missing. Fields of a later version are no fault."""
    try:
        event = json.loads(body)
        told = event["data"]["summary"], event["time"], event["type"], event["severitytext"], event["subject"]
        datetime.fromisoformat(event["time"])
    except (ValueError, KeyError, TypeError):
        return None
    return event if all(isinstance(each, str) for each in told) else None


@contextmanager
def _noted() -> Iterator[list[int]]:
    """Only notes Ctrl-C, SIGTERM and a closed terminal. An exception could come right after a queue was made and before
    that is noted, or cut its removal short."""
    signals: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda signum, _: signals.append(signum)) for number in numbers}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
