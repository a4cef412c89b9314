"""The head as text that a person can read at 3 a.m. and that stays small: a line a device, a shard, a message.

All that is known of a device stands on its one line: the fields of its health, its latest episode, its books. What
repeats from line to line is named once, above them: ``columns`` for the rows of figures, ``asked`` for the bundles that
devices were compared with (a device's line has the place in it where that is not the first), ``days`` for the books,
which have a count for each of these days (null: none), and ``read`` only where it is not the sum of what the records
became.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import orjson

from consumer.ledger import ACCOUNTED

COLUMNS = {
    "frozen": ["current_a", "temperature_c", "since", "count", "told"],
    "episodes": [
        "opened",
        "last",
        "peak",
        "stamp",
        "severity",
        "state",
        "samples",
        "told",
        "steps",
        "opened_last",
        "weak",
        "reopened",
        "revision",
    ],
}
LEVELS = {"positions": 1, "devices": 1, "gaps": 1, "outbox": 2}
"""How many levels of a field are broken into lines; the others stand on a line of their own."""
Tree = dict[str, Any]


def encode(head: Mapping[str, Any]) -> bytes:
    """The text of a head that was dumped to a tree, without its defaults."""
    return _text(fold(head), LEVELS, levels=1) + b"\n"


def fold(head: Mapping[str, Any]) -> Tree:
    """Health, episodes and books, each by device, as one line a device."""
    folded = {name: value for name, value in head.items() if name not in ("health", "episodes", "ledger", "outbox")}
    devices: dict[str, Tree] = {}
    health = head.get("health", {})
    asked = [name for name, _ in Counter(state.get("asked", "") for state in health.values()).most_common()]
    for name, state in health.items():
        line = devices.setdefault(name, {})
        line.update({"last": 0.0, **state})  # with a last record even at zero: a line without one has no health
        if "frozen" in line:
            line["frozen"] = _row("frozen", line["frozen"])
        if place := asked.index(line.pop("asked", "")):
            line["asked"] = place
    for name, episodes in head.get("episodes", {}).items():
        devices.setdefault(name, {})["episodes"] = [_row("episodes", episode) for episode in episodes]
    days = sorted(head.get("ledger", {}))
    for name in {name for day in days for name in head["ledger"][day]}:
        devices.setdefault(name, {})["books"] = _books([head["ledger"][day].get(name, {}) for day in days])
    if devices or days:
        folded |= {"columns": COLUMNS, "asked": asked, "days": days, "devices": dict(sorted(devices.items()))}
    return folded | {name: head[name] for name in ("outbox",) if name in head}


def unfold(folded: Mapping[str, Any]) -> Tree:
    """What `fold` was given. Raises ValueError."""
    if "devices" not in folded:
        return dict(folded)
    head = {name: value for name, value in folded.items() if name not in ("columns", "asked", "days", "devices")}
    try:
        columns, days, asked = folded["columns"], folded["days"], folded.get("asked") or [""]
        health: Tree = {}
        episodes: Tree = {}
        ledger: Tree = {day: {} for day in days}
        for name, line in folded["devices"].items():
            state = dict(line)
            if rows := state.pop("episodes", []):
                episodes[name] = [{"device": name, **_fields(columns["episodes"], row)} for row in rows]
            for day, counts in zip(days, _counts(state.pop("books", {}), len(days)), strict=True):
                if counts:
                    ledger[day][name] = counts
            if "frozen" in state:
                state["frozen"] = _fields(columns["frozen"], state["frozen"])
            if state:
                health[name] = {**state, "asked": asked[state.get("asked", 0)]}
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError(f"the line of a device cannot be read: {error!r}") from error
    return head | {"health": health, "episodes": episodes, "ledger": ledger}


def _row(kind: str, fields: Mapping[str, Any]) -> list[Any]:
    """The fields in the order of their columns; null for a default, none at the end."""
    row = [fields.get(name) for name in COLUMNS[kind]]
    return row[: max(n for n, value in enumerate(row, 1) if value is not None)]


def _fields(columns: list[str], row: list[Any]) -> Tree:
    return {name: value for name, value in zip(columns, row, strict=False) if value is not None}


def _books(days: list[Mapping[str, int]]) -> Tree:
    """The counts of each day, class by class."""
    named = [name for name in dict.fromkeys(chain.from_iterable(days)) if name != "read"]
    if any(counts.get("read") != _accounted(counts) for counts in days if counts):
        named.insert(0, "read")
    return {name: [counts.get(name) for counts in days] for name in named}


def _counts(books: Mapping[str, list[int | None]], days: int) -> Iterator[dict[str, int]]:
    for day in zip(*books.values(), strict=True) if books else [()] * days:
        counts = {name: n for name, n in zip(books, day, strict=True) if n is not None}
        accounted = _accounted(counts)
        yield counts if "read" in books or accounted is None else {"read": accounted, **counts}


def _accounted(counts: Mapping[str, int]) -> int | None:
    """What was read, where the books balance; None where nothing was."""
    return sum(counts.get(name, 0) for name in ACCOUNTED) or None


def _text(value: Any, inner: Mapping[str, int] | None = None, *, levels: int, indent: bytes = b"") -> bytes:
    """JSON in which the entries of that many levels have lines of their own; ``inner``: of more, by name."""
    if levels == 0 or not value or not isinstance(value, dict | list):
        return orjson.dumps(value)
    items = value.items() if isinstance(value, dict) else ((None, one) for one in value)
    lines = []
    for name, one in items:
        below = inner.get(name or "", 0) if inner is not None else levels - 1
        written = _text(one, levels=below, indent=indent + b" ")
        lines.append(indent + (b"" if name is None else orjson.dumps(name) + b":") + written)
    opening, closing = (b"{", b"}") if isinstance(value, dict) else (b"[", b"]")
    return opening + b"\n" + b",\n".join(lines) + b"\n" + indent[:-1] + closing
