"""The templates deployed where IAM is enforced: under the task role the worker works, and nothing else does."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from deployment import STACKS, Caller, Deployment, Template, deployed, for_the_emulator, make_table

from consumer.mutes.store import MuteStore
from consumer.state.head import Head
from demo.worker import Worker
from demo.world import ARCHIVE, CHARTS, LEDGER
from reporting.mutes import Mute

if TYPE_CHECKING:
    from tests.infra.conftest import Synthesised

TABLE, OTHER_TABLE, OTHER_BUCKET = "device4", "device5", "somebody-elses"
STATE, QUARANTINE, MUTES = "state/default/", "battery-quarantine/", "battery-mutes/"
REFUSALS = {"AccessDenied", "AccessDeniedException", "AuthorizationError"}
WITHIN_S = 20.0
KEY = {"ts": {"N": "1"}}
Call = Callable[[Caller, Deployment], Any]


@pytest.fixture(scope="module")
def templates(plain: Synthesised) -> dict[str, Template]:
    """Both templates, as the emulator needs them."""
    return {name: for_the_emulator(plain.template(name)) for name in STACKS}


@pytest.fixture(scope="module")
def deployment(templates: dict[str, Template]) -> Iterator[Deployment]:
    """One for many short calls, with somebody else's table and bucket beside it and an object under each prefix."""
    with deployed(templates, TABLE) as place:
        place.trust_administrator()
        make_table(place.administrator, OTHER_TABLE)
        place.administrator.s3.create_bucket(Bucket=OTHER_BUCKET)
        for prefix in (STATE, ARCHIVE, CHARTS, MUTES, LEDGER, QUARANTINE):
            place.administrator.s3.put_object(Bucket=place.bucket, Key=f"{prefix}kept", Body=b"kept")
        place.administrator.s3.put_object(Bucket=OTHER_BUCKET, Key=f"{STATE}kept", Body=b"kept")
        yield place


@pytest.fixture(scope="module")
def role(deployment: Deployment) -> Caller:
    """The task role's temporary credentials."""
    return deployment.task_role()


def _put(key: str, bucket: str | None = None) -> Call:
    return lambda caller, d: caller.s3.put_object(Bucket=bucket or d.bucket, Key=key, Body=b"x")


def _get(key: str, bucket: str | None = None) -> Call:
    return lambda caller, d: caller.s3.get_object(Bucket=bucket or d.bucket, Key=key)


def _delete(key: str) -> Call:
    return lambda caller, d: caller.s3.delete_object(Bucket=d.bucket, Key=key)


def _table(operation: str, **arguments: Any) -> Call:
    return lambda caller, _: getattr(caller.dynamodb, operation)(**{"TableName": TABLE} | arguments)


def _alarm(operation: str, **arguments: Any) -> Call:
    return lambda caller, d: getattr(caller.sns, operation)(TopicArn=d.outputs["AlarmTopicArn"], **arguments)


def _batch_write(caller: Caller, _: Deployment) -> Any:
    return caller.dynamodb.batch_write_item(RequestItems={TABLE: [{"PutRequest": {"Item": KEY}}]})


def _delete_version(caller: Caller, d: Deployment) -> Any:
    key = f"{STATE}version"
    version = d.administrator.s3.put_object(Bucket=d.bucket, Key=key, Body=b"x")["VersionId"]
    return caller.s3.delete_object(Bucket=d.bucket, Key=key, VersionId=version)


def _more_rights(caller: Caller, d: Deployment) -> Any:
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "ec2:RunInstances", "Resource": "*"}],
    }
    return caller.iam.put_role_policy(RoleName=d.role_name, PolicyName="more", PolicyDocument=json.dumps(document))


