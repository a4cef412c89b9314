"""The 14 features against pandas, and equal bits for a row however it comes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from window.features import FEATURES, ROLLING, FeatureRules, Tails, features, tails
from window.rolling import Windows
from window.samples import Samples


def oracle(series: Samples, rules: FeatureRules) -> np.ndarray:
    """Features of rows sorted by device and time, written down the way a data scientist would."""
    frame = pd.DataFrame(
        {"device": series.device, "ts": series.ts, "a": series.current_a, "c": series.temperature_c}, copy=True
    )
    frame["session"] = (frame.groupby("device").ts.diff() > rules.session_gap_s).groupby(frame.device).cumsum()
    rows = frame.groupby(["device", "session"], sort=False)
    rolling = rows[["a", "c"]].rolling(5, min_periods=1)
    stats = {name: getattr(rolling, name)().droplevel([0, 1]).sort_index() for name in ("mean", "std", "min", "max")}
    elapsed_s = rows.ts.diff() if rules.rate == "per_second" else 1.0
    guarded = frame.c.where(frame.c.abs() >= rules.ratio_floor_c, np.copysign(rules.ratio_floor_c, frame.c))
    columns = {
        "current": frame.a,
        "temperature": frame.c,
        "current_roll_mean": stats["mean"].a,
        "current_roll_std": stats["std"].a.fillna(0.0),
        "current_roll_min": stats["min"].a,
        "current_roll_max": stats["max"].a,
        "temp_roll_mean": stats["mean"].c,
        "temp_roll_std": stats["std"].c.fillna(0.0),
        "current_rate": (rows.a.diff() / elapsed_s).fillna(0.0),
        "temp_rate": (rows.c.diff() / elapsed_s).fillna(0.0),
        "current_lag1": rows.a.shift().fillna(frame.a),
        "temp_lag1": rows.c.shift().fillna(frame.c),
        "current_temp_ratio": frame.a / guarded,
        "current_temp_product": frame.a * frame.c,
    }
    assert tuple(columns) == FEATURES
    return pd.DataFrame(columns).to_numpy()


def series(seed: int, *, rows: int = 300, devices: int = 3) -> Samples:
    """Devices with sessions of all lengths, gaps just under, at and over the limit, plateaus and readings near 0."""
    rng = np.random.default_rng(seed)
    steps = rng.choice(
        [0.001, 0.5, 1.0, 59.999, 60.0, 60.001, 3600.0], (devices, rows), p=[0.1, 0.2, 0.5, 0.05, 0.05, 0.05, 0.05]
    )
    current = rng.choice([0.0, 2.5, -1.0, np.nan], (devices, rows), p=[0.1, 0.4, 0.1, 0.4])
    current = np.where(np.isnan(current), rng.normal(2.5, 1.0, (devices, rows)), current)
    temperature = rng.choice(
        [0.0, 1e-9, -1e-9, 1e-6, 25.0, np.nan], (devices, rows), p=[0.05, 0.05, 0.05, 0.05, 0.4, 0.4]
    )
    temperature = np.where(np.isnan(temperature), rng.normal(20.0, 15.0, (devices, rows)), temperature)
    return Samples.of(
        (1.7e9 + np.cumsum(steps, axis=1)).ravel(),
        current.ravel(),
        temperature.ravel(),
        device=np.repeat(np.arange(devices), rows),
    )


def made(samples: Samples, rules: FeatureRules | None = None) -> np.ndarray:
    return features(tails(samples.ts, samples.current_a, samples.temperature_c, samples.device), rules)


def close(found: np.ndarray, expected: np.ndarray) -> None:
    for column, name in enumerate(FEATURES):
        # pandas keeps rolling sums and squares as it goes and loses digits by it: on a plateau after a step, many.
        atol = 1e-5 if "std" in name else 1e-9
        np.testing.assert_allclose(found[:, column], expected[:, column], rtol=1e-9, atol=atol, err_msg=name)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "rules",
    [FeatureRules(), FeatureRules(rate="diff"), FeatureRules(session_gap_s=0.7, ratio_floor_c=2.0)],
    ids=["default", "diff", "short sessions"],
)
def test_features_are_those_of_pandas(seed: int, rules: FeatureRules) -> None:
    """Several devices, sessions split at gaps, either rate, the ratio guarded."""
    samples = series(seed)
    close(made(samples, rules), oracle(samples, rules))


readings = st.floats(-50, 50, allow_nan=False).map(lambda x: round(x, 3))
step_s = st.sampled_from([0.25, 1.0, 59.0, 60.0, 60.5, 900.0])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.tuples(step_s, readings, readings), min_size=1, max_size=14), min_size=1, max_size=4))
def test_features_of_any_series_are_those_of_pandas(devices: list[list[tuple[float, float, float]]]) -> None:
    """Series as short as one sample included."""
    flat = [(device, *row) for device, rows in enumerate(devices) for row in rows]
    ts = np.concatenate([np.cumsum([row[0] for row in rows]) for rows in devices])
    samples = Samples.of(ts, [row[2] for row in flat], [row[3] for row in flat], device=[row[0] for row in flat])
    close(made(samples), oracle(samples, FeatureRules()))


def test_one_sample_alone_has_no_scatter_no_rate_and_itself_for_lag() -> None:
    """The first of a session, worked out by hand."""
    found = dict(zip(FEATURES, made(Samples.of([5.0], [2.0], [20.0]))[0], strict=True))
    assert found == {
        "current": 2.0,
        "temperature": 20.0,
        "current_roll_mean": 2.0,
        "current_roll_std": 0.0,
        "current_roll_min": 2.0,
        "current_roll_max": 2.0,
        "temp_roll_mean": 20.0,
        "temp_roll_std": 0.0,
        "current_rate": 0.0,
        "temp_rate": 0.0,
        "current_lag1": 2.0,
        "temp_lag1": 20.0,
        "current_temp_ratio": 0.1,
        "current_temp_product": 40.0,
    }


def test_two_samples_by_hand() -> None:
    """A rate is per second, or the bare difference for converted models; the deviation is the sample's (n - 1)."""
    samples = Samples.of([10.0, 14.0], [1.0, 3.0], [20.0, 21.0])
    found = dict(zip(FEATURES, made(samples)[1], strict=True))
    assert (found["current_rate"], found["temp_rate"]) == (0.5, 0.25)
    assert found["current_roll_std"] == pytest.approx(2.0**0.5)
    assert (found["current_lag1"], found["temp_lag1"]) == (1.0, 20.0)
    diff = dict(zip(FEATURES, made(samples, FeatureRules(rate="diff"))[1], strict=True))
    assert (diff["current_rate"], diff["temp_rate"]) == (2.0, 1.0)


