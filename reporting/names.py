"""Names and texts from outside, made safe for one line of text: of an e-mail, a sentence, a table, a terminal, a chart.

A device may have any name that a table can hold. What machines read (JSON, attributes, keys) keeps it as it is.
"""

from __future__ import annotations

LONGEST = 80
"""What people read has no more characters of a name: one may have 255."""
_BLANK = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),  # joiners, fillers and blanks
            *range(0x180B, 0x1810),  # variation selectors
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ),
    )
)
"""Characters that Python calls printable and nobody sees."""


def flat(name: str, longest: int | None = LONGEST) -> str:
    """The name on one line. Each run of white space is a space. What cannot be seen, or what a terminal obeys, is a
    question mark, and so is a name of which nothing is left. A longer one than ``longest`` (None: any is right) lacks
    its middle.

    Mark-up is left as it is: e-mails have none, and what goes to rich is a `Text`, which knows none either.

    >>> flat("bay [7]"), flat(" rack 7\\n\\x1b[31mred"), flat("\\u202e\\u200b"), flat("\\n")
    ('bay [7]', 'rack 7 ?[31mred', '??', '?')
    >>> flat("cell-0123456789-12", longest=10)
    'cell-…9-12'
    """
    line = "".join(c if c.isprintable() and c not in _BLANK else "?" for c in " ".join(name.split()))
    if longest is not None and len(line) > longest:
        line = f"{line[: longest // 2]}…{line[len(line) - longest // 2 + 1 :]}"
    return line or "?"
