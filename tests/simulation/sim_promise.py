"""Judges seeds one after another, and says how to run the first one that breaks the promise again."""

from __future__ import annotations

from collections.abc import Iterable

from sim_schedule import EVERYTHING, Ailments, Verdict, judge

from scoring.bundle import Bundle


class Broken(AssertionError):
    """The promise was broken. The message names the seed."""


def keeps(seeds: Iterable[int], bundle: Bundle, ailments: Ailments = EVERYTHING) -> list[Verdict]:
    """The verdicts on all seeds. Raises `Broken` at the first that breaks the promise, hangs or raises."""
    return [_judged(seed, bundle, ailments) for seed in seeds]


def _judged(seed: int, bundle: Bundle, ailments: Ailments) -> Verdict:
    again = f"seed {seed}; again: SIMULATION_SEED={seed} pytest tests/simulation -k promise"
    try:
        verdict = judge(seed, bundle, ailments)
    except Exception as error:
        raise Broken(f"{again}\n{type(error).__name__}: {error}") from error
    if verdict.broken:
        raise Broken("\n".join([again, *verdict.broken]))
    return verdict
