"""The scoring path: whatever batches samples come in, the same scores, verdicts and window."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.bundle import Bundle
from scoring.faults import FaultKind
from scoring.scorer import Scored, Scorer
from scoring.severity import Severity
from scoring.succession import Change, Succession
from window.features import ROLLING, features, tails
from window.rolling import Windows
from window.samples import Samples

Record = tuple[int, float, float, float]
"""Device, ts, current, temperature."""


def columns(records: list[Record]) -> Samples:
    return Samples.of(
        [r[1] for r in records], [r[2] for r in records], [r[3] for r in records], device=[r[0] for r in records]
    )


@dataclass
class Told:
    """What the scorer reported, in order: every row that changed, with its verdict."""

    rows: list[tuple[int, float, bytes, bytes, int, bool, bool]] = field(default_factory=list)

    def add(self, scored: Scored) -> None:
        for k in np.flatnonzero(scored.changed):
            self.rows.append(
                (
                    int(scored.device[k]),
                    float(scored.ts[k]),
                    scored.scores.reconstruction_error[k].tobytes(),
                    scored.scores.forest_score[k].tobytes(),
                    int(scored.verdicts.severity[k]),
                    bool(scored.rescored[k]),
                    bool(scored.was_anomaly[k]),
                )
            )


def feed(scorer: Scorer, records: list[Record], sizes: list[int], most: int = ROLLING) -> Told:
    told, begin, turn = Told(), 0, 0
    while begin < len(records):
        batch = columns(records[begin : begin + sizes[turn % len(sizes)]])
        begin, turn = begin + len(batch), turn + 1
        while len(batch):
            scored, count = scorer.take(batch, most_anomalies=most)
            assert 1 <= count <= len(batch)
            assert int((scored.verdicts.anomaly & scored.changed).sum()) <= most
            told.add(scored)
            batch = batch.take(slice(count, None))
    return told


def kept(scorer: Scorer) -> list[tuple[bytes, ...]]:
    devices = [d for d in range(scorer.windows.devices) if scorer.windows.count(d)]
    return [
        tuple(
            getattr(scorer.windows.retained(d), name).tobytes()
            for name in ("ts", "current_a", "temperature_c", "reconstruction_error", "forest_score", "severity")
        )
        for d in devices
    ]


arrivals = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.one_of(st.integers(0, 30), st.integers(0, 2500)).map(float),
        st.sampled_from([0.5, 2.0, 2.1, 4.0, 7.0]),
        st.sampled_from([20.0, 25.0, 58.0, 90.0]),
    ),
    max_size=50,
)
batches = st.lists(st.integers(1, 30), min_size=1, max_size=4)


@settings(deadline=None, max_examples=80)
@given(arrivals, batches, st.sampled_from([5, 6, 50]))
def test_batches_of_any_split_tell_the_same_rows_in_the_same_order(
    plain_bundle: Bundle, records: list[Record], sizes: list[int], most: int
) -> None:
    """Scores to the bit, verdicts, revisions and the window that stays, against one sample at a time."""
    alone, together = Scorer(plain_bundle), Scorer(plain_bundle, Windows(capacity=2))
    assert feed(together, records, sizes, most).rows == feed(alone, records, [1], 50).rows
    assert kept(together) == kept(alone)


@pytest.mark.parametrize("sizes", [[1], [7], [100, 3], [2000]])
def test_the_default_bundle_gives_the_bits_of_the_whole_series(default_bundle: Bundle, sizes: list[int]) -> None:
    """A charge with steps, of two devices, through the window or all at once."""
    rng = np.random.default_rng(2)
    t = np.repeat(np.arange(500.0), 2)
    current_a = 2.5 + rng.normal(0, 0.01, 1000) + 8 * (t % 100 > 95)
    samples = Samples.of(t, current_a, 25 + t / 300 + rng.normal(0, 0.02, 1000), device=np.tile([0, 1], 500))
    scorer, told, begin = Scorer(default_bundle), Told(), 0
    while begin < len(samples):
        scored, count = scorer.take(samples.take(slice(begin, begin + sizes[begin % len(sizes)])), most_anomalies=40)
        told.add(scored)
        begin += count
    order = np.argsort(samples.device, kind="stable")
    of = samples.take(order)
    whole = default_bundle.graph.score(features(tails(of.ts, of.current_a, of.temperature_c, of.device)))
    expected = {
        (int(d), float(ts)): (error.tobytes(), forest.tobytes())
        for d, ts, error, forest in zip(of.device, of.ts, whole.reconstruction_error, whole.forest_score, strict=True)
    }
    assert {row[:2]: row[2:4] for row in told.rows} == expected
    assert len(told.rows) == 1000
    assert 0 < sum(row[4] > 0 for row in told.rows) < 1000


def test_features_scores_and_verdicts_stand_beside_their_samples(plain_bundle: Bundle) -> None:
    """Worked out by hand with models a reader can follow."""
    scorer = Scorer(plain_bundle)
    scored, count = scorer.take(columns([(0, 1.0, 2.0, 25.0), (1, 1.0, 9.0, 85.0)]), most_anomalies=ROLLING)
    assert count == 2
    assert scored.scores.reconstruction_error.tolist() == [2.0, 9.0]
    assert scored.scores.forest_score.tolist() == [-0.4, -1.0]
    assert scored.verdicts.severity.tolist() == [Severity.NONE, Severity.CRITICAL]
    assert scored.changed.all()
    assert not scored.rescored.any()
    assert not scored.was_anomaly.any()
    shown = scorer.shown(1)
    columns_shown = shown.columns
    assert (columns_shown.severity.tolist(), columns_shown.reconstruction_error.tolist()) == ([4], [9.0])
    assert (shown.reconstructed_current_a.tolist(), shown.reconstructed_temperature_c.tolist()) == ([2.0], [85.0])
    assert shown.kinds == [(FaultKind.OVER_CURRENT, FaultKind.TEMPERATURE_HIGH)]


@pytest.mark.parametrize(("most", "taken"), [(5, 6), (6, 7), (7, 9), (8, 10), (50, 10)])
def test_a_run_ends_before_the_anomaly_that_would_be_one_too_many(plain_bundle: Bundle, most: int, taken: int) -> None:
    """Normal samples up to it are taken along; nothing of the rest stays in the window."""
    currents = [7.0, 7.0, 2.0, 7.0, 7.0, 7.0, 7.0, 7.0, 2.0, 7.0]
    records = [(0, 100.0 * k, current, 25.0) for k, current in enumerate(currents)]
    scorer = Scorer(plain_bundle)
    scored, count = scorer.take(columns(records), most_anomalies=most)
    assert (count, len(scored.ts), scorer.windows.count(0)) == (taken, taken, taken)
    assert int(scored.verdicts.anomaly.sum()) <= most
    again, rest = scorer.take(columns(records[taken:]), most_anomalies=ROLLING)
    assert rest == 10 - taken
    assert again.ts.tolist() == [100.0 * k for k in range(taken, 10)]


def test_a_run_has_room_for_one_anomaly_at_least(plain_bundle: Bundle) -> None:
    """Without, it could never be taken; one out of order is taken with all five rows that it turns."""
    with pytest.raises(ValueError, match="at least one"):
        Scorer(plain_bundle).take(columns([(0, 1.0, 2.0, 25.0)]), most_anomalies=0)
    scorer = Scorer(plain_bundle)
    scorer.take(columns([(0, float(t), 2.0, 25.0) for t in range(2, 20, 2)]), most_anomalies=1)
    scored, count = scorer.take(columns([(0, 1.0, 9.0, 25.0), (0, 30.0, 9.0, 25.0)]), most_anomalies=1)
    assert (count, int((scored.verdicts.anomaly & scored.changed).sum())) == (1, ROLLING)


def test_a_sample_out_of_order_has_its_followers_scored_again(plain_bundle: Bundle) -> None:
    """The 35 whose explanation reaches it; the scores of the four change whose features reach it. It is taken alone."""
    scorer = Scorer(plain_bundle)
    scorer.take(columns([(0, float(t), 2.0, 25.0) for t in range(0, 100, 2)]), most_anomalies=ROLLING)
    scored, count = scorer.take(columns([(0, 5.0, 9.0, 25.0), (0, 100.0, 2.0, 25.0)]), most_anomalies=ROLLING)
    assert count == 1
    assert scored.ts.tolist() == [5.0, *np.arange(6.0, 76.0, 2.0)]
    assert scored.rescored.tolist() == [False, *[True] * 35]
    assert scored.changed.tolist() == scored.verdicts.anomaly.tolist() == [True] * 5 + [False] * 31
    assert not scored.was_anomaly.any()
    assert scorer.windows.retained(0).severity.tolist() == [0, 0, 0, Severity.HIGH, 1, 1, 1, 1, *[0] * 43]


@pytest.mark.parametrize("policy", ["plain", "evidence"])
def test_one_sample_touches_as_many_rows_by_every_policy(
    plain_bundle: Bundle, default_bundle: Bundle, policy: str
) -> None:
    """Its own, and the 35 after it that look back to it: what is said of an anomaly does so by policy `plain` too."""
    scorer = Scorer({"plain": plain_bundle, "evidence": default_bundle}[policy])
    assert scorer.touches == 36
    scorer.take(columns([(0, float(t), 2.0, 25.0) for t in range(0, 100, 2)]), most_anomalies=50)
    scored, _ = scorer.take(columns([(0, 5.0, 2.0, 95.0)]), most_anomalies=50)
    assert len(scored.ts) == 36


def test_what_lies_before_an_anomaly_stands_beside_it(plain_bundle: Bundle) -> None:
    """The readings up to it, newest last; there is none for a sample that is no anomaly."""
    currents = [2.0, 7.0, 2.0, 2.0, 2.0, 2.0, 2.0, 8.0]
    scored, _ = Scorer(plain_bundle).take(
        columns([(0, 9.0 * k, a, 25.0) for k, a in enumerate(currents)]), most_anomalies=50
    )
    assert np.flatnonzero(scored.verdicts.anomaly).tolist() == [1, 2, 3, 4, 5, 7]
    for row in (1, 5, 7):
        tails_of = scored.past_of(row).tails
        assert tails_of.ts.shape == (1, 36)
        assert tails_of.current_a[0][tails_of.present[0]].tolist() == currents[: row + 1]
        assert scored.past_of(row).error[0].tolist() == [scored.scores.reconstruction_error[row]]
    with pytest.raises(ValueError, match="row 6 is no anomaly"):
        scored.past_of(6)


def test_a_chart_knows_the_kinds_of_each_anomaly(default_bundle: Bundle) -> None:
    """Of two bundles too, each by its own; a normal sample has none."""
    rng = np.random.default_rng(5)
    readings = zip(2.5 + rng.normal(0, 0.004, 80), 26 + rng.normal(0, 0.03, 80), strict=True)
    records = [(0, float(k), a + 4.0 * (60 <= k < 63), c + 9.0 * (70 <= k < 72)) for k, (a, c) in enumerate(readings)]
    for bundles in (default_bundle, Succession(default_bundle, [Change(replace(default_bundle, id="bw-2"), 71.0)])):
        scorer = Scorer(bundles)
        feed(scorer, records, [17], most=50)
        kinds = dict(enumerate(scorer.shown(0).kinds))
        over, jump = (FaultKind.OVER_CURRENT,), (FaultKind.TEMPERATURE_JUMP,)
        assert {k: of for k, of in kinds.items() if of} == {60: over, 61: over, 62: over, 70: jump, 71: jump}


def test_a_sample_written_again_with_the_same_values_changes_nothing(plain_bundle: Bundle) -> None:
    """A replay publishes nothing."""
    scorer, records = Scorer(plain_bundle), [(0, float(t), 9.0 - t, 25.0) for t in range(6)]
    scorer.take(columns(records), most_anomalies=50)
    for record in records:
        scored, _ = scorer.take(columns([record]), most_anomalies=ROLLING)
        assert not scored.changed.any()


def test_a_sample_corrected_to_normal_was_an_anomaly(plain_bundle: Bundle) -> None:
    """So that its archive line can be taken back."""
    scorer = Scorer(plain_bundle)
    scorer.take(columns([(0, 1.0, 9.0, 25.0)]), most_anomalies=ROLLING)
    scored, _ = scorer.take(columns([(0, 1.0, 2.0, 25.0)]), most_anomalies=ROLLING)
    assert (scored.changed.tolist(), scored.was_anomaly.tolist()) == ([True], [True])
    assert scored.verdicts.anomaly.tolist() == [False]


def test_a_sample_too_old_is_taken_and_touches_nothing(plain_bundle: Bundle) -> None:
    """It must not block what follows it."""
    scorer = Scorer(plain_bundle)
    scorer.take(columns([(0, 9000.0, 2.0, 25.0)]), most_anomalies=ROLLING)
    scored, count = scorer.take(columns([(0, 6700.0, 9.0, 25.0), (0, 9001.0, 2.0, 25.0)]), most_anomalies=ROLLING)
    assert (count, len(scored.ts), scorer.windows.count(0)) == (1, 0, 1)


def test_no_samples_are_no_work(plain_bundle: Bundle) -> None:
    """An empty batch is taken as it is."""
    scored, count = Scorer(plain_bundle).take(Samples.empty(), most_anomalies=ROLLING)
    assert (count, len(scored.ts)) == (0, 0)


def test_windows_stay_bounded(plain_bundle: Bundle) -> None:
    """What is older than the retained time goes as new samples come, in batches too."""
    scorer = Scorer(plain_bundle)
    scorer.take(columns([(0, float(t), 2.0, 25.0) for t in range(5000)]), most_anomalies=ROLLING)
    assert scorer.windows.retained(0).ts.tolist() == [float(t) for t in range(5000 - 2220, 5000)]


@pytest.mark.parametrize("gap_s", [1.0, 100.0])
def test_after_a_restart_the_anomalies_still_retained_can_be_told_again(plain_bundle: Bundle, gap_s: float) -> None:
    """With what was found of them then, also the device's very first; the window stays as it is."""
    scorer = Scorer(plain_bundle)
    records = [(0, gap_s * t, 7.0 if t in (0, 3, 6, 15) else 2.0, 25.0) for t in range(16)]
    told = {row[1]: row for row in feed(scorer, records, [5]).rows if row[4] > 0}
    again, restored = Scorer(plain_bundle), Told()
    again.windows.restore(0, scorer.windows.retained(0))
    before = kept(again)
    restored.add(again.recall(0))
    assert [(row[1], *row[2:5]) for row in restored.rows] == [(ts, *row[2:5]) for ts, row in sorted(told.items())]
    assert len(told) >= 4
    assert kept(again) == before


def test_what_can_no_longer_be_explained_is_not_told_again(plain_bundle: Bundle) -> None:
    """The oldest rows, where their features reached back to samples that have left the window."""
    scorer = Scorer(plain_bundle)
    records = [(0, float(t), 7.0 if t % 2 else 2.0, 25.0) for t in range(2500)]
    feed(scorer, records, [500], most=2500)
    assert scorer.windows.retained(0).severity[:5].all()
    assert scorer.recall(0).ts.tolist() == scorer.windows.retained(0).ts[4:].tolist()
