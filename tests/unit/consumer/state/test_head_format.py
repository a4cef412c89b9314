"""The head as text: small, readable, and read back to the last bit."""

from __future__ import annotations

import json
from math import ceil, floor
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from consumer.state.head import Gap, Head, Outbox, ShardPosition
from reporting.anomaly.episode import Episode, State
from reporting.health.state import DeviceHealth, Fit, Frozen, Overwriting, Run
from reporting.message import Message
from scoring.faults import FaultKind
from scoring.severity import Severity

T = 1_784_989_500
MOST_BYTES = 320_000


def crowded(devices: int, *, days: int = 4, shards: int = 40) -> Head:
    """As full as a head gets: every device is in an episode of hours, half of them opened by more than its first
    sample, repeats its readings, and was counted to the second on every open day, with times to the microsecond; half
    of them have been compared with a new bundle."""
    rng = Random(7)

    def at() -> float:
        return T + rng.randrange(86_400_000_000) / 1e6

    def episode(name: str) -> Episode:
        opened = at()
        last = round(opened + rng.randrange(86_400_000_000) / 1e6, 6)
        peak = round(opened + rng.randrange(3_600_000_000) / 1e6, 6)
        steps = {"samples": 41_234, "told": int(last) - rng.randrange(300), "steps": 170, "revision": rng.randrange(9)}
        weak = {"opened_last": round(opened + rng.randrange(60_000_000) / 1e6, 6)} if rng.random() < 0.5 else {}
        kind = rng.choice([*FaultKind])
        return Episode(
            name,
            opened,
            last,
            peak,
            ceil(last),
            Severity.HIGH,
            State.OPEN,
            **steps,
            **weak,
            kind=kind,
            worst=round(rng.uniform(0, 60), 3),
            usual=round(rng.uniform(0, 9), 3),
        )

    names = [f"battery-rack-{n:04d}" for n in range(devices)]
    return Head(
        lane="table",
        owner="ip-10-0-13-117.eu-central-1.compute.internal-1-0a1b2c3d",
        started=at(),
        epoch=17,
        commit=1_234_567,
        heartbeat=at(),
        bundle="bw-0123456789abcdef",
        watermark=at(),
        positions={
            f"shardId-{n:020d}-{rng.getrandbits(32):08x}": ShardPosition(
                sequence=str(rng.randrange(10**24, 10**25)), since=at(), stamp=at(), ended=n % 2 == 1, ended_at=at()
            )
            for n in range(shards)
        },
        episodes={name: [episode(name)] for name in names},
        health={
            name: DeviceHealth(
                last=at(),
                silent=rng.random() < 0.1,
                frozen=Frozen(round(rng.uniform(-9, 9), 4), round(rng.uniform(-5, 60), 4), at(), 86_400, told=True),
                asked=f"bw-0123456789{'ab' if rng.random() < 0.5 else 'cd'}",
            )
            for name in names
        },
        ledger={
            f"2026-07-{22 + day}": {
                name: {"read": 86_400, "scored": 86_399 - day, "duplicate": day + 1} for name in names
            }
            for day in range(days)
        },
    )


def test_the_head_of_a_thousand_devices_stays_under_320_kb() -> None:
    """Rule 10, without its outbox, as it is put into the bucket."""
    assert len(crowded(1000).encode()) < MOST_BYTES


def test_every_device_shard_and_message_stands_on_a_line_of_its_own() -> None:
    """Whoever looks for one at 3 a.m. finds a line that says it all."""
    message = Message(
        "m1", "anomaly.sample", "high", "battery-rack-0003", "sample", "urn:s", '{"a":"21 °C"}', "HIGH\nx"
    )
    full = crowded(5, shards=3).model_copy(
        update={"outbox": Outbox(messages=[message, message], minutes=[("a", 60)]), "gaps": [Gap("g", 1.0, "why", 2.0)]}
    )
    text = full.encode().decode()
    lines = text.splitlines()
    assert max(len(line) for line in lines if not line.startswith('"columns"')) < 400
    for name in [*full.positions, "watermark", "bundle", "owner", "gaps", "outbox", "messages"]:
        assert sum(line.strip().startswith(json.dumps(name) + ":") for line in lines) == 1
    (line,) = [line for line in lines if line.startswith(' "battery-rack-0003":')]
    told = json.loads("{" + line.rstrip(",") + "}")["battery-rack-0003"]
    assert told["last"] == full.health["battery-rack-0003"].last
    columns = json.loads(text)["columns"]
    (episode,) = full.episodes["battery-rack-0003"]
    row = dict(zip(columns["episodes"], told["episodes"][0], strict=False))
    assert (row["opened"], row["samples"], row["state"]) == (episode.opened, episode.samples, "open")
    assert row["last - opened"] == pytest.approx(episode.last - episode.opened, abs=1e-6)
    assert row["told - last"] == episode.told - floor(episode.last)
    books = dict(zip(columns["books"], told["books"], strict=True))
    assert books["scored"] == [full.ledger[day]["battery-rack-0003"]["scored"] for day in sorted(full.ledger)]
    assert len([line for line in lines if '"id":"m1"' in line]) == 2
    assert "\n\n" not in text
    assert Head.model_validate_json(text) == full


def test_a_day_that_balances_does_not_say_what_was_read() -> None:
    """It is the sum; where it is not the sum it is said."""
    counts = {"read": 7, "scored": 4, "late": 2, "quarantined": 1, "lost": 5}
    for read, said in ((7, False), (8, True), (0, True)):
        head = Head(lane="t", owner="o", bundle="b", ledger={"2026-07-25": {"d": {**counts, "read": read}}})
        assert (b'"read"' in head.encode()) is said
        assert Head.model_validate_json(head.encode()) == head


