"""Limits of severity: given, or from the data, and always rising."""

from __future__ import annotations

import pytest

from models.training.severity import LEVELS, limits
from scoring.config import Range

LEARNT = Range(current_a=(-0.5, 3.0), temperature_c=(10.0, 30.0))


def found(of: object) -> list[tuple[float, float]]:
    return [(getattr(of, level).current_a, getattr(of, level).temperature_c) for level in LEVELS]


def test_without_better_knowledge_they_follow_the_data() -> None:
    """The largest current and a half more; 5, 10 and 20 degrees above the warmest."""
    assert found(limits({}, LEARNT)) == [(3.0, 35.0), (3.6, 40.0), (4.5, 50.0)]


def test_what_is_known_of_a_cell_and_what_is_given() -> None:
    """Degrees of a simulated cell take the place of those by the data; what a user says goes first."""
    assert found(limits({}, LEARNT, (50.0, 55.0, 60.0))) == [(3.0, 50.0), (3.6, 55.0), (4.5, 60.0)]
    assert found(limits({"critical": (9.0, 70.0)}, LEARNT)) == [(3.0, 35.0), (3.6, 40.0), (9.0, 70.0)]


def test_hardly_any_current_at_all() -> None:
    """Limits rise all the same."""
    amperes = [a for a, _ in found(limits({}, Range(current_a=(0.0, 0.0), temperature_c=(10.0, 30.0))))]
    assert 0 < amperes[0] < amperes[1] < amperes[2]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"medium": (3.7, 36.0)}, r"medium \(3.7 A, 36 °C\) is not below high \(3.6 A, 40 °C, from the data"),
        ({"critical": (9.0, 40.0)}, r"high .*from the data.* is not below critical \(9 A, 40 °C\)"),
        ({"medium": (-1.0, 36.0)}, "--medium: a current of -1 A is not positive"),
        ({"medium": (float("nan"), 36.0)}, "not positive"),
    ],
)
def test_limits_that_cannot_be(given: dict[str, tuple[float, float]], said: str) -> None:
    """Which, and whose they are."""
    with pytest.raises(ValueError, match=said):
        limits(given, LEARNT)
