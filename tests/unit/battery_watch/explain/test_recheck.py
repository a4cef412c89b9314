"""Which table a message is about."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from battery_watch.explain.recheck import _table
from consumer.errors import ConfigurationError


@pytest.fixture
def aws() -> Any:
    """Has every table, in one account and region."""

    def described(TableName: str) -> dict[str, Any]:  # noqa: N803
        arn = f"arn:aws:dynamodb:eu-central-1:123456789012:table/{TableName}"
        return {"Table": {"TableArn": arn, "KeySchema": [{"AttributeName": "ts", "KeyType": "HASH"}]}}

    return SimpleNamespace(client=lambda *_, **__: SimpleNamespace(describe_table=described))


@pytest.mark.parametrize("source", ["urn:battery-watch:123456789012:eu-central-1:device4", "urn:battery-watch:device4"])
def test_the_source_of_a_message_names_its_table(aws: Any, source: str) -> None:
    """With account and region, and as version 0.1.0 wrote it."""
    assert _table(aws, source).name == "device4"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("urn:battery-watch:210987654321:eu-central-1:device4", "of account 210987654321, and this is"),
        ("urn:battery-watch:123456789012:eu-west-1:device4", "in eu-west-1 of account 123456789012"),
        ("urn:other:device4", "no worker of this kind"),
        ("urn:battery-watch:", "no worker of this kind"),
    ],
)
def test_a_message_of_another_table_is_refused(aws: Any, source: str, said: str) -> None:
    """A table of the same name elsewhere has other samples."""
    with pytest.raises(ConfigurationError, match=said):
        _table(aws, source)
