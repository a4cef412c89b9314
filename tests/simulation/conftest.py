"""The simulator's modules become importable by their names, and the worker's log is kept out of the way."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

sys.path.insert(0, str(Path(__file__).parent))

from sim_bundle import arithmetic_bundle
from sim_cases import Calls

from demo.emulator import Emulator
from scoring.bundle import Bundle

SEEDS_IN_A_TEST = 20
LONG_SEEDS = range(20_000, 24_000)
"""What `make test-all` adds: none of the seeds that `make test` and `make chaos` run."""
CRASH_EVERY = 5
"""`make test` has a process crash at every fifth call, `make test-all` at the others too."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``seeds``: blocks of numbers. SIMULATION_SEEDS says how many there are, SIMULATION_SEED names a single one."""
    if "seeds" not in metafunc.fixturenames:
        return
    single = os.environ.get("SIMULATION_SEED")
    wanted = range(int(single), int(single) + 1) if single else range(int(os.environ.get("SIMULATION_SEEDS", "2000")))
    blocks = [_block(block) for block in _blocks(wanted)]
    if not single:
        blocks += [_block(block, pytest.mark.long) for block in _blocks(LONG_SEEDS)]
    metafunc.parametrize("seeds", blocks)


def _blocks(seeds: range) -> list[range]:
    return [seeds[n : n + SEEDS_IN_A_TEST] for n in range(0, len(seeds), SEEDS_IN_A_TEST)]


def _block(seeds: range, *marks: pytest.MarkDecorator) -> Any:
    return pytest.param(seeds, id=f"{seeds.start}-{seeds.stop - 1}", marks=marks)


@pytest.fixture(params=["every fifth call", pytest.param("the other calls", marks=pytest.mark.long)])
def calls(request: pytest.FixtureRequest) -> Calls:
    """Gives the calls, counted from one, at which a crash is tried, in a run that makes fewer than it is given."""
    fifth = request.param == "every fifth call"
    return lambda most: [call for call in range(1, most) if (call % CRASH_EVERY == 1) is fifth]


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """A bundle of plain arithmetic."""
    return arithmetic_bundle()


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """One server for all who ask; each makes a table of its own."""
    with Emulator() as running:
        yield running


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A simulated worker logs thousands of retries."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)