ENTRY = {"Id": "1", "Message": "x"}
REFUSED: list[tuple[str, str, Call]] = [
    ("s3:PutObject", "outside of all prefixes", _put("elsewhere/x")),
    ("s3:PutObject", "at the root", _put("x")),
    ("s3:PutObject", "beside a prefix", _put("battery-events-of-others/x")),
    ("s3:PutObject", "a mute", _put(f"{MUTES}x")),
    ("s3:PutObject", "another namespace's state", _put("state/two/x")),
    ("s3:PutObject", "another bucket", _put(f"{ARCHIVE}x", OTHER_BUCKET)),
    ("s3:GetObject", "quarantine", _get(f"{QUARANTINE}kept")),
    ("s3:GetObject", "books", _get(f"{LEDGER}kept")),
    ("s3:GetObject", "another bucket", _get(f"{STATE}kept", OTHER_BUCKET)),
    ("s3:ListBucket", "another bucket", lambda caller, _: caller.s3.list_objects_v2(Bucket=OTHER_BUCKET)),
    *(("s3:DeleteObject", prefix, _delete(f"{prefix}x")) for prefix in (STATE, ARCHIVE, CHARTS, LEDGER)),
    *(("s3:DeleteObject", prefix, _delete(f"{prefix}x")) for prefix in (QUARANTINE, MUTES, "elsewhere/")),
    ("s3:DeleteObjectVersion", "what it wrote before", _delete_version),
    (
        "s3:PutBucketVersioning",
        "its bucket",
        lambda caller, d: caller.s3.put_bucket_versioning(
            Bucket=d.bucket, VersioningConfiguration={"Status": "Enabled"}
        ),
    ),
    ("dynamodb:PutItem", "its table", _table("put_item", Item=KEY)),
    ("dynamodb:UpdateItem", "its table", _table("update_item", Key=KEY)),
    ("dynamodb:BatchWriteItem", "its table", _batch_write),
    ("dynamodb:DeleteItem", "its table", _table("delete_item", Key=KEY)),
    ("dynamodb:GetItem", "its table", _table("get_item", Key=KEY)),
    ("dynamodb:UpdateTable", "its table", _table("update_table", DeletionProtectionEnabled=True)),
    ("dynamodb:GetItem", "another table", _table("get_item", TableName=OTHER_TABLE, Key=KEY)),
    ("dynamodb:Scan", "another table", _table("scan", TableName=OTHER_TABLE)),
    ("dynamodb:DescribeTable", "another table", _table("describe_table", TableName=OTHER_TABLE)),
    ("dynamodb:CreateTable", "a new one", lambda caller, _: make_table(caller, "new")),
    ("sns:Publish", "the alarms' topic", _alarm("publish", Message="x")),
    ("sns:PublishBatch", "the alarms' topic", _alarm("publish_batch", PublishBatchRequestEntries=[ENTRY])),
    ("sns:Subscribe", "the alarms' topic", _alarm("subscribe", Protocol="email", Endpoint="x@y.org")),
    ("sns:CreateTopic", "a new one", lambda caller, _: caller.sns.create_topic(Name="new")),
    ("sqs:ReceiveMessage", "a queue", lambda caller, d: caller.sqs.receive_message(QueueUrl=d.outputs["Queueboard"])),
    ("iam:PutRolePolicy", "itself", _more_rights),
    ("iam:GetRole", "itself", lambda caller, d: caller.iam.get_role(RoleName=d.role_name)),
    ("iam:CreateUser", "a new one", lambda caller, _: caller.iam.create_user(UserName="new")),
]
ALLOWED: list[tuple[str, str, Call]] = [
    ("dynamodb:Query", "its table", lambda caller, _: _query(caller)),
    (
        "dynamodb:BatchGetItem",
        "its table",
        lambda caller, _: caller.dynamodb.batch_get_item(RequestItems={TABLE: {"Keys": [KEY]}}),
    ),
    ("dynamodb:ListStreams", "its table", lambda caller, _: caller.dynamodbstreams.list_streams(TableName=TABLE)),
    ("s3:GetObject", "mutes", _get(f"{MUTES}kept")),
    ("s3:GetObject", "archive", _get(f"{ARCHIVE}kept")),
]


