"""Judges seeds one after another, and says how to run the first one that breaks the promise again."""

from __future__ import annotations

import os
from collections.abc import Iterable

from sim_judge import Judge, Verdict
from sim_schedule import EVERYTHING, Ailments

from scoring.bundle import Bundle

LONG_TEST = "test_the_promise_over_thousands_of_records"


class Broken(AssertionError):
    """The promise was broken. The message names the seed."""


def chosen(seeds: Iterable[int]) -> list[int]:
    """These seeds, or the single one that SIMULATION_SEED names."""
    single = os.environ.get("SIMULATION_SEED")
    return [int(single)] if single else [*seeds]


def command(seed: int, test: str = "test_the_promise") -> str:
    """What runs exactly this seed again."""
    return f"SIMULATION_SEED={seed} pytest tests/simulation/test_promise.py::{test}"


def keeps(
    seeds: Iterable[int], bundle: Bundle, ailments: Ailments = EVERYTHING, test: str = "test_the_promise"
) -> list[Verdict]:
    """The verdicts on all seeds. Raises `Broken` at the first that breaks the promise, hangs or raises. ``test``: the
    name of the test that asks; that of `LONG_TEST` asks about long schedules."""
    judge = Judge(bundle, ailments)
    return [_judged(seed, judge, test) for seed in seeds]


def _judged(seed: int, judge: Judge, test: str) -> Verdict:
    again = f"seed {seed}; again: {command(seed, test)}"
    try:
        verdict = judge.judge_long(seed) if test == LONG_TEST else judge.judge(seed)
    except Exception as error:
        raise Broken(f"{again}\n{type(error).__name__}: {error}") from error
    if verdict.broken:
        raise Broken("\n".join([again, *verdict.broken]))
    return verdict
