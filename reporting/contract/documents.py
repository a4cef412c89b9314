"""The documents of the contract, made from its models: JSON Schemas, samples, AsyncAPI, filter policies, the client.

    python -m reporting.contract.documents              write them (make contract)
    python -m reporting.contract.documents --release    and record the schemas as those of a release

Tests compare the committed documents with those made here, and the schemas with the last release (`breaking`).
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from reporting.contract import events, receiving, severities
from reporting.contract.events import AnomalyEvent, EpisodeEvent, EpisodeType, HealthEvent, schema_uri
from reporting.contract.examples import examples
from reporting.contract.health_kinds import HEALTH_KINDS
from reporting.contract.receiving import TYPES

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "events.md"
_TABLE = ("<!-- health kinds: `make contract` writes this table -->\n", "<!-- end -->\n")
RELEASED = FOLDER / "released.json"
CLIENT = "client/battery_watch_events.py"
FILTERS: dict[str, dict[str, list[Any]]] = {
    "critical_only": {"filterseverity": ["critical"]},
    "one_device": {"device": ["bay-7"]},
    "health_only": {"type": [{"prefix": "health."}]},
    "all_but_ongoing": {"type": [{"anything-but": ["anomaly.ongoing"]}]},
}
"""Filter policies of SNS that are ready to use; they look at the message attributes."""
ATTRIBUTES = {
    "type": "The event's type.",
    "severity": "low, medium, high or critical.",
    "filterseverity": "As severity; of the end of a health notice that of its beginning. Filter by this one.",
    "device": "The event's subject: a device, or the table.",
    "state": "opened, escalated, ongoing or closed.",
    "schema": "The event's dataschema.",
    "kind": "The kind of fault; not there for a notice.",
    "stale": '"true" where it was published more than 10 minutes after its time; not there otherwise.',
}
OPTIONAL = ("kind", "stale")
"""Attributes that are not always there."""


def documents() -> dict[str, str]:
    """The text of each document by its path below this folder."""
    made = {f"schemas/{kind}.json": _text(schema) for kind, schema in schemas().items()}
    made |= {
        f"samples/{kind}.json": _text(json.loads(event.model_dump_json(exclude_none=True)))
        for kind, event in examples().items()
    }
    made |= {f"filters/{name}.json": _text(policy) for name, policy in FILTERS.items()}
    return made | {"asyncapi.yaml": _asyncapi(), CLIENT: _client()}


def page(text: str) -> str:
    """The page for subscribers, its table of health kinds up to date. Raises ValueError where the marks are missing."""
    first, last = _TABLE
    before, _, rest = text.partition(first)
    _, found, after = rest.partition(last)
    if not found:
        raise ValueError(f"{PAGE.name} has no table between {first.strip()} and {last.strip()}")
    rows = "".join(f"| `{kind}` | {of.severity} | {of.meaning} |\n" for kind, of in HEALTH_KINDS.items())
    return f"{before}{first}| type | severity | when |\n|---|---|---|\n{rows}{last}{after}"


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema (2020-12) of each type of event, as it is published. Fields that are always there are required; a
    field without a value is left out; no schema is closed, because fields may be added."""
    return {kind: _schema(kind) for kind in TYPES}


