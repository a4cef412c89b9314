"""Episodes hold what they promise, whatever comes in whatever order."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from stories import END, PATTERN, T, Told, anomaly

from reporting.anomaly.episode import FLAP_S, WEAK_SAMPLES, Anomaly, Episode
from reporting.anomaly.episodes import Step
from scoring.severity import Severity

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
            told.restart()
        now += step
        told.until(now)
        if what == "new" or not known[device]:
            known[device].append(now - back)
            told.see(anomaly(now - back, stamp=now, severity=severity, weak=weak, late=back > 0), device=device)
        elif what == "again":
            told.see(anomaly(known[device][-1], stamp=now, severity=severity, weak=weak, late=True), device=device)
        else:
            told.withdraw(known[device].pop(), now, device=device)
        told.episodes.settle(device, now - 2000.0)
        known[device] = [ts for ts in known[device] if ts > now - 2000.0]  # what is settled is not scored again
    return told.until(END)


@settings(deadline=None, max_examples=200)
@given(steps)
def test_every_story_is_told_to_its_end(plan: Plan) -> None:
    """Opened first, then escalated or ongoing, closed last; opened or corrected only after that; no two steps of an
    episode share a number; time never runs backwards along the steps of a device."""
    stories: dict[str, list[Step]] = {}
    for step in run(plan).steps:
        stories.setdefault(step.episode.id, []).append(step)
    for story in stories.values():
        kinds = [step.kind for step in story]
        assert [step.episode.steps for step in story] == list(range(1, len(story) + 1))
        assert kinds[0] == "opened"
        assert kinds[-1] == "closed"
        for before, after in pairwise(kinds):
            assert after in ("opened", "closed") if before == "closed" else after != "opened"
    for device in "ab":
        at = [step.at for step in run(plan).steps if step.episode.device == device]
        assert at == sorted(at)


@settings(deadline=None, max_examples=200)
@given(steps)
def test_rule_30_the_steps_of_a_story_are_ten_minutes_apart(plan: Plan) -> None:
    """It opens again only so long after, unless it is worse; it is told to be over only so long after, unless it opened
    between."""
    for name in {step.episode.id for step in run(plan).steps}:
        story = [step for step in run(plan).steps if step.episode.id == name]
        opened = [step for step in story if step.kind == "opened"]
        for one, other in pairwise(opened):
            told = [s.episode.severity for s in story if s.episode.steps < other.episode.steps]
            assert other.episode.severity > max(told) or other.at - (one.episode.opened_told or 0.0) >= FLAP_S
        closed = [step for step in story if step.kind == "closed"]
        assert all(
            other.episode.closed_told >= one.episode.closed_told + FLAP_S  # type: ignore[operator]
            for one, other in pairwise(closed)
        )


def said(episode: Episode) -> tuple[Any, ...]:
    """What an episode says of its samples."""
    return episode.opened, episode.last, episode.samples, episode.severity, episode.peak, episode.usual, episode.worst


def says(samples: list[Anomaly]) -> tuple[Any, ...]:
    """What an episode of these samples has to say, by the documents."""
    (_, usual) = samples[0].reading or (0.0, 0.0)
    worst = max(samples, key=lambda each: (each.severity, abs((each.reading or (usual, 0.0))[0] - usual), -each.ts))
    read = worst.reading[0] if worst.reading else None
    return samples[0].ts, samples[-1].ts, len(samples), worst.severity, worst.ts, usual, read


class Watching(Told):
    """Compares every close with the samples that are anomalous then."""

    def until(self, stamp: float) -> Watching:
        """As before, each step looked at."""
        while self.episodes.due <= stamp:
            for step in self.episodes.fire():
                if step.kind == "closed" and step.episode.samples:
                    of = step.episode
                    assert said(of) == says(self.between(of.device, of.kind, of.opened, of.last))
                self.steps.append(step)
        return self


versions = st.tuples(
    st.sampled_from([Severity.LOW, Severity.LOW, Severity.MEDIUM, Severity.CRITICAL]),
    st.sampled_from([0.5, 1.0, 4.0]),
    st.booleans(),
)
"""Severity, how far it went, whether the evidence is weak; None: not anomalous."""


@settings(deadline=None, max_examples=300)
@given(
    st.dictionaries(st.integers(0, 17), st.none() | versions, min_size=1),
    st.lists(st.tuples(st.integers(0, 17), st.none() | versions), max_size=20),
    st.randoms(use_true_random=False),
    st.sampled_from([0.0, 1.0, 20.0, 70.0]),
)
def test_what_is_said_at_the_close_is_a_function_of_the_final_values(
    final: dict[int, tuple[Severity, float, bool] | None],
    before: list[tuple[int, tuple[Severity, float, bool] | None]],
    random: Any,
    apart_s: float,
) -> None:
    """An incident of six minutes at most: in any order, whatever was written before, it says in the end what it says in
    order. What is over and changes is told again."""
    there = sorted(n for n, version in final.items() if version is not None)
    assume(there and all(other - one <= 3 for one, other in pairwise(there)))
    assume(len(there) >= WEAK_SAMPLES or any(not final[n][2] for n in there))  # type: ignore[index]

    def at(n: int, stamp: float, version: tuple[Severity, float, bool], *, late: bool) -> Anomaly:
        severity, far, weak = version
        return anomaly(
            T + 20 * n,
            stamp=stamp,
            severity=severity,
            weak=weak and severity is Severity.LOW,
            late=late,
            reading=(20.0 + far, 20.0),
        )

    in_order = Watching()
    for n in there:
        in_order.see(at(n, T + 20 * n, final[n], late=False))  # type: ignore[arg-type]
    in_order.until(END)

    writes = [each for each in before if each[0] in final]
    random.shuffle(writes)
    last = [*final.items()]
    random.shuffle(last)
    found, stamp = Watching(), T + 360.0
    for n, version in [*writes, *last]:
        stamp += apart_s
        found.until(stamp)
        if version is not None:
            found.see(at(n, stamp, version, late=True))
        elif T + 20 * n in found.found.get(("d", PATTERN), {}):
            found.withdraw(T + 20 * n, stamp)
    found.until(END)
    over = [step.episode for step in found.steps if step.kind == "closed" and step.episode.samples]
    assert said(over[-1]) == said(in_order.steps[-1].episode)


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
