"""The committed contract is what the models say, breaks no reader, and is understood by others."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from independent import CONTRACT, independently_valid, validator
from jsonschema import ValidationError

from reporting.contract.documents import ATTRIBUTES, FILTERS, PAGE, RELEASED, breaking, documents, page, schemas
from reporting.contract.events import known, parse
from reporting.contract.receiving import TYPES
from reporting.message import Message

ASYNCAPI = yaml.safe_load((CONTRACT / "asyncapi.yaml").read_text())


@pytest.mark.parametrize("path", documents())
def test_what_is_committed_is_what_the_models_say(path: str) -> None:
    """`make contract` brings it up to date."""
    assert (CONTRACT / path).read_text() == documents()[path], "run `make contract`"


def test_the_page_for_subscribers_has_the_registrys_table() -> None:
    """Every health kind with its severity and its meaning."""
    assert PAGE.read_text() == page(PAGE.read_text()), "run `make contract`"
    with pytest.raises(ValueError, match="has no table"):
        page("")


def test_nothing_else_is_committed() -> None:
    """A type that is gone leaves no schema behind."""
    there = {
        str(path.relative_to(CONTRACT))
        for folder in ("schemas", "samples", "filters")
        for path in (CONTRACT / folder).iterdir()
    }
    assert there == {path for path in documents() if "/" in path and not path.startswith("client/")}


def test_the_last_release_is_not_broken() -> None:
    """A reader built by its schemas can read what is published now, unless its version is another: a change that breaks
    it needs one."""
    released = json.loads(RELEASED.read_text())["schemas"]
    now = schemas()
    assert set(released) <= set(now)
    same = [kind for kind in released if released[kind]["$id"] == now[kind]["$id"]]
    assert {kind: found for kind in same if (found := breaking(released[kind], now[kind]))} == {}
    assert all(known(kind, released[kind]["$id"]) for kind in released)


def gone(schema: Any) -> None:
    del schema["$defs"]["Finding"]["properties"]["rarity"]


def optional(schema: Any) -> None:
    schema["$defs"]["AnomalyEpisode"]["required"].remove("summary")


def another_type(schema: Any) -> None:
    schema["$defs"]["Score"]["properties"]["value"] = {"type": "string"}


def another_word(schema: Any) -> None:
    schema["$defs"]["Finding"]["properties"]["severity"]["enum"].append("fatal")


def any_word(schema: Any) -> None:
    del schema["$defs"]["Finding"]["properties"]["severity"]["enum"]


def another_name(schema: Any) -> None:
    schema["properties"]["type"] = {"const": "anomaly.begun"}


def other_items(schema: Any) -> None:
    schema["$defs"]["Finding"]["properties"]["contributions"]["additionalProperties"] = {"type": "string"}


@pytest.mark.parametrize("change", [gone, optional, another_type, another_word, any_word, another_name, other_items])
def test_what_would_break_a_reader_is_found(change: Callable[[Any], None]) -> None:
    """Wherever it is in the event."""
    old = schemas()["anomaly.opened"]
    new = copy.deepcopy(old)
    change(new)
    assert breaking(old, new)


def test_a_field_more_breaks_nobody() -> None:
    """Nor does one that is always there from now on; and the schemas are open for them."""
    old = schemas()["anomaly.opened"]
    new = copy.deepcopy(old)
    new["$defs"]["AnomalyEpisode"]["properties"]["cell"] = {"type": "integer"}
    new["$defs"]["AnomalyEpisode"]["required"] += ["cell", "chart"]
    assert breaking(old, new) == []
    event = json.loads((CONTRACT / "samples" / "anomaly.opened.json").read_text())
    event["data"]["cell"] = event["more"] = 3
    independently_valid(json.dumps(event))


@pytest.mark.parametrize("kind", TYPES)
def test_every_sample_is_an_event_to_others_too(kind: str) -> None:
    """To jsonschema by the committed schema, to the CloudEvents SDK, and to the worker's own models, to the byte."""
    text = (CONTRACT / "samples" / f"{kind}.json").read_text()
    independently_valid(text)
    event = parse(text)
    assert event.type == kind
    assert json.loads(event.model_dump_json(exclude_none=True)) == json.loads(text)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("specversion",), "0.3"),
        (("type",), "anomaly.closed"),
        (("time",), None),
        (("severitynumber",), 99),
        (("data", "state"), "closed"),
        (("data", "severity"), "fatal"),
        (("data", "evidence", "scores", "forest", "value"), "low"),
        (("data", "archive", "key"), None),
    ],
)
def test_a_schema_refuses_what_is_wrong(path: tuple[str, ...], value: Any) -> None:
    """None: it is missing."""
    event = json.loads((CONTRACT / "samples" / "anomaly.opened.json").read_text())
    at = event
    for name in path[:-1]:
        at = at[name]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    with pytest.raises(ValidationError):
        validator("anomaly.opened").validate(event)


def test_asyncapi_names_every_type_and_every_reference_leads_somewhere() -> None:
    """The document was also read without a fault by AsyncAPI's own parser when it was written."""
    messages = ASYNCAPI["components"]["messages"]
    assert list(messages) == list(ASYNCAPI["channels"]["events"]["messages"]) == list(TYPES)
    for kind, message in messages.items():
        assert json.loads((CONTRACT / message["payload"]["$ref"]).read_text())["properties"]["type"]["const"] == kind

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [v if k == "$ref" else r for k, v in value.items() for r in ([v] if k == "$ref" else references(v))]
        return []

    local = [each for each in references(ASYNCAPI) if each.startswith("#/")]
    assert local
    for each in local:
        at = ASYNCAPI
        for name in each[2:].split("/"):
            at = at[name]


def test_the_attributes_are_those_of_a_message() -> None:
    """And the filters use no other; `stale` is set when it is published."""
    told = Message("i", "t", "low", "d", "opened", "s", "{}", "text", kind="heating")
    notice = Message("i", "t", "low", "d", "opened", "s", "{}", "text")
    assert set(ATTRIBUTES) == {*told.attributes, "stale"}
    assert all(set(policy) <= set(told.attributes) for policy in FILTERS.values())
    properties = ASYNCAPI["components"]["schemas"]["attributes"]
    assert set(properties["properties"]) == set(ATTRIBUTES)
    assert set(properties["required"]) == set(notice.attributes) == set(told.attributes) - {"kind"}
