"""A stream with one open shard."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from stream_rig import Shard, Stream


@pytest.fixture
def stream() -> Stream:
    """One open shard."""
    return Stream({"s1": Shard()})
