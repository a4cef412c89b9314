"""A step of an episode as a message on the topic."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from explained import explained

from reporting.anomaly.episode import Episode, State
from reporting.anomaly.episode_message import episode_message
from reporting.anomaly.episodes import Kind, Step
from reporting.anomaly.evidence import Evidence
from reporting.anomaly.publication import Publication, event_id
from reporting.contract.events import EpisodeEvent, MutedBefore, StreamPosition, parse
from reporting.message import Message
from scoring.detectors import Stage
from scoring.faults import FaultKind
from scoring.severity import Severity

T = 1_784_989_500.0  # 2026-07-25 14:25:00 UTC
RECORDED = datetime(2026, 7, 25, 14, 25, 8, tzinfo=UTC)
EPISODE = Episode(
    "rack/7",
    T,
    T + 65,
    T + 20,
    int(T + 65),
    Severity.HIGH,
    State.OPEN,
    samples=12,
    steps=2,
    kind=FaultKind.OVER_CURRENT,
    usual=26.0,
    worst=7.5,
)
EVIDENCE = Evidence(
    device="rack/7",
    ts=T + 20,
    current_a=7.5,
    temperature_c=41.0,
    reconstruction_error=60.5,
    error_threshold=53.25,
    forest_score=-0.25,
    forest_threshold=-0.5,
    stages=Stage.RECONSTRUCTION,
    severity=Severity.HIGH,
    explanation=explained(),
    model="bw-0123456789ab",
)
POSITION = StreamPosition(shard="s", sequence="42")


def message(
    kind: Kind = "opened",
    episode: Episode = EPISODE,
    evidence: Evidence | None = EVIDENCE,
    *,
    publish_as: Kind | None = None,
    **changes: Any,
) -> Message:
    to = replace(Publication("urn:battery-watch:device4", "results", RECORDED, POSITION), **changes)
    step = Step(kind, T + 70, episode)
    return episode_message(step, to, evidence=evidence, model="bw-0123456789ab", publish_as=publish_as)


def event(told: Message) -> EpisodeEvent:
    found = parse(told.body)
    assert isinstance(found, EpisodeEvent)
    return found


def test_a_step_says_what_is_known_of_its_episode_and_shows_a_sample() -> None:
    """In the contract's fields; what filters see is the same."""
    told = message()
    found = event(told)
    said = found.data
    assert (found.type, found.subject, found.partitionkey, found.sequence) == (
        "anomaly.opened",
        "rack/7",
        "rack/7",
        "42",
    )
    assert (said.state, said.severity, said.step, said.samples) == ("opened", "high", 2, 12)
    assert (said.opened, said.last, found.time.timestamp()) == (T, T + 65, T + 70)
    assert said.evidence is not None
    assert (said.evidence.ts, said.evidence.severity, said.evidence.model) == (T + 20, "high", "bw-0123456789ab")
    assert said.archive.key == "battery-events/device=rack%2F7/dt=2026-07-25/hour=14/1425.ndjson"
    assert told.attributes == {
        "type": "anomaly.opened",
        "severity": "high",
        "filterseverity": "high",
        "device": "rack/7",
        "state": "opened",
        "schema": "urn:battery-watch:schema:anomaly.opened:2",
        "kind": "over_current",
    }
    assert found.filterseverity == "high"
    assert (told.id, told.at) == (found.id, T + 70)


def test_who_heard_that_it_is_severe_hears_its_end() -> None:
    """Though the sample that was severe was written again as a low one."""
    told = message("closed", replace(EPISODE, severity=Severity.LOW, loudest=Severity.CRITICAL), None)
    found = parse(told.body)
    assert (found.severitytext, found.filterseverity) == ("low", "critical")
    assert (told.attributes["severity"], told.attributes["filterseverity"]) == ("low", "critical")


def test_an_opening_that_was_muted_is_not_called_a_second_one() -> None:
    """What goes on when its mute ends is told to open; it is the first that is heard of it."""
    told = message("ongoing", evidence=None, publish_as="opened")
    assert parse(told.body).data.summary == (
        "Over-current since 14:25:00 UTC: current 7.50 A at worst, at 14:25:20 UTC; 12 anomalous samples."
    )


def test_what_came_back_is_counted() -> None:
    """When it is told again because of the time, while it goes on, and at its end."""
    again = replace(EPISODE, reopened=3)
    said = [parse(message(kind, again, None).body).data.summary for kind in ("opened", "ongoing", "closed")]
    worst = "current 7.50 A at worst, at 14:25:20 UTC; 12 anomalous samples."
    assert said == [
        f"Again: over-current since 14:25:00 UTC, came back 3 times: {worst}",
        f"Over-current for 1 min 10 s so far, came back 3 times: {worst}",
        f"Over-current over after 1 min 5 s, came back 3 times: {worst}",
    ]


