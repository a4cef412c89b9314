"""Episodes: the steps of adjacent anomalous samples."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reporting.anomaly.episodes import (
    CLOSED_AFTER_S,
    COOL_DOWN_S,
    LIFT_S,
    ONGOING_S,
    QUIET_S,
    WEAK_SAMPLES,
    Anomaly,
    Episodes,
    State,
    Step,
    strong,
)
from scoring.config import BundleConfig
from scoring.detectors import Stage
from scoring.faults import FaultKind
from scoring.severity import Severity

T, END = 10_000.0, 1e9
PATTERN = FaultKind.UNUSUAL_PATTERN


def anomaly(ts: float, *, severity: Severity = Severity.LOW, weak: bool = False, **more: Any) -> Anomaly:
    """One whose record is stamped at its time."""
    return Anomaly(ts, more.pop("stamp", ts), severity, strong=not weak, **more)


class Told:
    """The steps of episodes, deadlines first, as a lane has them fire."""

    def __init__(self, episodes: Episodes | None = None) -> None:
        self.episodes = episodes or Episodes()
        self.steps: list[Step] = []

    def until(self, stamp: float) -> Told:
        """The watermark comes to ``stamp``."""
        while self.episodes.due <= stamp:
            self.steps += self.episodes.fire()
        return self

    def see(self, *found: Anomaly, device: str = "d") -> Told:
        """Take anomalous samples, each after the steps that are due before it."""
        for each in found:
            self.until(each.stamp)
            self.steps += self.episodes.see(device, each)[1]
        return self

    @property
    def said(self) -> list[tuple[str, float]]:
        """Kind and time of every step."""
        return [(step.kind, step.at) for step in self.steps]


@pytest.fixture
def told() -> Told:
    return Told()


def test_one_incident_is_one_story(told: Told) -> None:
    """Opened with its first sample, escalated as it gets worse, ongoing every five minutes, closed after a quiet
    minute; one id throughout, and its steps are counted."""
    told.see(
        anomaly(T), anomaly(T + 10), anomaly(T + 20, severity=Severity.HIGH), anomaly(T + 30, severity=Severity.LOW)
    )
    told.see(*(anomaly(T + s) for s in range(40, 700, 10))).until(END)
    assert told.said == [
        ("opened", T),
        ("escalated", T + 20),
        ("ongoing", T + 20 + ONGOING_S),
        ("ongoing", T + 20 + 2 * ONGOING_S),
        ("closed", T + 690 + CLOSED_AFTER_S),
    ]
    assert len({step.episode.id for step in told.steps}) == 1
    assert [step.episode.steps for step in told.steps] == [1, 2, 3, 4, 5]
    over = told.steps[-1].episode
    assert (over.opened, over.last, over.peak, over.severity) == (T, T + 690, T + 20, Severity.HIGH)
    assert (over.samples, over.state, over.reopened, over.revision) == (70, State.CLOSED, 0, 0)


def test_devices_do_not_mix(told: Told) -> None:
    """Each has its own."""
    told.see(anomaly(T)).see(anomaly(T + 1), device="e").until(END)
    assert [(s.kind, s.episode.device) for s in told.steps] == [
        ("opened", "d"), ("opened", "e"), ("closed", "d"), ("closed", "e"),
    ]  # fmt: skip
    assert told.steps[0].episode.id != told.steps[1].episode.id


def test_weak_evidence_needs_company(told: Told) -> None:
    """One weak sample makes no step; the third within a quiet minute of the one before opens the episode that the
    first began; one that is strong opens it at once."""
    told.see(anomaly(T, weak=True)).until(T + 1000)
    assert told.steps == []
    told.see(*(anomaly(T + 2000 + 50 * n, weak=True) for n in range(WEAK_SAMPLES)))
    (opened,) = told.steps
    assert (opened.kind, opened.at) == ("opened", T + 2000 + 50 * (WEAK_SAMPLES - 1))
    assert (opened.episode.opened, opened.episode.shown, opened.episode.samples) == (T + 2000, opened.at, WEAK_SAMPLES)
    other = Told().see(anomaly(T, weak=True), anomaly(T + 5))
    assert other.said == [("opened", T + 5)]
    assert other.steps[0].episode.opened == T


def test_a_suspicion_that_is_not_borne_out_is_another_one_later(told: Told) -> None:
    """Three weak samples that lie more than a quiet minute apart are three suspicions."""
    told.see(*(anomaly(T + n * (QUIET_S + 1), weak=True) for n in range(3)))
    assert told.steps == []
    assert len([*told.episodes]) == 3


def test_what_comes_back_soon_is_the_same_incident(told: Told) -> None:
    """Opened again, with the same id; after the cool-down it is another."""
    told.see(anomaly(T), anomaly(T + QUIET_S + COOL_DOWN_S), anomaly(T + 2 * (QUIET_S + COOL_DOWN_S) + 1)).until(END)
    assert [step.kind for step in told.steps] == ["opened", "closed"] * 3
    first, again, another = (step.episode for step in told.steps[::2])
    assert first.id == again.id != another.id
    assert (again.reopened, again.steps, again.shown) == (1, 3, T + QUIET_S + COOL_DOWN_S)
    assert (another.reopened, another.steps) == (0, 1)


def test_weak_evidence_alone_does_not_open_it_again(told: Told) -> None:
    """One weak sample in the cool-down is not worth waking somebody up for again."""
    told.see(anomaly(T)).until(T + 100)
    told.see(anomaly(T + 120, weak=True), anomaly(T + 200, weak=True))
    assert [step.kind for step in told.steps] == ["opened", "closed"]
    told.see(anomaly(T + 201, weak=True), anomaly(T + 202, weak=True))
    assert [step.kind for step in told.steps] == ["opened", "closed", "opened"]


def test_a_device_that_sends_once_a_minute_does_not_flap(told: Told) -> None:
    """And not quite on time."""
    told.see(*(anomaly(T + 60 * n, stamp=T + 60 * n + n % 3) for n in range(20)))
    assert [step.kind for step in told.steps] == ["opened", "ongoing", "ongoing", "ongoing"]


def test_an_hour_of_samples_in_one_second(told: Told) -> None:
    """Uploaded late: what belongs together goes by their own times, and none is left open when the next one begins."""
    told.see(*(anomaly(ts, stamp=T + 3600) for ts in (T, T + 5, T + 200, T + 1000, T + 1005)))
    assert [(s.kind, s.episode.opened - T, s.episode.last - T) for s in told.steps] == [
        ("opened", 0, 0), ("closed", 0, 5), ("opened", 0, 200), ("closed", 0, 200), ("opened", 1000, 1000),
    ]  # fmt: skip
    told.until(END)
    assert told.said[-1] == ("closed", T + 3600 + CLOSED_AFTER_S)


def test_late_samples_amend(told: Told) -> None:
    """Begin and id stay, and the next message says how often the episode was amended."""
    told.see(anomaly(T), anomaly(T + 20))
    told.see(anomaly(T - 30, stamp=T + 21, late=True), anomaly(T + 10, stamp=T + 22, late=True, severity=Severity.HIGH))
    told.until(END)
    assert [step.kind for step in told.steps] == ["opened", "escalated", "closed"]
    over = told.steps[-1].episode
    assert (over.opened, over.last, over.peak, over.samples, over.revision) == (T, T + 20, T + 10, 4, 2)


def test_a_late_sample_of_long_before_is_an_incident_of_its_own(told: Told) -> None:
    """It opens and closes beside the current one."""
    told.see(anomaly(T), anomaly(T - 1000, stamp=T + 1, late=True)).until(END)
    assert [(s.kind, s.episode.opened) for s in told.steps] == [
        ("opened", T), ("opened", T - 1000), ("closed", T), ("closed", T - 1000),
    ]  # fmt: skip


def test_scored_again_a_sample_is_counted_once(told: Told) -> None:
    """Its severity may rise."""
    told.see(anomaly(T), anomaly(T, stamp=T + 3, again=True, late=True, severity=Severity.MEDIUM))
    assert [(s.kind, s.episode.samples, s.episode.revision) for s in told.steps] == [
        ("opened", 1, 0),
        ("escalated", 1, 1),
    ]


def test_what_is_withdrawn_is_closed(told: Told) -> None:
    """Once its last anomalous sample was written again; a suspicion goes without a word."""
    told.see(anomaly(T), anomaly(T + 5))
    assert told.episodes.withdraw("d", PATTERN, T, T + 6) == []
    (closed,) = told.episodes.withdraw("d", PATTERN, T + 5, T + 7)
    assert (closed.kind, closed.at, closed.episode.samples, closed.episode.revision) == ("closed", T + 7, 0, 2)
    assert told.episodes.due == inf
    told.see(anomaly(T + 1000, weak=True))
    assert told.episodes.withdraw("d", PATTERN, T + 1000, T + 1001) == []
    assert told.episodes.withdraw("nobody", PATTERN, T, T) == []
    assert [episode.opened for episode in told.episodes] == [T]


def test_what_nothing_can_change_is_forgotten(told: Told) -> None:
    """Never one that is open."""
    told.see(anomaly(T))
    told.episodes.settle("d", T + 10_000)
    assert len([*told.episodes]) == 1
    told.until(END).episodes.settle("d", T + QUIET_S + COOL_DOWN_S - 1)
    assert len([*told.episodes]) == 1
    told.episodes.settle("d", T + QUIET_S + COOL_DOWN_S)
    told.episodes.settle("nobody", T)
    assert told.episodes.stored == {}
    told.see(anomaly(T)).episodes.forget("d")
    assert told.episodes.stored == {}


CONFIGS = {"plain": None, "evidence": object()}


@pytest.mark.parametrize(
    ("policy", "stages", "severity", "error", "clear"),
    [
        ("plain", Stage.RECONSTRUCTION, Severity.LOW, 1.4, False),
        ("plain", Stage.RECONSTRUCTION, Severity.LOW, 1.6, True),
        ("plain", Stage.FOREST, Severity.LOW, 0.5, False),
        ("plain", Stage.FOREST, Severity.MEDIUM, 0.5, True),
        ("plain", Stage.RECONSTRUCTION | Stage.FOREST, Severity.LOW, 1.1, True),
        ("evidence", Stage.RECONSTRUCTION, Severity.LOW, 0.8, True),
        ("evidence", Stage.CHANGE, Severity.LOW, 0.1, True),
        ("evidence", Stage.FOREST, Severity.LOW, 0.1, False),
    ],
)
def test_what_is_worth_telling_by_itself(
    plain_bundle: Any, policy: str, stages: Stage, severity: Severity, error: float, clear: bool
) -> None:
    """Neighbours, the other model, or a limit bear it out."""
    config: BundleConfig = plain_bundle.config.model_copy(update={"evidence": CONFIGS[policy]})
    assert strong(stages, severity, error * config.thresholds.reconstruction_error, config) is clear


# All of it

steps = st.lists(
    st.tuples(
        st.sampled_from([0.0, 1.0, 20.0, 59.0, 61.0, 250.0, 400.0]),
        st.sampled_from([0.0, 0.0, 0.0, 30.0, 200.0, 900.0]),
        st.sampled_from([Severity.LOW, Severity.LOW, Severity.MEDIUM, Severity.CRITICAL]),
        st.booleans(),
        st.sampled_from("ab"),
        st.sampled_from(["new", "new", "new", "again", "withdrawn"]),
    ),
    max_size=40,
)
Plan = list[tuple[float, float, Severity, bool, str, str]]


def run(plan: Plan, cut: int | None = None) -> Told:
    """Rows as they come, some late, scored again, or withdrawn; ``cut``: a successor takes over before that row."""
    told, now = Told(), T
    known: dict[str, list[float]] = {"a": [], "b": []}
    for row, (step, back, severity, weak, device, what) in enumerate(plan):
        if row == cut:
            told.episodes = Episodes(told.episodes.stored)
        now += step
        told.until(now)
        if what == "new" or not known[device]:
            known[device].append(now - back)
            told.see(anomaly(now - back, stamp=now, severity=severity, weak=weak, late=back > 0), device=device)
        elif what == "again":
            again = anomaly(known[device][-1], stamp=now, severity=severity, weak=weak, again=True, late=True)
            told.see(again, device=device)
        else:
            told.steps += told.episodes.withdraw(device, PATTERN, known[device].pop(), now)
        told.episodes.settle(device, now - 2000.0)
        known[device] = [ts for ts in known[device] if ts > now - 2000.0]  # what is settled is not scored again
    return told.until(END)


@settings(deadline=None, max_examples=200)
@given(steps)
def test_every_story_is_told_to_its_end(plan: Plan) -> None:
    """Opened first, then escalated or ongoing, closed last; opened again only after that; severity never falls; no two
    steps of an episode share a number."""
    stories: dict[str, list[Step]] = {}
    for step in run(plan).steps:
        stories.setdefault(step.episode.id, []).append(step)
    for story in stories.values():
        kinds = [step.kind for step in story]
        assert [step.episode.steps for step in story] == list(range(1, len(story) + 1))
        assert kinds[0] == "opened"
        assert kinds[-1] == "closed"
        for before, after in pairwise(kinds):
            assert (before == "closed") == (after == "opened")
        severities = [step.episode.severity for step in story]
        assert severities == sorted(severities)


@settings(deadline=None, max_examples=150)
@given(steps, st.integers(0, 39))
def test_a_restart_changes_nothing(plan: Plan, cut: int) -> None:
    """What is stored is the whole state."""
    assert run(plan, cut).steps == run(plan).steps


@settings(deadline=None, max_examples=100)
@given(steps)
def test_of_the_deadlines_the_first_fires_first(plan: Plan) -> None:
    """And none stays behind the watermark."""
    for device in "ab":
        at = [step.at for step in run(plan).steps if step.kind == "ongoing" and step.episode.device == device]
        assert at == sorted(at)


def test_a_story_of_one_sample_ends_when_it_began() -> None:
    """By its own time."""
    told = Told().see(anomaly(T)).until(END)
    assert (
        replace(told.steps[0].episode, state=State.CLOSED, steps=2, told=int(T + CLOSED_AFTER_S))
        == told.steps[1].episode
    )


@pytest.mark.parametrize("lift_s", [0.0, 3.0, LIFT_S])
def test_what_is_told_does_not_depend_on_what_lifts_the_stamps(lift_s: float) -> None:
    """Processed seconds later, as another device in its shard is ahead, a sample leads to the same steps: the end and
    the repetition come before it if they were due by its own time, at the time at which they were due, and else not."""
    at = [0.0, 50.0, *(114.0 + step for step in range(0, 300, 50)), 470.0, 520.0, 584.9]

    def play(lift: float) -> list[tuple[str, float]]:
        told = Told()
        for ts in at:
            told.until(T + ts + lift)
            told.steps += told.episodes.see("d", anomaly(T + ts))[1]
        return told.until(END).said

    assert play(lift_s) == play(0.0)
    assert {"opened", "ongoing", "closed"} <= {kind for kind, _ in play(lift_s)}


def test_a_withdrawal_comes_after_what_is_due(told: Told) -> None:
    """By its own stamp the episode was over."""
    told.see(anomaly(T))
    told.steps += told.episodes.withdraw("d", PATTERN, T, T + CLOSED_AFTER_S)
    assert told.said == [("opened", T), ("closed", T + CLOSED_AFTER_S)]
    assert told.until(END).said[2:] == []


def test_each_kind_of_fault_has_an_episode_of_its_own(told: Told) -> None:
    """A cooling failure that begins 46 s after an over-current is another incident."""
    for second in range(4):
        told.see(anomaly(T + second, kind=FaultKind.OVER_CURRENT, extent=(4.5, 7.0)))
    told.see(anomaly(T + 50, kind=FaultKind.HEATING, extent=(0.5, 26.5)))
    told.see(anomaly(T + 51, kind=FaultKind.HEATING, extent=(0.75, 26.75), severity=Severity.HIGH))
    assert [(step.kind, step.episode.kind) for step in told.steps] == [
        ("opened", FaultKind.OVER_CURRENT),
        ("opened", FaultKind.HEATING),
        ("escalated", FaultKind.HEATING),
    ]
    current, heat = told.episodes
    assert (current.samples, current.worst, current.peak) == (4, 7.0, T)
    assert (heat.samples, heat.worst, heat.peak, heat.far) == (2, 26.75, T + 51, 0.75)
    assert current.id != heat.id


def test_a_withdrawal_is_of_one_kind(told: Told) -> None:
    """The sample may still show another."""
    for kind in (FaultKind.OVER_CURRENT, FaultKind.HEATING):
        told.see(anomaly(T, kind=kind))
    (closed,) = told.episodes.withdraw("d", FaultKind.HEATING, T, T + 1)
    assert (closed.kind, closed.episode.kind, closed.episode.samples) == ("closed", FaultKind.HEATING, 0)
    assert [episode.state for episode in told.episodes] == ["closed", "open"]


def test_the_worst_sample_is_of_the_highest_severity_and_went_furthest(told: Told) -> None:
    """Of two that are equal, the first."""
    for at, severity, far in (
        (0, Severity.LOW, 9.0),
        (1, Severity.HIGH, 2.0),
        (2, Severity.HIGH, 3.0),
        (3, Severity.HIGH, 3.0),
    ):
        told.see(anomaly(T + at, severity=severity, kind=FaultKind.HEATING, extent=(far, 20.0 + far)))
    (episode,) = told.episodes
    assert (episode.peak, episode.far, episode.worst) == (T + 2, 3.0, 23.0)
