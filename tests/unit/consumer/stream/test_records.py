"""Records become columns, each is given its class, and none can stop what follows it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.stream.records import FUTURE_S, LATE_S, Decoder, Reject
from scoring.config import Range
from window.samples import Kind, Names, Samples

Record = Callable[..., dict[str, Any]]
CREATED = 1_784_989_507
DIGITS_38 = "1.2345678901234567890123456789012345678"


def test_a_record_becomes_a_row(decoder: Decoder, record: Record) -> None:
    """INSERT and MODIFY alike; numbers to the last digit; the shard and the device under their codes."""
    page = decoder.page(
        "shard-1",
        [
            record(7, ts=CREATED - 0.25, current=2.125, temperature=-3.5),
            record(8, event="MODIFY", device={"S": "rack/7"}),
        ],
    )
    samples = page.samples
    assert samples.ts.tolist() == [CREATED - 0.25, CREATED]
    assert (samples.current_a.tolist(), samples.temperature_c.tolist()) == ([2.125, 2.5], [-3.5, 25.0])
    assert samples.created.tolist() == [CREATED, CREATED]
    assert samples.kind.tolist() == [Kind.SAMPLE, Kind.SAMPLE]
    assert samples.device.tolist() == [0, 1]
    assert samples.shard.tolist() == [0, 0]
    assert page.sequence.tolist() == ["7", "8"]
    assert page.rejects == {}


def test_an_empty_page_is_an_empty_batch(decoder: Decoder) -> None:
    """The types stay."""
    page = decoder.page("shard-1", [])
    assert (len(page.samples), len(page.sequence), page.rejects) == (0, 0, {})
    assert page.samples.device.dtype == np.int32


BAD: list[tuple[str, dict[str, Any], Kind, str]] = [
    ("no current", {"current": None}, Kind.MALFORMED, "attribute 'current' is missing"),
    ("no temperature", {"temperature": None}, Kind.MALFORMED, "attribute 'temperature' is missing"),
    ("no ts", {"ts": None}, Kind.MALFORMED, "attribute 'ts' is missing"),
    ("string for a number", {"current": {"S": "2.5"}}, Kind.MALFORMED, "'current' is of type S, not a number (N)"),
    ("boolean", {"temperature": {"BOOL": True}}, Kind.MALFORMED, "'temperature' is of type BOOL, not a number (N)"),
    ("null", {"current": {"NULL": True}}, Kind.MALFORMED, "'current' is of type NULL, not a number (N)"),
    ("list", {"current": {"L": [{"N": "1"}]}}, Kind.MALFORMED, "'current' is of type L, not a number (N)"),
    ("attribute of no type", {"current": {}}, Kind.MALFORMED, "'current' is of type nothing, not a number (N)"),
    ("NaN", {"current": {"N": "NaN"}}, Kind.MALFORMED, "'current' is not finite"),
    ("Infinity", {"temperature": {"N": "Infinity"}}, Kind.MALFORMED, "'temperature' is not finite"),
    ("-Infinity", {"ts": {"N": "-Infinity"}}, Kind.MALFORMED, "'ts' is not finite"),
    ("beyond float", {"current": {"N": "1e400"}}, Kind.MALFORMED, "'current' is not finite"),
    ("text in N", {"current": {"N": "warm"}}, Kind.MALFORMED, "'current' is not a number"),
    ("empty N", {"current": {"N": ""}}, Kind.MALFORMED, "'current' is not a number"),
    ("nothing in N", {"current": {"N": None}}, Kind.MALFORMED, "'current' is not a number"),
    ("3.4e38", {"current": {"N": "3.4e38"}}, Kind.IMPLAUSIBLE, "current 3.4e+38 A is outside the plausible"),
    ("38 digits of current", {"current": {"N": "9" * 38}}, Kind.IMPLAUSIBLE, "current 1e+38 A is outside"),
    ("hot", {"temperature": 500.1}, Kind.IMPLAUSIBLE, "temperature 500.1 °C is outside the plausible -100 to 500 °C"),
    ("38 digits of ts", {"ts": {"N": "1" * 38}}, Kind.MALFORMED, "'ts' has more digits than a float can hold"),
    ("38 digits in a ts", {"ts": {"N": f"{CREATED}.{'1' * 28}"}}, Kind.MALFORMED, "'ts' has more digits"),
    (
        "milliseconds",
        {"ts": {"N": "1784989507000"}},
        Kind.FUTURE,
        "after the record was written (seconds are expected)",
    ),
    ("before 1970", {"ts": {"N": "-1"}}, Kind.MALFORMED, "'ts' lies before 1970"),
    ("far before 1970", {"ts": {"N": "-99999999999999"}}, Kind.MALFORMED, "'ts' lies before 1970"),
    ("device a boolean", {"device": {"BOOL": True}}, Kind.MALFORMED, "'device' names the device and must be a string"),
    ("device null", {"device": {"NULL": True}}, Kind.MALFORMED, "'device' names the device and must be a string"),
    ("device empty", {"device": {"S": ""}}, Kind.MALFORMED, "'device' names the device and must be a string"),
    ("device endless", {"device": {"S": "x" * 256}}, Kind.MALFORMED, "'device' is longer than 255 bytes"),
    ("device long", {"device": {"S": "电" * 86}}, Kind.MALFORMED, "'device' is longer than 255 bytes"),
]


@pytest.mark.parametrize(("attributes", "kind", "reason"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_a_record_that_is_no_sample_is_rejected_with_its_reason_and_the_next_is_a_sample(
    decoder: Decoder, record: Record, attributes: dict[str, Any], kind: Kind, reason: str
) -> None:
    """The reason is for the person who reads the quarantine; the record is kept as it came."""
    bad = record(1, **attributes)
    page = decoder.page("s", [bad, record(2)])
    assert page.samples.kind.tolist() == [kind, Kind.SAMPLE]
    assert reason in page.rejects[0].reason
    assert page.rejects[0].raw is bad
    assert set(page.rejects) == {0}
    assert page.samples.ts[1] == CREATED


def test_an_empty_item_and_one_without_an_image_are_rejected(decoder: Decoder, record: Record) -> None:
    """The second is a stream of the wrong view type: its reason says so."""
    empty, bare = record(1), record(2)
    empty["dynamodb"]["NewImage"] = {}
    del bare["dynamodb"]["NewImage"]
    page = decoder.page("s", [empty, bare, record(3)])
    assert page.samples.kind.tolist() == [Kind.MALFORMED, Kind.MALFORMED, Kind.SAMPLE]
    assert page.rejects[0].reason == "attribute 'ts' is missing"
    assert "NEW_IMAGE" in page.rejects[1].reason


def test_a_removed_item_is_no_fault(decoder: Decoder, record: Record) -> None:
    """By TTL or by hand: it is ignored, under its device where the key names one."""
    page = decoder.page("s", [record(1, event="REMOVE"), record(2, event="REMOVE", device={"S": "d"})])
    assert page.samples.kind.tolist() == [Kind.REMOVED, Kind.REMOVED]
    assert page.samples.device.tolist() == [0, 1]
    assert page.rejects == {}
    assert np.isnan(page.samples.ts).all()


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"ts": CREATED + FUTURE_S}, Kind.SAMPLE),
        ({"ts": CREATED + FUTURE_S + 0.001}, Kind.FUTURE),
        ({"ts": CREATED - LATE_S}, Kind.SAMPLE),
        ({"ts": CREATED - LATE_S - 0.001}, Kind.LATE),
        ({"ts": 0}, Kind.LATE),
        ({"current": 1e5}, Kind.SAMPLE),
        ({"current": -1e5}, Kind.SAMPLE),
        ({"current": math.nextafter(1e5, math.inf)}, Kind.IMPLAUSIBLE),
        ({"current": math.nextafter(-1e5, -math.inf)}, Kind.IMPLAUSIBLE),
        ({"temperature": 500.0}, Kind.SAMPLE),
        ({"temperature": -100.0}, Kind.SAMPLE),
        ({"temperature": math.nextafter(500.0, math.inf)}, Kind.IMPLAUSIBLE),
        ({"temperature": math.nextafter(-100.0, -math.inf)}, Kind.IMPLAUSIBLE),
        ({"device": {"S": "x" * 255}}, Kind.SAMPLE),
    ],
)
def test_at_a_limit_a_sample_is_still_one(
    decoder: Decoder, record: Record, attributes: dict[str, Any], kind: Kind
) -> None:
    """5 minutes ahead, 25 behind, the plausible range: all are closed. A late sample is no fault."""
    page = decoder.page("s", [record(1, **attributes)])
    assert page.samples.kind.tolist() == [kind]
    assert bool(page.rejects) is kind.quarantined


def test_the_plausible_range_is_the_bundles(record: Record) -> None:
    """Another battery, another range."""
    narrow = Decoder(
        table="t",
        device_key="device",
        devices=Names(),
        shards=Names(),
        plausible=Range(current_a=(0.0, 2.0), temperature_c=(0.0, 60.0)),
    )
    page = narrow.page("s", [record(1, current=2.0), record(2, current=2.5), record(3, current=1.0, temperature=-1.0)])
    assert page.samples.kind.tolist() == [Kind.SAMPLE, Kind.IMPLAUSIBLE, Kind.IMPLAUSIBLE]


@pytest.mark.parametrize(
    ("device", "name"),
    [
        (None, "device4"),
        ({"S": "rack/7"}, "rack/7"),
        ({"N": "42"}, "42"),
        ({"S": "电池 ä"}, "电池 ä"),
        ({"S": " "}, " "),
        ({"S": ".."}, ".."),
    ],
)
def test_the_device_is_its_attribute_or_the_table(record: Record, device: Any, name: str) -> None:
    """A string or a number; as it is written."""
    names = Names()
    decoder = Decoder(table="device4", device_key="device", devices=names, shards=Names())
    page = decoder.page("s", [record(1, device=device)])
    assert names[int(page.samples.device[0])] == name
    assert page.samples.kind.tolist() == [Kind.SAMPLE]


def test_the_attribute_that_names_the_device_is_a_setting(record: Record) -> None:
    """DEVICE_KEY_NAME; what is called device is then an attribute like any other."""
    names = Names()
    decoder = Decoder(table="t", device_key="serial", devices=names, shards=Names())
    page = decoder.page("s", [record(1, serial={"S": "A1"}, device={"BOOL": True})])
    assert (names[int(page.samples.device[0])], page.samples.kind.tolist()) == ("A1", [Kind.SAMPLE])


@pytest.mark.parametrize(
    ("text", "ts"),
    [
        ("1784989507", 1784989507.0),
        ("1784989507.0", 1784989507.0),
        ("1.784989507E9", 1784989507.0),
        ("1784989507.25", 1784989507.25),
        ("1784989507.123456", 1784989507.123456),
        ("1784989507.10", 1784989507.1),
    ],
)
def test_a_time_is_told_by_its_value(decoder: Decoder, record: Record, text: str, ts: float) -> None:
    """However its number is written, down to microseconds."""
    page = decoder.page("s", [record(1, ts={"N": text})])
    assert (page.samples.kind.tolist(), page.samples.ts.tolist()) == ([Kind.SAMPLE], [ts])


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 4_000_000_000), st.integers(0, 999_999))
def test_any_microsecond_is_a_time(seconds: int, micros: int) -> None:
    """A float holds it exactly enough to tell it from its neighbours."""
    text = f"{seconds}.{micros:06}"
    decoder = Decoder(table="t", device_key="device", devices=Names(), shards=Names())
    item = {"ts": {"N": text}, "current": {"N": "1"}, "temperature": {"N": "20"}}
    change = {"SequenceNumber": "1", "ApproximateCreationDateTime": seconds, "NewImage": item}
    page = decoder.page("s", [{"eventName": "INSERT", "dynamodb": change}])
    assert page.samples.kind.tolist() == [Kind.SAMPLE]
    assert f"{page.samples.ts[0]:.6f}" == text


number = st.one_of(
    st.floats().map(repr),
    st.integers(-(10**40), 10**40).map(str),
    st.decimals().map(str),
    st.text(max_size=8),
    st.sampled_from(["1784989507", "25", "2.5", "-0", "+1", " 1 ", "1_0", "٣", "0x10", "nan", "1e-400", "1E+126"]),
)
attribute = st.recursive(
    st.one_of(
        st.fixed_dictionaries({"N": number}),
        st.fixed_dictionaries({"S": st.text(max_size=300)}),
        st.fixed_dictionaries({"B": st.text(max_size=8)}),
        st.fixed_dictionaries({"BOOL": st.booleans()}),
        st.just({"NULL": True}),
        st.fixed_dictionaries({"NS": st.lists(number, max_size=3)}),
        st.just({}),
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"L": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"M": st.dictionaries(st.text(max_size=4), inner, max_size=3)}),
    ),
    max_leaves=5,
)
items = st.dictionaries(
    st.sampled_from(["ts", "current", "temperature", "device", "datetime", ""]), attribute, max_size=6
)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from(["INSERT", "MODIFY", "REMOVE"]), st.none() | items, st.integers(0, 4_000_000_000)),
        max_size=8,
    )
)
def test_whatever_a_record_holds_it_is_exactly_one_of_the_kinds(
    written: list[tuple[str, dict[str, Any] | None, int]],
) -> None:
    """Decoding never raises; what is quarantined has its reason, what is not has none; samples are finite."""
    records = [
        {
            "eventName": event,
            "dynamodb": {
                "SequenceNumber": str(n),
                "ApproximateCreationDateTime": created,
                **({"NewImage": item, "Keys": item} if item is not None else {}),
            },
        }
        for n, (event, item, created) in enumerate(written)
    ]
    names = Names()
    page = Decoder(table="t", device_key="device", devices=names, shards=Names()).page("s", records)
    assert len(page.samples) == len(page.sequence) == len(records)
    for row, (event, _, created) in enumerate(written):
        kind = Kind(int(page.samples.kind[row]))
        assert (row in page.rejects) is kind.quarantined
        assert (kind is Kind.REMOVED) is (event == "REMOVE")
        assert names[int(page.samples.device[row])] != ""
        assert len(names[int(page.samples.device[row])].encode()) <= 255
        if kind is Kind.SAMPLE:
            assert np.isfinite(
                [page.samples.ts[row], page.samples.current_a[row], page.samples.temperature_c[row]]
            ).all()
            assert -FUTURE_S <= created - page.samples.ts[row] <= LATE_S
        if kind in (Kind.SAMPLE, Kind.LATE):
            assert page.samples.ts[row] >= 0
        if row in page.rejects:
            assert page.rejects[row].reason
            assert page.rejects[row].raw is records[row]


def item(ts: Any, **attributes: Any) -> dict[str, Any]:
    return {"ts": {"N": str(ts)}, "current": {"N": "2.5"}, "temperature": {"N": "25"}, **attributes}


def test_items_of_the_table_come_in_order_of_time_and_have_numbers_that_grow(decoder: Decoder) -> None:
    """They count as written at their ts; where that ties the device's name decides, however they were read."""
    b, a = {"device": {"S": "b"}}, {"device": {"S": "a"}}
    found = [item(30), item(10, **b), item("10", **a), item(20.5), {"current": {"N": "1"}}]
    for order in (found, found[::-1]):
        page = decoder.items("backfill", order)
        samples = page.samples
        assert samples.kind.tolist() == [Kind.MALFORMED] + [Kind.BACKFILL] * 4
        assert samples.ts[1:].tolist() == [10.0, 10.0, 20.5, 30.0]
        assert samples.created[1:].tolist() == samples.ts[1:].tolist()
        assert [decoder.devices[int(code)] for code in samples.device[1:3]] == ["a", "b"]
        numbers = [int(sequence) for sequence in page.sequence]
        assert numbers == sorted(set(numbers))
        assert page.rejects[0].reason == "attribute 'ts' is missing"


