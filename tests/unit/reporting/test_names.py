"""Names and texts on one line."""

from __future__ import annotations

import unicodedata

import pytest

from reporting.names import LONGEST, flat

UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""The categories of what a terminal obeys or nobody sees, by the Unicode database itself."""


@pytest.mark.parametrize(
    "name", ["bay-7", "bay [7]", "rack/7", "Zelle 3 °C", "电池 7", "a_b:c@e+f", "[bold]x[/]", "<b>"]
)
def test_an_ordinary_name_reads_as_it_is(name: str) -> None:
    """Brackets too: whoever knows mark-up is told that this is none."""
    assert flat(name) == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (" a\n\tb\r\n", "a b"),
        ("a\u2028b\u2029c\u00a0d\u3000e", "a b c d e"),
        ("\x1b[31mred\x9b0m\x07", "?[31mred?0m?"),
        ("a\x00b", "a?b"),
        ("a\u202eb\u2066c\u2069\u200f", "a?b?c??"),
        ("\ufeffa\u200b\u2060\u00ad", "?a???"),
        ("a\u3164\u115f\ufe0f", "a???"),
        ("\ud800a\udcff", "?a?"),
        ("", "?"),
        (" \n\u2028", "?"),
    ],
)
def test_what_is_obeyed_or_unseen_is_a_space_or_a_question_mark(name: str, said: str) -> None:
    """And so is a name of which nothing is left."""
    assert flat(name) == said


def test_no_character_of_any_kind_gets_through() -> None:
    """All of Unicode, and twice is as once."""
    for start in range(0, 0x110000, 0x1000):
        line = flat("".join(map(chr, range(start, start + 0x1000))), longest=None)
        assert not {unicodedata.category(c) for c in line} & UNSEEN
        assert flat(line, longest=None) == line


def test_a_long_name_lacks_its_middle() -> None:
    """Its beginning and its end tell it from others. A sentence may be as long as it is."""
    name = "".join(chr(ord("a") + n * n % 26) for n in range(255))
    shown = flat(name)
    begin, end = shown.split("…")
    assert len(shown) == LONGEST
    assert name.startswith(begin)
    assert name.endswith(end)
    assert min(len(begin), len(end)) > 30
    assert flat("n" * LONGEST) == "n" * LONGEST
    assert flat(name, longest=None) == name
    assert flat(shown) == shown
