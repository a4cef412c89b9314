"""One anomalous sample as a line of the archive and as a message."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from explained import SENTENCE, explained
from hypothesis import given, settings
from hypothesis import strategies as st

from reporting.anomaly.evidence import Evidence
from reporting.anomaly.publication import Publication
from reporting.anomaly.sample_message import sample_message
from reporting.contract.events import ChartLink, StreamPosition, parse
from reporting.message import MAX_BYTES, Message
from scoring.detectors import Stage
from scoring.explanation import Band
from scoring.faults import Forecast
from scoring.rules import Rule
from scoring.severity import Severity
from window.features import FEATURES

EVIDENCE = Evidence(
    device="rack/7",
    ts=1_784_989_507.25,
    current_a=7.5,
    temperature_c=41.0,
    reconstruction_error=60.5,
    error_threshold=53.25,
    forest_score=-0.75,
    forest_threshold=-0.5,
    stages=Stage.RECONSTRUCTION | Stage.FOREST,
    severity=Severity.HIGH,
    explanation=explained(),
    model="bw-0123456789ab",
)
CHART = ChartLink(
    bucket="results",
    key="battery-reports/rack%2F7/20260725T142507Z.png",
    url="https://results/chart?X-Amz-Expires=43200",
    expires=datetime(2026, 7, 26, 2, 25, tzinfo=UTC),
)
RECORDED = datetime(2026, 7, 25, 14, 25, 8, tzinfo=UTC)
POSITION = StreamPosition(shard="shardId-01", sequence="4200")


def message(evidence: Evidence = EVIDENCE, **changes: Any) -> Message:
    of = {name: changes.pop(name) for name in ("episode", "revision") if name in changes}
    to = Publication("urn:battery-watch:device4", "results", RECORDED, POSITION, CHART)
    return sample_message(evidence, replace(to, **changes), **{"episode": "e1", "revision": 0, **of})


def test_the_archive_line_is_these_bytes() -> None:
    """They are compared with what is already there: a change of a byte is a change of the format."""
    assert EVIDENCE.line() == (
        b'{"device":"rack/7","ts":1784989507.25,"datetime":"2026-07-25T14:25:07.250000Z","severity":"high",'
        b'"kinds":["over_current"],"rules":[{"rule":"reconstruction_error","value":60.5,"limit":53.25},'
        b'{"rule":"forest","value":-0.75,"limit":-0.5}],'
        b'"stages":["reconstruction","forest"],"actual":{"current_a":7.5,"temperature_c":41.0},'
        b'"expected":{"current_a":2.5,"temperature_c":25.5},'
        b'"reconstruction":{"current_a":4.5,"temperature_c":33.25},'
        b'"scores":{"reconstruction_error":{"value":60.5,"threshold":53.25,"exceeded":true},'
        b'"forest":{"value":-0.75,"threshold":-0.5,"exceeded":true}},'
        b'"contributions":{"current":0.75,"temp_rate":0.25},"rarity":"not seen in 11 h of normal charging",'
        b'"model":"bw-0123456789ab"}\n'
    )


def test_the_archive_line_holds_nothing_that_a_replay_could_change() -> None:
    """No shard, sequence, time of receipt, revision, link or episode (rule 9)."""
    names = set(json.loads(EVIDENCE.line()))
    assert names.isdisjoint(
        {"position", "sequence", "shard", "recorded", "recordedtime", "revision", "chart", "episode"}
    )


numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)


@settings(deadline=None, max_examples=60)
@given(st.text(min_size=1, max_size=30), st.floats(0, 4e9), numbers, numbers)
def test_a_line_is_one_line_and_keeps_every_digit(device: str, ts: float, current_a: float, error: float) -> None:
    """Whatever the device is called."""
    line = replace(EVIDENCE, device=device, ts=ts, current_a=current_a, reconstruction_error=error).line()
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    read = json.loads(line)
    assert (read["device"], read["ts"], read["actual"]["current_a"]) == (device, ts, current_a)
    assert read["scores"]["reconstruction_error"]["value"] == error


def test_the_message_is_a_cloudevent(cloudevent: Callable[[str], dict[str, Any]]) -> None:
    """With all that a reader needs to act, and what was measured in the same words as in the archive."""
    event = cloudevent(message().body)
    data = event.pop("data")
    identity = "urn:battery-watch:device4\nrack/7\n1784989507.25\nbw-0123456789ab\n0\n"
    assert event == {
        "specversion": "1.0",
        "id": hashlib.sha256(identity.encode()).hexdigest()[:32],
        "source": "urn:battery-watch:device4",
        "type": "anomaly.sample",
        "subject": "rack/7",
        "time": "2026-07-25T14:25:07.250000Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:battery-watch:schema:anomaly.sample:2",
        "severitytext": "high",
        "severitynumber": 17,
        "sequence": "4200",
        "partitionkey": "rack/7",
        "recordedtime": "2026-07-25T14:25:08Z",
        "filterseverity": "high",
    }
    line = json.loads(EVIDENCE.line())
    line.pop("datetime")
    assert data == {
        **line,
        "summary": SENTENCE,
        "kind": "over_current",
        "episode": "e1",
        "position": {"shard": "shardId-01", "sequence": "4200"},
        "archive": {"bucket": "results", "key": "battery-events/device=rack%2F7/dt=2026-07-25/hour=14/1425.ndjson"},
        "chart": {
            "bucket": "results",
            "key": "battery-reports/rack%2F7/20260725T142507Z.png",
            "url": "https://results/chart?X-Amz-Expires=43200",
            "expires": "2026-07-26T02:25:00Z",
        },
        "revision": 0,
    }


def test_a_message_without_position_and_chart_is_a_cloudevent_too(cloudevent: Callable[[str], dict[str, Any]]) -> None:
    """A sample from the table has no position; what is absent is left out, not null."""
    body = message(position=None, chart=None).body
    event = cloudevent(body)
    assert "sequence" not in event
    assert "position" not in event["data"]
    assert parse(body).data.chart is None


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"position": StreamPosition(shard="other", sequence="1")}, True),
        ({"chart": None}, True),
        ({"recorded": datetime(2027, 1, 1, tzinfo=UTC)}, True),
        ({"episode": "e2"}, True),
        ({"bucket": "other"}, True),
        ({"revision": 1}, False),
        ({"source": "urn:battery-watch:other"}, False),
    ],
)
def test_the_id_tells_a_message_sent_twice(change: dict[str, Any], same: bool) -> None:
    """It depends on the sample and the model; wherever its record was read."""
    assert (message(**change).id == message().id) is same


def test_amendments_by_different_records_have_different_ids() -> None:
    """Two messages that differ never share one; the same amendment sent twice does."""
    positions = [
        POSITION,
        StreamPosition(shard="shardId-01", sequence="4201"),
        StreamPosition(shard="b", sequence="4200"),
    ]
    assert len({message(revision=1, position=at).id for at in positions} | {message().id}) == 4
    assert message(revision=1, chart=None).id == message(revision=1).id


@pytest.mark.parametrize("change", [{"device": "rack/8"}, {"ts": 1_784_989_507.5}, {"model": "bw-other"}])
def test_another_sample_or_model_has_another_id(change: dict[str, Any]) -> None:
    """None is taken for another."""
    assert message(replace(EVIDENCE, **change)).id != message().id


def test_a_band_and_the_forests_features_are_told_where_there_are_any() -> None:
    """The same in the archive and in the message; neither has the names without them."""
    band = Band(current_a=(2.25, 2.75), temperature_c=(25.0, 26.0))
    explanation = replace(EVIDENCE.explanation, band=band, forest={"temp_rate": 0.0625, "current": 0.03125})
    line = json.loads(replace(EVIDENCE, explanation=explanation).line())
    assert line["expected_band"] == {"current_a": [2.25, 2.75], "temperature_c": [25.0, 26.0]}
    assert line["forest_features"] == {"temp_rate": 0.0625, "current": 0.03125}
    event = parse(message(replace(EVIDENCE, explanation=explanation)).body)
    data = json.loads(event.data.model_dump_json())
    assert {name: data[name] for name in ("expected_band", "forest_features")} == {
        name: line[name] for name in ("expected_band", "forest_features")
    }
    without = json.loads(message().body)["data"]
    assert {"expected_band", "forest_features"}.isdisjoint({*without, *json.loads(EVIDENCE.line())})


def test_the_message_is_what_the_contract_reads_back() -> None:
    """A consumer that uses our models gets every field."""
    event = parse(message().body)
    assert event.type == "anomaly.sample"
    assert event.data.position == POSITION
    assert event.data.chart == CHART
    assert event.data.contributions == {"current": 0.75, "temp_rate": 0.25}


def test_filters_and_people_get_their_part() -> None:
    """Attributes for filter policies; a sentence, both scores, how rare, and the link with its true expiry."""
    told = message()
    assert (told.type, told.severity, told.device, told.state) == ("anomaly.sample", "high", "rack/7", "sample")
    assert told.schema_uri == "urn:battery-watch:schema:anomaly.sample:2"
    assert told.attributes["kind"] == "over_current"
    head, sentence, scores, link, run = told.text.split("\n")
    assert head == "HIGH: rack/7 at 2026-07-25 14:25:07 UTC"
    assert sentence == EVIDENCE.explanation.sentence
    assert scores == "Found by: reconstruction error 60.5 (limit 53.25); forest score -0.750 (limit -0.500)."
    assert link == "Chart, until 2026-07-26 02:25 UTC: https://results/chart?X-Amz-Expires=43200"
    assert run == f"Run: battery-watch explain {told.id}"


def test_an_amendment_names_no_command() -> None:
    """No archive line leads to its id."""
    assert "battery-watch explain" not in message(revision=1).text


def test_without_a_chart_the_text_has_no_link() -> None:
    """Nothing dangling."""
    assert "Chart" not in message(chart=None).text
    assert len(message(chart=None).text.split("\n")) == 4


@pytest.mark.parametrize(
    ("stages", "names"),
    [
        (Stage.RECONSTRUCTION, ["reconstruction"]),
        (Stage.FOREST, ["forest"]),
        (Stage.RECONSTRUCTION | Stage.FOREST, ["reconstruction", "forest"]),
        (Stage.CHANGE | Stage.STUCK, ["change", "stuck"]),
    ],
)
def test_the_models_that_say_so_are_named(stages: Stage, names: list[str]) -> None:
    """Whatever the scores are: those say by themselves whether they are beyond the trained thresholds."""
    line = json.loads(replace(EVIDENCE, stages=stages, forest_score=-0.25).line())
    assert line["stages"] == names
    assert line["scores"]["reconstruction_error"] == {"value": 60.5, "threshold": 53.25, "exceeded": True}
    assert line["scores"]["forest"] == {"value": -0.25, "threshold": -0.5, "exceeded": False}


@pytest.mark.parametrize("severity", [Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL])
def test_severity_has_a_word_and_a_number(severity: Severity, cloudevent: Callable[[str], dict[str, Any]]) -> None:
    """OpenTelemetry's: info 9, warn 13, error 17, fatal 21."""
    event = cloudevent(message(replace(EVIDENCE, severity=severity)).body)
    assert event["severitytext"] == severity.name.lower()
    assert event["severitynumber"] == {"low": 9, "medium": 13, "high": 17, "critical": 21}[severity.name.lower()]


