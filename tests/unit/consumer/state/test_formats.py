"""Which heads this version reads, and what it says of those that it does not (rule 31)."""

from __future__ import annotations

import tomllib
from typing import Any

import orjson
import pytest
from released import CASES
from repository import ROOT

from consumer.errors import ConfigurationError
from consumer.state.formats import FORMAT, LIFTS, NewerFormat, lift
from consumer.state.head import Head
from consumer.state.store import S3StateStore
from consumer.version import VERSION

PREFIX = "state/default/device4/2026-07-25T00:00:00.000/table"
HEAD = Head(lane="table", owner="me", bundle="bw-plain")


def stored(**more: Any) -> bytes:
    """A head as it lies in the bucket, with these fields besides."""
    return orjson.dumps({**orjson.loads(HEAD.encode()), **more})


def reads(s3: Any, body: bytes) -> Head | None:
    """What a worker reads that finds this head."""
    s3.put_object(Bucket="b", Key=f"{PREFIX}/head", Body=body, ContentType="", Metadata={})
    return S3StateStore(s3, "b", PREFIX).read()


def test_the_version_is_the_projects() -> None:
    """The head names the version of the product that wrote it."""
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_rule_31_the_head_names_its_format_and_who_wrote_it() -> None:
    """Both stand first, where a person looks."""
    names = list(orjson.loads(HEAD.encode()))
    assert names[:2] == ["format", "version"]
    assert (orjson.loads(HEAD.encode())["format"], orjson.loads(HEAD.encode())["version"]) == (FORMAT, VERSION)


def test_rule_31_an_unknown_field_is_kept() -> None:
    """A later version of this format wrote it: an older worker that takes the lane for a while must not lose it."""
    found = Head.decode(stored(sessions={"bay-7": [1, 2]}))
    following = found.model_copy(update={"commit": 8})
    assert orjson.loads(following.encode())["sessions"] == {"bay-7": [1, 2]}
    assert Head.decode(following.encode()) == following


def test_rule_31_a_field_that_must_agree_with_the_positions_is_no_unknown_field() -> None:
    """A position with a field that this version does not know has a meaning that it does not know."""
    with pytest.raises(ValueError, match="surprise"):
        Head.decode(stored(positions={"s": {"sequence": "7", "surprise": 1}}))


def test_bug_42_a_newer_format_is_refused_with_both_versions_named(s3: Any) -> None:
    """The operator who rolled back reads which version knows this state."""
    body = stored(format=FORMAT + 1, version="9.9.9")
    with pytest.raises(NewerFormat):
        Head.decode(body)
    with pytest.raises(ConfigurationError) as error:
        reads(s3, body)
    for part in (f"format {FORMAT + 1}", "9.9.9", VERSION, f"s3://b/{PREFIX}/head"):
        assert part in str(error.value)


def test_bug_42_a_fault_of_the_head_is_named_by_its_field(s3: Any) -> None:
    """Without the values: a device's name is nobody's business in a log."""
    with pytest.raises(ConfigurationError, match=r"epoch: .*; commit: .*; and 1 more") as error:
        reads(s3, stored(epoch="secret", commit="secret", released="secret", forced="secret"))
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("body", [b"", b"[]", b'"head"', b"{", b'{"format":"two"}', b'{"format":0}'])
def test_what_is_no_head_is_refused(body: bytes, s3: Any) -> None:
    """Half an object, or something else under its key."""
    with pytest.raises(ConfigurationError, match="cannot be read"):
        reads(s3, body)


def test_rule_31_every_older_format_has_its_lift() -> None:
    """From each format to the next, and none beyond."""
    assert sorted(LIFTS) == list(range(1, FORMAT))


@pytest.mark.parametrize("name", CASES)
def test_rule_31_the_state_of_0_1_0_is_read_and_lifted(name: str) -> None:
    """It named no format, which is format 1."""
    for key in CASES[name].heads:
        body = CASES[name].objects[key]
        assert "format" not in orjson.loads(body)
        assert lift(orjson.loads(body))["format"] == FORMAT
        assert Head.decode(Head.decode(body).encode()) == Head.decode(body).model_copy(update={"version": VERSION})
