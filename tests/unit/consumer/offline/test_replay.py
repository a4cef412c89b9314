"""Recorded samples through a lane: the reference is the same lane, fed record by record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.offline import replay as module
from consumer.offline.replay import Recorded, Replayed, WatchedTable, replay
from consumer.stream.records import Decoded, Decoder, Reject
from reporting.message import Message
from scoring.bundle import Bundle
from scoring.detectors import Stage
from scoring.scorer import Scorer
from scoring.severity import Severity
from window.samples import Kind, Names, Samples

T = 1_784_989_500.0


def names(*devices: str) -> Names:
    """A table of them, in that order."""
    table = Names()
    for device in devices:
        table.code(device)
    return table


def recorded(samples: Samples, devices: Names, rejects: dict[int, Reject] | None = None) -> Decoded:
    """As a file is decoded."""
    decoder = Decoder(table="device4", device_key="device", devices=devices, shards=Names())
    return decoder.recorded("charge.csv", samples, rejects or {})


def replayed(
    samples: Samples,
    bundle: Bundle,
    *devices: str,
    context: Samples | None = None,
    progress: Callable[[int], None] = lambda _: None,
    **table: Any,
) -> Replayed:
    """Of one recording; its only device is "d"."""
    codes = names(*(devices or ("d",)))
    whole = Recorded(recorded(samples, codes), "charge.csv", codes, context)
    return replay(whole, bundle, WatchedTable("device4", **table), progress=progress)


def told(found: Replayed) -> list[Any]:
    """The messages, read; but for what so many anomalies say of the bundle."""
    return [orjson.loads(message.body) for message in found.messages if message.type != "health.misfit"]


def by_device(messages: Sequence[Message]) -> dict[str, list[str]]:
    """The bodies, in their order."""
    bodies: dict[str, list[str]] = {}
    for message in messages:
        bodies.setdefault(message.device, []).append(message.body)
    return bodies


def charge(seconds: int, strange: tuple[int, ...] = ()) -> Samples:
    """A sample a second; 9 A at the strange ones."""
    row = np.arange(seconds)
    current_a = 2.0 + row * 7919 % 13 / 1000
    current_a[list(strange)] = 9.0
    return Samples.of(T + row, current_a, np.full(seconds, 25.0))


def test_every_sample_has_a_row_and_every_anomaly_a_message(plain_bundle: Bundle) -> None:
    """The scores are those of the scorer, one sample after the other; rows and messages name the same episodes."""
    samples = charge(400, strange=(100, 103, 300))
    found = replayed(samples, plain_bundle, publish="samples")
    scorer = Scorer(plain_bundle)
    rows = [scorer.take(samples.take(slice(n, n + 1)), most_anomalies=50)[0] for n in range(len(samples))]
    judged = found.judged
    assert judged.devices == ("d",)
    assert judged.ts.tolist() == samples.ts.tolist()
    assert judged.current_a.tolist() == samples.current_a.tolist()
    assert judged.reconstruction_error.tolist() == [float(r.scores.reconstruction_error[0]) for r in rows]
    assert judged.forest_score.tolist() == [float(r.scores.forest_score[0]) for r in rows]
    assert judged.severity.tolist() == [int(r.verdicts.severity[0]) for r in rows]
    assert set(judged.reconstructed_current_a) == {2.0}
    anomalous = np.flatnonzero(judged.severity > 0)
    assert {100, 103, 300} <= set(anomalous.tolist())
    events = told(found)
    assert [event["data"]["ts"] for event in events] == judged.ts[anomalous].tolist()
    assert [event["data"]["episode"] for event in events] == judged.episode[anomalous].tolist()
    assert len({*judged.episode[anomalous]}) == 1
    assert set(judged.episode[judged.severity == 0]) == {""}
    assert found.counts["d"]["scored"] == found.counts["d"]["read"] == 400


def test_a_message_is_the_workers_without_place_in_a_stream_and_chart(plain_bundle: Bundle) -> None:
    """The time is the sample's; position: the row of the recording; there is no chart to link to."""
    events = told(replayed(charge(50, (49,)), plain_bundle, publish="samples"))
    (event,) = [event for event in events if event["data"]["ts"] == T + 49]
    assert event["time"] == "2026-07-25T14:25:49Z"
    assert event["source"] == "urn:battery-watch:device4"
    assert event["data"]["position"] == {"shard": "charge.csv", "sequence": "50"}
    assert event["data"]["stages"] == ["reconstruction"]
    assert "chart" not in event["data"]


def test_the_events_of_a_table_name_its_account(plain_bundle: Bundle) -> None:
    """As the worker's do, so they have the worker's ids. Files have none."""
    arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/device4"
    events = told(replayed(charge(50, (49,)), plain_bundle, publish="samples", arn=arn))
    assert {event["source"] for event in events} == {"urn:battery-watch:123456789012:eu-central-1:device4"}
    without = told(replayed(charge(50, (49,)), plain_bundle, publish="samples"))
    assert not {event["id"] for event in events} & {event["id"] for event in without}