def _query(caller: Caller) -> Any:
    return caller.dynamodb.query(
        TableName=TABLE,
        KeyConditionExpression="#ts = :ts",
        ExpressionAttributeNames={"#ts": "ts"},
        ExpressionAttributeValues={":ts": KEY["ts"]},
    )


def _statements(template: Template) -> list[Any]:
    found = (each["Properties"].get("PolicyDocument", {}) for each in template["Resources"].values())
    return [statement for document in found for statement in document.get("Statement", [])]


def _without_policies(template: Template) -> dict[str, Any]:
    resources = template["Resources"].items()
    return {name: each["Properties"] for name, each in resources if "PolicyDocument" not in each["Properties"]}


def test_only_what_the_emulator_cannot_do_is_changed(plain: Synthesised, templates: dict[str, Template]) -> None:
    """What is deployed is the template but for refusals of what comes without TLS, the resource of the stream's calls,
    and a batch named beside Publish."""
    changes = {}
    for name in STACKS:
        given, taken = plain.template(name), templates[name]
        assert _without_policies(given) == _without_policies(taken)
        before, after = _statements(given), _statements(taken)
        changes[name] = [s for s in before if s not in after], [s for s in after if s not in before]
    lost, new = changes["Data"]
    assert new == []
    assert {each["Effect"] for each in lost} == {"Deny"}
    keys = {json.dumps(each["Condition"]) for each in lost}
    assert keys == {'{"Bool": {"aws:SecureTransport": "false"}}', '{"NumericLessThan": {"s3:TlsVersion": 1.2}}'}
    (stream, topic), new = changes["Service"]
    assert (stream["Sid"], topic["Sid"]) == ("Stream", "Topic")
    batch = ["sns:GetTopicAttributes", "sns:Publish", "sns:PublishBatch"]
    assert new == [stream | {"Resource": "*"}, topic | {"Action": batch}]


def _charge(place: Deployment, seconds: range, *, broken: int) -> None:
    """A quiet charge at 1 Hz whose last sample is far too hot; at one second there is no current."""
    for second in seconds:
        ripple = (second * 7919 % 13 - 6) / 200
        temperature_c = 61.5 if second == seconds[-1] else 25 + (second - seconds[0]) / 400 + ripple
        item = {"ts": {"N": str(second)}, "temperature": {"N": f"{temperature_c:.2f}"}}
        if second != broken:
            item["current"] = {"N": f"{2.5 + ripple / 8:.4f}"}
        place.administrator.dynamodb.put_item(TableName=TABLE, Item=item)


def _objects(place: Deployment, prefix: str) -> dict[str, bytes]:
    s3 = place.administrator.s3
    found = s3.list_objects_v2(Bucket=place.bucket, Prefix=prefix).get("Contents", [])
    return {each["Key"]: s3.get_object(Bucket=place.bucket, Key=each["Key"])["Body"].read() for each in found}


def _told(place: Deployment) -> list[dict[str, Any]]:
    """The events that wait in the queue; they are taken out."""
    sqs, queue = place.administrator.sqs, place.outputs["Queueboard"]
    found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    for message in found:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(json.loads(message["Body"])["Message"]) for message in found]


