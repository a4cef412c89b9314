"""What a second look says to people, and why numbers may be others."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from explained import SENTENCE, explained
from rich.console import Console

from battery_watch.explain.comparison import Difference
from battery_watch.explain.recheck import Checked, reasons
from battery_watch.explain.request import of_sample
from battery_watch.explain.view import as_json, show
from consumer.offline.archive_reader import ArchiveLine
from consumer.offline.rescore import rescore
from consumer.table.scan import TableDescription
from reporting.anomaly.evidence import Evidence
from reporting.anomaly.publication import Publication
from reporting.anomaly.sample_message import sample_message
from reporting.contract.events import AnomalyEvent, parse
from scoring.bundle import Bundle
from scoring.config import Range
from scoring.explanation import Band
from scoring.rules import Rule
from window.samples import Samples

T = 1_784_989_500.0
ROUNDED = Difference("scores.forest.value", -0.75, -0.75 + 1e-13)
SCORE = Difference("scores.forest.value", -0.75, -0.8)
READING = Difference("actual.temperature_c", 80.0, 81.0)


@pytest.fixture
def evidence(plain_bundle: Bundle) -> Evidence:
    """A hot sample that the forest alone flagged, by a bundle that knows a band."""
    calibration = plain_bundle.config.calibration.model_copy(
        update={"residual": Range(current_a=(-0.25, 0.5), temperature_c=(-1.0, 1.0))}
    )
    config = plain_bundle.config.model_copy(update={"calibration": calibration})
    samples = Samples.of([T - 1, T], [2.0, 2.0], [25.0, 60.5])
    found = rescore(samples, device="rack/7", bundle=replace(plain_bundle, config=config))
    assert found is not None
    return found


@pytest.fixture
def checked(evidence: Evidence) -> Checked:
    """All agrees, with the message and the archive."""
    to = Publication("urn:battery-watch:t", "b", datetime(2026, 7, 25, tzinfo=UTC))
    message = sample_message(evidence, to, episode="e", revision=0)
    event = parse(message.body)
    assert isinstance(event, AnomalyEvent)
    return Checked(
        request=of_sample(event),
        table=TableDescription("t", 1, ("ts",)),
        bucket="b",
        device="rack/7",
        ts=T,
        model="bw-plain",
        key="battery-events/x.ndjson",
        line=ArchiveLine("battery-events/x.ndjson", evidence.line()),
        chart=None,
        now=evidence,
        present=True,
        of_message=[],
        of_archive=[],
    )


def shown(checked: Checked) -> str:
    out = io.StringIO()
    show(checked, Console(file=out, width=120))
    return out.getvalue()


def test_people_see_the_band_and_what_the_forest_finds(checked: Checked) -> None:
    """Beside readings, scores and shares: numbers with units, bars, and where things lie."""
    lines = shown(checked).splitlines()
    assert lines[0] == "HIGH: rack/7 at 2026-07-25 14:25:00.000 UTC"
    said = {line.split("  ")[0].strip(): " ".join(line.split()) for line in reversed(lines)}
    assert said["current"] == "current 2.000 A not known not known"
    assert said["temperature"] == "temperature 60.50 °C not known not known"
    assert said["reconstruction error"] == "reconstruction error 2 5 not above"
    assert said["forest score"] == "forest score -0.755 -0.7 below"
    assert said["forest"] == "forest -0.755 -0.7"
    rises = lines[next(n for n, line in enumerate(lines) if "the forest's features" in line) :]
    assert " ".join(rises[2].split()) == f"temperature +0.105 {'█' * 24}"
    assert "Scored again, all numbers agree to the bit with the message and the archive." in lines


def test_people_see_what_was_expected_and_why_it_is_an_anomaly(checked: Checked) -> None:
    """The band in which a normal reading would lie, and every rule with its limit."""
    assert checked.now is not None
    explanation = explained(band=Band((2.25, 2.75), (25.0, 26.0)), rules=(Rule("change", 61.5, 3.8, "current"),))
    lines = shown(replace(checked, now=replace(checked.now, explanation=explanation))).splitlines()
    said = {line.split("  ")[0].strip(): " ".join(line.split()) for line in reversed(lines)}
    assert lines[1] == SENTENCE
    assert said["current"] == "current 2.000 A 2.500 A 2.250 to 2.750 A"
    assert said["temperature"] == "temperature 60.50 °C 25.50 °C 25.00 to 26.00 °C"
    assert said["change of the current"] == "change of the current 61.5 3.8"
    assert said["kinds"] == "kinds over current"


def test_what_differs_is_shown_once(checked: Checked) -> None:
    """Where message and archive differ alike; shares are only counted."""
    share = Difference("contributions.current", 0.1, 0.2)
    found = shown(replace(checked, of_message=[SCORE, share], of_archive=[SCORE, share]))
    assert "Scored again, the numbers do not agree with the message and the archive." in found
    assert found.count("scores.forest.value") == 1
    assert "1 of them" in found
    assert shown(replace(checked, of_message=[SCORE], of_archive=[READING])).count("differs from") == 2


@pytest.mark.parametrize(
    ("change", "agreement", "why"),
    [
        ({}, "bits", []),
        ({"of_archive": [ROUNDED]}, "rounding", ["processor rounds"]),
        ({"of_message": [ROUNDED], "of_archive": [SCORE]}, "no", ["one before it is not"]),
        ({"of_message": [SCORE]}, "no", ["a later record changed the sample or one before it"]),
        ({"of_message": [READING, SCORE], "of_archive": [READING, SCORE]}, "no", ["with other readings; the worker"]),
        ({"of_message": [SCORE], "of_archive": None, "line": None}, "no", ["one before it", "has no line of it"]),
        ({"now": None, "of_message": None, "of_archive": None}, "no", ["gets no score"]),
        ({"now": None, "present": False, "of_message": None, "of_archive": None}, "no", ["was deleted"]),
        (
            {"now": None, "present": False, "table": TableDescription("t", 1, ("device",)), "of_message": None},
            "no",
            ["keeps only the newest sample"],
        ),
    ],
)
def test_why_numbers_differ(checked: Checked, change: dict[str, Any], agreement: str, why: list[str]) -> None:
    """As far as it can be told from what is there; the worse of both comparisons counts."""
    found = replace(checked, **change)
    assert found.agreement == agreement
    said = reasons(found)
    assert len(said) == len(why)
    assert all(words in each for words, each in zip(why, said, strict=True))
    assert as_json(found)["why"] == said
    assert all(words in " ".join(shown(found).split()) for words in why)
