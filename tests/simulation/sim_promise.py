"""Judges seeds one after another, and says how to run the first one that breaks the promise again."""

from __future__ import annotations

from collections.abc import Iterable

from sim_schedule import EVERYTHING, Ailments, Judge, Verdict

from scoring.bundle import Bundle


class Broken(AssertionError):
    """The promise was broken. The message names the seed."""


def keeps(seeds: Iterable[int], bundle: Bundle, ailments: Ailments = EVERYTHING) -> list[Verdict]:
    """The verdicts on all seeds. Raises `Broken` at the first that breaks the promise, hangs or raises."""
    judge = Judge(bundle, ailments)
    return [_judged(seed, judge) for seed in seeds]


def _judged(seed: int, judge: Judge) -> Verdict:
    again = f"seed {seed}; again: SIMULATION_SEED={seed} pytest tests/simulation -k promise"
    try:
        verdict = judge.judge(seed)
    except Exception as error:
        raise Broken(f"{again}\n{type(error).__name__}: {error}") from error
    if verdict.broken:
        raise Broken("\n".join([again, *verdict.broken]))
    return verdict
