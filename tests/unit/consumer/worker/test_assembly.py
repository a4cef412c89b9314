"""How the worker is put together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from consumer.settings import load_settings
from consumer.stream.client import Stream
from consumer.worker.assembly import Assembly
from scoring.bundle import Bundle


def test_the_source_of_the_events_names_account_and_region(
    plain_bundle: Bundle, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the stream's ARN does: two accounts may have a table of one name."""
    for name, value in {
        "BATTERY_TABLE_NAME": "device4",
        "RESULTS_BUCKET_NAME": "b",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:battery",
    }.items():
        monkeypatch.setenv(name, value)
    aws: Any = SimpleNamespace(client=lambda *_, **__: s3, get_credentials=lambda: None)
    label = "2026-11-22T08:15:30.123"
    arn = f"arn:aws:dynamodb:eu-central-1:123456789012:table/device4/stream/{label}"
    made = Assembly(aws, load_settings(), plain_bundle, Stream(arn, label, "device", "ts"))
    assert made._opener._setup.to.source == "urn:battery-watch:123456789012:eu-central-1:device4"
