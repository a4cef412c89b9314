"""How a detector is judged: by hand on series a reader can follow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from models.data.files import read
from models.data.recordings import Series, series
from models.evaluation.baselines import rolling_z, threshold
from models.evaluation.evaluate import Exam, episodes, exam, judge, of_bundle, runs
from models.evaluation.faults import CATALOGUE, Fault, Trial
from models.evaluation.report import markdown, picture
from scoring.bundle import Bundle
from scoring.config import Range
from scoring.scorer import Scorer
from window.samples import Samples

WITHIN = Range(current_a=(-1e5, 1e5), temperature_c=(-100.0, 500.0))


def hot(sessions: Sequence[Samples]) -> list[np.ndarray]:
    """A detector that alarms above 40 °C."""
    return [s.temperature_c > 40.0 for s in sessions]


def recorded(hot_at: Sequence[int], fault_at: Sequence[int], broken_at: Sequence[int] = ()) -> Series:
    n = 3601
    current_a, temperature_c, fault = np.full(n, 3.0), np.full(n, 25.0), np.zeros(n, bool)
    temperature_c[list(hot_at)], fault[list(fault_at)], current_a[list(broken_at)] = 50.0, True, 3.4e38
    return Series("one", Samples.of(np.arange(n, dtype=float), current_a, temperature_c), fault)


def figures(*of: Series, trials: Sequence[Trial] = ()) -> object:
    return judge("hot", hot, Exam(of, trials, WITHIN))


@pytest.mark.parametrize(
    ("hot_at", "count"), [([], 0), ([100], 1), ([100, 160], 1), ([100, 161], 2), ([100, 150, 200, 250], 1)]
)
def test_alarms_within_a_minute_are_one_false_episode(hot_at: list[int], count: int) -> None:
    """As the worker makes episodes; an hour of charging."""
    found = figures(recorded(hot_at, []))
    assert (found.false_episodes, found.hours, found.false_per_hour) == (count, 1.0, count)
    assert found.alarm_share == pytest.approx(len(hot_at) / 3601)
    assert found.known is None


def test_a_fault_is_found_between_its_onset_and_its_end_only() -> None:
    """Not by the edge after it, which is not held against the detector either; delays are medians of those found."""
    edge = figures(recorded([511], range(500, 511)))
    assert (edge.known.found, edge.known.count, edge.false_episodes) == (0, 1, 0)
    both = figures(recorded([505, 1003, 1200], [*range(500, 511), *range(1000, 1011)]))
    assert (both.known.found, both.known.count, both.known.delay_s, both.false_episodes) == (2, 2, 4.0, 1)


def test_a_glitch_that_is_set_aside_counts_as_found() -> None:
    """3.4e38 A never reaches the models: its quarantine event tells of it."""
    found = figures(recorded([], [700], broken_at=[700]))
    assert (found.known.found, found.known.delay_s, found.false_episodes) == (1, 0.0, 0)
    unlabelled = figures(recorded([], [], broken_at=[700]))
    assert unlabelled.false_episodes == 1


def test_injected_faults_are_counted_by_grade() -> None:
    """Two of one grade, of which one is seen ten seconds late; one of another that is not."""
    cold = Samples.of(np.arange(300.0), np.full(300, 3.0), np.full(300, 25.0))
    seen = Samples.of(cold.ts, cold.current_a, np.where(cold.ts == 110, 50.0, 25.0))
    first, second = CATALOGUE[0], next(grade for grade in CATALOGUE if grade.fault == Fault.RUNAWAY)
    found = figures(trials=[Trial(seen, first, 100, 160), Trial(cold, first, 100, 160), Trial(seen, second, 111, 160)])
    assert [(r.count, r.found, r.delay_s) for r in found.injected] == [(2, 1, 10.0), (1, 0, None)]
    assert found.recall == pytest.approx(1 / 3)


def test_the_same_seed_puts_in_the_same_faults() -> None:
    """So that anyone can repeat a figure."""
    on = [recorded([], [])]
    one, same, other = (exam(on, WITHIN, gap_s=60.0, seed=seed, per_grade=2).trials for seed in (4, 4, 5))
    assert len(one) == 2 * len(CATALOGUE)
    assert all((a.samples.ts == b.samples.ts).all() and a.first == b.first for a, b in zip(one, same, strict=True))
    assert any(a.samples.ts[0] != b.samples.ts[0] for a, b in zip(one, other, strict=True))


def test_a_bundle_is_judged_by_the_workers_own_path(plain_bundle: Bundle) -> None:
    """Session by session, however they are batched: what the scorer says of each alone."""
    rng = np.random.default_rng(5)
    sessions = [
        Samples.of(np.arange(n, dtype=float), rng.uniform(2, 2.5, n), rng.uniform(20, 60, n))
        for n in (9000, 15000, 1, 40)
    ]
    for session, found in zip(sessions, of_bundle(plain_bundle)(sessions), strict=True):
        alone, _ = Scorer(plain_bundle).take(session, most_anomalies=10**6)
        assert np.array_equal(found, alone.verdicts.anomaly)
        assert len(session) == 1 or 0 < found.sum() < len(found)


def test_runs_and_episodes_of_nothing() -> None:
    """No rows, no runs."""
    assert runs(np.zeros(0, bool)) == []
    assert runs(np.array([True, True, False, True])) == [(0, 1), (3, 3)]
    assert episodes(np.arange(3.0), np.zeros(3, bool), np.zeros(3, bool)) == 0


def test_a_peers_threshold_keeps_to_the_budget() -> None:
    """Ten hours with five lonely peaks: a budget of 0.2 an hour spares the two highest."""
    session = Samples.of(np.arange(36001.0), np.full(36001, 3.0), np.full(36001, 25.0))
    score = np.zeros(36001)
    score[[1000, 5000, 9000, 15000, 30000]] = [3.0, 9.0, 4.0, 8.0, 5.0]
    assert threshold([score], [session], 0.2) == 5.0
    assert threshold([score], [session], 0.0) == 9.0


def test_the_rolling_z_score_compares_with_the_samples_before() -> None:
    """By hand: a jump of 1 A after thirty samples that alternate by 0.1 A either way."""
    current_a = np.append(3.0 + 0.1 * (-1.0) ** np.arange(30), 4.0)
    z = rolling_z(Samples.of(np.arange(31.0), current_a, np.full(31, 25.0)))
    assert z[:30].tolist() == [0.0] * 30
    assert z[30] == pytest.approx(10.0)


def test_the_report_names_every_figure() -> None:
    """Two detectors and their median; the picture is a PNG."""
    one = figures(recorded([100], [700], broken_at=[700]))
    text = markdown([one, one], [one])
    assert text.count("| hot | 1.000 (1 in 1.0 h) |") == 3
    assert "**median of 2**" in text
    assert "1 of 1" in text
    assert picture([one], [one]).startswith(b"\x89PNG")


def test_the_shipped_bundle_on_a_real_charge(default_bundle: Bundle, recorded_data: Path) -> None:
    """A logger's glitch of 3.4e38 A in a charge of a Samsung 30Q cell (ARTS, CC BY-SA 4.0) is found at once."""
    charge = series(read([recorded_data / "arts30q_1hz" / "dataset_1_cell_b_c0006.parquet"], labels=True))
    found = judge("default", of_bundle(default_bundle), Exam(charge, [], default_bundle.config.plausible))
    assert found.known is not None
    assert (found.known.found, found.known.count, found.known.delay_s) == (1, 1, 0.0)
    assert found.hours == pytest.approx(1.13, abs=0.1)
