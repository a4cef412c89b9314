"""Settings from the environment: the old names, and all faults at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError
from repository import SHIPPED_BUNDLE

from consumer.errors import ConfigurationError
from consumer.settings import Settings, load_settings

NEEDED = {
    "RESULTS_BUCKET_NAME": "results",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:battery",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is needed, whatever the machine has."""
    for name in list(os.environ):
        if name.upper() in {str(f.validation_alias) for f in Settings.model_fields.values()} or name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)


def test_three_settings_are_enough() -> None:
    """The rest has defaults that fit the old service's table."""
    found = load_settings()
    assert (found.bucket, found.region, found.topic_arn) == tuple(NEEDED.values())
    assert (found.table, found.device_key, found.chart_prefix) == ("device4", "device", "battery-reports")
    assert (found.namespace, found.start, found.link_ttl_s) == ("default", "latest", 43_200)
    assert (found.log_format, found.log_level) == ("json", "info")
    assert Path(found.bundle) == SHIPPED_BUNDLE
    assert found.bundle_every_s == 60.0


def test_the_old_services_names_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment of the old service starts the new one unchanged."""
    for name, value in {
        "BATTERY_TABLE_NAME": "cells",
        "MODEL_DIR": "/opt/models",
        "DEVICE_KEY_NAME": "serial",
        "RESULTS_BUCKET_NAME": "bucket",
        "RESULTS_PREFIX": "/reports/charts/",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    found = load_settings()
    assert (found.table, found.bundle, found.device_key) == ("cells", "/opt/models", "serial")
    assert (found.bucket, found.chart_prefix, found.region) == ("bucket", "reports/charts", "us-east-1")


def test_the_region_may_come_from_aws_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fargate and Lambda set that one; the other goes first where both are set."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert load_settings().region == "eu-central-1"
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert load_settings().region == "eu-west-1"


def test_all_faults_are_listed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by its variable, with what is wrong; one start, one message."""
    for name, value in {
        "AWS_DEFAULT_REGION": None,
        "RESULTS_BUCKET_NAME": None,
        "TOPIC_ARN": "battery",
        "BATTERY_TABLE_NAME": "",
        "LINK_TTL_S": "5",
        "START": "yesterday",
        "LOG_LEVEL": "loud",
    }.items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as fault:
        load_settings()
    head, *lines = str(fault.value).split("\n")
    assert head == "the settings are not usable:"
    told = dict(line.strip().split(": ", 1) for line in lines)
    assert set(told) == {
        "AWS_DEFAULT_REGION",
        "RESULTS_BUCKET_NAME",
        "TOPIC_ARN",
        "BATTERY_TABLE_NAME",
        "LINK_TTL_S",
        "START",
        "LOG_LEVEL",
    }
    assert told["AWS_DEFAULT_REGION"] == told["RESULTS_BUCKET_NAME"] == "is not set"
    assert told["TOPIC_ARN"].startswith("is not an SNS topic: it looks like arn:aws:sns:")
    assert "'latest' or 'trim_horizon'" in told["START"]
    assert "60" in told["LINK_TTL_S"]


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "battery",
        "arn:aws:sqs:eu-central-1:123456789012:q",
        "arn:aws:sns:eu-central-1:123456789012:",
        "arn:aws:sns:x",
    ],
)
def test_what_is_no_topic_is_told(monkeypatch: pytest.MonkeyPatch, arn: str) -> None:
    """Before the first call, not by a retry that never ends."""
    monkeypatch.setenv("TOPIC_ARN", arn)
    with pytest.raises(ConfigurationError, match="TOPIC_ARN: is not an SNS topic"):
        load_settings()


@pytest.mark.parametrize("prefix", ["", "/", "//"])
def test_charts_need_a_place(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    """Slashes alone are none: keys would begin with one."""
    monkeypatch.setenv("RESULTS_PREFIX", prefix)
    with pytest.raises(ConfigurationError, match="RESULTS_PREFIX"):
        load_settings()


def test_settings_do_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what else is in the environment is nobody's business here."""
    monkeypatch.setenv("SOMETHING_ELSE", "x")
    found = load_settings()
    with pytest.raises(ValidationError):
        found.table = "other"  # type: ignore[misc]
