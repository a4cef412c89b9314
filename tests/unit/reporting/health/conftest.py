"""A watch that has seen nothing yet."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from health_rig import Watched


@pytest.fixture
def watched() -> Watched:
    """Nothing seen yet."""
    return Watched()
