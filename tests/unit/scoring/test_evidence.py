"""Evidence of neighbouring samples: an oracle in plain Python, one sample at a time. It works out what alarms; what of
that is over has its own tests (`test_aftermath.py`)."""

from __future__ import annotations

import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from scoring.bundle import Bundle
from scoring.config import EVIDENCE_S, EVIDENCE_SAMPLES, BundleConfig, Change, Evidence, FeaturesConfig, Range, Stuck
from scoring.course import courses
from scoring.detectors import Stage
from scoring.evidence import LENGTH, Past
from scoring.scorer import Scored, Scorer
from scoring.severity import Severity
from scoring.verdict import judge
from window.features import tails
from window.rolling import Windows
from window.samples import Samples

GAP_S = 60.0
EVIDENCE = Evidence(
    warm_up_s=3.0,
    warm_up_samples=2,
    once=1.5,
    share=0.5,
    of=3,
    out_of=5,
    changes=(
        Change(reading="current", newest=2, before=4, floor=0.5, limit=3.0, still=0.5),
        Change(reading="temperature", newest=1, before=6, floor=1.0, limit=5.0),
    ),
    stuck=Stuck(current=5, temperature=8),
    bounds=Range(current_a=(-1.0, 8.0), temperature_c=(0.0, 80.0)),
)
Row = tuple[float, float, float]
"""ts, current, temperature."""


@pytest.fixture(scope="module")
def bundle(plain_bundle: Bundle) -> Bundle:
    """The bundle a reader can follow (the error is the current's magnitude and ten times its scatter), by evidence."""
    config = plain_bundle.config.model_copy(update={"policy": "evidence", "evidence": EVIDENCE})
    return replace(plain_bundle, config=BundleConfig.model_validate(config.model_dump()))


def oracle(series: list[Row], errors: list[float], forests: list[float], n: int) -> tuple[Stage, bool]:
    """The stages of sample ``n`` of one device, and whether it is within the warm-up."""
    near = [n]
    while near[0] > 0 and n - near[0] < EVIDENCE_SAMPLES and series[near[0]][0] - series[near[0] - 1][0] <= GAP_S:
        near.insert(0, near[0] - 1)
    whole = n - near[0] < EVIDENCE_SAMPLES
    begin = series[near[0]][0] if whole else -1e18
    warm = [k for k in near if series[k][0] - begin < EVIDENCE.warm_up_s]
    warm += near[: EVIDENCE.warm_up_samples] if whole else []
    beyond = not (-1.0 <= series[n][1] <= 8.0 and 0.0 <= series[n][2] <= 80.0)
    near = [k for k in near if series[n][0] - series[k][0] <= EVIDENCE_S]
    found = Stage.RANGE if beyond else Stage.NONE
    if n in warm:
        return found, True
    often = [k for k in near[-EVIDENCE.out_of :] if k not in warm and errors[k] > 0.5 * 5.0]
    if errors[n] > 1.5 * 5.0 or len(often) >= EVIDENCE.of:
        found |= Stage.RECONSTRUCTION
    if forests[n] < -0.7:
        found |= Stage.FOREST
    for change in EVIDENCE.changes:
        column = 1 if change.reading == "current" else 2
        values = [series[k][column] for k in near][-change.newest - change.before :]
        if len(values) == change.newest + change.before:
            before, newest = values[: change.before], values[change.before :]
            scatter = (statistics.pvariance(before) + change.floor**2) ** 0.5
            off, last = (x - statistics.fmean(before) for x in (statistics.fmean(newest), newest[-1]))
            there = change.still is None or last * off >= change.still * off * off
            if there and abs(off) / scatter > change.limit:
                found |= Stage.CHANGE
    for column, times in ((1, 5), (2, 8)):
        values = [series[k][column] for k in near][-times:]
        if len(values) == times and len(set(values)) == 1 and not (column == 1 and values[0] == 0.0):
            found |= Stage.STUCK
    return found, False


def past_of_all(scored: Scored) -> Past:
    """What lies before each sample of one device in order, anomaly or not."""
    n = len(scored.ts)
    errors = np.concatenate([np.full(EVIDENCE.out_of - 1, np.nan), scored.scores.reconstruction_error])
    behind = np.arange(n)[:, None] + np.arange(EVIDENCE.out_of)[None, :]
    return Past(tails(scored.ts, scored.current_a, scored.temperature_c, length=LENGTH), errors[behind])


steps = st.lists(
    st.tuples(
        st.sampled_from([1.0, 1.0, 1.0, 2.0, 59.0, 61.0]),
        st.sampled_from([0.0, 0.5, 1.0, 2.6, 3.5, 9.0]),
        st.sampled_from([20.0, 20.5, 26.0, 90.0]),
    ),
    min_size=1,
    max_size=60,
)