def _until(worker: Worker, question: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WITHIN_S
    while not (answer := question()):
        worker.check()
        assert time.monotonic() < deadline, worker.logs()
        time.sleep(0.05)
    return answer


def _books(place: Deployment) -> tuple[int, int, int]:
    """Read, scored and quarantined, of all days and devices."""
    days = (json.loads(body)["devices"].values() for body in _objects(place, LEDGER).values())
    counts = [each for day in days for each in day]
    read, scored, quarantined = (sum(each.get(n, 0) for each in counts) for n in ("read", "scored", "quarantined"))
    return read, scored, quarantined


def _archived(place: Deployment) -> set[float]:
    """The times of all samples in the archive."""
    return {json.loads(line)["ts"] for body in _objects(place, ARCHIVE).values() for line in body.splitlines()}


def test_the_worker_works_under_the_task_role(templates: dict[str, Template], tmp_path: Path) -> None:
    """Nobody but ECS may take the role; with its credentials the worker tells a fault, writes all that it writes, and
    stops in order. Its next start goes on where it stood. No call of its is refused."""
    with deployed(templates, TABLE) as place:
        with pytest.raises(ClientError, match="is not authorized to perform: sts:AssumeRole"):
            place.task_role()
        place.trust_administrator()
        now = time.time()
        mute = Mute("m1", "another", since=now, until=now + 3600, reason="there is one to read", by="somebody")
        MuteStore(place.administrator.s3, place.bucket).put(mute)
        role, start = place.task_role(), int(now) - 300
        environment = place.worker_environment(role)
        with Worker(environment, log=tmp_path / "log") as worker:
            worker.wait_until_watching(WITHIN_S)
            _charge(place, range(start, start + 100), broken=start + 50)
            told = _until(worker, lambda: [e for e in _told(place) if e["type"] == "anomaly.opened"])
            assert worker.stop() == 0, worker.logs()
            assert _books(place) == (100, 99, 1)
            _charge(place, range(start + 100, start + 180), broken=start + 150)
            worker.start()
            _until(worker, lambda: start + 179 in _archived(place))
            assert worker.stop() == 0, worker.logs()
            assert _books(place) == (180, 178, 2)
        assert told[0]["data"]["opened"] == start + 99
        assert {start + 99, start + 179} <= _archived(place)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(told[0]["data"]["chart"]["url"]) as link:
            assert link.read(4) == b"\x89PNG"
        assert len(_objects(place, QUARANTINE)) == 2
        state = {key.rsplit("/", 1)[-1]: body for key, body in _objects(place, STATE).items()}
        head = Head.decode(state["head"])
        assert (head.epoch, head.released) == (2, True)
        assert "windows" in state
        log = (tmp_path / "log").read_text()
        assert [line for line in log.splitlines() if "not authorized" in line or "AccessDenied" in line] == []
        assert '"count": 1, "event": "mutes in force"' in log
        assert role.secret not in log
        assert str(role.token) not in log


def test_nobody_gets_through_without_tls(plain: Synthesised) -> None:
    """The templates as they are: bucket and topic refuse even an administrator who comes by plain HTTP."""
    with deployed({name: plain.template(name) for name in STACKS}, TABLE) as place:
        with pytest.raises(ClientError, match=r"s3:PutObject .* explicit deny in a resource-based policy"):
            _put(f"{ARCHIVE}x")(place.administrator, place)
        with pytest.raises(ClientError, match=r"SNS:Publish .* explicit deny in a resource-based policy"):
            place.administrator.sns.publish(TopicArn=place.outputs["EventTopic"], Message="x")


@pytest.mark.parametrize(("action", "what", "call"), REFUSED, ids=[f"{action}, {what}" for action, what, _ in REFUSED])
def test_refused(deployment: Deployment, role: Caller, action: str, what: str, call: Call) -> None:
    """IAM refuses the call under the task role and names the action; an administrator's same call is carried out."""
    with pytest.raises(ClientError) as refused:
        call(role, deployment)
    assert refused.value.response["Error"]["Code"] in REFUSALS
    assert f"is not authorized to perform: {action}" in refused.value.response["Error"]["Message"]
    call(deployment.administrator, deployment)


@pytest.mark.parametrize(("action", "what", "call"), ALLOWED, ids=[f"{action}, {what}" for action, what, _ in ALLOWED])
def test_allowed(deployment: Deployment, role: Caller, action: str, what: str, call: Call) -> None:
    """What the worker does only now and then."""
    call(role, deployment)
