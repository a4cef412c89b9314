"""What is checked before a commit is what `make check` checks."""

from __future__ import annotations

import re

import yaml
from repository import ROOT


def test_git_checks_before_a_commit_what_make_checks() -> None:
    """The same commands, from the same environment, over all files; nothing comes from another repository."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [each["repo"] for each in hooks] == ["local"]
    (recipe,) = re.findall(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    checked = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()]
    assert [hook["entry"] for hook in hooks[0]["hooks"]] == checked
    assert len(checked) == 6
    for hook in hooks[0]["hooks"]:
        assert (hook["language"], hook["pass_filenames"]) == ("system", False)