@pytest.mark.parametrize(
    ("kind", "episode", "sentence", "said"),
    [
        ("opened", EPISODE, "Hot.", "Hot."),
        ("opened", replace(EPISODE, reopened=1), "Hot.", "Again: Hot."),
        ("escalated", EPISODE, "Hot.", "Now high: Hot."),
        (
            "ongoing",
            EPISODE,
            "",
            "Over-current for 1 min 10 s so far: current 7.50 A at worst, at 14:25:20 UTC; 12 anomalous samples.",
        ),
        (
            "closed",
            replace(EPISODE, samples=1, last=T + 7500, worst=None, kind=FaultKind.FROZEN_READING),
            "",
            "Frozen reading over after 2 h 5 min: high at worst, at 14:25:20 UTC; 1 anomalous sample.",
        ),
        (
            "closed",
            replace(EPISODE, samples=0),
            "",
            "Withdrawn: its samples were written again with other readings and are no longer anomalous.",
        ),
    ],
)
def test_each_step_has_its_sentence(kind: Kind, episode: Episode, sentence: str, said: str) -> None:
    """The second line of the text, which is what a phone gets."""
    explanation = replace(EVIDENCE.explanation, sentences=(sentence,))
    told = message(kind, episode, replace(EVIDENCE, explanation=explanation) if sentence else None)
    assert event(told).data.summary == said
    assert told.text.split("\n")[1] == said


def test_people_get_the_command_that_explains_the_sample() -> None:
    """By the id that the sample's own message has; where time caused the step, of the gravest so far."""
    lines = message().text.split("\n")
    assert lines[0] == "HIGH: rack/7, over-current, opened at 2026-07-25 14:26:10 UTC"
    assert lines[2] == "Found by: reconstruction error 60.5 (limit 53.25); forest score -0.750 (limit -0.500)."
    sample = event_id("urn:battery-watch:device4", "rack/7", T + 20, "bw-0123456789ab")
    assert lines[3] == f"Run: battery-watch explain {sample}"
    bare = message("closed", evidence=None, position=None)
    assert bare.text.split("\n")[2] == f"Run: battery-watch explain {sample}"
    assert event(bare).data.evidence is None
    assert event(bare).data.sample.model_dump() == {"ts": T + 20, "event": sample}
    assert event(bare).data.archive.key.endswith("1425.ndjson")  # where its gravest sample lies


def test_an_id_is_one_step_of_one_episode() -> None:
    """Whichever owner publishes it, and as whichever kind."""
    assert message().id == message("ongoing", evidence=None, recorded=datetime(2027, 1, 1, tzinfo=UTC)).id
    others = [replace(EPISODE, steps=3), replace(EPISODE, opened=T + 1), replace(EPISODE, device="rack/8")]
    heating = replace(EVIDENCE, explanation=explained(kinds=(FaultKind.HEATING,)))
    of_heating = message(episode=replace(EPISODE, kind=FaultKind.HEATING), evidence=heating)
    assert len({message().id, of_heating.id, *(message(episode=other).id for other in others)}) == 5


def test_after_a_mute_the_next_step_is_told_as_the_opening() -> None:
    """With what was left out."""
    muted = MutedBefore(opened=T, since=T, count=2)
    told = message("ongoing", publish_as="opened", muted=muted)
    assert (told.type, told.state, event(told).data.state) == ("anomaly.opened", "opened", "opened")
    assert json.loads(told.body)["data"]["muted"] == {"opened": T, "since": T, "count": 2}
    assert "This episode began at 2026-07-25 14:25:00 UTC; 2 messages of it" in told.text


def test_of_several_kinds_an_episode_tells_its_own() -> None:
    """Each kind of fault has an episode, and a sentence."""
    both = (FaultKind.OVER_CURRENT, FaultKind.HEATING)
    evidence = replace(EVIDENCE, explanation=explained(kinds=both, sentences=("Too much.", "Too hot.")))
    told = message(episode=replace(EPISODE, kind=FaultKind.HEATING), evidence=evidence)
    assert (event(told).data.summary, event(told).data.kind, told.attributes["kind"]) == (
        "Too hot.",
        "heating",
        "heating",
    )
    assert event(told).data.evidence is not None
    assert event(told).data.evidence.kinds == both  # type: ignore[union-attr]