def test_samples_that_overwrite_others_are_a_short_row() -> None:
    """Beside the device's other health; times relative to its last record."""
    state = DeviceHealth(last=T + 90.5, overwriting=Overwriting(T + 1.0, T + 89.25, 60, 1_234, told=True))
    head = Head(lane="t", owner="o", bundle="b", health={"d": state, "e": DeviceHealth(last=T)})
    text = head.encode()
    assert b'"overwriting":[-89.5,-1.25,60,1234,true]' in text
    assert text.count(b'"overwriting":[-') == 1
    assert Head.decode(text) == head


numbers = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(max_size=8)
few = {"max_size": 4}
counts = st.integers(0, 10**10)
levels = st.sampled_from([Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL])
runs = st.builds(Run, numbers, numbers, numbers, st.integers(0, 99))
states = st.builds(
    DeviceHealth,
    last=numbers,
    silent=st.booleans(),
    context=st.booleans(),
    frozen=st.none() | st.builds(Frozen, numbers, numbers, numbers, st.integers(0, 10**6), st.booleans()),
    skew_s=st.none() | numbers,
    suspect=st.none() | runs,
    late=st.none() | runs,
    late_stamp=numbers,
    quarantine_told=st.none() | numbers,
    asked=names,
    fit=st.none() | st.builds(Fit, names, numbers, st.integers(0, 99), st.integers(0, 99)),
    overwriting=st.none()
    | st.builds(Overwriting, numbers, numbers, st.integers(0, 120), st.integers(0, 10**6), st.booleans()),
)
classes = st.sampled_from(
    ["read", "scored", "duplicate", "late", "quarantined", "ignored", "backfilled", "lost", "overwritten"]
)
books = st.dictionaries(classes, st.integers(1, 10**7), min_size=1)
positions = st.builds(
    ShardPosition,
    sequence=st.none() | st.integers(0, 10**40).map(str),
    since=st.none() | numbers,
    stamp=st.none() | numbers,
    ended=st.booleans(),
    ended_at=st.none() | numbers,
)
messages = st.builds(Message, names, names, names, names, names, names, names, names)
heads = st.builds(
    Head,
    lane=names,
    owner=names,
    bundle=names,
    started=numbers,
    heartbeat=numbers,
    watermark=st.none() | numbers,
    released=st.booleans(),
    positions=st.dictionaries(names, positions, **few),
    episodes=st.dictionaries(
        names,
        st.lists(
            st.tuples(
                numbers,
                numbers,
                numbers,
                counts,
                levels,
                st.sampled_from(State),
                *[counts] * 3,
                st.none() | numbers,
                *[counts] * 2,
            ),
            min_size=1,
        ),
        **few,
    ).map(lambda found: {name: [Episode(name, *of) for of in each] for name, each in found.items()}),
    health=st.dictionaries(names, states, **few),
    gaps=st.lists(st.builds(Gap, names, numbers, names, numbers, st.none() | numbers, st.integers(0, 9)), **few),
    ledger=st.dictionaries(st.dates().map(str), st.dictionaries(names, books, **few), **few),
    forced=st.integers(0, 99),
    outbox=st.builds(
        Outbox, messages=st.lists(messages, **few), minutes=st.lists(st.tuples(names, st.integers(0, 10**10)), **few)
    ),
)


@settings(deadline=None, max_examples=300)
@given(heads)
def test_a_head_reads_back_as_it_was_to_the_last_bit_of_every_number(head: Head) -> None:
    """Any names, any finite floats: a stamp that moved by a bit would be another stamp."""
    back = Head.model_validate_json(head.encode())
    assert back == head
    assert json.loads(head.encode())  # any tool can read it


def test_a_head_as_it_was_stored_before_is_read_too() -> None:
    """Field by field, indented."""
    head = crowded(3)
    assert Head.model_validate_json(head.model_dump_json(indent=1, exclude_defaults=True)) == head


@pytest.mark.parametrize(
    "devices",
    [
        '["a"]',
        '{"a":7}',
        '{"a":{"last":1,"books":[[1,2]]}}',
        '{"a":{"last":1,"books":[[]]}}',
        '{"a":{"last":1,"books":[3]}}',
        '{"a":{"last":"soon"}}',
        '{"a":{"surprise":1}}',
        '{"a":{"last":1,"frozen":3}}',
        '{"a":{"frozen":[1.0]}}',
        '{"a":{"last":"b","frozen":[1.0]}}',
        '{"a":{"episodes":["e"]}}',
        '{"a":{"episodes":[[null,1.0]]}}',
        '{"a":{"episodes":[[1.0,"soon"]]}}',
        '{"a":{"episodes":[[1.0,[2]]]}}',
        '{"a":{"last":1,"asked":7}}',
        '{"a":{"last":1,"asked":"b"}}',
    ],
)
def test_a_line_that_cannot_be_read_makes_the_head_unreadable(devices: str) -> None:
    """As a fault of the state, which says what to do, and never as half a state."""
    text = '{"lane":"t","owner":"o","bundle":"b","columns":{"frozen":["since - last"],"books":["scored"],'
    text += '"episodes":["opened","last - opened"]},'
    with pytest.raises(ValidationError):
        Head.model_validate_json(text + '"asked":["b"],"days":["2026-07-25"],"devices":' + devices + "}")