@pytest.mark.parametrize(("gap_s", "joined"), [(60.0, True), (np.nextafter(60.0, 61.0), False)])
def test_only_a_longer_gap_than_the_limit_starts_a_session(gap_s: float, joined: bool) -> None:
    """At the limit the session goes on."""
    found = made(Samples.of([0.0, gap_s], [1.0, 3.0], [20.0, 20.0]))[1]
    assert found[FEATURES.index("current_lag1")] == (1.0 if joined else 3.0)


@pytest.mark.parametrize(
    ("temperature_c", "divisor"), [(0.0, 0.5), (0.4, 0.5), (-0.4, -0.5), (0.5, 0.5), (-0.5, -0.5), (0.6, 0.6)]
)
def test_the_ratio_guards_a_temperature_near_zero(temperature_c: float, divisor: float) -> None:
    """It divides by the floor then, on the temperature's own side of zero."""
    found = made(Samples.of([0.0], [3.0], [temperature_c]), FeatureRules(ratio_floor_c=0.5))[0]
    assert found[FEATURES.index("current_temp_ratio")] == 3.0 / divisor


def test_a_plateau_has_exactly_no_scatter() -> None:
    """0.1 does not sum to five times itself in floats: the mean's rounding must not look like noise."""
    found = made(Samples.of(np.arange(9.0), np.full(9, 0.1), np.full(9, 21.7)))
    assert not found[:, [FEATURES.index("current_roll_std"), FEATURES.index("temp_roll_std")]].any()


def test_no_rows_have_no_features() -> None:
    """The shape stays."""
    assert made(Samples.empty()).shape == (0, len(FEATURES))


@pytest.mark.parametrize("rate", ["per_second", "diff"])
def test_a_row_has_the_same_bits_in_a_batch_of_1_to_100_at_any_offset(rate: str) -> None:
    """Whether a sample comes alone or with others must not show: scores would differ on a replay."""
    rules = FeatureRules(rate=rate)  # type: ignore[arg-type]
    samples = series(9, rows=120)
    of = tails(samples.ts, samples.current_a, samples.temperature_c, samples.device)
    whole = features(of, rules)
    for size in range(1, 101):
        for offset in (0, 1, 7, 113, len(samples) - size):
            rows = slice(offset, offset + size)
            part = Tails(of.ts[rows], of.current_a[rows], of.temperature_c[rows], of.present[rows])
            assert features(part, rules).tobytes() == whole[rows].tobytes()


@pytest.mark.parametrize("batch", [1, 2, 7, 64, 1000])
def test_the_window_gives_the_bits_of_the_whole_series(batch: int) -> None:
    """Training reads whole series, the worker a ring: one code path, one result."""
    samples = series(3, rows=200)
    arrival = np.argsort(samples.ts, kind="stable")
    windows, found = Windows(capacity=4), np.empty((len(samples), len(FEATURES)))
    for begin in range(0, len(samples), batch):
        rows = arrival[begin : begin + batch]
        touched = windows.upsert(samples.take(rows))
        found[rows] = features(windows.tails(touched))
        windows.evict(samples.device[rows])
    assert found.tobytes() == made(samples).tobytes()


def test_what_a_device_has_not_sent_may_be_anything() -> None:
    """Rows that are not present are filled with finite numbers and take no part."""
    samples = series(1, rows=6, devices=2)
    of = tails(samples.ts, samples.current_a, samples.temperature_c, samples.device)
    assert of.present.sum(axis=1).tolist() == [1, 2, 3, 4, 5, 5] * 2
    spoilt = [np.where(of.present, column, 777.0) for column in (of.ts, of.current_a, of.temperature_c)]
    assert features(Tails(*spoilt, of.present)).tobytes() == features(of).tobytes()
    assert of.ts.shape == (12, ROLLING)
