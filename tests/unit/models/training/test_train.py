"""From recorded charges to a bundle, small: the oracles are Keras and the worker's own scoring path."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.data.files import read
from models.data.measured import material
from models.data.recordings import PLAUSIBLE, Series
from models.data.recordings import series as series_of
from models.detectors.forest import Forest
from models.evaluation.evaluate import Exam, judge, of_bundle
from models.training.train import Recipe, pictures, train
from scoring.bundle import CARD, FILES, MANIFEST, load
from scoring.detectors import Stage
from scoring.evidence import LENGTH, Past
from scoring.explanation import explain
from scoring.graph import Scores
from scoring.scorer import Scorer
from window.features import tails

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*held-out charging"),
]


def test_a_bundle_is_made_and_loads(small: Any, again: Any) -> None:
    """By policy `evidence`, proven; all steps are told, and what was written is what was returned."""
    *steps, returned = again.said.splitlines()
    assert steps == ["training the autoencoder", "growing the forest", "proving parity", "trying it"]
    assert load(again.folder).id == returned
    assert small.bundle.config.policy == "evidence"
    assert small.bundle.manifest.metrics["parity"]["verdicts_differ"] == 0


def test_the_same_seed_gives_the_same_bundle(small: Any, again: Any) -> None:
    """Every byte of every file and picture, in spite of the time Keras notes in its own; by command or by function."""
    assert again.bundle.id == small.bundle.id
    digests = [
        {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (*of.folder.iterdir(), *pictures(of.folder))
        }
        for of in (small, again)
    ]
    assert digests[0] == digests[1]


def test_the_pictures_lie_beside_the_bundle_and_are_no_part_of_it(small: Any) -> None:
    """A bundle is what its id vouches for, and nothing else."""
    assert sorted(path.name for path in small.folder.iterdir()) == sorted([*FILES, MANIFEST])
    for path in pictures(small.folder):
        assert path.parent == small.folder.parent
        assert path.read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in pictures(small.folder)] == ["bundle-training.png", "bundle-scores.png"]


def test_the_keras_file_of_the_bundle_is_the_graph(small: Any) -> None:
    """Reloaded by Keras itself, it reconstructs as the graph does."""
    import keras

    model = keras.models.load_model(small.folder / "autoencoder.keras", compile=False)
    rng = np.random.default_rng(1)
    scaler = small.bundle.scaler
    rows = scaler.mean + scaler.scale * rng.normal(size=(500, 14)) * 3
    expected = model.predict(scaler.standardise(rows).astype(np.float32), verbose=0)
    found = scaler.standardise(small.bundle.graph.score(rows).reconstruction)
    assert np.abs(found - expected).max() < 1e-4


def test_the_error_is_weighed_as_the_bundle_says(small: Any, series: Callable[[int], Series]) -> None:
    """The weights in config.json are those of the graph, and what explains the error sums to 1."""
    weights = np.array(small.bundle.config.error_weights)
    scored, _ = Scorer(small.bundle).take(series(50).samples, most_anomalies=2000)
    residual = (scored.features - scored.scores.reconstruction) / small.bundle.scaler.scale
    assert np.allclose(scored.scores.reconstruction_error, (residual**2 * weights).sum(axis=1), rtol=1e-9)
    one = Scores(*(getattr(scored.scores, name)[400:401] for name in Scores.__slots__))
    nothing_before = Past(tails(*(np.ones(1),) * 3, length=LENGTH), np.ones((1, 1)))
    shares = explain(scored.features[400], one, nothing_before, Stage.NONE, small.bundle).shares
    expected = residual[400] ** 2 * weights / (residual[400] ** 2 * weights).sum()
    assert list(shares.values()) == pytest.approx(expected.tolist())
    assert sum(shares.values()) == pytest.approx(1.0)


def test_another_charge_runs_within_the_band(small: Any, series: Callable[[int], Series]) -> None:
    """Of both readings nearly all samples: what is told as expected holds for a charge that nobody has seen."""
    band = small.bundle.config.calibration.residual
    assert band is not None
    scored, _ = Scorer(small.bundle).take(series(50).samples, most_anomalies=2000)
    for column, (low, high) in ((0, band.current_a), (1, band.temperature_c)):
        residual = (scored.features - scored.scores.reconstruction)[10:, column]
        assert ((residual >= low) & (residual <= high)).mean() > 0.9
        assert high - low < 4 * np.ptp(residual)


def test_the_forest_file_rebuilds_every_tree(small: Any, forest_of: Callable[[bytes], Forest]) -> None:
    """Fifteen trees of the design's size come back."""
    forest = forest_of((small.folder / "isolation_forest.npz").read_bytes())
    assert (forest.trees, forest.max_samples, len(forest.starts)) == (15, 256, 16)


def test_broken_and_labelled_samples_never_reach_the_scaler(small: Any) -> None:
    """3.4e38 A, nothing at all, and a fault of 60 A that is known."""
    assert small.bundle.config.training_range.current_a[1] < 4.0
    assert small.bundle.scaler.scale[0] < 3.0


