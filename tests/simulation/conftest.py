"""The simulator's modules become importable by their names, and the worker's log is kept out of the way."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

sys.path.insert(0, str(Path(__file__).parent))

from sim_bundle import arithmetic_bundle

from scoring.bundle import Bundle

SEEDS_IN_A_TEST = 20


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``seeds``: blocks of numbers. SIMULATION_SEEDS says how many there are, SIMULATION_SEED names a single one."""
    if "seeds" not in metafunc.fixturenames:
        return
    single = os.environ.get("SIMULATION_SEED")
    wanted = int(os.environ.get("SIMULATION_SEEDS", "2000"))
    blocks = (
        [range(int(single), int(single) + 1)]
        if single
        else [range(n, min(n + SEEDS_IN_A_TEST, wanted)) for n in range(0, wanted, SEEDS_IN_A_TEST)]
    )
    metafunc.parametrize("seeds", blocks, ids=[f"{block.start}-{block.stop - 1}" for block in blocks])


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """A bundle of plain arithmetic."""
    return arithmetic_bundle()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A simulated worker logs thousands of retries."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)
