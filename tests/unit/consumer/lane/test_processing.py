"""What becomes of a sample in one commit: message, line of the archive, ledger, quarantine."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from lane_rig import Record, Rig, T

from reporting.contract.events import parse
from reporting.keys import minute_key, quarantine_key
from reporting.mutes import Mute, Mutes
from scoring.bundle import Bundle


def test_an_anomaly_is_published_archived_and_counted(rig: Rig, at: Callable[..., Record]) -> None:
    """In one commit: its message with its place in the stream, its line, the position behind it."""
    commit = rig.batch("s", at(1), at(2, 2.1), at(3, 9.0), at(4)).turn()
    assert commit is not None
    assert rig.told == [("device4", T + 3.0, 0), ("device4", T + 4.0, 0)]
    event = parse(rig.anomalies[0].body)
    assert event.type == "anomaly.sample"
    assert event.data.position is not None
    assert (event.data.position.shard, event.data.position.sequence) == ("s", "1030")
    assert event.data.archive.key == minute_key("device4", T)
    assert event.data.chart is not None
    assert event.data.chart.key == "reports/device4/20260725T142503Z.png"
    assert [line["ts"] for line in rig.lines("device4", T)] == [T + 3.0, T + 4.0]
    assert commit.head.positions["s"].sequence == "1040"
    assert rig.counts == {"read": 4, "scored": 4}
    assert rig.lane.ledger.imbalance() == 0


def test_adjacent_anomalies_are_one_episode(rig: Rig, at: Callable[..., Record]) -> None:
    """Its id is in every message; what comes back in the cool-down belongs to it, what comes later does not."""
    rig.batch("s", at(0, 9.0), at(50, 9.0), at(600, 9.0), at(1201, 9.0)).until_quiet()
    episodes = [json.loads(message.body)["data"]["episode"] for message in rig.anomalies]
    assert episodes[0] == episodes[1] == episodes[2] != episodes[3]
    assert [(e.id, e.state, e.reopened) for e in rig.head.episodes["device4"]] == [
        (episodes[0], "closed", 1),
        (episodes[3], "open", 0),
    ]


BAD: dict[str, dict[str, Any]] = {
    "missing attribute": {"temperature": None},
    "string for a number": {"current": {"S": "2.5"}},
    "NaN": {"current": {"N": "NaN"}},
    "3.4e38": {"current": {"N": "3.4e38"}},
    "38 digits": {"ts": {"N": "1" * 38}},
    "far before 1970": {"ts": {"N": "-99999999999999"}},
    "milliseconds": {"ts": {"N": f"{T}000"}},
    "endless device name": {"device": {"S": "x" * 40_000}},
    "no score": {"temperature": 400.0},
}


@pytest.mark.parametrize("attributes", BAD.values(), ids=BAD.keys())
def test_bad_input_is_quarantined_with_its_reason_and_the_next_sample_is_scored(
    rig: Rig, record: Callable[..., Record], at: Callable[..., Record], attributes: dict[str, Any]
) -> None:
    """In the same commit; the object holds the record as it came; nothing is lost from the books."""
    bad = record(1000, **{"ts": float(T), "created": T, **attributes})
    commit = rig.batch("s", bad, at(1, 9.0)).turn()
    assert commit is not None
    key = quarantine_key(T, "s", "1000")
    assert set(rig.aside) == {key}
    stored = json.loads(rig.aside[key])
    assert (stored["shard"], stored["sequence"]) == ("s", "1000")
    assert stored["reason"]
    assert stored["record"] == bad or stored["record"]["temperature"] == "400.0"
    assert [ts for _, ts, _ in rig.told] == [T + 1.0]
    assert rig.counts == {"read": 2, "quarantined": 1, "scored": 1}
    assert rig.lane.ledger.imbalance() == 0
    assert commit.head.positions["s"].sequence == "1010"


def test_an_empty_item_is_quarantined(rig: Rig, at: Callable[..., Record]) -> None:
    """And the next is scored."""
    empty = at(0)
    empty["dynamodb"]["NewImage"] = {}
    rig.batch("s", empty, at(1)).turn()
    assert len(rig.aside) == 1
    assert rig.counts == {"read": 2, "quarantined": 1, "scored": 1}


def test_a_flood_of_bad_records_is_reported_once_an_hour(rig: Rig, at: Callable[..., Record]) -> None:
    """Not one message a record; all are set aside."""
    bad = [at(n, temperature=None) for n in range(90)]
    rig.batch("s", *bad, at(3000, temperature=None), at(3700, temperature=None)).until_quiet()
    assert [kind for kind, _, _ in rig.notices].count("health.quarantine") == 2
    assert len(rig.aside) == 92


def test_removed_and_late_records_are_counted_and_leave_archive_and_window_alone(
    rig: Rig, at: Callable[..., Record]
) -> None:
    """By TTL or by hand; a late one is told with the command that scores it afterwards."""
    late = [at(-1600 - n, 9.0, number=20 - n, created=T) for n in (2, 1)]
    rig.batch("s", at(0, event="REMOVE", number=10), *late, at(1)).until_quiet()
    assert rig.counts == {"read": 4, "ignored": 1, "late": 2, "scored": 1}
    assert (rig.archive, rig.told) == ({}, [])
    told = [message for message in rig.messages if message.type == "health.late"]
    assert len(told) == 1
    event = parse(told[0].body)
    assert event.type == "health.late"
    assert (event.data.count, event.data.since, event.data.until) == (2, T - 1602.0, T - 1601.0)
    assert "battery-watch replay --table device4 --since" in (event.data.command or "")


def test_a_sample_out_of_order_amends_what_was_published(rig: Rig, at: Callable[..., Record]) -> None:
    """Its followers are scored again; those that change are told as revision 1, and the minute is written whole."""
    rig.batch("s", at(10, 9.0), at(20), at(30)).turn()
    assert rig.told == [("device4", T + 10.0, 0), ("device4", T + 20.0, 0), ("device4", T + 30.0, 0)]
    rig.batch("s", at(15, 8.0, number=2000, created=T + 31)).idle("s", at=T + 40).turn()
    assert rig.told[3:] == [
        ("device4", T + 15.0, 0),
        ("device4", T + 20.0, 1),
        ("device4", T + 30.0, 1),
    ]
    assert [line["ts"] - T for line in rig.lines("device4", T)] == [10, 15, 20, 30]
    assert len({message.id for message in rig.anomalies}) == 6


def test_a_sample_corrected_to_normal_leaves_the_archive(rig: Rig, at: Callable[..., Record]) -> None:
    """Its minute is written again without it; nobody is told of what is no anomaly."""
    rig.batch("s", at(10, 9.0)).turn()
    rig.batch("s", at(10, 2.0, number=2000, event="MODIFY")).until_quiet(T + 10)
    assert rig.archive == {minute_key("device4", T): b""}
    assert len(rig.told) == 1


def test_the_same_sample_again_changes_nothing(rig: Rig, at: Callable[..., Record]) -> None:
    """Another record with the same values: counted, and told to nobody."""
    rig.batch("s", at(10, 9.0)).turn()
    commit = rig.batch("s", at(10, 9.0, number=2000)).turn(T + 10)
    assert commit is not None
    assert (commit.messages, commit.minutes) == ((), ())
    assert rig.lane.ledger.imbalance() == 0


def mutes(since: float, until: float, device: str | None = None) -> Mutes:
    return Mutes([Mute("m1", device, T + since, T + until, "new fan", "ann")])


def test_a_muted_anomaly_is_archived_and_counted_and_not_published(rig: Rig, at: Callable[..., Record]) -> None:
    """In a commit as prompt as if it were told, with the same lines."""
    records = [at(n, 9.0 if n in (3, 20, 40) else 2.0) for n in range(0, 60, 1)]
    open_rig = Rig(rig.bundle).open("s").batch("s", *records).until_quiet()
    rig.turn()
    rig.lane.mute(mutes(0, 600))
    commit = rig.batch("s", *records).turn()
    assert commit is not None
    rig.until_quiet(T + 1)
    assert rig.messages == []
    assert rig.archive == open_rig.archive
    assert rig.counts == {**open_rig.counts, "muted": len(open_rig.told)}
    assert rig.head.ledger["2026-07-25"]["device4"]["muted"] == len(open_rig.told)
    assert rig.head.outbox.messages == []
    assert [r.key for r in rig.lane.charts.drain()] == [r.key for r in open_rig.lane.charts.drain()]


def test_the_first_message_after_a_mute_says_what_was_left_out(rig: Rig, at: Callable[..., Record]) -> None:
    """To programs and to people, also after a restart; the next one does not."""
    rig.lane.mute(mutes(0, 30))
    rig.batch("s", *(at(n, 9.0) for n in range(10, 30, 10))).turn()
    rig.turn(T + 1, final=True)
    assert rig.messages == []
    after = rig.successor().open("s")
    after.lane.mute(mutes(0, 30))
    after.batch("s", at(30, 9.0), at(40, 9.0)).until_quiet(T + 40)
    events = [parse(message.body) for message in after.anomalies]
    said = [event.data.muted for event in events if event.type == "anomaly.sample"]
    assert said[0] is not None
    assert said[0].model_dump() == {"opened": T + 10.0, "since": T + 10.0, "count": 2}
    assert set(said[1:]) == {None}
    expected = "This episode began at 2026-07-25 14:25:10 UTC; 2 messages of it, from 14:25:10 on, were muted."
    assert [expected in message.text for message in after.anomalies] == [True] + [False] * (len(said) - 1)


def test_a_flood_of_bad_records_keeps_a_hundred_an_hour(rig: Rig, at: Callable[..., Record]) -> None:
    """Of each shard; the last one kept says that the rest is only counted. A successor counts on."""
    rig.open("s").batch("s", *(at(second, "n/a") for second in range(70))).until_quiet()
    rig.turn(T + 900.0, final=True)
    successor = rig.successor().open("s")
    successor.batch("s", *(at(second, "n/a") for second in range(70, 170))).until_quiet(T + 1000.0)
    assert len(successor.aside) == 101
    assert successor.counts["quarantined"] == 170
    (last,) = (body for body in successor.aside.values() if b"only counted" in body)
    assert json.loads(last)["record"]["dynamodb"]["NewImage"]["ts"] == {"N": repr(T + 100.0)}
    successor.batch("s", at(3600, "n/a")).until_quiet(T + 4000.0)
    assert len(successor.aside) == 102


def test_rule_24_a_sample_that_a_broken_promise_made_too_old_is_reported(
    plain_bundle: Bundle, at: Callable[..., Record]
) -> None:
    """The shard seemed idle for three quarters of an hour. Its sample is counted as late, and not only that."""
    rig = Rig(plain_bundle).open("a", "b")
    rig.batch("a", at(0), at(2700)).idle("a", "b", at=T + 2710).turn(T + 2710)
    rig.batch("b", at(60, number=5000)).turn(T + 2711)
    rig.idle("a", "b", at=T + 2800).until_quiet(T + 2800)
    counts = rig.lane.ledger.days["2026-07-25"]["device4"]
    assert (counts["scored"], counts["late"]) == (2, 1)
    (late,) = [json.loads(message.body)["data"] for message in rig.messages if message.type == "health.late"]
    assert (late["since"], late["until"], late["count"]) == (T + 60.0, T + 60.0, 1)
    assert late["command"].startswith("battery-watch replay --table device4 --since ")