def test_what_is_told_of_episodes(plain_bundle: Bundle) -> None:
    """Each from its opening to its end, with the ids of the rows and the sample that speaks for it; that it came back
    is told ten minutes later; the one that goes on at the end of the recording is not told to be over."""
    samples = charge(1200, strange=(100, 103, 300, 900, *range(1150, 1200, 9)))
    found = replayed(samples, plain_bundle)
    events = [event for event in told(found) if event["type"].startswith("anomaly.")]
    states = [(event["data"]["state"], event["time"][11:19], event["data"]["reopened"]) for event in events]
    assert states == [
        ("opened", "14:26:40", 0),
        ("closed", "14:27:52", 0),
        ("closed", "14:37:52", 1),
        ("opened", "14:40:00", 0),
    ]
    judged = found.judged
    first, second = dict.fromkeys(judged.episode[judged.severity > 0])
    assert [event["data"]["episode"] for event in events] == [first] * 3 + [second]
    assert [event["data"]["step"] for event in events] == [1, 2, 3, 1]
    for event in events:
        of = event["data"].get("evidence")
        assert (of is None) == (event["data"]["state"] == "closed")
        (row,) = np.flatnonzero(judged.ts == event["data"]["sample"]["ts"])
        if of is not None:
            assert of["scores"]["reconstruction_error"]["value"] == judged.reconstruction_error[row]
        assert judged.episode[row] == event["data"]["episode"]
    assert {event["data"]["severity"] for event in events} == {"high"}


def test_samples_and_episodes_together_are_what_each_is_alone(plain_bundle: Bundle) -> None:
    """With `both` the topic has the messages of the other two, and a sample before the step that it leads to."""
    samples = charge(1200, strange=(100, 103, 300, 900))
    ids = {}
    for publish in ("samples", "episodes", "both"):
        ids[publish] = [event["id"] for event in told(replayed(samples, plain_bundle, publish=publish))]
    assert [each for each in ids["both"] if each in ids["samples"]] == ids["samples"]
    assert [each for each in ids["both"] if each in ids["episodes"]] == ids["episodes"]
    assert len(ids["both"]) == len(ids["samples"]) + len(ids["episodes"])


def test_the_same_recording_gives_the_same_bytes(plain_bundle: Bundle) -> None:
    """Whenever it is replayed: nothing in a message is of the clock."""
    first, second = (replayed(charge(300, (5, 50, 250)), plain_bundle) for _ in range(2))
    assert [m.body for m in first.messages] == [m.body for m in second.messages]


def test_silence_is_told_between_samples_and_not_after_the_last(plain_bundle: Bundle) -> None:
    """The end of a recording is not the end of a device."""
    samples = Samples.of([T, T + 1, T + 200, T + 201], [2.0] * 4, [25.0] * 4)
    states = [(e["type"], e["data"]["state"]) for e in told(replayed(samples, plain_bundle))]
    assert states == [("health.silence", "opened"), ("health.silence", "closed")]


def test_a_device_that_stops_is_told_while_another_goes_on(plain_bundle: Bundle) -> None:
    """They share a time line."""
    samples = charge(300)
    both = Samples.of(samples.ts, samples.current_a, samples.temperature_c, device=[0] * 10 + [1] * 290)
    events = told(replayed(both, plain_bundle, "a", "b"))
    assert [(e["type"], e["subject"], e["time"]) for e in events] == [("health.silence", "a", "2026-07-25T14:27:09Z")]


def test_what_is_no_sample_is_set_aside(plain_bundle: Bundle) -> None:
    """Malformed and implausible rows, and one without a finite score, which has a row without scores."""
    samples = charge(10)
    kind = samples.kind.copy()
    kind[3] = Kind.MALFORMED
    current_a, temperature_c = samples.current_a.copy(), samples.temperature_c.copy()
    current_a[5], temperature_c[7] = 3.4e38, 400.0
    ts = np.where(kind == Kind.MALFORMED, np.nan, samples.ts)
    broken = Samples.of(ts, current_a, temperature_c, created=samples.ts, kind=kind)
    table = names("d")
    records = recorded(broken, table, {3: Reject("current is missing", {"current": ""})})
    found = replay(Recorded(records, "charge.csv", table), plain_bundle, WatchedTable("device4"))
    assert len(found.judged) == 8
    unscored = found.judged.ts[np.isnan(found.judged.reconstruction_error)]
    assert unscored.tolist() == [T + 7]
    reasons = [orjson.loads(item.body)["reason"] for item in found.quarantine]
    assert [reason.split(" ")[0] for reason in reasons] == ["current", "current", "the"]
    assert "3.4e+38 A is outside the plausible" in reasons[1]
    assert found.counts["d"] == {**dict.fromkeys(found.counts["d"], 0), "read": 10, "scored": 7, "quarantined": 3}


