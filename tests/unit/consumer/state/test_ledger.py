"""The books against counting by hand."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.state.classes import ACCOUNTED, CLASSES
from consumer.state.ledger import DAY_S, OPEN_DAYS, Ledger
from window.samples import Kind, Names, Samples

CLASS_OF = {
    Kind.SAMPLE: "scored",
    Kind.BACKFILL: "backfilled",
    Kind.LATE: "late",
    Kind.REMOVED: "ignored",
    Kind.MALFORMED: "quarantined",
    Kind.IMPLAUSIBLE: "quarantined",
    Kind.FUTURE: "quarantined",
    Kind.FOREIGN: "quarantined",
}
DAY_1, DAY_2 = 1_784_937_600.0, 1_785_024_000.0  # 2026-07-25 and -26, midnight UTC
DEVICES = ["a", "rack/7", "ä"]


def names() -> Names:
    table = Names()
    for device in DEVICES:
        table.code(device)
    return table


def told(ledger: Ledger) -> dict[str, dict[str, dict[str, int]]]:
    """The objects of the days that changed, read back."""
    found = [(item.key, json.loads(item.body)) for item in ledger.objects("table")]
    for key, book in found:
        assert key == f"battery-ledger/{book['day']}/table.json"
        assert book["lane"] == "table"
    return {book["day"]: book["devices"] for _, book in found}


def written(rows: list[tuple[Kind, int, float]]) -> Samples:
    """Kind, device and creation of records; what has no time holds NaN."""
    nothing = [float("nan")] * len(rows)
    return Samples.of(
        nothing, nothing, nothing, created=[r[2] for r in rows], device=[r[1] for r in rows], kind=[r[0] for r in rows]
    )


records = st.lists(
    st.tuples(
        st.sampled_from([k for k in Kind if k is not Kind.BACKFILL]),
        st.integers(0, 2),
        st.sampled_from([DAY_1, DAY_1 + 3.5, DAY_2 - 0.001, DAY_2, DAY_2 + 50_000]),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=100)
@given(records, st.integers(1, 7))
def test_every_record_is_counted_once_by_day_and_device(rows: list[tuple[Kind, int, float]], size: int) -> None:
    """Whatever batches they come in; and the books balance."""
    ledger = Ledger(names())
    for begin in range(0, len(rows), size):
        batch = written(rows[begin : begin + size])
        ledger.read(batch)
        ledger.classed(batch)
    counted: Counter[tuple[str, str, str]] = Counter()
    for kind, device, created in rows:
        day = datetime.fromtimestamp(created, UTC).date().isoformat()
        counted[day, DEVICES[device], "read"] += 1
        counted[day, DEVICES[device], CLASS_OF[kind]] += 1
    found = {
        (day, d, name): n for day, devices in ledger.days.items() for d, c in devices.items() for name, n in c.items()
    }
    assert found == dict(counted)
    assert ledger.imbalance() == 0


def test_a_record_without_a_class_or_with_two_shows() -> None:
    """By device and day: one too many here does not make up for one missing there."""
    ledger = Ledger(names())
    ledger.read(written([(Kind.SAMPLE, 0, DAY_1)]))
    assert ledger.imbalance() == 1
    ledger.classed(written([(Kind.SAMPLE, 1, DAY_1)]))
    assert ledger.imbalance() == 2
    ledger.classed(written([(Kind.SAMPLE, 0, DAY_1)]))
    ledger.read(written([(Kind.SAMPLE, 1, DAY_1)]))
    assert ledger.imbalance() == 0


def test_what_came_from_the_table_was_never_read() -> None:
    """It is told, and the books balance all the same; a duplicate was read and is its own class."""
    ledger = Ledger(names())
    ledger.classed(written([(Kind.BACKFILL, 0, DAY_1)]))
    ledger.read(written([(Kind.SAMPLE, 0, DAY_1)]))
    ledger.duplicate(written([(Kind.SAMPLE, 0, DAY_1)]))
    assert ledger.days == {"2026-07-25": {"a": {"read": 1, "duplicate": 1, "backfilled": 1}}}
    assert ledger.imbalance() == 0


def test_a_record_can_turn_out_to_be_of_another_class() -> None:
    """A sample that the models cannot score is quarantined, not scored."""
    ledger = Ledger(names())
    ledger.read(written([(Kind.SAMPLE, 2, DAY_1)]))
    ledger.classed(written([(Kind.SAMPLE, 2, DAY_1)]))
    ledger.moved(DAY_1 + 5, 2, "scored", "quarantined")
    assert ledger.days == {"2026-07-25": {"ä": {"read": 1, "quarantined": 1}}}
    assert ledger.imbalance() == 0


def test_what_was_overwritten_is_counted_beside_the_balance() -> None:
    """The record is scored too, and counts where it is: on its day, of its device; and in what the worker measures."""
    ledger = Ledger(names())
    for kind, device, created in [(Kind.SAMPLE, 0, DAY_1), (Kind.SAMPLE, 0, DAY_1), (Kind.SAMPLE, 1, DAY_2)]:
        samples = written([(kind, device, created)])
        ledger.read(samples)
        ledger.classed(samples)
    ledger.overwritten(written([(Kind.SAMPLE, 0, DAY_1)]))
    assert ledger.days["2026-07-25"] == {"a": {"read": 2, "scored": 2, "overwritten": 1}}
    assert ledger.imbalance() == 0
    assert ledger.tally()["overwritten"] == 1
    assert Ledger(names(), ledger.days).days == ledger.days
    assert {d["overwritten"] for devices in told(ledger).values() for d in devices.values()} == {0, 1}


def test_muted_messages_are_counted_beside_the_balance() -> None:
    """By the device and the day they are given with."""
    ledger = Ledger(names())
    ledger.read(written([(Kind.SAMPLE, 1, DAY_1)]))
    ledger.classed(written([(Kind.SAMPLE, 1, DAY_1)]))
    ledger.muted([("rack/7", DAY_1 + 5), ("rack/7", DAY_1 + 5), ("a", DAY_2)])
    assert ledger.days == {
        "2026-07-25": {"rack/7": {"read": 1, "scored": 1, "muted": 2}},
        "2026-07-26": {"a": {"muted": 1}},
    }
    assert ledger.imbalance() == 0
    assert told(ledger)["2026-07-25"]["rack/7"]["muted"] == 2


def test_the_books_go_on_after_a_restart() -> None:
    """From what the head held, zeros left out; device codes may be others by then."""
    before = Ledger(names())
    before.read(written([(Kind.SAMPLE, 1, DAY_1)]))
    before.classed(written([(Kind.SAMPLE, 1, DAY_1)]))
    stored, other = before.days, Names()
    code = other.code("rack/7")
    after = Ledger(other, stored)
    again = written([(Kind.LATE, code, DAY_1 + 60)])
    after.read(again)
    after.classed(again)
    assert after.days == {"2026-07-25": {"rack/7": {"read": 2, "scored": 1, "late": 1}}}
    assert stored == {"2026-07-25": {"rack/7": {"read": 1, "scored": 1}}}


def test_days_that_changed_are_told_once_and_whole() -> None:
    """With every class, for whoever reads the object."""
    ledger = Ledger(names())
    batch = written([(Kind.SAMPLE, 0, DAY_1), (Kind.SAMPLE, 0, DAY_2)])
    ledger.read(batch)
    ledger.classed(batch)
    whole = {**dict.fromkeys(CLASSES, 0), "read": 1, "scored": 1}
    assert told(ledger) == {"2026-07-25": {"a": whole}, "2026-07-26": {"a": whole}}
    assert told(ledger) == {}
    ledger.read(written([(Kind.SAMPLE, 0, DAY_2)]))
    assert set(told(ledger)) == {"2026-07-26"}


def test_the_books_of_long_ago_are_closed() -> None:
    """A worker runs for years: days that are told and over take no room in the head."""
    ledger = Ledger(names())
    for day in range(400):
        batch = written([(Kind.SAMPLE, 0, DAY_1 + day * DAY_S)])
        ledger.read(batch)
        ledger.classed(batch)
        assert len(told(ledger)) == 1
        assert len(ledger.days) <= OPEN_DAYS
    assert ledger.imbalance() == 0


def test_no_records_change_nothing() -> None:
    """An empty batch has no day."""
    ledger = Ledger(names())
    ledger.read(Samples.empty())
    ledger.classed(Samples.empty())
    assert (ledger.days, told(ledger)) == ({}, {})


def test_the_classes_of_a_record_read_are_known() -> None:
    """Backfilled and lost ones were not read, and what is muted is a message."""
    assert set(CLASSES) - set(ACCOUNTED) == {"read", "backfilled", "lost", "muted", "overwritten"}
    assert {CLASS_OF[k] for k in Kind if k is not Kind.BACKFILL} <= set(ACCOUNTED)
    assert np.isnan(written([(Kind.LATE, 0, DAY_1)]).ts).all()
