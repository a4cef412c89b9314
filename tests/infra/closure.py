"""Which modules of a set of files import which, by reading and without running them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath


def reached(files: Mapping[str, str], roots: Iterable[str]) -> tuple[set[str], set[str]]:
    """The files that ``roots`` reach by any import, within a function too, and the modules imported that none of the
    files is. ``files``: text by path. What stands under `if TYPE_CHECKING` is never imported."""
    found: set[str] = set()
    outside: set[str] = set()
    waiting = list(roots)
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        # A package's own file runs before its modules.
        waiting += [str(parent / "__init__.py") for parent in PurePosixPath(path).parents if str(parent) != "."]
        for module, names in _imports(ast.parse(files[path])):
            there = [here for name in (module, *(f"{module}.{name}" for name in names)) if (here := _file(name, files))]
            waiting += there
            if not there:
                outside.add(module)
    return found, outside


def _file(module: str, files: Mapping[str, str]) -> str | None:
    path = module.replace(".", "/")
    return next((name for name in (f"{path}.py", f"{path}/__init__.py") if name in files), None)


def _imports(tree: ast.AST) -> Iterator[tuple[str, list[str]]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, "imports here are absolute"
            yield node.module, [alias.name for alias in node.names]
        yield from _imports(node)
