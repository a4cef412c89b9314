"""The code stays readable in one sitting: what grows beyond these limits needs a reason, or parts.

The limits count what a reader has to keep in mind. Where one is passed for a reason, the reason stands here.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator

import pytest
from repository import ROOT

MOST_LINES_OF_A_MODULE, MOST_LINES_OF_A_CLASS, MOST_ATTRIBUTES, MOST_PARAMETERS = 400, 250, 15, 6
GENERATED = {"reporting/contract/client/battery_watch_events.py"}
"""One file to copy, made of several."""
ATTRIBUTES = {
    "AnomalyEpisode": "the fields of an event are the contract",
    "ChartData": "columns of one chart",
    "Config": "the settings of a deployment",
    "Episode": "the columns of an episode in the state",
    "Head": "the fields of the state, each owned by one part of the lane",
    "Parts": "one part for each thing that a lane does",
    "Settings": "the settings of a worker",
    "Summary": "the figures of a demo, printed and as JSON",
}
PARAMETERS = {
    "command": "click gives a command each of its options",
    "of": "one column of samples each",
    "WorkerService": "the collaborators of a CDK construct, by name",
}


def modules(*, tests: bool) -> list[str]:
    """The Python files that git tracks."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split() if tests or not name.startswith("tests/")]


def nodes(name: str) -> Iterator[ast.AST]:
    """All of a module."""
    return ast.walk(ast.parse((ROOT / name).read_text()))


def attributes(found: ast.ClassDef) -> set[str]:
    """Those that its methods set, or its body declares."""
    declared = {n.target.id for n in found.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
    stored = (n for n in ast.walk(found) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store))
    return declared | {n.attr for n in stored if isinstance(n.value, ast.Name) and n.value.id == "self"}


@pytest.mark.parametrize("name", modules(tests=True))
def test_a_module_is_read_in_one_sitting(name: str) -> None:
    """Tests too."""
    lines = (ROOT / name).read_text().count("\n")
    assert lines <= MOST_LINES_OF_A_MODULE or name in GENERATED


@pytest.mark.parametrize("name", modules(tests=False))
def test_a_class_is_one_thing(name: str) -> None:
    """In lines, and in what it remembers."""
    for found in nodes(name):
        if isinstance(found, ast.ClassDef):
            assert (found.end_lineno or 0) - found.lineno < MOST_LINES_OF_A_CLASS, found.name
            if found.name not in ATTRIBUTES:
                assert len(attributes(found)) <= MOST_ATTRIBUTES, (found.name, sorted(attributes(found)))


@pytest.mark.parametrize("name", modules(tests=False))
def test_a_public_function_takes_few_values(name: str) -> None:
    """More than six are a value of their own."""
    for of in nodes(name):
        for found in getattr(of, "body", []) if isinstance(of, ast.ClassDef | ast.Module) else []:
            if not isinstance(found, ast.FunctionDef) or (found.name.startswith("_") and found.name != "__init__"):
                continue
            owner = of.name if isinstance(of, ast.ClassDef) else ""
            given = [*found.args.posonlyargs, *found.args.args, *found.args.kwonlyargs]
            count = len([each for each in given if each.arg not in ("self", "cls")])
            reason = PARAMETERS.get(found.name) or PARAMETERS.get(owner)
            assert reason or count <= MOST_PARAMETERS, (owner, found.name)
