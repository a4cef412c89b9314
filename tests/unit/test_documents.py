"""What the documents of the code name is there: files, names in files, tests, rules, make targets, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from pydantic import AliasChoices
from repository import ROOT

from consumer.settings import Settings

PAGES = (
    "docs/architecture.md",
    "docs/rules.md",
    "docs/glossary.md",
    "docs/README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
)
"""The pages about the code, held to it name by name."""
CODE = ("battery_watch", "benchmarks", "consumer", "demo", "infra", "models", "reporting", "scoring", "window", "tests")
MADE = {"build", "demo-out", "replay-out", "node_modules", "cdk.out"}
"""Folders that commands write; nothing in them is ours."""
WORDS = re.compile(r"`([^`\n]+)`")
NAMED_IN = re.compile(r"`([\w./-]+\.py)`\s+\(([^()]*)\)")
"""A file and, in parentheses, names that are in it: `window/merge.py` (`stamps`)."""
SAME_FILE = re.compile(r"`([\w./-]+\.py)`|the same file \(([^()]*)\)")
"""A file, or names that are in the file named before them on the line: the same file (`Merge`)."""
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
RULE = re.compile(r"\brules? (\d+)(?:(?: to| and|,) (\d+))?", re.IGNORECASE)


@cache
def text(path: str) -> str:
    """The text of a file of the repository."""
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def files_of_tests() -> list[str]:
    """The paths of all files of tests."""
    return [str(file.relative_to(ROOT)) for file in (ROOT / "tests").rglob("test_*.py")]


@cache
def known_tests() -> set[str]:
    """The names of all tests."""
    return {name for path in files_of_tests() for name in re.findall(r"def (test_\w+)", text(path))}


def own(folder: Path, ending: str) -> Iterator[Path]:
    """The files below a folder whose names end so, but for what commands write: an environment has ten thousands."""
    for each in sorted(folder.iterdir()):
        if each.is_dir():
            if each.name not in MADE and not each.name.startswith("."):
                yield from own(each, ending)
        elif each.name.endswith(ending):
            yield each


def paths(page: str) -> set[str]:
    """What a page names that begins like a path of the repository; an S3 key or a placeholder in <> does not."""
    top = {each.name for each in ROOT.iterdir()}
    words = {word.split("::")[0] for word in WORDS.findall(text(page))}
    return {word for word in words if re.fullmatch(r"[\w.*/-]+", word) and "/" in word and word.split("/")[0] in top}


def anchor(heading: str) -> str:
    """The anchor that a code host gives a heading."""
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")


def sections() -> dict[int, str]:
    """By number, the text under the heading of each rule."""
    parts = re.split(r"^### Rule (\d+): ", text("docs/rules.md"), flags=re.MULTILINE)
    return {int(number): re.split(r"^## ", body, flags=re.MULTILINE)[0] for number, body in pairs(parts[1:])}


def in_the_same_file(page: str) -> Iterator[tuple[str, str]]:
    """The file that each "the same file (`X`)" of a page means, and what the parentheses hold."""
    for line in text(page).splitlines():
        before = ""
        for path, about in SAME_FILE.findall(line):
            if about:
                yield before, about
            else:
                before = path


def pairs(parts: list[str]) -> Iterator[tuple[str, str]]:
    """Every two that follow each other."""
    return zip(parts[::2], parts[1::2], strict=True)


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_named_exists(page: str) -> None:
    """A file that moves takes its name in the documents with it."""
    assert sorted(path for path in paths(page) if not any(ROOT.glob(path))) == []


@pytest.mark.parametrize("page", PAGES)
def test_a_name_in_parentheses_after_a_file_is_in_that_file(page: str) -> None:
    """A class that is renamed is renamed here too."""
    missing = [
        f"{path}: {name}"
        for path, about in [*NAMED_IN.findall(text(page)), *in_the_same_file(page)]
        if (ROOT / path).is_file()
        for name in re.findall(r"`(\w+)`", about)
        if not re.search(rf"\b{name}\b", text(path))
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_is_named_exists(page: str) -> None:
    """With or without its file."""
    named = {name for word in WORDS.findall(text(page)) for name in re.findall(r"\b(test_\w+)(?!\w*\.py)", word)}
    files = {Path(path).stem for path in files_of_tests()}
    prefixes = {name for name in named if re.fullmatch(r"test_(rule|bug)_\d\d", name)}
    assert sorted(named - known_tests() - files - prefixes) == []
    assert sorted(name for name in prefixes if not any(test.startswith(name) for test in known_tests())) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_that_is_named_exists(page: str) -> None:
    """Whether in a sentence or in a block of commands."""
    targets = set(re.findall(r"^([\w.-]+):", text("Makefile"), flags=re.MULTILINE))
    assert set(re.findall(r"(?:^|[`(&] ?)make ([a-z][\w-]*)", text(page), flags=re.MULTILINE)) - targets == set()


def test_the_readme_names_every_setting() -> None:
    """By its variable; of two names for one thing, the first."""
    aliases = [field.validation_alias for field in Settings.model_fields.values()]
    names = [alias.choices[0] if isinstance(alias, AliasChoices) else alias for alias in aliases]
    assert [name for name in names if f"`{name}`" not in text("README.md")] == []


def test_every_rule_that_the_code_cites_has_its_heading() -> None:
    """A rule that is built moves from the table of those that are not to a heading of its own."""
    cited = set()
    for file in (file for folder in CODE for file in own(ROOT / folder, ".py")):
        source = text(str(file.relative_to(ROOT)))
        for first, last in RULE.findall(source):
            cited |= {int(first), int(last or first)}
        cited |= {int(number) for number in re.findall(r"def test_rule_(\d\d)", source)}
    assert cited
    assert cited - set(sections()) == set()


@pytest.mark.parametrize("number", range(1, 23))
def test_every_rule_names_its_files_and_a_test_of_its_number(number: int) -> None:
    """So that `pytest -k test_rule_07` shows what the rule means."""
    section = sections()[number]
    for part in ("**Why.**", "**Where.**", "**Tests.**"):
        assert part in section
    assert f"`test_rule_{number:02}_" in section


PAGES_WITH_LINKS = sorted(str(file.relative_to(ROOT)) for file in own(ROOT, ".md"))


@pytest.mark.parametrize("page", PAGES_WITH_LINKS)
def test_every_link_within_the_repository_leads_somewhere(page: str) -> None:
    """To a file or folder that is there, and to a heading that is in it."""
    broken = []
    for target in LINK.findall(FENCE.sub("", text(page))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, place = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        there = file.exists()
        if there and place:
            there = place in {anchor(heading) for heading in HEADING.findall(FENCE.sub("", file.read_text()))}
        if not there:
            broken.append(target)
    assert broken == []
