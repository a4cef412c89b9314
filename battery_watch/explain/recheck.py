"""Checks an event again: what was sent, what is archived, and what the table and the bundle say about it now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boto3

from battery_watch.explain.comparison import Agreement, Difference, agreement, differences
from battery_watch.explain.request import Request
from battery_watch.options.progress import StepProgress
from consumer.aws import CALLS
from consumer.bundles.location import BundleSource
from consumer.bundles.store import BundleStore
from consumer.checks.preflight import check_bundle
from consumer.errors import ConfigurationError, Retry
from consumer.offline.archive_reader import ArchiveLine, ArchiveReader
from consumer.offline.rescore import DeviceHistory, rescore
from consumer.settings import Settings
from consumer.table import scan
from reporting.anomaly.evidence import Evidence
from reporting.contract.source import EventSource
from reporting.keys import minute_key
from scoring.bundle import Bundle
from window.features import ROLLING
from window.samples import Samples


class NotFound(Exception):
    """No archived line has the id. The message says what was searched, and what to do."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Where to search an id: samples of one device or of all, between two times in epoch seconds."""

    device: str | None
    since: float
    until: float
    words: str


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of checking again.

    ``line``: the archive's line, None where there is none. ``now``: the evidence as of today; None where the table no
    longer has the sample (then ``present`` is false) or where the sample gets no score. ``chart``: the key of the first
    chart that shows it, None where there is none yet. ``of_message`` and ``of_archive``: what differs from them, None
    where there is nothing to compare.
    """

    request: Request
    table: scan.TableDescription
    bucket: str
    device: str
    ts: float
    model: str
    key: str
    line: ArchiveLine | None
    chart: str | None
    now: Evidence | None
    present: bool
    of_message: list[Difference] | None
    of_archive: list[Difference] | None

    @property
    def agreement(self) -> Agreement:
        """Agreement with the message and with the archive, as far as they are there: the worse of both."""
        if self.now is None:
            return "no"
        each = [agreement(found) for found in (self.of_message, self.of_archive) if found is not None]
        return next(worst for worst in ("no", "rounding", "bits") if worst in each)

    @property
    def then(self) -> dict[str, Any]:
        """What was published about the sample: from the message if there is one, else from the archive."""
        if self.request.sent is not None:
            return {"summary": self.request.sent.summary, **self.request.sent.content}
        assert self.line is not None
        return self.line.content


def recheck(
    request: Request, settings: Settings, aws: boto3.Session, interval: Interval, progress: StepProgress
) -> Checked:
    """Check again. Blocks while the table is read. Raises `NotFound` and `ConfigurationError`."""
    sent, bucket = request.sent, settings.bucket
    archive = ArchiveReader(aws, bucket)
    if sent is not None:
        if sent.bucket not in ("", bucket):  # empty in a replay
            raise ConfigurationError(
                f"the message's sample is archived in bucket {sent.bucket!r}, and RESULTS_BUCKET_NAME is "
                f"{bucket!r}: set it to the message's, if you trust that one"
            )
        table = _table(aws, sent.source)
        device, ts, model = sent.device, sent.ts, sent.model
        line = archive.at(device, ts)
    else:
        table = scan.describe(aws, settings.table)  # the id depends on the table: a wrong one would just find nothing
        line = _searched(archive, request.id, table, interval, progress)
        device, ts, model = line.content["device"], line.content["ts"], line.content["model"]
    bundle = _bundle(settings, aws, bucket, model)
    past = DeviceHistory(
        aws,
        table,
        device=device,
        ts=ts,
        device_key=settings.device_key,
        plausible=bundle.config.plausible,
    )
    chart = archive.chart(settings.chart_prefix, device, ts)
    if chart is None and sent is not None and sent.chart is not None:
        chart = sent.chart.key
    checked = None
    for samples in past.readings(lambda done, total: progress("reading the table", done, total)):
        now, present = _again(samples, device, ts, bundle)
        checked = Checked(
            request=request,
            table=table,
            bucket=bucket,
            device=device,
            ts=ts,
            model=model,
            key=line.key if line is not None else minute_key(device, ts),
            line=line,
            chart=chart,
            now=now,
            present=present,
            of_message=_of_message(request, now),
            of_archive=differences(line.content, now.content()) if line is not None and now is not None else None,
        )
        if checked.agreement != "no" or _settled(checked):
            break
    assert checked is not None  # readings() yields at least once, or raises
    return checked


def _settled(checked: Checked) -> bool:
    """True where reading more of the table would change nothing: the samples read so far stay as they are."""
    if not checked.present:
        return checked.table.time_keyed and checked.ts.is_integer()
    found = [*(checked.of_message or []), *(checked.of_archive or [])]
    return checked.now is None or any(each.field.startswith("actual.") for each in found)


def _table(aws: boto3.Session, source: str) -> scan.TableDescription:
    """The table that a message's source names, if it is the one that we would read."""
    named = EventSource.parse(source)
    if named is None:
        raise ConfigurationError(f"the message comes from {source!r}, which is no worker of this kind")
    table = scan.describe(aws, named.table)
    here = EventSource.of(table.name, table.arn)
    if named.account and here.account and named != here:
        raise ConfigurationError(
            f"the message is about table {table.name} in {named.region} of account {named.account}, and this is "
            f"{here.region} of account {here.account}: set AWS_DEFAULT_REGION and the credentials to the message's"
        )
    return table


