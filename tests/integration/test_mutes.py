"""Mutes by the real command line and the real worker, against the embedded AWS."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from demo.worker import Worker
from demo.world import ARCHIVE, LEDGER


def lines(account: Any) -> list[float]:
    """The times of the archive's lines."""
    return [json.loads(line)["ts"] for _, body in account.world.objects(ARCHIVE) for line in body.splitlines()]


def muted(account: Any) -> int:
    """Messages not published, from the books."""
    books = [json.loads(body) for _, body in account.world.objects(LEDGER)]
    return sum(counts["muted"] for book in books for counts in book["devices"].values())


def test_rule_22_a_muted_anomaly_is_archived_and_not_heard(account: Any, eventually: Any, tmp_path: Path) -> None:
    """Muted by the command line, an anomaly is archived and counted; `doctor`, `mutes` and the worker say that there
    is a mute; taken back as the command itself said, the episode is heard to be open as soon as there is something new
    to say of it, with what was left out."""
    ended = account.ask("mute", "--device", "device4", "--until", "1h", "--reason", "new fan", "--by", "ann")
    assert ended.returncode == 0, ended.stderr
    undo = re.search(r"battery-watch (unmute \w+)", ended.stdout)
    assert undo is not None
    (told,) = map(json.loads, account.ask("mutes", "--json").stdout.splitlines())
    assert (told["device"], told["reason"], told["by"], told["in_force"]) == ("device4", "new fan", "ann", True)
    account.put(time.time())
    found = {f["subject"]: f for f in map(json.loads, account.ask("doctor", "--json").stdout.splitlines())}
    assert found["mutes"]["state"] == "note"
    assert found["mutes"]["found"].startswith("device4 until ")

    with Worker(account.environment, log=tmp_path / "first") as first:
        first.wait_until_watching()
        strange = round(time.time(), 1)
        account.put(strange, "7.5", "25.0")
        eventually(lambda: strange in lines(account))
        assert first.stop() == 0
    said = [json.loads(line) for line in (tmp_path / "first").read_text().splitlines() if line.startswith("{")]
    assert [(e["device"], e["reason"]) for e in said if e["event"] == "muted from now on"] == [("device4", "new fan")]
    assert [e["device"] for e in said if e["event"] == "muted"] == ["device4"]
    assert muted(account) == 1
    assert account.messages() == []

    assert account.ask(*undo[1].split()).returncode == 0
    assert "No mutes" in account.ask("mutes").stdout
    with Worker(account.environment) as second:
        second.wait_until_watching()
        again = strange + 45.0  # of the same episode, however long the second start took
        account.put(again, "15.0", "25.0")  # graver than before
        heard = eventually(account.messages)
        assert second.stop() == 0
    event = json.loads(heard[0]["Body"])
    assert (event["type"], event["data"]["severity"]) == ("anomaly.opened", "critical")
    assert (event["data"]["opened"], event["data"]["evidence"]["ts"]) == (strange, again)
    assert event["data"]["muted"] == {"opened": strange, "since": strange, "count": 1}
    assert {strange, again} <= set(lines(account))
