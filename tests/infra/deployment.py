"""The stacks' templates deployed in the embedded AWS, which checks signatures and policies; and their task role."""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

from demo.emulator import Emulator
from demo.environment import REGION, client_environment, scrubbed

Template = dict[str, Any]
Statement = dict[str, Any]
STACKS = {"Data": "BatteryWatch-Data", "Service": "BatteryWatch-Service"}
SERVICES = ("cloudformation", "ecs", "ssm")
STREAM_CALLS = {"dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords"}
TLS_KEYS = {"aws:SecureTransport", "s3:TlsVersion"}
ADMINISTRATOR = "administrator"
DEPLOY_WITHIN_S = 20.0


def for_the_emulator(template: Template) -> Template:
    """A copy that differs where the emulator does from AWS, and nowhere else:

    - It is reached by plain HTTP: statements that refuse what comes without TLS are left out. They are in the policies
      of bucket, topics and queues; a policy that holds nothing else goes as a whole.
    - It knows no ARN for the calls of streams and asks for `*`: a statement about them is about every resource.
    - It takes PublishBatch for an action of its own. In AWS `sns:Publish` allows both, and IAM knows no other:
      https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-language-api-permissions-reference.html
    """
    changed = copy.deepcopy(template)
    resources = changed["Resources"]
    for name, resource in list(resources.items()):
        document = resource["Properties"].get("PolicyDocument")
        if document is None:
            continue
        kept = [each for each in document["Statement"] if not _about_tls(each)]
        document["Statement"] = [_widened(each) for each in kept] if resource["Type"] == "AWS::IAM::Policy" else kept
        if not document["Statement"]:
            del resources[name]
    for resource in resources.values():
        needed = resource.get("DependsOn", [])
        resource["DependsOn"] = [n for n in ([needed] if isinstance(needed, str) else needed) if n in resources]
    return changed


def _widened(statement: Statement) -> Statement:
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    if set(actions) & STREAM_CALLS:
        assert set(actions) <= STREAM_CALLS, "what is widened must be about streams alone"
        return statement | {"Resource": "*"}
    return statement | {"Action": [*actions, "sns:PublishBatch"]} if "sns:Publish" in actions else statement


def _about_tls(statement: Statement) -> bool:
    keys = {key for compared in statement.get("Condition", {}).values() for key in compared}
    return statement["Effect"] == "Deny" and bool(keys) and keys <= TLS_KEYS


@dataclass(frozen=True)
class Caller:
    """Someone with credentials. Clients are attributes by the names of their services: `caller.s3`."""

    url: str
    key: str
    secret: str
    token: str | None = None
    _clients: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, service: str) -> Any:
        if service not in self._clients:
            config = Config(
                connect_timeout=5, read_timeout=15, proxies={}, signature_version="v4", s3={"addressing_style": "path"}
            )
            session = boto3.Session(self.key, self.secret, self.token, region_name=REGION)
            self._clients[service] = session.client(service, endpoint_url=self.url, config=config)
        return self._clients[service]


@dataclass(frozen=True)
class Deployment:
    """What was deployed. ``administrator`` is a user whose policy allows everything; ``outputs`` are those of the
    stacks, ``settings`` the environment of the container in the task definition."""

    administrator: Caller
    outputs: dict[str, str]
    role_arn: str
    settings: dict[str, str]

    @property
    def bucket(self) -> str:
        """The name of the bucket for results."""
        return self.outputs["Bucket"]

    @property
    def role_name(self) -> str:
        """The task role's name."""
        return self.role_arn.rsplit("/", 1)[-1]

    def task_role(self) -> Caller:
        """Take the task role: temporary credentials. Raises `ClientError` where its trust policy does not allow it."""
        answer = self.administrator.sts.assume_role(RoleArn=self.role_arn, RoleSessionName="worker")["Credentials"]
        url = self.administrator.url
        return Caller(url, answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])

    def trust_administrator(self) -> None:
        """Let the administrator take the role too: the template's trust policy names ECS alone, and no test is ECS."""
        iam = self.administrator.iam
        document = iam.get_role(RoleName=self.role_name)["Role"]["AssumeRolePolicyDocument"]
        user = self.administrator.sts.get_caller_identity()["Arn"]
        document["Statement"].append({"Effect": "Allow", "Principal": {"AWS": user}, "Action": "sts:AssumeRole"})
        iam.update_assume_role_policy(RoleName=self.role_name, PolicyDocument=json.dumps(document))

    def worker_environment(self, caller: Caller) -> dict[str, str]:
        """The environment of a worker with a caller's credentials and the settings of the task definition."""
        credentials = {"AWS_ACCESS_KEY_ID": caller.key, "AWS_SECRET_ACCESS_KEY": caller.secret}
        return {
            **scrubbed(os.environ),
            **client_environment(os.environ, caller.url),
            **self.settings,
            **credentials,
            "AWS_SESSION_TOKEN": caller.token or "",
        }


@contextmanager
def deployed(templates: Mapping[str, Template], table: str) -> Iterator[Deployment]:
    """Deploy the stacks, `Data` first, where a table keyed by time is there already; blocks for some seconds. Raises
    AssertionError with CloudFormation's reasons where it fails."""
    with Emulator(auth=True, also=SERVICES) as emulator:
        administrator = _administrator(emulator)
        make_table(administrator, table)
        # What `cdk bootstrap` leaves in an account, and the templates ask for.
        parameter = templates["Data"]["Parameters"]["BootstrapVersion"]["Default"]
        administrator.ssm.put_parameter(Name=parameter, Value="30", Type="String")
        outputs: dict[str, str] = {}
        for name, stack in STACKS.items():
            outputs |= _create(administrator, stack, templates[name])
        (arn,) = administrator.ecs.list_task_definitions()["taskDefinitionArns"]
        task = administrator.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
        (container,) = task["containerDefinitions"]
        settings = {each["name"]: each["value"] for each in container["environment"]}
        yield Deployment(administrator, outputs, task["taskRoleArn"], settings)


def make_table(caller: Caller, name: str) -> None:
    """A table keyed by time, with a stream."""
    caller.dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "ts", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "ts", "AttributeType": "N"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )


def _administrator(emulator: Emulator) -> Caller:
    """A user like any other but for a policy that allows everything: of the account's root the emulator asks none."""
    given = emulator.environment()
    iam = Caller(emulator.url, given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"]).iam
    iam.create_user(UserName=ADMINISTRATOR)
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_user_policy(UserName=ADMINISTRATOR, PolicyName="all", PolicyDocument=json.dumps(everything))
    key = iam.create_access_key(UserName=ADMINISTRATOR)["AccessKey"]
    return Caller(emulator.url, key["AccessKeyId"], key["SecretAccessKey"])


def _create(caller: Caller, name: str, template: Template) -> dict[str, str]:
    """Create a stack and wait for it; its outputs."""
    formation = caller.cloudformation
    formation.create_stack(StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"])
    deadline = time.monotonic() + DEPLOY_WITHIN_S
    while (stack := formation.describe_stacks(StackName=name)["Stacks"][0])["StackStatus"].endswith("IN_PROGRESS"):
        assert time.monotonic() < deadline, f"{name} is still {stack['StackStatus']}"
        time.sleep(0.05)
    events = formation.describe_stack_events(StackName=name)["StackEvents"]
    failed = [
        (e["LogicalResourceId"], e.get("ResourceStatusReason")) for e in events if "FAILED" in e["ResourceStatus"]
    ]
    assert stack["StackStatus"] == "CREATE_COMPLETE", failed
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
