"""The choices of a deployment: the context of `cdk`, read once and checked, with defaults."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel


class ConfigError(Exception):
    """The context is not usable. The message names every fault."""


def _listed(value: object) -> object:
    """`-c emails=a@b.org,c@d.org` comes as one string, a list in cdk.json as a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Strings = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Emails = Annotated[tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")], ...], BeforeValidator(_listed)]
Queues = Annotated[tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,40}$")], ...], BeforeValidator(_listed)]
Severities = Annotated[tuple[Literal["low", "medium", "high", "critical"], ...], BeforeValidator(_listed)]

# Fargate offers CPU units (1,024 are one core) with this least and most memory, in MiB.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
MEMORY_OF = {256: (512, 2048), 512: (1024, 4096), 1024: (2048, 8192), 2048: (4096, 16384), 4096: (8192, 30720)}


class Config(BaseModel):
    """Every choice. The context's keys are these names in camel case: `-c tableName=device4`."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    namespace: str = Field(default="default", pattern=r"^[A-Za-z][A-Za-z0-9-]{0,30}$")
    """The worker's NAMESPACE. It is in the stacks' names too, so a second deployment needs another one."""

    table_name: str = Field(default="device4", pattern=r"^[A-Za-z0-9_.-]{3,255}$")
    table_stream_arn: str | None = Field(
        default=None, pattern=r"^arn:[^:]+:dynamodb:[^:]+:\d{12}:table/[^/]+/stream/.+$"
    )
    """Without it the worker may read any stream of the table, also one that was recreated."""
    create_table: bool = False
    """Make a table keyed by device and ts, with a stream."""
    device_key_name: str = Field(default="device", min_length=1)

    start: Literal["latest", "trim_horizon"] = "latest"
    model_dir: str | None = Field(default=None, pattern=r"^s3://[a-z0-9][a-z0-9.-]+(/[^*?]*)?$")
    """`s3://bucket/prefix` of bundles. Without it: the bundle in the image."""
    publish: Literal["episodes", "samples", "both"] = "episodes"
    """What goes to the topic: the steps of episodes, every anomalous sample, or both."""
    log_level: Literal["debug", "info"] = "info"
    """Metrics are log lines of level info: above that level every alarm would be blind."""

    emails: Emails = ()
    """Get events. Each address must first confirm a message from SNS."""
    email_severities: Severities = ("high", "critical")
    """The severities that are sent by e-mail, with the ends of notices that began with one of them; empty: all."""
    queues: Queues = ()
    """Names of queues to make; each gets every event."""
    alarm_emails: Emails = ()
    """Get alarms about the worker."""

    standby: bool = False
    """A second task that stands by. It doubles the price of the tasks."""
    cpu: int = 256
    memory_mib: int = 512
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    image_uri: str | None = Field(default=None, pattern=r"^[^\s/]+/[^\s]+[:@][^\s]+$")
    """An existing image. Without it the deployment builds the image of this repository."""

    network: Literal["public", "endpoints"] = "public"
    """A public subnet without inbound rules, or private subnets with VPC endpoints and no way to the internet."""
    vpc_id: str | None = Field(default=None, pattern=r"^vpc-[0-9a-f]+$")
    """An existing VPC, with ``subnet_ids``. Its owner provides the ways to AWS: with ``network`` `endpoints` the task
    only has no public address, and no endpoint is made."""
    subnet_ids: Strings = ()

    log_retention_days: Literal["7", "14", "30", "60", "90", "180", "365"] = "30"
    chart_days: int = Field(default=90, ge=1)
    archive_days: int = Field(default=730, ge=1)
    """For events and quarantined records."""
    lag_alarm_s: int = Field(default=120, ge=10)

    @model_validator(mode="before")
    @classmethod
    def _days_as_text(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("logRetentionDays"), int):
            return given | {"logRetentionDays": str(given["logRetentionDays"])}
        return given

    @model_validator(mode="after")
    def _agrees(self) -> Config:
        if self.create_table and self.table_stream_arn:
            raise ValueError("createTable makes a new stream: leave tableStreamArn out")
        if self.table_stream_arn and f":table/{self.table_name}/" not in self.table_stream_arn:
            raise ValueError(f"tableStreamArn is no stream of table {self.table_name}")
        if bool(self.vpc_id) != bool(self.subnet_ids):
            raise ValueError("vpcId and subnetIds go together")
        least, most = MEMORY_OF.get(self.cpu, (0, 0))
        if not least:
            raise ValueError(f"cpu: Fargate has {', '.join(map(str, MEMORY_OF))}")
        if not least <= self.memory_mib <= most or self.memory_mib % (512 if self.cpu == 256 else 1024):
            raise ValueError(f"memoryMib: with cpu {self.cpu} Fargate has {least} to {most}, in whole GiB (or 512)")
        return self

    @property
    def tasks(self) -> int:
        """How many tasks run: the owner, and perhaps one that stands by."""
        return 2 if self.standby else 1


KEYS = tuple(to_camel(name) for name in Config.model_fields)


def from_context(context: Mapping[str, Any]) -> Config:
    """The choices in a context, which also holds keys of `cdk` itself. Raises `ConfigError` that names all faults, and
    for an unknown key the one that was probably meant."""
    faults = []
    for key in context:
        near = difflib.get_close_matches(key, KEYS, n=1, cutoff=0.8)
        if key not in KEYS and near:
            faults.append(f"{key} is not known: did you mean {near[0]}?")
    given = {key: value for key, value in context.items() if key in KEYS and value not in (None, "")}
    try:
        config = Config.model_validate(given)
    except ValidationError as error:
        faults += [
            ": ".join([*map(str, fault["loc"][:1]), fault["msg"].removeprefix("Value error, ")])
            for fault in error.errors()
        ]
    if faults:
        raise ConfigError("the context is not usable:\n" + "\n".join(f"  {fault}" for fault in faults))
    return config