def test_a_sample_written_twice_counts_as_it_was_written_last(plain_bundle: Bundle) -> None:
    """One row; what was said of the first stays said, and the second has a message of its own."""
    samples = Samples.of([T, T + 1, T + 1, T + 2, T + 2], [2.0, 2.0, 9.0, 8.0, 8.0], [25.0] * 5)
    found = replayed(samples, plain_bundle, publish="samples")
    assert found.judged.ts.tolist() == [T, T + 1, T + 2]
    assert found.judged.current_a.tolist() == [2.0, 9.0, 8.0]
    assert all(found.judged.episode[1:])
    assert [(e["data"]["ts"], e["data"]["revision"]) for e in told(found)] == [(T + 1, 1), (T + 2, 0)]


def test_context_fills_the_windows_and_is_neither_scored_nor_told(plain_bundle: Bundle) -> None:
    """As at the worker's first start: the first sample knows the four before it."""
    whole = charge(20, strange=(2, 12))
    found = replayed(whole.take(slice(10, None)), plain_bundle, context=whole.take(slice(0, 10)))
    reference = replayed(whole, plain_bundle)
    assert found.judged.ts.tolist() == whole.ts[10:].tolist()
    assert found.judged.reconstruction_error.tolist() == reference.judged.reconstruction_error[10:].tolist()
    assert found.counts["d"]["read"] == 10


def test_a_table_that_can_hold_one_device_sets_a_second_aside(plain_bundle: Bundle) -> None:
    """As the worker does."""
    samples = Samples.of(T + np.arange(6.0), [2.0] * 6, [25.0] * 6, device=[0, 0, 1, 0, 1, 0])
    found = replayed(samples, plain_bundle, "a", "b", one_device=True)
    assert found.counts["b"]["quarantined"] == 2
    assert {found.judged.devices[code] for code in found.judged.device} == {"a"}


def test_books_of_many_days_add_up(plain_bundle: Bundle) -> None:
    """The lane closes the books of old days; a replay counts them all."""
    samples = Samples.of(T + 86_400.0 * np.arange(12.0), [2.0] * 12, [25.0] * 12)
    assert replayed(samples, plain_bundle).counts["d"]["scored"] == 12


def test_nothing_but_rows_that_are_no_samples(plain_bundle: Bundle) -> None:
    """Tables without rows, and no fault."""
    samples = Samples.of([T], [1e9], [25.0])
    found = replayed(samples, plain_bundle)
    assert len(found.judged) == 0
    assert found.counts["d"]["quarantined"] == 1


def test_more_anomalies_than_a_commit_holds(plain_bundle: Bundle) -> None:
    """All are told, each once, in order."""
    samples = Samples.of(T + np.arange(500.0), 6.0 + np.arange(500) / 1000, [25.0] * 500)
    found = told(replayed(samples, plain_bundle, publish="samples"))
    assert [event["data"]["ts"] for event in found] == samples.ts.tolist()


def test_progress_is_told(plain_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every record is counted."""
    monkeypatch.setattr(module, "PAGE", 30)
    counts: list[int] = []
    replayed(charge(100), plain_bundle, progress=counts.append)
    assert counts == [30, 30, 30, 10]


STEPS = st.tuples(
    st.integers(0, 2),
    st.sampled_from([0.0, 0.25, 1.0, 1.0, 1.0, 59.0, 61.0, 119.0, 120.0, 121.0, 400.0]),
    st.sampled_from([2.0, 2.0, 2.0, 2.5, 9.0, 1e9]),
    st.integers(1, 40),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=25))
def test_page_sizes_and_runs_change_nothing(plain_bundle: Bundle, steps: list[tuple[int, float, float, int]]) -> None:
    """Silent, stuck, broken and anomalous devices in any mixture: the same messages, in one order, whether the lane
    gets all records at once or one by one, when every deadline before a record fires before it is there."""
    rows: list[tuple[float, float, int]] = []
    ts = T
    for device, gap_s, current_a, times in steps:
        ts += gap_s
        for _ in range(times):
            rows.append((ts, current_a, device))
            ts += min(max(gap_s, 0.5), 3.0)
    columns = list(zip(*rows, strict=True))
    samples = Samples.of(columns[0], columns[1], [25.0] * len(rows), device=columns[2])
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for page in (1, 7, 10_000):
            patch.setattr(module, "PAGE", page)
            found.append(replayed(samples, plain_bundle, "a", "b", "c", publish="both"))
    one, *others = found
    for other in others:
        # The order among devices depends on where commits end: those with anomalies leave first (rule 30).
        assert by_device(other.messages) == by_device(one.messages)
        assert other.judged.reconstruction_error.tolist() == one.judged.reconstruction_error.tolist()
        assert other.judged.episode.tolist() == one.judged.episode.tolist()
        assert other.counts == one.counts


def test_names_of_stages_and_severities_fit_the_rows(plain_bundle: Bundle) -> None:
    """The codes are the verdict's."""
    judged = replayed(Samples.of([T, T + 1], [2.0, 11.0], [25.0, 70.0]), plain_bundle).judged
    assert judged.stages.tolist() == [0, Stage.RECONSTRUCTION | Stage.FOREST]
    assert judged.severity.tolist() == [Severity.NONE, Severity.CRITICAL]