def _searched(
    archive: ArchiveReader, event: str, table: scan.TableDescription, interval: Interval, progress: StepProgress
) -> ArchiveLine:
    found = archive.search(
        event,
        EventSource.of(table.name, table.arn).forms,
        device=interval.device,
        since=interval.since,
        until=interval.until,
        progress=lambda done, total: progress("searching the archive", done, total),
    )
    if found.line is None:
        devices = "1 device" if found.devices == 1 else f"{found.devices} devices"
        raise NotFound(
            f"no archived sample of table {table.name} leads to the event {event}.\n"
            f"Searched: {devices}, {interval.words}, {found.objects} archived minutes.\n"
            "Try --since 3d, or give the message itself: battery-watch explain message.json. An id alone does not find "
            "an amendment (revision 1), a sample that a later record made normal, or a health notice."
        )
    return found.line


def _bundle(settings: Settings, aws: boto3.Session, bucket: str, model: str) -> Bundle:
    own, _ = check_bundle(BundleSource.at(settings.bundle, lambda: aws))
    if own is not None and own.id == model:
        return own
    holds = f"holds {own.id}" if own is not None else "holds no bundle that can be read"
    wrong = f"the event was scored by bundle {model}; MODEL_DIR {holds}, and the bucket's copy"
    try:
        return BundleStore(aws.client("s3", config=CALLS), bucket, settings.namespace).load(model)
    except ConfigurationError:
        raise ConfigurationError(
            f"{wrong}, s3://{bucket}/state/{settings.namespace}/bundles/{model}.zip, is missing or damaged. "
            "Set MODEL_DIR to that bundle, or NAMESPACE to the worker's"
        ) from None
    except Retry as error:
        raise ConfigurationError(f"{wrong} cannot be read: {error}") from error


def _again(samples: Samples, device: str, ts: float, bundle: Bundle) -> tuple[Evidence | None, bool]:
    if len(samples) == 0 or samples.ts[-1] != ts:
        return None, False
    return rescore(samples, device=device, bundle=bundle), True


def _of_message(request: Request, now: Evidence | None) -> list[Difference] | None:
    if request.sent is None or now is None:
        return None
    content = now.content()
    content.pop("datetime")
    if "summary" in request.sent.content:  # that of an episode is about the whole episode
        content["summary"] = now.explanation.sentence
    return differences(request.sent.content, content)


def reasons(checked: Checked) -> list[str]:
    """Why the numbers may differ from those that were sent."""
    if checked.agreement == "bits":
        return []
    if checked.agreement == "rounding":
        return ["this machine's processor rounds the last digits differently from the worker's. That is all"]
    if not checked.present:
        return [f"{_gone(checked.table)}. So it cannot be scored again. You see what was published then"]
    if checked.now is None:
        return ["the sample as the table has it now gets no score: it was written again since then"]
    found = [*(checked.of_message or []), *(checked.of_archive or [])]
    if checked.of_message and checked.of_archive == []:
        why = (
            "the archive has what the table has: a later record changed the sample or one before it, and a message "
            "with revision 1 was sent"
        )
    elif any(each.field.startswith("actual.") for each in found):
        why = "the sample was written again with other readings"
    else:
        why = (
            f"the sample is as it was, so one before it is not: one of the last {ROLLING - 1} (by policy evidence, of "
            "the last two minutes) was written again, deleted, or came too late to count"
        )
    if checked.of_archive:
        why += (
            "; the worker has not published that: no record of it reached the worker, or too late, or it is on its way"
        )
    if checked.line is None:
        return [why, "the archive has no line of it: a later record made it normal, or it is not written yet"]
    return [why]


def _gone(table: scan.TableDescription) -> str:
    if len(table.keys) == 1 and not table.time_keyed:
        return f"the table is keyed by {table.keys[0]} alone and keeps only the newest sample of each"
    return "the table has no such sample now: it was deleted, by hand or by its time to live"