def test_recorded_samples_get_the_class_that_a_record_would() -> None:
    """By the same limits, both ends included; nothing is late or in the future, whatever its time."""
    devices = Names()
    devices.code("d")
    decoder = Decoder(table="device4", device_key="device", devices=devices, shards=Names())
    ts = [1.0, 2.0, 3.0, 4.0, 5.0, 4e9]
    current_a = [2.5, 1e5, 1.0001e5, 2.5, 2.5, 2.5]
    temperature_c = [25.0, -100.0, 25.0, 500.5, 25.0, 500.0]
    kind = [Kind.SAMPLE] * 4 + [Kind.MALFORMED, Kind.SAMPLE]
    nothing = Reject("current is missing", {"current": ""})
    found = decoder.recorded("f.csv", Samples.of(ts, current_a, temperature_c, kind=kind), {4: nothing})
    wanted = [Kind.SAMPLE, Kind.SAMPLE, Kind.IMPLAUSIBLE, Kind.IMPLAUSIBLE, Kind.MALFORMED, Kind.SAMPLE]
    assert found.samples.kind.tolist() == wanted
    assert found.sequence.tolist() == ["1", "2", "3", "4", "5", "6"]
    assert sorted(found.rejects) == [2, 3, 4]
    assert found.rejects[4] is nothing
    assert "500.5 °C is outside the plausible" in found.rejects[3].reason
    assert found.rejects[3].raw["temperature"] == "500.5"
