"""Episodes: the steps of adjacent anomalous samples."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import pytest
from stories import END, PATTERN, T, Told, anomaly

from reporting.anomaly.episode import CLOSED_AFTER_S, FLAP_S, ONGOING_S, QUIET_S, WEAK_SAMPLES, State
from reporting.anomaly.episodes import LIFT_S, strong
from scoring.config import BundleConfig
from scoring.detectors import Stage
from scoring.faults import FaultKind
from scoring.severity import Severity


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
    told.see(anomaly(T), anomaly(T + FLAP_S), anomaly(T + 2 * FLAP_S + 1)).until(END)
    assert [step.kind for step in told.steps] == ["opened", "closed"] * 3
    first, again, another = (step.episode for step in told.steps[::2])
    assert first.id == again.id != another.id
    assert (again.reopened, again.steps, again.shown) == (1, 3, T + FLAP_S)
    assert (another.reopened, another.steps) == (0, 1)


def test_rule_30_what_comes_and_goes_is_told_once_in_ten_minutes(told: Told) -> None:
    """Then how often it came, and that it is over; unless it is worse than what was told."""
    told.see(*(anomaly(T + 100 * n) for n in range(4))).until(END)
    assert told.said == [("opened", T), ("closed", T + CLOSED_AFTER_S), ("closed", T + CLOSED_AFTER_S + FLAP_S)]
    assert [step.episode.reopened for step in told.steps] == [0, 0, 3]
    assert (told.steps[-1].episode.samples, told.steps[-1].episode.last) == (4, T + 300)
    worse = Told().see(anomaly(T), anomaly(T + 100, severity=Severity.HIGH))
    assert worse.said == [("opened", T), ("closed", T + CLOSED_AFTER_S), ("opened", T + 100)]


def test_rule_30_what_has_come_back_and_stays_is_told_after_ten_minutes(told: Told) -> None:
    """With the sample that comes then, or because of the time if none comes for a moment."""
    back = [anomaly(T + 100 + 50 * n) for n in range(10)]
    told.see(anomaly(T), *back).until(T + 650)
    assert told.said == [("opened", T), ("closed", T + CLOSED_AFTER_S), ("opened", T + FLAP_S)]
    assert told.steps[-1].episode.reopened == 1
    with_it = Told().see(anomaly(T), *back, anomaly(T + FLAP_S))
    assert with_it.said[-1] == ("opened", T + FLAP_S)


def test_weak_evidence_alone_does_not_open_it_again(told: Told) -> None:
    """One weak sample in the cool-down is not worth waking somebody up for again."""
    told.see(anomaly(T)).until(T + 500)
    told.see(anomaly(T + 510, weak=True), anomaly(T + 600, weak=True))
    assert [step.kind for step in told.steps] == ["opened", "closed"]
    told.see(anomaly(T + 601, weak=True), anomaly(T + 602, weak=True))
    assert [step.kind for step in told.steps] == ["opened", "closed", "opened"]


def test_a_device_that_sends_once_a_minute_does_not_flap(told: Told) -> None:
    """And not quite on time."""
    told.see(*(anomaly(T + 60 * n, stamp=T + 60 * n + n % 3) for n in range(20)))
    assert [step.kind for step in told.steps] == ["opened", "ongoing", "ongoing", "ongoing"]


def test_an_hour_of_samples_in_one_second(told: Told) -> None:
    """Uploaded late: what belongs together goes by their own times, and none is left open when the next one begins."""
    told.see(*(anomaly(ts, stamp=T + 3600) for ts in (T, T + 5, T + 200, T + 1000, T + 1005)))
    assert [(s.kind, s.episode.opened - T, s.episode.last - T) for s in told.steps] == [
        ("opened", 0, 0), ("closed", 0, 5), ("closed", 0, 200), ("opened", 1000, 1000),
    ]  # fmt: skip
    told.until(END)
    assert told.said[-1] == ("closed", T + 5 + CLOSED_AFTER_S + 2 * FLAP_S)


def test_late_samples_amend(told: Told) -> None:
    """The id stays, the beginning moves, and the next message says how often the episode was amended."""
    told.see(anomaly(T), anomaly(T + 20))
    told.see(anomaly(T - 30, stamp=T + 21, late=True), anomaly(T + 10, stamp=T + 22, late=True, severity=Severity.HIGH))
    told.until(END)
    assert [step.kind for step in told.steps] == ["opened", "escalated", "closed"]
    over = told.steps[-1].episode
    assert (over.opened, over.last, over.peak, over.samples, over.revision) == (T - 30, T + 20, T + 10, 4, 2)
    assert len({step.episode.id for step in told.steps}) == 1


def test_what_was_said_at_the_close_is_said_again_if_it_is_no_longer_so(told: Told) -> None:
    """Once, in ten minutes; not where a late sample, or one that was written again, changes nothing of it."""
    told.see(anomaly(T), anomaly(T + 20)).until(T + 100)
    told.see(anomaly(T + 20, stamp=T + 101, late=True)).until(T + 200)
    assert [step.kind for step in told.steps] == ["opened", "closed"]
    told.see(anomaly(T + 40, stamp=T + 201, late=True), anomaly(T + 10, stamp=T + 202, late=True)).until(END)
    over = told.steps[-1].episode
    assert told.said[2:] == [("closed", T + 20 + CLOSED_AFTER_S + FLAP_S)]
    assert (over.opened, over.last, over.samples, over.reopened, over.revision) == (T, T + 40, 4, 1, 3)


def test_suspicions_are_borne_out_in_any_order(told: Told) -> None:
    """Weak samples at 0 and 100 s with a late one between; strong ones from the last to the first."""
    told.see(anomaly(T, weak=True), anomaly(T + 100, weak=True), anomaly(T + 50, stamp=T + 101, weak=True, late=True))
    ((opened, _),) = told.said
    (step,) = told.steps
    assert (opened, step.episode.opened, step.episode.last, step.episode.samples) == ("opened", T, T + 100, 3)
    back = Told().see(*(anomaly(T + at, stamp=T + 200, late=True) for at in (100, 50, 0))).until(END)
    assert [(s.kind, s.episode.opened, s.episode.samples) for s in back.steps] == [
        ("opened", T + 100, 1),
        ("closed", T, 3),
    ]


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
    assert told.withdraw(T, T + 6) == []
    (closed,) = told.withdraw(T + 5, T + 7)
    assert (closed.kind, closed.at, closed.episode.samples, closed.episode.revision) == ("closed", T + 5, 0, 2)
    assert told.episodes.due == inf
    told.see(anomaly(T + 1000, weak=True))
    assert told.withdraw(T + 1000, T + 1001) == []
    assert told.withdraw(T, T, device="nobody") == []
    assert [episode.start for episode in told.episodes] == [T]


def test_no_two_episodes_have_one_id(told: Told) -> None:
    """The sample that an id is made of is written again as a normal one, and once more as an anomalous one, when the
    rest of the episode lies further away."""
    told.see(anomaly(T), anomaly(T + 50), anomaly(T + 100))
    for at in (0, 50):
        told.withdraw(T + at, T + 210)
    told.see(anomaly(T, stamp=T + 220, late=True)).until(END)
    (episode,) = told.episodes
    assert (episode.opened, episode.last, episode.samples) == (T, T + 100, 2)
    assert len({step.episode.id for step in told.steps}) == 1


def test_what_was_muted_holds_nothing_back(told: Told) -> None:
    """Nobody heard that it opened: it is told at once that it has come back."""
    told.see(anomaly(T))
    told.episodes.unheard(told.steps[-1])
    told.see(anomaly(T + 120)).until(T + 130)
    assert told.said == [("opened", T), ("closed", T + CLOSED_AFTER_S), ("opened", T + 120)]
    Told().episodes.unheard(told.steps[-1])


def test_an_end_that_was_muted_lets_nothing_open_sooner(told: Told) -> None:
    """Somebody heard that it opened."""
    told.see(anomaly(T)).until(T + 100)
    told.episodes.unheard(told.steps[-1])
    told.see(anomaly(T + 120))
    assert told.said == [("opened", T), ("closed", T + CLOSED_AFTER_S)]


def test_a_step_of_another_kind_that_lies_later_delays_nothing(told: Told) -> None:
    """A clock that was 20 minutes ahead leaves a time that no later message goes behind; that is no reason to wait."""
    told.see(anomaly(T + 1200, stamp=T, kind=FaultKind.HEATING))
    told.see(anomaly(T, stamp=T + 1, late=True)).until(T + 100)
    told.see(anomaly(T + FLAP_S, stamp=T + FLAP_S + 1, late=True))
    openings = [step for step in told.steps if step.kind == "opened" and step.episode.kind == PATTERN]
    assert [step.at for step in openings] == [T + 1200, T + 1200 + CLOSED_AFTER_S]


def test_rule_30_two_that_write_under_one_name_are_not_told_at_each_sample(told: Told) -> None:
    """One sample of the one is anomalous until the other overwrites it: opened once and withdrawn once, and again ten
    minutes later where it was there for longer."""
    for second in range(700):
        told.see(anomaly(T + second, stamp=T + second))
        told.withdraw(T + second, T + second + 0.5)
    told.until(END)
    assert told.said == [("opened", T), ("closed", T), ("opened", T + FLAP_S), ("closed", T + FLAP_S)]
    assert told.steps[-1].episode.samples == 0


def test_what_is_withdrawn_was_never_the_worst(told: Told) -> None:
    """Nor the first, nor the last."""
    told.see(
        anomaly(T), anomaly(T + 1, severity=Severity.HIGH), anomaly(T + 2, severity=Severity.MEDIUM), anomaly(T + 3)
    )
    for at in (0, 1, 3):
        told.withdraw(T + at, T + 10)
    told.until(END)
    over = told.steps[-1].episode
    assert (over.opened, over.last, over.peak, over.severity) == (T + 2, T + 2, T + 2, Severity.MEDIUM)
    assert (over.samples, over.revision, over.loudest) == (1, 3, Severity.HIGH)


def test_what_nothing_can_change_is_forgotten(told: Told) -> None:
    """Never one that is open."""
    told.see(anomaly(T))
    told.episodes.settle("d", T + 10_000)
    assert len([*told.episodes]) == 1
    told.until(END).episodes.settle("d", T + FLAP_S - 1)
    assert len([*told.episodes]) == 1
    told.episodes.settle("d", T + FLAP_S)
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


def test_a_story_of_one_sample_ends_when_it_began() -> None:
    """By its own time."""
    told = Told().see(anomaly(T)).until(END)
    assert (
        replace(
            told.steps[0].episode,
            state=State.CLOSED,
            steps=2,
            told=int(T + CLOSED_AFTER_S),
            closed_told=T + CLOSED_AFTER_S,
            said=T + CLOSED_AFTER_S,
        )
        == told.steps[1].episode
    )


@pytest.mark.parametrize("lift_s", [0.0, 3.0, LIFT_S])
def test_what_is_told_does_not_depend_on_what_lifts_the_stamps(lift_s: float) -> None:
    """Processed seconds later, as another device in its shard is ahead, a sample leads to the same steps: the end and
    the repetition come before it if they were due by its own time, at the time at which they were due, and else not."""
    at = [0.0, 50.0, *(109.0 + step for step in range(0, 300, 50)), 1070.0, 1120.0, 1184.9]

    def play(lift: float) -> list[tuple[str, float]]:
        told = Told()
        for ts in at:
            told.until(T + ts + lift)
            told.see(anomaly(T + ts))
        return told.until(END).said

    assert play(lift_s) == play(0.0)
    assert {"opened", "ongoing", "closed"} <= {kind for kind, _ in play(lift_s)}


def test_a_withdrawal_comes_after_what_is_due(told: Told) -> None:
    """By its own stamp the episode was over."""
    told.see(anomaly(T))
    told.withdraw(T, T + CLOSED_AFTER_S)
    assert told.said == [("opened", T), ("closed", T + CLOSED_AFTER_S)]
    assert told.until(END).said[2:] == [("closed", T + CLOSED_AFTER_S + FLAP_S)]
    assert told.steps[-1].episode.samples == 0


def test_each_kind_of_fault_has_an_episode_of_its_own(told: Told) -> None:
    """A cooling failure that begins 46 s after an over-current is another incident."""
    for second in range(4):
        told.see(anomaly(T + second, kind=FaultKind.OVER_CURRENT, reading=(7.0, 2.5)))
    told.see(anomaly(T + 50, kind=FaultKind.HEATING, reading=(26.5, 26.0)))
    told.see(anomaly(T + 51, kind=FaultKind.HEATING, reading=(26.75, 26.3), severity=Severity.HIGH))
    assert [(step.kind, step.episode.kind) for step in told.steps] == [
        ("opened", FaultKind.OVER_CURRENT),
        ("opened", FaultKind.HEATING),
        ("escalated", FaultKind.HEATING),
    ]
    current, heat = told.episodes
    assert (current.samples, current.worst, current.peak) == (4, 7.0, T)
    assert (heat.samples, heat.worst, heat.peak, heat.usual) == (2, 26.75, T + 51, 26.0)
    assert current.id != heat.id


def test_a_withdrawal_is_of_one_kind(told: Told) -> None:
    """The sample may still show another."""
    for kind in (FaultKind.OVER_CURRENT, FaultKind.HEATING):
        told.see(anomaly(T, kind=kind))
    (closed,) = told.withdraw(T, T + 1, kind=FaultKind.HEATING)
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
        told.see(anomaly(T + at, severity=severity, kind=FaultKind.HEATING, reading=(20.0 + far, 20.0 + at)))
    (episode,) = told.episodes
    assert (episode.peak, episode.usual, episode.worst) == (T + 2, 20.0, 23.0)
