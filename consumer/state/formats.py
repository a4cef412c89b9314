"""The formats of the head: which version wrote it, and how an older one is read (rule 31).

Within a format a later version may add only fields that depend on nothing else; they are kept as they are. What must
agree with the positions is a new format: a worker that does not know it would write a head that contradicts itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from consumer.version import VERSION

FORMAT = 2
"""The format that this version writes. It reads this one and all older ones."""
Tree = dict[str, Any]


class NewerFormat(Exception):
    """The head has a format that this version does not know. The message names both versions."""


def _positions_of_a_prefix(head: Tree) -> Tree:
    """Format 1 had processed all records of a shard up to its position and none after it. Format 2 can say so too."""
    return head


LIFTS: Mapping[int, Callable[[Tree], Tree]] = {1: _positions_of_a_prefix}
"""By format: what turns a head of it into one of the next format."""


def lift(stored: Mapping[str, Any]) -> Tree:
    """A stored head in the present format. A head that names no format has format 1. Raises `NewerFormat`, and
    ValueError for a format that is no number."""
    head = dict(stored)
    found = head.get("format", 1)
    if not isinstance(found, int) or found < 1:
        raise ValueError(f"the format of the head is {found!r}")
    if found > FORMAT:
        raise NewerFormat(
            f"it has format {found} and was written by version {head.get('version', 'unknown')}. This is version "
            f"{VERSION}, which reads formats up to {FORMAT}: start a version that knows format {found}"
        )
    for step in range(found, FORMAT):
        head = LIFTS[step](head)
    return {**head, "format": FORMAT}
