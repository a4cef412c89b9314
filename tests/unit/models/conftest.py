"""One small training for all tests of this folder."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from models.train import Recipe, train_simulated
from scoring.bundle import Bundle

SMALL = Recipe(
    sessions=8, fresh=2, starts=6, rows_per_session=300, trees=20, epochs=2, settle_epochs=2, parity_rows=3000
)


@dataclass(frozen=True)
class Trained:
    """A bundle, its folder, and the steps that were told while it was made."""

    bundle: Bundle
    folder: Path
    steps: list[str]


@pytest.fixture(scope="session")
def make_small() -> Callable[[Path, int], Trained]:
    """Trains a small bundle; some seconds each."""

    def make(folder: Path, seed: int) -> Trained:
        steps: list[str] = []

        def tell(step: str, done: int, total: int) -> None:
            assert 0 <= done <= total
            steps.append(step.split(" (")[0])

        with warnings.catch_warnings():
            # TensorFlow and PyBaMM warn about their own insides.
            warnings.simplefilter("ignore")
            return Trained(train_simulated(folder, seed, SMALL, tell), folder, list(dict.fromkeys(steps)))

    return make


@pytest.fixture(scope="session")
def small(make_small: Callable[[Path, int], Trained], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The small bundle of seed 3."""
    return make_small(tmp_path_factory.mktemp("small") / "bundle", 3)