@pytest.mark.parametrize("letter", ["d", "电", "🔋", '"', " "])
def test_the_longest_name_a_device_may_have_fits(letter: str) -> None:
    """255 bytes of it, with all shares at full length and a link signed with a session's long token."""
    device = letter * (255 // len(letter.encode()))
    shares = dict.fromkeys(FEATURES, 0.07142857142857142)
    evidence = replace(EVIDENCE, device=device, explanation=replace(EVIDENCE.explanation, shares=shares))
    chart = CHART.model_copy(update={"url": "https://results/" + "x" * 4000})
    assert len(message(evidence, chart=chart).body.encode()) < MAX_BYTES
    assert len(json.loads(message(evidence).body)["data"]["archive"]["key"].encode()) <= 1024


def test_where_it_leads_is_told_where_that_is_known() -> None:
    """And what was expected only where enough samples were before."""
    leads = Forecast("temperature", Severity.MEDIUM, 50.0, 1_784_989_600.0, 92.75, 0.25)
    line = json.loads(replace(EVIDENCE, explanation=explained(forecast=leads, expected=None)).line())
    assert line["forecast"] == {
        "reading": "temperature",
        "severity": "medium",
        "limit": 50.0,
        "at": 1_784_989_600.0,
        "in_s": 92.75,
        "rate": 0.25,
    }
    assert "expected" not in line
    told = parse(message(replace(EVIDENCE, explanation=explained(forecast=leads, expected=None))).body)
    assert told.data.forecast.in_s == 92.75  # type: ignore[union-attr]
    assert told.data.expected is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule("repeated_errors", 11.0, 10.0), "11 raised reconstruction errors of late (limit 10)"),
        (Rule("change", 61.37, 3.804, "current"), "change of the current by 61.4 times its scatter (limit 3.8)"),
        (Rule("stuck", 35.0, 30.0, "temperature"), "temperature repeated 35 times (limit 30)"),
        (Rule("range", 61.5, 59.98, "temperature"), "temperature 61.5 (limit 59.98)"),
    ],
)
def test_each_rule_has_words(rule: Rule, words: str) -> None:
    """What was compared with what."""
    told = message(replace(EVIDENCE, explanation=explained(rules=(rule,))))
    assert f"Found by: {words}." in told.text.split("\n")