@settings(deadline=None, max_examples=150)
@given(steps)
def test_every_verdict_is_what_a_reader_works_out(bundle: Bundle, walk: list[Row]) -> None:
    """Warm-up, repeated and single errors, changes, stuck readings, gaps, sessions longer than the reach."""
    times = np.cumsum([w[0] for w in walk])
    series = [(float(t), w[1], w[2]) for t, w in zip(times, walk, strict=True)]
    samples = Samples.of(times, [w[1] for w in walk], [w[2] for w in walk])
    scored, _ = Scorer(bundle).take(samples, most_anomalies=len(walk) + LENGTH)
    errors, forests = scored.scores.reconstruction_error.tolist(), scored.scores.forest_score.tolist()
    found = judge(
        scored.scores, scored.current_a, scored.temperature_c, bundle.config, past_of_all(scored), closely=False
    )
    for n in range(len(series)):
        stages, warming = oracle(series, errors, forests, n)
        assert (Stage(int(found.stages[n])), bool(found.warming[n])) == (stages, warming), n


@settings(deadline=None, max_examples=80)
@given(steps)
def test_a_closer_look_only_takes_away(bundle: Bundle, walk: list[Row]) -> None:
    """Never a stage more, never a broken bound or a stuck reading less; nothing where no reading was off."""
    times = np.cumsum([w[0] for w in walk])
    samples = Samples.of(times, [w[1] for w in walk], [w[2] for w in walk])
    scored, _ = Scorer(bundle).take(samples, most_anomalies=len(walk) + LENGTH)
    past = past_of_all(scored)
    alarms = judge(scored.scores, scored.current_a, scored.temperature_c, bundle.config, past, closely=False)
    assert alarms.warming.tolist() == scored.verdicts.warming.tolist()
    for n in range(len(walk)):
        before, after = Stage(int(alarms.stages[n])), Stage(int(scored.verdicts.stages[n]))
        assert after in before
        assert before & (Stage.RANGE | Stage.STUCK) in after
        if not any(course.excursions for course in courses(past, n, bundle.config).values()):
            assert after == before


arrivals = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 90).map(float),
        st.sampled_from([0.5, 1.0, 3.5, 9.0]),
        st.sampled_from([20.0, 26.0, 90.0]),
    ),
    max_size=70,
)


def told(scorer: Scorer, records: list[tuple[int, float, float, float]], size: int) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for begin in range(0, len(records), size):
        part = records[begin : begin + size]
        batch = Samples.of(
            [r[1] for r in part], [r[2] for r in part], [r[3] for r in part], device=[r[0] for r in part]
        )
        while len(batch):
            scored, count = scorer.take(batch, most_anomalies=scorer.touches)
            batch = batch.take(slice(count, None))
            found += [
                (
                    int(scored.device[k]),
                    float(scored.ts[k]),
                    scored.scores.reconstruction_error[k].tobytes(),
                    int(scored.verdicts.stages[k]),
                    bool(scored.verdicts.warming[k]),
                )
                for k in np.flatnonzero(scored.changed)
            ]
    return found


@settings(deadline=None, max_examples=60)
@given(arrivals, st.integers(2, 40))
def test_batches_of_any_size_tell_the_same(
    bundle: Bundle, records: list[tuple[int, float, float, float]], size: int
) -> None:
    """Rows, scores to the bit, stages, in the same order as one by one."""
    assert told(Scorer(bundle, Windows(capacity=2)), records, size) == told(Scorer(bundle), records, 1)


@settings(deadline=None, max_examples=60)
@given(arrivals, st.randoms(use_true_random=False))
def test_whatever_the_order_the_window_ends_the_same(
    bundle: Bundle, records: list[tuple[int, float, float, float]], random: object
) -> None:
    """A sample that comes late has all scored again that look back to it: stages and scores are those of samples in
    order."""
    last = list({r[:2]: r for r in records}.values())
    shuffled = last.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    late, early = Scorer(bundle), Scorer(bundle)
    told(late, shuffled, 7)
    told(early, sorted(last, key=lambda r: r[1]), 7)
    for device in {r[0] for r in last}:
        one, other = late.windows.retained(device), early.windows.retained(device)
        for name in ("ts", "reconstruction_error", "forest_score", "severity", "stages"):
            assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name


def test_the_measured_reach_holds_and_is_no_smaller(bundle: Bundle) -> None:
    """A sample changes the verdicts of at most 34 after it: as many as a reading may have to repeat, but one."""
    reach = EVIDENCE_SAMPLES
    assert Scorer(bundle).touches == reach + 1 == 36
    longest = Stuck(temperature=reach)
    config = bundle.config.model_copy(update={"evidence": EVIDENCE.model_copy(update={"stuck": longest})})
    scorer = Scorer(replace(bundle, config=config))
    for k in range(80):
        temperature_c = 21.0 if k == 40 else 20.0
        scorer.take(Samples.of([float(k)], [1.0 + k % 3 / 8], [temperature_c]), most_anomalies=LENGTH)
    scored, _ = scorer.take(Samples.of([40.0], [1.0 + 40 % 3 / 8], [20.0]), most_anomalies=LENGTH)
    assert len(scored.ts) == reach + 1
    assert scored.ts[scored.changed].tolist() == [float(k) for k in range(40, 40 + reach)]
    assert set(scored.verdicts.stages.tolist()) == {Stage.STUCK}


