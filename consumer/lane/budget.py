"""How long a step may go on (rule 26). Time is an argument of the lane, so it asks, and never looks at a clock."""

from __future__ import annotations

from typing import Protocol


class Budget(Protocol):
    """Answers, between two pieces of work, whether the next one may begin. Where it says no changes no output: the rest
    waits for the next step."""

    def __call__(self) -> bool:
        """May it go on?"""


def unlimited() -> bool:
    """The budget of a step that goes on until nothing is left: a replay, or a test."""
    return True
