"""Where the tests find the repository, however deep they lie."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
SHIPPED_BUNDLE = ROOT / "models" / "default"
