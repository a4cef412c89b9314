"""The worker's settings. All come from the environment, and all are checked at the start."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from consumer.errors import ConfigurationError
from consumer.heartbeat import TAKE_OVER_S
from reporting.message import Publish

Name = Annotated[str, Field(min_length=1)]
SHIPPED_BUNDLE = Path(__file__).resolve().parents[1] / "models" / "default"


class Settings(BaseSettings):
    """Every setting, by its environment variable. Some names are those of the service that this one replaces."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    table: Name = Field(default="device4", validation_alias="BATTERY_TABLE_NAME", description="the table to watch")
    bundle: Name = Field(
        default=str(SHIPPED_BUNDLE),
        validation_alias="MODEL_DIR",
        description="a bundle, or a folder of bundles; s3://bucket/prefix is one too",
    )
    bundle_every_s: float = Field(
        default=60,
        ge=1,
        le=86_400,
        validation_alias="MODEL_EVERY_S",
        description="seconds between two checks of MODEL_DIR for another bundle",
    )
    device_key: Name = Field(
        default="device", validation_alias="DEVICE_KEY_NAME", description="the attribute that names the device"
    )
    bucket: Name = Field(validation_alias="RESULTS_BUCKET_NAME", description="the bucket for all results")
    chart_prefix: Name = Field(
        default="battery-reports",
        validation_alias="RESULTS_PREFIX",
        description="the charts' prefix in the bucket",
    )
    region: Name = Field(
        validation_alias=AliasChoices("AWS_DEFAULT_REGION", "AWS_REGION"), description="the AWS region of all of it"
    )
    topic_arn: str = Field(validation_alias="TOPIC_ARN", description="the SNS topic for events")
    namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] = Field(
        default="default",
        validation_alias="NAMESPACE",
        description="keeps the state of two deployments on one table and bucket apart",
    )
    start: Literal["latest", "trim_horizon"] = Field(
        default="latest", validation_alias="START", description="where the very first start begins to read"
    )
    publish: Publish = Field(
        default="episodes",
        validation_alias="PUBLISH",
        description="what goes to the topic: the steps of episodes, every anomalous sample (`samples`), or both",
    )
    link_ttl_s: int = Field(
        default=12 * 3600, ge=60, le=7 * 86_400, validation_alias="LINK_TTL_S", description="seconds a chart link lives"
    )
    take_over_s: float = Field(
        default=TAKE_OVER_S,
        ge=1,
        le=600,
        validation_alias="TAKE_OVER_S",
        description="seconds without a heartbeat after which a stand-by takes the lane over",
    )
    pulse_file: Path | None = Field(
        default=None,
        validation_alias="PULSE_FILE",
        description="the file for `healthcheck`; by default one in the temporary folder",
    )
    log_format: Literal["json", "console"] = Field(
        default="json", validation_alias="LOG_FORMAT", description="one JSON object a line, or lines for people"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", validation_alias="LOG_LEVEL", description="the lowest level that is logged"
    )

    @field_validator("topic_arn")
    @classmethod
    def _is_topic(cls, value: str) -> str:
        parts = value.split(":")
        if len(parts) != 6 or parts[0] != "arn" or parts[2] != "sns" or not parts[5]:
            raise ValueError("is not an SNS topic: it looks like arn:aws:sns:eu-central-1:123456789012:name")
        return value

    @field_validator("bundle")
    @classmethod
    def _is_place(cls, value: str) -> str:
        if re.match(r"s3:/*$|s3:/[^/]|s3:[^/]", value):
            raise ValueError("is not a place in S3: it looks like s3://bucket/prefix")
        return value

    @field_validator("chart_prefix", mode="before")
    @classmethod
    def _no_slashes_around(cls, value: str) -> str:
        return value.strip("/")


def load_settings() -> Settings:
    """The settings from the environment. Raises one `ConfigurationError` with all faults."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"  {_variable(fault['loc'])}: {_problem(fault['type'], fault['msg'])}" for fault in error.errors()]
        raise ConfigurationError("the settings are not usable:\n" + "\n".join(lines)) from None


def _variable(where: tuple[int | str, ...]) -> str:
    name = str(where[0])
    return "AWS_DEFAULT_REGION" if name == "AWS_REGION" else name


def _problem(kind: str, message: str) -> str:
    if kind == "missing":
        return "is not set"
    return message.removeprefix("Value error, ")
