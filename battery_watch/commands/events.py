"""`battery-watch events`: the archive's anomalies in an interval of time."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from battery_watch.events.filters import LEVELS, levels_from
from battery_watch.options.failure import complain, fail
from battery_watch.options.times import TimeInPast
from reporting.names import flat

if TYPE_CHECKING:
    from battery_watch.events.printer import Output
    from battery_watch.options.progress import StepProgress
    from consumer.offline.archive_reader import ArchiveLine, ArchiveReader

LOOKED_AT = timedelta(hours=24)
EPILOG = """\b
Examples:
  battery-watch events --since 2h --severity high
  battery-watch events --since 2026-11-22T15:00Z --until 2026-11-22T16:00Z --device cell-7
  battery-watch events --since 7d --json > anomalies.ndjson

\b
Exit codes: 0 read, whatever was found; 1 the archive holds something that is no line of it; 2 the options,
the settings or the bucket must be fixed; 130 ended by Ctrl-C; 141 the reader left (events | head)."""


@click.command("events", epilog=EPILOG)
@click.option(
    "--since", type=TimeInPast(), metavar="T", help="Start: 2h is 2 hours ago, or 2026-11-22T15:00Z. Default: 24h."
)
@click.option("--until", type=TimeInPast(), metavar="T", help="End. Default: now.")
@click.option("--device", "devices", multiple=True, metavar="D", help="Only this device. May be repeated.")
@click.option("--severity", type=click.Choice(LEVELS), help="This severity and the graver ones.")
@click.option("--json", "as_json", is_flag=True, help="The archive's lines, byte for byte.")
def command(
    since: datetime | None, until: datetime | None, devices: tuple[str, ...], severity: str | None, as_json: bool
) -> None:
    """Print the archive's anomalous samples in an interval, muted ones too, the oldest first.

    The time is the sample's own. The archive holds numbers and no sentence: a line shows what was measured and
    expected, the feature with most of the error, and the scores. `explain` says more about one sample.

    Needs the worker's settings, s3:ListBucket on the bucket and GetObject under battery-events/. Writes nothing.
    """
    now = datetime.now(UTC)
    # Devices' clocks may be a little ahead.
    ends = until or now + timedelta(minutes=5)
    begins = since or (until or now) - LOOKED_AT
    if begins >= ends:
        raise click.UsageError("--until must be later than --since.")

    from battery_watch.events.printer import NobodyReads, Output
    from consumer.aws import session
    from consumer.errors import ConfigurationError
    from consumer.offline.archive_reader import ArchiveReader
    from consumer.settings import load_settings

    output = Output()
    try:
        settings = load_settings()
        archive = ArchiveReader(session(settings.region), settings.bucket)
        with _bars_for_people(sys.stderr.isatty()) as progress:
            keys = archive.minutes(devices, begins.timestamp(), ends.timestamp(), lambda *of: progress("listing", *of))
        found = _print(archive, keys, (begins.timestamp(), ends.timestamp()), severity, output, as_json=as_json)
    except ConfigurationError as error:
        fail(error)
    except KeyboardInterrupt:
        sys.exit(130)
    except NobodyReads:
        sys.exit(141)
    shown = f"{found['shown']:,} shown" + (f" ({' or '.join(levels_from(severity))})" if severity else "")
    span = f"{begins:%Y-%m-%d %H:%M} to {ends if until else now:%Y-%m-%d %H:%M} UTC"
    click.echo(f"Read {len(keys):,} minute objects, {found['read']:,} anomalous samples of {span}: {shown}.", err=True)
    sys.exit(1 if found["broken"] else 0)


def _print(
    archive: ArchiveReader,
    keys: list[str],
    interval: tuple[float, float],
    severity: str | None,
    output: Output,
    *,
    as_json: bool,
) -> Counter[str]:
    """Print minute by minute. Returns how many samples were read and shown, and how many lines are broken."""
    levels = levels_from(severity)
    count: Counter[str] = Counter()
    # On a terminal the lines themselves show the progress, and a bar would run through them.
    with _bars_for_people(sys.stderr.isatty() and not output.is_terminal) as progress:
        for minute in archive.read(keys, lambda *of: progress("reading", *of)):
            for ts, level, line in _sorted(minute, count):
                if not interval[0] <= ts <= interval[1]:
                    continue
                count["read"] += 1
                if level in levels:
                    count["shown"] += 1
                    _one(line, count, output, as_json=as_json)
            output.check()
    return count


def _one(line: ArchiveLine, count: Counter[str], output: Output, *, as_json: bool) -> None:
    from battery_watch.events.printer import archive_text

    if as_json:
        output.verbatim(line.raw)
        return
    try:
        said = archive_text(line.content)
    except (ValueError, KeyError, TypeError):
        count["shown"] -= 1
        _no_line(line, count)
    else:
        output.print(said, soft_wrap=True)


def _sorted(minute: list[ArchiveLine], count: Counter[str]) -> list[tuple[float, str, ArchiveLine]]:
    """A minute's lines of all devices in order of time."""
    found = []
    for line in minute:
        try:
            content = line.content
            found.append((float(content["ts"]), str(content["severity"]), str(content["device"]), line))
        except (ValueError, KeyError, TypeError):
            _no_line(line, count)
    found.sort(key=lambda each: (each[0], each[2]))
    return [(ts, level, line) for ts, level, _, line in found]


def _no_line(line: ArchiveLine, count: Counter[str]) -> None:
    count["broken"] += 1
    complain(f"{flat(line.key, longest=None)} holds something that is no line of the archive: {line.raw[:80]!r}")


@contextmanager
def _bars_for_people(watched: bool) -> Iterator[StepProgress]:
    """Progress bars if a person watches."""
    if not watched:
        yield lambda *_: None
        return
    from battery_watch.options.progress import progress_bars

    with progress_bars() as progress:
        yield progress