def breaking(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The differences of schema ``new`` that break a reader built by schema ``old``, in words."""
    return [*_breaks(old, new, old, new, "")]


def _schema(kind: str) -> dict[str, Any]:
    model: type[BaseModel] = AnomalyEvent if kind == "anomaly.sample" else HealthEvent
    if kind in get_args(EpisodeType):
        model = EpisodeEvent
    made: dict[str, Any] = _open(model.model_json_schema(mode="serialization"))
    made["properties"]["type"] = {"const": kind}
    made["properties"]["dataschema"] = {"const": schema_uri(kind)}
    if model is EpisodeEvent:
        made["$defs"]["AnomalyEpisode"]["properties"]["state"] = {"const": kind.split(".")[1]}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": schema_uri(kind)}
    return {**head, **made, "title": kind}


def _open(schema: Any) -> Any:
    """The schema without details of pydantic's that readers need not know."""
    if isinstance(schema, list):
        return [_open(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    absent = {name for name, of in schema.get("properties", {}).items() if "default" in of and of["default"] is None}
    opened = {
        name: _open(value)
        for name, value in schema.items()
        if not (name == "title" or name == "default" or (name == "additionalProperties" and value is False))
        or not isinstance(value, str | bool | int | float | None)
    }
    if absent:
        opened["required"] = [name for name in schema["required"] if name not in absent]
    choices = [each for each in opened.get("anyOf", []) if each != {"type": "null"}]
    if len(choices) == 1:
        del opened["anyOf"]
        opened = {**choices[0], **opened}
    return opened


def _breaks(old: Any, new: Any, olds: Any, news: Any, at: str) -> Iterator[str]:
    old, new = _resolved(old, olds), _resolved(new, news)
    where = at or "the event"
    for name in ("type", "format", "const", "pattern"):
        if name in old and old[name] != new.get(name):
            yield f"{where}: its {name} was {old[name]!r} and is {new.get(name)!r}"
    if "enum" in old and (more := [value for value in new.get("enum", ["anything"]) if value not in old["enum"]]):
        yield f"{where}: may now be {', '.join(map(str, more))}"
    for name, of in old.get("properties", {}).items():
        below = f"{at}.{name}".lstrip(".")
        if name not in new.get("properties", {}):
            yield f"{below}: is gone"
            continue
        if name in old.get("required", []) and name not in new.get("required", []):
            yield f"{below}: was always there and need not be"
        yield from _breaks(of, new["properties"][name], olds, news, below)
    for name in ("items", "additionalProperties"):
        if isinstance(old.get(name), dict):
            yield from _breaks(old[name], new.get(name) or {}, olds, news, f"{at}[]")


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = {**root["$defs"][schema["$ref"].rsplit("/", 1)[1]], **{k: v for k, v in schema.items() if k != "$ref"}}
    return schema


def _client() -> str:
    """The models and the reading of events in one file that needs nothing else of this project. It ignores unknown
    fields, so that fields may be added."""
    parts = [_body(Path(str(module.__file__)).read_text()) for module in (severities, events, receiving)]
    # Of the registry a client needs the names alone.
    parts.insert(1, "HealthType = Literal[\n" + "".join(f'    "{kind}",\n' for kind in HEALTH_KINDS) + "]")
    body = "\n\n\n".join(parts)
    body = body.replace(
        '"""Payload models are frozen and closed: a field that is not in the contract is a fault, not a surprise."""',
        '"""Payload models are frozen; a field that this version does not know is ignored."""',
    )
    body = body.replace('extra="forbid"', 'extra="ignore"')
    return f"{_CLIENT_HEAD}\n\n{body}\n"


def _body(source: str) -> str:
    """The source of a module without its docstring and imports."""
    tree = ast.parse(source)
    first = next(
        node
        for node in tree.body
        if not isinstance(node, ast.Import | ast.ImportFrom) and not isinstance(node, ast.Expr)
    )
    begin = min([first.lineno, *(each.lineno for each in getattr(first, "decorator_list", []))])
    return "\n".join(source.splitlines()[begin - 1 :]).rstrip()


def _asyncapi() -> str:
    messages = "\n".join(f"      {kind}: {{$ref: '#/components/messages/{kind}'}}" for kind in TYPES)
    headers = "\n".join(
        f"        {name}: {{type: string, description: {json.dumps(of)}}}" for name, of in ATTRIBUTES.items()
    )
    components = "\n".join(
        f"""    {kind}:
      name: {kind}
      title: {json.dumps(_title(kind))}
      contentType: application/cloudevents+json
      headers: {{$ref: '#/components/schemas/attributes'}}
      payload: {{$ref: './schemas/{kind}.json'}}"""
        for kind in TYPES
    )
    required = ", ".join(name for name in ATTRIBUTES if name not in OPTIONAL)
    return _ASYNCAPI.format(
        version=version("battery-watch"), messages=messages, components=components, headers=headers, required=required
    )


def _title(kind: str) -> str:
    group, name = kind.split(".")
    if kind == "anomaly.sample":
        return "One anomalous sample"
    return f"An episode is {name}" if group == "anomaly" else f"About the watching itself: {name.replace('_', ' ')}"


def _text(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


_CLIENT_HEAD = '''"""Battery Watch's events, typed. One file: the standard library and pydantic, nothing else.

    from battery_watch_events import from_sqs
    event = from_sqs(message)          # as boto3's receive_message gives it; raw delivery or not
    print(event.severitytext, event.subject, event.data.summary)

`from_lambda` and `from_http` read the rest. Made from the contract in Battery Watch (`make contract`): change it there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError'''

_ASYNCAPI = """# Made by `make contract`.
asyncapi: 3.0.0
info:
  title: Battery Watch
  version: {version}
  description: >-
    Events about batteries that charge: episodes of anomalies, and notices about the data and the watching itself.
    CloudEvents 1.0 in structured JSON. A message may come twice, with the same id. Not a safety device.
defaultContentType: application/cloudevents+json
channels:
  events:
    address: battery-watch-events
    description: The SNS topic. Its name is the deployment's.
    messages:
{messages}
    bindings:
      sns:
        name: battery-watch-events
        bindingVersion: '0.1.0'
operations:
  publish:
    action: send
    channel: {{$ref: '#/channels/events'}}
    summary: The worker publishes each message at least once, in order for each device.
components:
  messages:
{components}
  schemas:
    attributes:
      type: object
      description: SNS message attributes, for filter policies.
      required: [{required}]
      properties:
{headers}
"""


def main() -> None:
    """Write the documents; with ``--release`` the schemas of a release too."""
    PAGE.write_text(page(PAGE.read_text()))
    for path, text in documents().items():
        target = FOLDER / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    if "--release" in sys.argv:
        RELEASED.write_text(_text({"version": version("battery-watch"), "schemas": schemas()}))


if __name__ == "__main__":
    main()
