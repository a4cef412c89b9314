"""What version 0.1.0 wrote is read by today's code: `tests/fixtures/0.1.0`, made once and never again."""

from __future__ import annotations

import io
import json
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter
from released import CASES, Case, messages, schemas

from battery_watch.events.printer import archive_text
from battery_watch.explain.request import of_sample
from consumer.mutes.store import MuteStore
from consumer.offline.archive_reader import ArchiveReader
from consumer.offline.ledger_reader import PREFIX as LEDGER
from consumer.offline.ledger_reader import read_ledger
from consumer.state.formats import FORMAT
from consumer.state.head import Head
from consumer.state.snapshot import Snapshot
from reporting.contract import documents
from reporting.contract.events import AnomalyEvent
from reporting.contract.receiving import OtherEvent, from_sqs
from reporting.contract.source import EventSource
from reporting.keys import ARCHIVE
from window.rolling import Windows
from window.samples import Names

NOTHING: tuple[Any, ...] = (None, "", 0, False, [], {}, {"messages": [], "minutes": []})
COLUMNS = ["ts", "current_a", "temperature_c", "reconstruction_error", "forest_score", "severity", "stages"]
ARN = "arn:aws:dynamodb:eu-central-1:123456789012:table/device4"
HEADS = [(name, key) for name, case in CASES.items() for key in case.heads]
everywhere = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))


GONE = ("weak",)
"""An episode's samples say how many are weak."""


def differing(expected: Any, found: Any, path: str = "") -> list[str]:
    """Where ``found`` is not what is expected. A later version may have fields of its own."""
    if isinstance(expected, dict) and isinstance(found, dict):
        names = [name for name in expected if name not in GONE]
        return [line for name in names for line in differing(expected[name], found.get(name), f"{path}.{name}")]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return [line for n, one in enumerate(expected) for line in differing(one, found[n], f"{path}[{n}]")]
    same = expected == found and type(expected) is type(found)
    return [] if same else [f"{path}: {expected!r} became {found!r}"]


def in_memory(s3: Any, case: Case) -> Any:
    """The case's bucket, in memory."""
    for key, body in case.objects.items():
        s3.put_object(Bucket="results", Key=key, Body=body, ContentType="", Metadata=case.metadata.get(key, {}))
    return s3


@pytest.mark.parametrize(("case", "key"), HEADS)
def test_a_head_is_read_field_by_field(case: str, key: str) -> None:
    """As the worker that wrote it held it in memory; and what is read can be written and read again."""
    read = Head.decode(CASES[case].objects[key])
    expected = {**CASES[case].heads[key], "format": FORMAT}  # it is lifted (rule 31)
    assert differing(expected, TypeAdapter(Head).dump_python(read, mode="json")) == []
    assert Head.decode(read.encode()) == read


def test_every_field_of_a_head_is_set_in_one_of_them() -> None:
    """Or the test above would prove little."""
    heads = [head for case in CASES.values() for head in case.heads.values()]
    unset = {name for name in heads[0] if all(head[name] in NOTHING for head in heads)}
    assert unset == set()
    assert len(heads[0]) == 29


@everywhere
def test_the_windows_come_back_column_by_column(case: Case) -> None:
    """Every device's samples with their scores and verdicts, as numpy alone reads them out of the object."""
    stored = {key: body for key, body in case.objects.items() if key.endswith("/windows")}
    assert stored
    for key, body in stored.items():
        names, windows = Names(), Windows()
        snapshot = Snapshot.decode(body)
        snapshot.restore(windows, names)
        with np.load(io.BytesIO(body)) as plain:
            about = json.loads(plain["about"].tobytes())
            assert snapshot.commit == about["commit"]
            assert differing(about["positions"], {n: at.model_dump() for n, at in snapshot.positions.items()}) == []
            first = 0
            for device, rows in zip(about["devices"], about["rows"], strict=True):
                columns = windows.retained(names.code(device))
                for name in COLUMNS:
                    expected = plain[name][first : first + rows]
                    np.testing.assert_array_equal(getattr(columns, name), expected, f"{key} {device} {name}")
                first += rows
            assert first == len(plain["ts"])


@everywhere
def test_the_ledger_is_read(case: Case, s3: Any) -> None:
    """`battery-watch ledger`: every count of every day, lane and device, and each book balances."""
    expected = {
        (book["day"], book["lane"], device): counts
        for key, body in case.objects.items()
        if key.startswith(LEDGER)
        for book in [json.loads(body)]
        for device, counts in book["devices"].items()
    }
    books = {(book.day, book.lane, book.device): book for book in read_ledger(in_memory(s3, case), "results")}
    assert books.keys() == expected.keys()
    for name, book in books.items():
        assert differing(expected[name], book.counts) == []
        assert book.imbalance == 0


