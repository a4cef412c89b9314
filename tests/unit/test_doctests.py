"""The examples in docstrings run."""

from __future__ import annotations

import doctest
import importlib

import pytest
from repository import ROOT

PACKAGES = ("battery_watch", "consumer", "models", "reporting", "scoring", "window")
EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if "    >>> " in path.read_text()
]


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    """A renamed function would leave its example behind."""
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0
    assert found.failed == 0