def test_other_charges_stay_quiet_and_faults_are_found(small: Any, series: Callable[[int], Series]) -> None:
    """Twice the current, half a minute of the same reading; without a fault no more than so few hours bear out."""
    quiet = [series(k) for k in range(60, 64)]
    borne_out = 3.0 / small.bundle.manifest.training["held_out_hours"]
    assert judge("", of_bundle(small.bundle), Exam(quiet, [], PLAUSIBLE)).false_per_hour <= borne_out
    doubled, stuck = series(70), series(71)
    doubled.samples.current_a[300:330] *= 2.0
    stuck.samples.temperature_c[300:330] = stuck.samples.temperature_c[300]
    for one in (doubled, stuck):
        one.fault[300:330] = True
    found = judge("", of_bundle(small.bundle), Exam([doubled, stuck], [], PLAUSIBLE))
    assert found.known is not None
    assert (found.known.found, found.known.count) == (2, 2)


def test_a_battery_that_begins_far_too_hot_is_told_of(small: Any, series: Callable[[int], Series]) -> None:
    """From its first sample on, with nothing before it to compare with; a little warmer than ever is no alarm."""
    hot, warm = series(80), series(80)
    hot.samples.temperature_c[:] += 20.0
    warm.samples.temperature_c[:] += 5.0
    scored, _ = Scorer(small.bundle).take(hot.samples, most_anomalies=2000)
    assert scored.verdicts.anomaly.all()
    scored, _ = Scorer(small.bundle).take(warm.samples, most_anomalies=2000)
    assert not scored.verdicts.anomaly[:8].any()


def test_the_severities_are_given_or_by_the_data(small: Any) -> None:
    """--critical was given; the others follow what was seen."""
    limits, known = small.bundle.config.severity, small.bundle.config.training_range
    assert (limits.critical.current_a, limits.critical.temperature_c) == (9.0, 70.0)
    assert limits.medium.current_a == known.current_a[1]
    assert limits.high.temperature_c == pytest.approx(known.temperature_c[1] + 10.0, abs=0.06)


def test_the_card_says_what_a_user_must_know(small: Any) -> None:
    """What it was trained on, its ranges, what it is good for, what it finds, and that it is no safety device."""
    card = " ".join((small.folder / CARD).read_text().split())
    known = small.bundle.config.training_range
    for words in (
        f"# Model card: {small.bundle.id}",
        "no safety device",
        "10 recordings (charge_0.csv, charge_1.csv, ",
        "and 4 more)",
        "10 sessions, 2.5 h, 8,958 samples",
        f"Currents from {known.current_a[0]:.2f} to {known.current_a[1]:.2f} A",
        f"temperatures from {known.temperature_c[0]:.1f} to {known.temperature_c[1]:.1f} °C",
        "It is good for charges like these",
        "is an anomaly at once",
        "Faults put into the held-out sessions",
        "| over current | 1 of the charging current, on top | 60 s | 1 of 1 |",
        "no verdict differs",
    ):
        assert words in card, words


def test_the_command_says_what_came_of_it(small: Any) -> None:
    """The bundle, its pictures, its figures, and what so few hours bear out."""
    assert f"{small.bundle.id} in {small.folder}" in small.said
    assert "bundle-training.png and bundle-scores.png" in small.said
    assert "cannot bear out 0.05 false episodes an hour" in small.said
    faults = small.bundle.manifest.metrics["faults"]
    assert f"{sum(f['found'] for f in faults)} of {sum(f['count'] for f in faults)} found" in small.said


def test_limits_that_cannot_be_are_said_before_any_work(small: Any, tmp_path: Path) -> None:
    """And nothing is written."""
    of = material(read([small.charges], labels=True), 3)
    with pytest.raises(ValueError, match="must rise"):
        train(of, tmp_path / "out", 3, Recipe(), lambda *_: None, limits={"medium": (99.0, 20.0)})
    assert not (tmp_path / "out").exists()


def test_real_charges_make_a_bundle_that_finds_real_glitches(recorded_data: Path, tmp_path: Path) -> None:
    """Samsung 30Q cells (ARTS, CC BY-SA 4.0): trained on some of one split, tried on two charges of the other."""
    folder = recorded_data / "arts30q_1hz"
    paths = [*sorted(folder.glob("dataset_1_cell_a_*"))[:4], *sorted(folder.glob("dataset_2_cell1_*"))[:4]]
    recipe = Recipe(rows_per_session=150, trees=10, epochs=0, settle_epochs=3, parity_rows=300, per_grade=1)
    made = train(material(read(paths, labels=True), 1), tmp_path / "bundle", 1, recipe, lambda *_: None)
    recorded = read([folder / f"dataset_{name}.parquet" for name in ("1_cell_b_c0006", "2_cell2_c0150")], labels=True)
    found = judge("", of_bundle(made), Exam(series_of(recorded), [], PLAUSIBLE))
    assert found.known is not None
    assert found.known.found == found.known.count >= 2
    assert found.false_per_hour <= 1.0