@everywhere
def test_the_archive_is_read(case: Case, s3: Any) -> None:
    """`battery-watch events` finds and prints every line, and `explain` finds each by its device and time."""
    archived = ArchiveReader(SimpleNamespace(client=lambda *_, **__: in_memory(s3, case)), "results")  # type: ignore[arg-type]
    stored = [
        line for key, body in case.objects.items() if key.startswith(ARCHIVE) for line in body.splitlines(keepends=True)
    ]
    times = [json.loads(line)["ts"] for line in stored]
    keys = archived.minutes([], min(times), max(times), lambda *_: None)
    read = [line for minute in archived.read(keys, lambda *_: None) for line in minute]
    assert sorted(line.raw for line in read) == sorted(stored)
    for line in read:
        said = archive_text(line.content).plain
        assert line.content["device"] in said
        assert line.content["severity"].upper() in said.upper()
        assert archived.at(line.content["device"], line.content["ts"]) == line


def test_a_message_leads_to_its_line_in_the_archive(s3: Any) -> None:
    """By the id of the event, as `battery-watch explain` is asked, and by the message itself."""
    found = 0
    for case in CASES.values():
        archived = ArchiveReader(SimpleNamespace(client=lambda *_, **__: s3), "results")  # type: ignore[arg-type]
        in_memory(s3, case)
        lines = {(line["device"], line["ts"]): line for body in _archive(case) for line in map(json.loads, body)}
        for message in messages():
            event = from_sqs(message["default"])
            if not isinstance(event, AnomalyEvent) or event.data.revision:
                continue
            expected = lines.get((event.data.device, event.data.ts))
            if expected is None or expected["scores"] != json.loads(message["default"])["data"]["scores"]:
                continue
            source = EventSource.parse(event.source)
            assert source is not None
            searched = archived.search(
                event.id,
                EventSource.of(source.table, ARN).forms,  # as the command asks today
                device=event.data.device,
                since=event.data.ts - 60.0,
                until=event.data.ts + 60.0,
                progress=lambda *_: None,
            )
            assert searched.line is not None
            assert searched.line.content == expected
            told = of_sample(event).sent
            assert told is not None
            assert (told.device, told.ts, told.model) == (expected["device"], expected["ts"], expected["model"])
            found += 1
        s3.objects.clear()
    assert found >= 5


def _archive(case: Case) -> list[list[bytes]]:
    return [body.splitlines() for key, body in case.objects.items() if key.startswith(ARCHIVE)]


def test_the_mutes_are_read(s3: Any) -> None:
    """As a person reads them in the objects."""
    case = CASES["rollout"]
    found = MuteStore(in_memory(s3, case), "results").read(0.0)
    expected = {key: json.loads(body) for key, body in case.objects.items() if key.startswith("battery-mutes/")}
    assert found.keys() == expected.keys()
    assert len(found) == 2
    for key, plain in expected.items():
        mute = found[key].mute
        assert mute is not None
        assert (mute.device, mute.reason, mute.by, mute.health) == tuple(
            plain[name] for name in ("device", "reason", "by", "health")
        )
        assert [mute.since, mute.until] == [datetime.fromisoformat(plain[n]).timestamp() for n in ("since", "until")]


@pytest.mark.parametrize("kind", sorted(schemas()))
def test_what_was_published_is_read(kind: str) -> None:
    """Every type: each message is valid by the schema of its own time; today's client reads it as one of today."""
    told = [message for message in messages() if message["attributes"]["type"] == kind]
    assert told
    then, now = Draft202012Validator(schemas()[kind]), Draft202012Validator(documents.schemas()[kind])
    for message in told:
        body = json.loads(message["default"])
        then.validate(body)
        event = from_sqs(message["default"])
        assert not isinstance(event, OtherEvent)
        lifted = json.loads(event.model_dump_json(exclude_none=True))
        now.validate(lifted)
        assert lifted["dataschema"] == body["dataschema"].removesuffix("1") + "2"
        assert differing(_as_lifted(kind, body["data"]), lifted["data"]) == []


def _as_lifted(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """What became of the fields that mean something else now."""
    if not kind.startswith("anomaly."):
        return data
    of = data if kind == "anomaly.sample" else data.get("evidence", {})
    if of:
        of["reconstruction"] = of.pop("expected")
        of.pop("expected_band", None)
        of["kinds"] = ["unusual_pattern"]
    return {**data, "kind": "unusual_pattern"}


@pytest.mark.parametrize("kind", sorted(schemas()))
def test_a_subscriber_of_that_time_gets_what_is_published_today(kind: str) -> None:
    """Its client hands an event of another version on, its envelope read: that has lost nothing."""
    envelopes = [
        {
            "required": [name for name in schema["required"] if name != "data"],
            "properties": {name: of for name, of in schema["properties"].items() if name not in ("data", "dataschema")},
            "$defs": schema.get("$defs", {}),
        }
        for schema in (schemas()[kind], documents.schemas()[kind])
    ]
    assert documents.breaking(*envelopes) == []
