"""Events are read however they come; by the worker's own code and by the client's one file."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from independent import CONTRACT

from reporting.contract import receiving

CLIENT = CONTRACT / "client" / "battery_watch_events.py"
BODY = (CONTRACT / "samples" / "anomaly.opened.json").read_text()


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("battery_watch_events", CLIENT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=["worker", "client"])
def reader(request: pytest.FixtureRequest) -> Any:
    return receiving if request.param == "worker" else load()


def wrapped(body: str) -> str:
    """As SNS delivers without raw message delivery."""
    return json.dumps({"Type": "Notification", "MessageId": "m", "TopicArn": "t", "Message": body})


@pytest.mark.parametrize("body", [BODY, wrapped(BODY)], ids=["raw", "wrapped"])
def test_a_message_from_sqs(reader: Any, body: str) -> None:
    """As boto3 gives it, or its body alone."""
    for message in ({"MessageId": "1", "Body": body}, body):
        event = reader.from_sqs(message)
        assert (event.type, event.severitytext, event.data.device) == ("anomaly.opened", "high", "bay-7")
        assert event.data.evidence.scores.forest.exceeded
        assert event.time.utcoffset().total_seconds() == 0


def test_a_call_of_a_lambda_function(reader: Any) -> None:
    """By SNS, by SQS, raw or not; several records at once."""
    by_sns = {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": BODY, "Type": "Notification"}}] * 2}
    by_sqs = {"Records": [{"eventSource": "aws:sqs", "body": BODY}, {"eventSource": "aws:sqs", "body": wrapped(BODY)}]}
    for call in (by_sns, by_sqs):
        assert [event.type for event in reader.from_lambda(call)] == ["anomaly.opened"] * 2
    with pytest.raises(reader.NotAnEvent):
        reader.from_lambda({"detail": "from elsewhere"})


def test_a_post_by_http(reader: Any) -> None:
    """Wrapped or raw; and the question that comes first."""
    for body in (BODY, wrapped(BODY).encode()):
        assert reader.from_http(body).type == "anomaly.opened"
    asked = {"Type": "SubscriptionConfirmation", "TopicArn": "arn:t", "SubscribeURL": "https://confirm"}
    assert reader.from_http(json.dumps(asked)) == reader.Confirmation("arn:t", "https://confirm")
    with pytest.raises(reader.NotAnEvent, match="no JSON"):
        reader.from_http("hello")


@pytest.mark.parametrize(
    "body", ["HIGH: bay-7, opened", "{}", "[1]", json.dumps({"Message": "HIGH: bay-7"}), json.dumps({"a": 1}), "3"]
)
def test_what_is_no_event_says_so(reader: Any, body: str) -> None:
    """A mail's text, another topic's message."""
    with pytest.raises(reader.NotAnEvent):
        reader.from_sqs({"Body": body})


@pytest.mark.parametrize(
    "change", [{"type": "anomaly.merged"}, {"dataschema": "urn:battery-watch:schema:anomaly.opened:3"}]
)
def test_an_event_of_later_days_is_handed_on(reader: Any, change: dict[str, str]) -> None:
    """Its envelope can be read, its data are as they came: no consumer stops because a type is new."""
    told = {**json.loads(BODY), **change, "extension": 1}
    event = reader.from_sqs(json.dumps(told))
    assert isinstance(event, reader.OtherEvent)
    assert (event.type, event.severitytext, event.data) == (told["type"], "high", told["data"])


def broken(**data: Any) -> dict[str, Any]:
    """An event of a known type and schema with other data; None leaves a field out."""
    told: dict[str, Any] = json.loads(BODY)
    told["data"] = {name: value for name, value in {**told["data"], **data}.items() if value is not None}
    return told


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (broken(severity=None), "data.severity: Field required"),
        (broken(severity="grave"), "data.severity: Input should be"),
        (broken(step=0), "data.step: Input should be greater than or equal to 1"),
        (broken(samples=None, opened=None, last=None, reopened=None), "Field required; and 1 more"),
        ({**broken(), "data": None}, "data: Input should be"),
        ({**broken(), "time": "now"}, "time: Input should be a valid datetime"),
        ({**broken(), "type": "anomaly.merged", "time": None}, "time: Input should be a valid datetime"),
        ({**broken(), "type": ["x"]}, "type: Input should be a valid string"),
    ],
)
def test_a_broken_event_is_no_event(reader: Any, told: dict[str, Any], said: str) -> None:
    """It says what is wrong and where, and shows neither the body nor what stood there. A consumer has one error to
    catch, whatever came."""
    for read in (reader.from_sqs, reader.from_http, lambda body: reader.from_lambda({"Records": [{"body": body}]})):
        with pytest.raises(reader.NotAnEvent) as raised:
            read(json.dumps(told))
        assert isinstance(raised.value, ValueError)
        assert said in str(raised.value)
        assert len(str(raised.value)) < 700
        assert told["id"] not in str(raised.value)
        assert told["source"] not in str(raised.value)
        assert raised.value.__suppress_context__


def test_half_a_character_is_no_event(reader: Any) -> None:
    """JSON can hold a lone surrogate, and no name of a device has one."""
    with pytest.raises(reader.NotAnEvent, match="broken"):
        reader.from_sqs(json.dumps(broken(device="\ud800")))


def test_a_record_that_is_none_is_no_event(reader: Any) -> None:
    """Among those of a call."""
    with pytest.raises(reader.NotAnEvent):
        reader.from_lambda({"Records": [3]})


def test_a_client_takes_fields_that_were_added_later() -> None:
    """The worker refuses what is not in its contract, the client ignores it."""
    told = json.loads(BODY)
    told["data"]["cell"] = told["data"]["evidence"]["cell"] = told["cell"] = 3
    assert load().from_sqs(json.dumps(told)).data.device == "bay-7"
    with pytest.raises(receiving.NotAnEvent, match=r"cell: Extra inputs are not permitted"):
        receiving.from_sqs(json.dumps(told))


def test_the_client_needs_pydantic_and_nothing_else() -> None:
    """In a process of its own that finds no other package."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import battery_watch_events as e; "
        "print(e.from_sqs(sys.stdin.read()).data.device); "
        "print(sorted({n.partition('.')[0] for n in sys.modules} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(CLIENT.parent)],
        input=BODY,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        cwd="/",
    )
    device, modules = done.stdout.splitlines()
    assert device == "bay-7"
    allowed = {"battery_watch_events", "pydantic", "pydantic_core", "annotated_types", "typing_extensions"}
    named = set(modules.strip("[]").replace("'", "").split(", "))
    assert {name for name in named if not name.startswith("_")} <= allowed | {"typing_inspection", "sitecustomize"}
