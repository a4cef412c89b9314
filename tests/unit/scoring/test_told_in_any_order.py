"""What is said of an anomaly does not depend on the order in which samples come: its evidence is written by the minute,
again and again, and must be the same in the end."""

from __future__ import annotations

import numpy as np
import pytest
from charges import between, charge, ramp
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.bundle import Bundle
from scoring.detectors import Stage
from scoring.explanation import Explanation, explain
from scoring.scorer import Scored, Scorer
from scoring.severity import Severity
from window.samples import Samples

Said = dict[float, tuple[Explanation, Severity]]
Known = dict[float, tuple[Scored, int]]
"""By time, an anomaly as it was scored last, and its row there."""


def follow(known: Known, scored: Scored) -> None:
    """Bring what is known up to date, of all rows that a sample touched."""
    for row in np.flatnonzero(scored.verdicts.anomaly | (scored.changed & scored.was_anomaly)).tolist():
        if scored.verdicts.anomaly[row]:
            known[float(scored.ts[row])] = scored, row
        else:
            known.pop(float(scored.ts[row]), None)


def say(known: Known, bundle: Bundle) -> Said:
    """What is said of the anomalies in the end."""
    said: Said = {}
    for ts, (scored, row) in known.items():
        of = scored.features[row], scored.scores.take(slice(row, row + 1)), scored.past_of(row)
        why = explain(*of, Stage(int(scored.verdicts.stages[row])), bundle)
        said[ts] = why, Severity(int(scored.verdicts.severity[row]))
    return said


def told(bundle: Bundle, samples: Samples, sizes: list[int]) -> Said:
    """What is said in the end of samples that come in this order, so many at a time."""
    scorer, known = Scorer(bundle), Known()
    begin = turn = 0
    while begin < len(samples):
        batch = samples.take(slice(begin, begin + sizes[turn % len(sizes)]))
        scored, count = scorer.take(batch, most_anomalies=40)
        follow(known, scored)
        begin, turn = begin + count, turn + 1
    return say(known, bundle)


def faulty(seed: int, step_s: float) -> Samples:
    """An over-current, a jump, a drop-out and a heating, in a charge with a pause of 90 s."""
    current_a = between(40, 46, 2.0) + between(60, 63, -2.5)
    samples = charge(current_a, between(50, 54, 9.0) + ramp(85, 0.3, 105), seed=seed, step_s=step_s)
    samples.ts[75:] += 90.0
    return samples


sizes = st.lists(st.integers(1, 60), min_size=1, max_size=4)


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 999), st.sampled_from([2, 5, 40, 120]), sizes, st.sampled_from([1.0, 5.0]))
def test_samples_in_any_order_are_explained_as_in_order(
    default_bundle: Bundle, seed: int, apart: int, sizes: list[int], step_s: float
) -> None:
    """To the last digit: kinds, rules, sentences, expectation, forecast, shares, rarity and severity."""
    samples = faulty(3, step_s)
    late = np.arange(len(samples)) + np.random.default_rng(seed).uniform(0, apart, len(samples))
    shuffled = samples.take(np.argsort(late, kind="stable"))
    assert told(default_bundle, shuffled, sizes) == told(default_bundle, samples, [len(samples)])


@pytest.mark.parametrize("policy", ["plain", "evidence"])
@pytest.mark.parametrize("shards", [2, 4])
def test_shards_one_after_the_other_are_explained_as_in_order(
    plain_bundle: Bundle, default_bundle: Bundle, policy: str, shards: int
) -> None:
    """By either policy: the plain one looks at no other sample, but its words do."""
    bundle = {"plain": plain_bundle, "evidence": default_bundle}[policy]
    samples = faulty(4, 1.0)
    samples.current_a[40:46] += 2.0
    order = np.concatenate([np.arange(k, len(samples), shards) for k in range(shards)])
    found = told(bundle, samples.take(order), [50])
    assert found == told(bundle, samples, [7])
    assert len(found) >= 6


def test_a_correction_is_explained_as_if_it_had_come_first(default_bundle: Bundle) -> None:
    """A sample before an over-current is written again: what was expected there changes with it."""
    samples = faulty(5, 1.0)
    again = Samples.of(samples.ts[36:37], [2.56], samples.temperature_c[36:37])
    scorer, known = Scorer(default_bundle), Known()
    for batch in (samples, again):
        while len(batch):
            scored, count = scorer.take(batch, most_anomalies=200)
            follow(known, scored)
            batch = batch.take(slice(count, None))
    corrected = Samples.of(samples.ts, np.where(np.arange(120) == 36, 2.56, samples.current_a), samples.temperature_c)
    said = say(known, default_bundle)
    assert said == told(default_bundle, corrected, [120])
    assert said != told(default_bundle, samples, [120])
