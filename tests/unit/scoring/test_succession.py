"""Several bundles that follow one another: each sample has the scores of the one that is active at its time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pytest

from scoring.bundle import Bundle
from scoring.config import FeaturesConfig, Thresholds
from scoring.graph import Graph, Scores
from scoring.scorer import Scored, Scorer
from scoring.succession import Change, Succession
from window.features import ROLLING
from window.rolling import Windows
from window.samples import Samples

SINCE = 120.0


@dataclass
class Louder:
    """The other bundle's graph with three times its error."""

    graph: Graph

    def score(self, features: np.ndarray) -> Scores:
        """As `scoring.graph.Graph`."""
        scores = self.graph.score(features)
        return replace(scores, reconstruction_error=3 * scores.reconstruction_error)


@pytest.fixture
def other(plain_bundle: Bundle) -> Bundle:
    """Another graph, another threshold, shorter sessions and another rate."""
    config = plain_bundle.config.model_copy(
        update={
            "features": FeaturesConfig(session_gap_s=5.0, rate="diff"),
            "thresholds": Thresholds(reconstruction_error=8.0, forest_score=-0.6),
        }
    )
    return replace(plain_bundle, id="bw-other", config=config, graph=cast("Graph", Louder(plain_bundle.graph)))


def charge(start: float, stop: float, *, devices: int = 2) -> Samples:
    """Every 4 s, with a pause of 12 s in each minute."""
    rng = np.random.default_rng(int(start))
    ts = np.repeat([t for t in np.arange(start, stop, 4.0) if t % 60 < 48], devices)
    device = np.tile(np.arange(devices), len(ts) // devices)
    return Samples.of(ts, rng.uniform(0.5, 4.0, len(ts)), rng.uniform(20, 70, len(ts)), device=device)


def bits(scored: Scored) -> dict[tuple[int, float], tuple[object, ...]]:
    """By device and time, the whole result of a row, to the bit."""
    return {
        (int(scored.device[n]), float(scored.ts[n])): (
            scored.features[n].tobytes(),
            scored.scores.reconstruction_error[n].tobytes(),
            scored.scores.forest_score[n].tobytes(),
            scored.scores.reconstruction[n].tobytes(),
            *(getattr(scored.verdicts, name)[n] for name in ("anomaly", "stages", "severity", "unscorable")),
            bool(scored.rescored[n]),
            before(scored, n),
        )
        for n in range(len(scored.ts))
    }


def before(scored: Scored, row: int) -> tuple[bytes, ...] | None:
    """What lies before a row that is an anomaly, to the bit."""
    if not scored.verdicts.anomaly[row]:
        return None
    past = scored.past_of(row)
    errors = past.error[~np.isnan(past.error)]
    there = past.tails.present
    return past.tails.ts[there].tobytes(), past.tails.current_a[there].tobytes(), errors.tobytes()


def feed(scorer: Scorer, samples: Samples) -> dict[tuple[int, float], tuple[object, ...]]:
    """The last result of each row."""
    said = {}
    while len(samples):
        scored, count = scorer.take(samples, most_anomalies=1000)
        said |= bits(scored)
        samples = samples.take(slice(count, None))
    return said


def by_time(old: dict[tuple[int, float], object], new: dict[tuple[int, float], object]) -> dict[object, object]:
    """Each row as scored by the bundle that is active then."""
    assert old.keys() == new.keys()
    return {key: (old if key[1] < SINCE else new)[key] for key in old}


def test_before_the_minute_the_old_bundles_scores_after_it_the_new_ones(plain_bundle: Bundle, other: Bundle) -> None:
    """Bit for bit, within one batch, and for samples out of order with the followers they touch; the oracle is one
    scorer for each bundle."""
    both = Scorer(Succession(plain_bundle, [Change(other, SINCE)]))
    old, new = Scorer(plain_bundle), Scorer(other)
    late = Samples.of([30.5, 118.5, 119.5, 120.0, 140.5], [9.0, 2.0, 4.0, 5.0, 3.0], [25.0] * 5, device=[0, 1, 0, 1, 0])
    for samples in (charge(0.0, 240.0), late, Samples.of([118.5, 112.0], [7.0, 1.0], [30.0, 31.0], device=[1, 0])):
        found, olds, news = (feed(scorer, samples) for scorer in (both, old, new))
        assert found == by_time(olds, news)
        assert found not in (olds, news)
    recalled = [{**bits(s.recall(0)), **bits(s.recall(1))} for s in (both, old, new)]
    anomalies = {k for k in recalled[1] if k[1] < SINCE} | {k for k in recalled[2] if k[1] >= SINCE}
    assert recalled[0] == {key: (recalled[1] if key[1] < SINCE else recalled[2])[key] for key in anomalies}
    shown, by_old, by_new = (scorer.shown(0) for scorer in (both, old, new))
    for row, ts in enumerate(shown.columns.ts):
        by = by_old if ts < SINCE else by_new
        assert shown.reconstructed_current_a[row] == by.reconstructed_current_a[row]
        assert shown.reconstructed_temperature_c[row] == by.reconstructed_temperature_c[row]
        assert shown.kinds[row] == by.kinds[row]


def test_what_is_anomalous_is_judged_by_the_bundle_in_force(plain_bundle: Bundle, other: Bundle) -> None:
    """The same reading before and after the minute: 6 A are above 5, and three times 2.7 A are above 8."""
    scorer = Scorer(Succession(plain_bundle, [Change(other, 60.0)]))
    scored, _ = scorer.take(Samples.of([0.0, 30.0, 60.0, 90.0], [2.7] * 4, [25.0] * 4), most_anomalies=ROLLING)
    assert scored.verdicts.anomaly.tolist() == [False, False, True, True]


def test_the_last_change_whose_time_has_come_is_in_force(plain_bundle: Bundle, other: Bundle) -> None:
    """The minute itself is the new bundle's; a device whose clock is wrong has a minute of its own."""
    third = replace(plain_bundle, id="bw-third")
    bundles = Succession(plain_bundle, [Change(other, 60.0, {3: 7200.0}), Change(third, 120.0)])
    found = [bundles.at(1, ts).id for ts in (-1e9, 59.999, 60.0, 119.0, 120.0, 1e12)]
    assert found == ["bw-plain", "bw-plain", "bw-other", "bw-other", "bw-third", "bw-third"]
    own = Succession(plain_bundle, [Change(other, 60.0, {3: 7200.0})])
    assert [own.at(3, ts).id for ts in (60.0, 7199.0, 7200.0)] == ["bw-plain", "bw-plain", "bw-other"]
    rows = bundles.rows(np.array([1, 3, 1], np.int32), np.array([0.0, 60.0, 60.0]))
    assert [bundles.bundles[row].id for row in rows] == ["bw-plain", "bw-plain", "bw-other"]
    assert bundles.latest is third


def test_lanes_with_other_successions_share_one_ring_of_windows(plain_bundle: Bundle, other: Bundle) -> None:
    """Each scores its own devices by its own minute."""
    windows = Windows()
    early, late = (Scorer(Succession(plain_bundle, [Change(other, at)]), windows) for at in (60.0, 180.0))
    samples = charge(0.0, 240.0, devices=1)
    theirs = replace(samples, device=np.ones(len(samples), np.int32))
    first, second = feed(early, samples), feed(late, theirs)
    old, new = feed(Scorer(plain_bundle), samples), feed(Scorer(other), samples)
    assert first == {key: (old if key[1] < 60.0 else new)[key] for key in old}
    assert second == {(1, ts): (old if ts < 180.0 else new)[0, ts] for _, ts in old}
