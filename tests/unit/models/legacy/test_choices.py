"""config.json and feature_names.json, whatever the old service called things."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.legacy import choices
from models.legacy.choices import Choices, Given
from models.legacy.errors import LegacyError, Unanswered
from models.legacy.files import File
from window.features import FEATURES

LIMITS = {
    "severity": {
        "medium": {"current": 3, "temperature": 40},
        "high": {"current": 4, "temperature": 50},
        "critical": {"current": 5, "temperature": 60},
    }
}


def read(content: Any, **given: Any) -> Choices:
    return choices.read(File("config.json", json.dumps(content).encode()), Given(**given))


def names(content: Any) -> list[str]:
    return choices.feature_names(File("feature_names.json", json.dumps(content).encode()))


@pytest.mark.parametrize(
    "content",
    [
        {"reconstruction_threshold": 0.5},
        {"threshold": 0.5},
        {"ae_threshold": 0.5},
        {"aeThreshold": 0.5},
        {"Reconstruction-Error-Threshold": 0.5},
        {"autoencoder": {"threshold": 0.5}},
        {"thresholds": {"reconstruction": 0.5, "isolation_forest": -0.1}},
        {"model_config": {"autoencoder": {"reconstruction_threshold": 0.5}}},
        {"threshold": 0.5, "reconstruction_threshold": 0.5},
    ],
    ids=str,
)
def test_names_of_the_threshold(content: dict[str, Any]) -> None:
    """Flat, nested, in camel case, wrapped; said twice alike is said once."""
    assert read({**LIMITS, **content}).reconstruction_threshold == 0.5


@pytest.mark.parametrize(
    "limits",
    [
        LIMITS,
        {
            "severity_thresholds": {
                "current": {"medium": 3, "high": 4, "critical": 5},
                "temp": {"medium": 40, "high": 50, "critical": 60},
            }
        },
        {
            "medium_current_threshold": 3,
            "high_current_threshold": 4,
            "critical_current_threshold": 5,
            "medium_temperature_threshold": 40,
            "high_temperature_threshold": 50,
            "critical_temperature_threshold": 60,
        },
        {
            "limits": {"current_limit_medium": 3, "current_limit_high": 4, "current_limit_critical": 5},
            "temp_limit_medium": 40,
            "temp_limit_high": 50,
            "temp_limit_critical": 60,
        },
        {
            "severity": {"mediumCurrent": 3, "highCurrent": 4, "criticalCurrent": 5},
            "severityTemp": {"medium": 40, "high": 50, "critical": 60},
        },
    ],
    ids=["by level", "by quantity", "flat", "level last", "camel case"],
)
def test_names_of_the_limits(limits: dict[str, Any]) -> None:
    """Each of six numbers in its place."""
    found = read({"threshold": 0.5, **limits}).severity
    assert [found.medium.current_a, found.high.current_a, found.critical.current_a] == [3, 4, 5]
    assert [found.medium.temperature_c, found.high.temperature_c, found.critical.temperature_c] == [40, 50, 60]


def test_what_is_missing_is_said_once_for_all() -> None:
    """Each key, the names that were looked for, what is there instead, and the option that gives it."""
    held = {"recon_limit": 0.5, "severity": {"high": {"current": 4}}, "window": {"minutes": 25}}
    with pytest.raises(Unanswered) as caught:
        read(held)
    said = str(caught.value)
    assert "reconstruction threshold: looked for reconstruction_threshold, " in said
    assert "ae_threshold" in said
    assert "give it with --reconstruction-threshold ERROR" in said
    assert "medium limit of the current" in said
    assert "--critical AMPERES DEGREES" in said
    assert "high limit of the current" not in said
    assert "It holds: recon_limit = 0.5, severity.high.current = 4, window.minutes = 25" in said


def test_the_command_line_gives_what_is_missing() -> None:
    """And says so in the sources."""
    severity = {"medium": (1.0, 30.0), "high": (2.0, 40.0), "critical": (3.0, 50.0)}
    found = read({}, reconstruction_threshold=0.7, severity=severity)
    assert found.reconstruction_threshold == 0.7
    assert (found.severity.high.current_a, found.severity.high.temperature_c) == (2.0, 40.0)
    assert found.sources["reconstruction threshold"] == "--reconstruction-threshold"
    assert found.sources["high limit of the temperature"] == "--high"


def test_the_command_line_goes_first() -> None:
    """Over what the file says, and the file's number is not listed as unused."""
    found = read({**LIMITS, "threshold": 0.5}, reconstruction_threshold=0.7)
    assert found.reconstruction_threshold == 0.7
    assert found.unused == ()


