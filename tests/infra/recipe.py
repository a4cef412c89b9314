"""A Dockerfile and its .dockerignore, read as an engine reads them, as far as ours go."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Stage:
    """A stage: its name, what it starts from, and its instructions in order."""

    name: str
    base: str
    instructions: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """The arguments of every instruction of that name."""
        return [argument for each, argument in self.instructions if each == name]

    def one(self, name: str) -> str:
        """The arguments of the only one."""
        (argument,) = self.all(name)
        return argument

    def words(self, name: str) -> list[str]:
        """The words of an instruction in its exec form; a shell form is no JSON and fails."""
        found = json.loads(self.one(name).rpartition("CMD ")[2])
        assert isinstance(found, list)
        return found

    def pairs(self, name: str) -> dict[str, str]:
        """Names and values of all ENV or LABEL instructions."""
        return dict(pair.split("=", 1) for argument in self.all(name) for pair in shlex.split(argument))

    def copies(self) -> list[tuple[list[str], str, str]]:
        """Of every COPY: sources, target, and the stage it takes from ('' for the context)."""
        found = []
        for argument in self.all("COPY"):
            words = shlex.split(argument)
            stage = words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else ""
            found.append((words[:-1], words[-1], stage))
        return found


def stages(dockerfile: str) -> list[Stage]:
    """The stages of a Dockerfile. Every FROM must have a name, and a base that is an ARG's default or a stage."""
    found: list[Stage] = []
    defaults: dict[str, str] = {}
    for name, argument in _instructions(dockerfile):
        if name == "FROM":
            base, _, stage = argument.partition(" AS ")
            base = re.sub(r"\$\{(\w+)\}", lambda match: defaults[match[1]], base)
            found.append(Stage(stage, base, ()))
        elif not found:
            assert name == "ARG"
            key, _, value = argument.partition("=")
            defaults[key] = value
        else:
            last = found.pop()
            found.append(Stage(last.name, last.base, (*last.instructions, (name, argument))))
    return found


def sent(root: Path, dockerignore: str) -> set[str]:
    """The files below ``root`` that go to the builder, by their paths. The file must be an allow-list."""
    patterns = [line for line in dockerignore.splitlines() if line and not line.startswith("#")]
    assert patterns[0] == "*", "not an allow-list"
    tried = (path for pattern in patterns if pattern.startswith("!") for path in _below(root / pattern[1:]))
    names = {path.relative_to(root).as_posix() for path in tried}
    return {name for name in names if _allowed(name, patterns)}


def copied(stage: Stage, files: set[str]) -> dict[str, str]:
    """What a stage's COPY instructions make of the context: the source of every file, by its path in the stage."""
    found: dict[str, str] = {}
    for sources, target, taken_from in stage.copies():
        for source in sources if not taken_from else ():
            inside = [name for name in files if name == source or name.startswith(f"{source}/")]
            assert inside, f"COPY {source}: nothing of it is sent to the builder"
            for name in inside:
                below = target if name != source else f"{target}{PurePosixPath(name).name}"
                found[str(PurePosixPath(below) / PurePosixPath(name).relative_to(source))] = name
    return found


def _instructions(dockerfile: str) -> list[tuple[str, str]]:
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())]


def _below(path: Path) -> list[Path]:
    return [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]


def _allowed(name: str, patterns: list[str]) -> bool:
    """The last pattern that fits a file, or a folder above it, decides."""
    allowed = True
    for pattern in patterns:
        if re.fullmatch(_expression(pattern.removeprefix("!")), name):
            allowed = pattern.startswith("!")
    return allowed


def _expression(pattern: str) -> str:
    any_depth = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
    return f"{any_depth}(?:/.*)?"
