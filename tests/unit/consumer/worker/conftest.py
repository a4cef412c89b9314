"""A worker that is told to stop in its third turn."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from worker_rig import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """All that is around its loop."""
    return World(tmp_path / "pulse")
