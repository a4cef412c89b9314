"""The page for subscribers does what it says: its code runs against the embedded AWS."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from independent import CONTRACT
from repository import ROOT
from test_filters import message

from reporting.contract.receiving import TYPES
from reporting.sinks.publisher import Answer
from reporting.sinks.topic import Topic

PAGE = (ROOT / "docs" / "events.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


def test_the_json_on_the_page_is_the_sample() -> None:
    """To the byte, as `make contract` writes it."""
    ((kind, text),) = re.findall(r"<!-- sample: (\S+) -->\n```json\n(.*?)```", PAGE, flags=re.DOTALL)
    assert text == (CONTRACT / "samples" / f"{kind}.json").read_text()


def test_every_type_is_on_the_page() -> None:
    """By its name, or by the second half of it in the list of notices."""
    for kind in TYPES:
        assert f"`{kind}`" in PAGE or f"`{kind.removeprefix('health.')}`" in PAGE


def test_the_code_on_the_page_runs(
    account: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Subscribed as shown, everything is published; read as shown, the grave ones come, once each."""
    subscribe, read, by_lambda, by_http = BLOCKS
    for name, value in account.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(CONTRACT / "client"))
    names: dict[str, Any] = {}
    exec(compile(subscribe, "subscribe", "exec"), names)
    publish = Topic(account.world.aws.sns, account.environment["TOPIC_ARN"]).publish
    told = [message(kind) for kind in TYPES]
    assert publish([*told, told[0]]) == Answer()
    exec(compile(read, "read", "exec"), names)
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[1:4] for line in lines) == sorted(
        [m.severity, m.type, f"{m.device}:"] for m in told if m.severity in ("high", "critical") and "anomaly" in m.type
    )

    exec(compile(by_lambda, "lambda", "exec"), names)
    names["handler"]({"Records": [{"Sns": {"Message": told[0].body}}, {"Sns": {"Message": told[3].body}}]}, None)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("bay-7 needs somebody: Current jumped from 2.52 to 6.31 A")

    exec(compile(by_http, "http", "exec"), names)
    names["posted"](json.dumps({"Type": "Notification", "Message": told[0].body}).encode())
    assert capsys.readouterr().out == "anomaly.opened\n"