def test_warming_says_nothing_but_hides_no_broken_score(bundle: Bundle) -> None:
    """The first seconds of a session: no anomaly, and an unscorable sample is still unscorable."""
    samples = Samples.of([0.0, 1.0, 2.0, 3.0], [7.9, 7.9, 7.9, 7.9], [400.0, 20.0, 20.0, 20.0])
    scored, _ = Scorer(bundle).take(samples, most_anomalies=LENGTH)
    assert scored.verdicts.warming.tolist() == [True, True, True, False]
    assert scored.verdicts.unscorable.tolist() == [True, False, False, False]
    assert scored.verdicts.severity.tolist() == [0, 0, 0, Severity.MEDIUM]


def test_a_slow_logger_warms_up_by_samples(bundle: Bundle) -> None:
    """Three seconds are over with its second sample, whose features still reach back to before the charger was on."""
    config = bundle.config.model_copy(update={"evidence": EVIDENCE.model_copy(update={"warm_up_samples": 4})})
    slow = Samples.of(5.0 * np.arange(8), [0.0, 0.0, *[7.5] * 6], [20.0] * 8)
    for of, expected in ((bundle, [1, 1, 0, 0, 0, 0, 0, 0]), (replace(bundle, config=config), [1] * 4 + [0] * 4)):
        scored, _ = Scorer(of).take(slow, most_anomalies=LENGTH)
        assert scored.verdicts.warming.tolist() == [bool(one) for one in expected]


def test_out_of_bounds_speaks_at_once_and_alone(bundle: Bundle) -> None:
    """Of a session's first sample, on either side; on the bound it does not, and without bounds nothing does."""
    for current_a, temperature_c, stages in (
        (8.0, 80.0, Stage.NONE),
        (8.1, 20.0, Stage.RANGE),
        (-1.1, 20.0, Stage.RANGE),
        (1.0, 80.1, Stage.RANGE),
        (1.0, -0.1, Stage.RANGE),
    ):
        scored, _ = Scorer(bundle).take(Samples.of([0.0], [current_a], [temperature_c]), most_anomalies=LENGTH)
        assert (scored.verdicts.stages[0], scored.verdicts.warming[0]) == (stages, True)
    older = bundle.config.model_copy(update={"evidence": EVIDENCE.model_copy(update={"bounds": None})})
    scored, _ = Scorer(replace(bundle, config=older)).take(Samples.of([0.0], [1.0], [300.0]), most_anomalies=LENGTH)
    assert scored.verdicts.stages[0] == Stage.NONE


def test_a_change_that_is_over_is_told_no_longer(bundle: Bundle) -> None:
    """The mean of the newest two is still off when the very newest reading is back; as long as it is asked for."""
    spike = Samples.of(np.arange(9.0), [*[1.0 + k % 2 / 10 for k in range(6)], 7.0, 1.0, 1.0], [20.0] * 9)
    asked = []
    for still in (0.5, None):
        change = EVIDENCE.changes[0].model_copy(update={"still": still})
        by = EVIDENCE.model_copy(update={"changes": (change,), "once": 100.0, "of": 5})
        of = replace(bundle, config=bundle.config.model_copy(update={"evidence": by}))
        scored, _ = Scorer(of).take(spike, most_anomalies=LENGTH)
        asked.append(np.flatnonzero(scored.verdicts.stages & Stage.CHANGE).tolist())
    assert asked == [[6], [6, 7]]


def test_a_policy_without_its_past_is_refused(bundle: Bundle) -> None:
    """Rather than a silent fall back to the plain rule."""
    scored: Scored
    scored, _ = Scorer(bundle).take(Samples.of([0.0], [1.0], [20.0]), most_anomalies=LENGTH)
    with pytest.raises(ValueError, match="before it"):
        judge(scored.scores, scored.current_a, scored.temperature_c, bundle.config)


@pytest.mark.parametrize(
    "wrong",
    [
        {"policy": "evidence", "evidence": None},
        {"policy": "plain", "evidence": EVIDENCE},
        {"features": FeaturesConfig(session_gap_s=70.0)},
        {"error_weights": (1.0,) * 13},
        {"error_weights": (0.0,) * 14},
    ],
)
def test_a_policy_that_is_not_whole_is_refused(bundle: Bundle, wrong: dict[str, object]) -> None:
    """Among them a session's gap so long that the archive's reach would not cover it."""
    with pytest.raises(ValidationError):
        BundleConfig.model_validate({**bundle.config.model_dump(), **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"warm_up_s": 10.1},
        {"of": 16},
        {"out_of": EVIDENCE_SAMPLES},
        {"stuck": {"current": EVIDENCE_SAMPLES + 1}},
        {"changes": [{"reading": "current", "newest": 10, "before": 26, "floor": 1.0, "limit": 1.0}]},
    ],
)
def test_a_policy_that_would_reach_further_is_refused(wrong: dict[str, object]) -> None:
    """The reach bounds what a late sample makes the worker do."""
    with pytest.raises(ValidationError):
        Evidence.model_validate(wrong)
