"""`battery-watch ledger`: its table is readable whatever a device is called."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from battery_watch.commands.ledger import NAME_WIDTH, command
from consumer.offline.ledger_reader import LedgerRow
from consumer.state.classes import CLASSES


def shown(monkeypatch: pytest.MonkeyPatch, *devices: str, **more: int) -> str:
    """What the command prints of these devices."""
    counts = dict.fromkeys(CLASSES, 0) | {"read": 123_456, "scored": 123_456} | more
    rows = [LedgerRow("2026-11-22", "table", device, counts) for device in devices]
    settings: Any = SimpleNamespace(region="eu-central-1", bucket="b")
    monkeypatch.setattr("consumer.settings.load_settings", lambda: settings)
    monkeypatch.setattr("consumer.offline.ledger_reader.read_ledger", lambda *_: rows)
    result = CliRunner().invoke(command, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_a_device_with_a_long_name_leaves_the_counts_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    """255 characters are what the events' attribute takes. Beginning and end can be read, over several lines."""
    name = "".join(chr(ord("a") + n * n % 26) for n in range(255))
    printed = shown(monkeypatch, name, "bay-7")
    assert printed.count("123,456") == 4
    assert all(len(line) <= 140 for line in printed.splitlines())
    parts = [word for word in printed.split() if len(word) > 4 and any(each in name for each in word.split("…"))]
    begin, end = "".join(parts).split("…")
    assert name.startswith(begin)
    assert name.endswith(end)
    assert max(map(len, parts)) <= NAME_WIDTH


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("[/red]", "[/red]"),
        ("[bold]bay[/bold]", "[bold]bay[/bold]"),
        ("\x1b[2J\x1b[31mgone", "?[2J?[31mgone"),
        ("two\nlines", "two lines"),
        ("\x07", "?"),
    ],
)
def test_bug_44_a_name_is_shown_and_not_obeyed(monkeypatch: pytest.MonkeyPatch, name: str, said: str) -> None:
    """Neither as mark-up nor by the terminal, and it is one line of the table."""
    printed = shown(monkeypatch, name)
    assert said in printed
    assert "\x1b" not in printed
    assert sum("123,456" in line for line in printed.splitlines()) == 1


def test_overwritten_samples_have_a_column_where_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the counts have the width for themselves; the name can be read beside it."""
    assert "overwritten" not in shown(monkeypatch, "bay-7")
    printed = shown(monkeypatch, "a-name-of-thirty-two-characters-", overwritten=61_728)
    assert "overwritten" in printed
    (line,) = [line for line in printed.splitlines() if "61,728" in line]
    assert "a-name-of-thirty-two-characters-" in line
