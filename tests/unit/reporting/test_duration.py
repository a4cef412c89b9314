"""Lengths of time in words."""

from __future__ import annotations

import pytest

from reporting.duration import duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5.0, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (90.0, "1 min 30 s"),
        (3600.0, "1 h"),
        (3601.0, "1 h"),
        (5400.0, "1 h 30 min"),
        (86_400.0, "1 d"),
        (90_061.0, "1 d 1 h"),
        (7 * 86_400.0, "7 d"),
    ],
)
def test_a_length_of_time_has_its_two_largest_units(seconds: float, words: str) -> None:
    """The second one only where it is not zero."""
    assert duration(seconds) == words