def test_two_thresholds_are_a_question() -> None:
    """Both are named; neither is taken."""
    with pytest.raises(Unanswered, match=r"said in 2 ways \(threshold = 0\.5, ae_threshold = 0\.6\); choose with"):
        read({**LIMITS, "threshold": 0.5, "ae_threshold": 0.6})
    content = {**LIMITS, "threshold": 0.5, "high_current": 4.5}
    with pytest.raises(Unanswered, match=r"high limit of the current: said in 2 ways.*--high"):
        read(content)


@pytest.mark.parametrize("value", [True, "0.5", None, [0.5], float("nan"), 10**400], ids=lambda value: str(value)[:6])
def test_a_threshold_that_is_no_number_is_missing(value: Any) -> None:
    """It is shown, not guessed at."""
    with pytest.raises(Unanswered, match=r"reconstruction threshold: looked for(.|\n)*It holds: .*threshold = "):
        read({**LIMITS, "threshold": value})


@pytest.mark.parametrize("value", [0, -0.5])
def test_a_threshold_below_every_error(value: float) -> None:
    """A mean square is never negative."""
    with pytest.raises(Unanswered, match=r"config\.json: threshold.*--reconstruction-threshold"):
        read({**LIMITS, "threshold": value})


def test_limits_that_fall() -> None:
    """Medium above high cannot be meant."""
    with pytest.raises(Unanswered, match=r"medium 9 A / 40 °C, high 4 A.*must not fall.*--medium"):
        read({**LIMITS, "threshold": 0.5}, severity={"medium": (9.0, 40.0)})


def test_what_is_not_used_is_listed() -> None:
    """Nothing of the old settings vanishes silently; a threshold of the forest is none of the autoencoder."""
    found = read(
        {**LIMITS, "threshold": 0.5, "contamination": 0.02, "forest": {"threshold": -0.1}, "rolling_window": 5}
    )
    assert found.unused == ("contamination = 0.02", "forest.threshold = -0.1", "rolling_window = 5")


def test_settings_that_change_what_numbers_mean() -> None:
    """Other rolling features, or another error: no conversion can be right."""
    with pytest.raises(LegacyError, match=r"features\.rolling = 10.*over 5 samples"):
        read({**LIMITS, "threshold": 0.5, "features": {"rolling": 10}})
    with pytest.raises(LegacyError, match=r'error_metric = "mae"'):
        read({**LIMITS, "threshold": 0.5, "error_metric": "mae"})
    assert read({**LIMITS, "threshold": 0.5, "error_metric": "MSE"})


@pytest.mark.parametrize("content", [b"[1, 2]", b"[" * 100_000, b"not json", b"\xff\xfe", b'"text"'])
def test_a_config_that_is_none(content: bytes) -> None:
    """The file is named."""
    with pytest.raises(LegacyError, match=r"config\.json is "):
        choices.read(File("config.json", content), Given())


def test_feature_names_in_any_order_alone_or_under_a_key() -> None:
    """The order is kept."""
    turned = list(reversed(FEATURES))
    assert names(turned) == turned
    assert names({"feature_names": turned, "version": 3}) == turned
    assert names({"features": turned, "target": None}) == turned


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (list(FEATURES[:13]), "missing: current_temp_product"),
        ([*FEATURES[:13], "voltage"], "missing: current_temp_product; unknown: voltage"),
        ([*FEATURES[:13], "current"], "missing: current_temp_product; twice: current"),
        ([*FEATURES, "voltage"], "unknown: voltage"),
        ({"names_of": list(FEATURES)}, "under one of: feature_names"),
        ({"features": list(FEATURES), "names": list(FEATURES)}, "is not a list"),
        (list(range(14)), "is not a list"),
        ("current", "is not a list"),
    ],
)
def test_feature_names_that_are_not_ours(content: Any, said: str) -> None:
    """What is missing, unknown or there twice."""
    with pytest.raises(LegacyError, match=said):
        names(content)
