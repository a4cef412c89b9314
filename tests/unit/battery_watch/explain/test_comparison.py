"""Two accounts of one sample."""

from __future__ import annotations

from typing import Any

import pytest

from battery_watch.explain.comparison import Difference, agreement, differences

SAID: dict[str, Any] = {
    "summary": "Current 4.60 A.",
    "severity": "low",
    "stages": ["forest"],
    "actual": {"current_a": 2.5, "temperature_c": 25.0},
    "scores": {"forest": {"value": -0.7123456789, "threshold": -0.5, "exceeded": True}},
    "contributions": {"current": 0.75, "temp_rate": 0.25},
    "forest_features": {"current": 0.0625},
}


def changed(where: str, value: Any) -> dict[str, Any]:
    """What was said, with one field otherwise; a field that is None is left out."""
    first, *rest = where.split(".")
    found = {**SAID, first: SAID[first]}
    inner = found
    for name in [first, *rest][:-1]:
        inner[name] = dict(inner[name])
        inner = inner[name]
    inner[([first, *rest])[-1]] = value
    return {name: each for name, each in found.items() if each is not None}


def test_equal_accounts_agree_to_the_bit() -> None:
    """Whatever order their fields have, and whatever the other one says besides."""
    assert agreement(differences({**dict(reversed(SAID.items())), "episode": "e"}, SAID)) == "bits"


@pytest.mark.parametrize(
    ("where", "value", "comes_to"),
    [
        ("scores.forest.value", -0.7123456789 * (1 + 1e-12), "rounding"),
        ("scores.forest.value", -0.7123456789 * (1 + 1e-4), "no"),
        ("forest_features.current", 0.0625 + 1e-12, "rounding"),
        ("scores.forest.exceeded", False, "no"),
        ("actual.current_a", 2.5 + 1e-12, "no"),
        ("severity", "high", "no"),
        ("stages", ["forest", "change"], "no"),
        ("stages", ["change"], "no"),
        ("summary", "Current 4.61 A.", "no"),
        ("contributions.current", None, "no"),
        ("forest_features", None, "no"),
    ],
)
def test_a_difference_is_named_and_weighed(where: str, value: Any, comes_to: str) -> None:
    """The last bits of another processor are none that matters; a reading, a verdict or a word is."""
    found = differences(SAID, changed(where, value))
    assert [each.field.removesuffix(".0") for each in found] == [where]
    assert agreement(found) == comes_to


def test_words_may_follow_a_rounded_number() -> None:
    """A last digit in the sentence may turn with the last bits."""
    rounded = Difference("scores.forest.value", -0.5, -0.5 - 1e-13)
    assert agreement([rounded, Difference("summary", "2.50 A", "2.51 A")]) == "rounding"
    assert agreement([Difference("severity", "low", "high"), rounded]) == "no"


def test_what_earlier_versions_did_not_tell_is_not_missed() -> None:
    """The band and the forest's features came later; all else has always been there."""
    earlier = {name: value for name, value in SAID.items() if name != "forest_features"}
    assert differences(earlier, SAID) == []
    assert [each.field for each in differences({**earlier, "severity": None}, SAID)] == ["severity"]
