"""The source of events: one for each table of each account."""

from __future__ import annotations

from urllib.parse import urlparse

import pytest

from reporting.contract.source import EventSource

TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/device4"
STREAM = f"{TABLE}/stream/2026-11-22T08:15:30.123"
FULL = "urn:battery-watch:123456789012:eu-central-1:device4"


@pytest.mark.parametrize("arn", [TABLE, STREAM, STREAM.replace("aws", "aws-cn", 1)])
def test_two_accounts_never_share_a_source(arn: str) -> None:
    """Nor do two regions: the table's ARN and its stream's name both."""
    assert str(EventSource.of("device4", arn)) == FULL
    others = [arn.replace("123456789012", "210987654321"), arn.replace("eu-central-1", "eu-west-1")]
    assert len({str(EventSource.of("device4", each)) for each in (arn, *others)}) == 3


@pytest.mark.parametrize("arn", ["", "nonsense", "arn:aws:dynamodb:eu-central-1::table/device4"])
def test_without_an_account_the_source_is_as_it_was_in_0_1_0(arn: str) -> None:
    """The table alone."""
    assert str(EventSource.of("device4", arn)) == "urn:battery-watch:device4"
    assert EventSource.of("device4", arn).forms == ("urn:battery-watch:device4",)


def test_both_forms_are_read() -> None:
    """And nothing else is."""
    assert EventSource.parse(FULL) == EventSource("device4", "123456789012", "eu-central-1")
    assert EventSource.parse("urn:battery-watch:device4") == EventSource("device4")
    for other in ("", "device4", "urn:other:device4", "urn:battery-watch:", f"{FULL}:x", "urn:battery-watch:1:device4"):
        assert EventSource.parse(other) is None


@pytest.mark.parametrize("name", ["a:b:c", "rack 7\n", "bay/7", "50%25"])
def test_a_recording_of_any_name_has_a_source(name: str) -> None:
    """It is a URI, and is read as what it was."""
    source = str(EventSource(name))
    assert urlparse(source).scheme == "urn"
    assert source.isprintable()
    assert " " not in source
    assert EventSource.parse(source) == EventSource(name)


def test_a_table_has_had_both() -> None:
    """What a search must try."""
    assert EventSource.of("device4", STREAM).forms == (FULL, "urn:battery-watch:device4")
