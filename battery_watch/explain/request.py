"""Which event to explain: given by its id, or by its message in any wrapping."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from reporting.contract.events import AnomalyEvent, ChartLink, EpisodeEvent

_ID = re.compile(r"[0-9a-f]{32}")
_IN_MAIL = re.compile(r"battery-watch explain ([0-9a-f]{32})\b")


@dataclass(frozen=True, slots=True)
class SentSample:
    """What a message says about a sample. ``content``: what can be compared with the archive's line, with the
    ``summary`` if that is about the sample alone. ``ts``: epoch seconds. ``bucket``: empty in a replay."""

    source: str
    bucket: str
    device: str
    ts: float
    model: str
    summary: str
    content: dict[str, Any]
    chart: ChartLink | None


@dataclass(frozen=True, slots=True)
class Request:
    """The id of a sample's event, and what its message says where one was given."""

    id: str
    sent: SentSample | None = None


def parse_request(text: str) -> Request:
    """Read the argument: an id, ``-`` for a message on stdin, or a file with one. Raises `click.UsageError`."""
    if _ID.fullmatch(text):
        return Request(text)
    if text == "-":
        with click.open_file("-", "rb") as stdin:
            return _message(stdin.read().decode(errors="replace"), "stdin")
    try:
        return _message(Path(text).read_text(errors="replace"), text)
    except OSError as error:
        raise click.UsageError(
            f"{text!r} is neither the id of an event (32 digits of 0-9a-f), nor - for a message on stdin, nor a file "
            f"with one ({error.strerror})."
        ) from None


def _message(text: str, where: str) -> Request:
    """The event in a message: as published, wrapped by SNS or SQS, or the text that people get."""
    from pydantic import ValidationError

    from reporting.contract.events import HealthEvent, parse
    from reporting.contract.receiving import unwrapped
    from reporting.names import flat

    content = unwrapped(text)
    if isinstance(content, str):
        named = _IN_MAIL.search(content)
        if named is None:
            raise click.UsageError(f"{where} holds no message: give the event's JSON, or the text that names its id.")
        return Request(named[1])
    try:
        event = parse(json.dumps(content))
    except ValidationError as error:
        fault = error.errors()[0]
        raise click.UsageError(
            f"{where} holds no event of this version of battery-watch: "
            f"{'.'.join(map(str, fault['loc'])) or 'all of it'}: {flat(fault['msg'], longest=None)}."
        ) from None
    if isinstance(event, HealthEvent):
        raise click.UsageError(
            f"{where} holds a notice ({event.type}), which no score led to. It says all there is: "
            f"{flat(event.data.summary, longest=None)}"
        )
    return of_sample(event) if event.type == "anomaly.sample" else _of_episode(event)


def of_sample(event: AnomalyEvent) -> Request:
    """The sample that its own message is about."""
    said = event.data
    content = said.model_dump(mode="json", exclude_none=True)
    bucket = said.archive.bucket
    sent = SentSample(event.source, bucket, said.device, said.ts, said.model, said.summary, content, said.chart)
    return Request(event.id, sent)


def _of_episode(event: EpisodeEvent) -> Request:
    """The sample that an episode's message shows. A message that time caused names the gravest sample and no
    evidence."""
    said, of = event.data, event.data.evidence
    if of is None:
        return Request(said.sample.event)
    content = {"device": said.device, **of.model_dump(mode="json", exclude_none=True)}
    sent = SentSample(
        event.source, said.archive.bucket, said.device, of.ts, of.model, said.summary, content, said.chart
    )
    return Request(said.sample.event, sent)
