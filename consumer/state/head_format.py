"""The head as text that a person can read at 3 a.m. and that stays small: a line a device, a shard, a message.

All that is known of a device stands on its one line: the fields of its health, its episodes, its books. What
repeats from line to line is named once, above them: ``columns`` for the rows of figures, ``asked`` for the bundles that
devices were compared with (a device's line has the place in it where that is not the first), ``days`` for the books,
which have a count for each of these days (null: none), and ``read`` only where it is not the sum of what the records
became. A column ``a - b`` holds the seconds from b to a: a figure with a point is exact, one without goes from b's
whole second. Where that would lose a bit of a, a itself stands there, as text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import chain
from math import floor
from typing import Any

import orjson

from consumer.state.classes import ACCOUNTED

COLUMNS = {
    "frozen": ["current_a", "temperature_c", "since - last", "count", "told"],
    "episodes": [
        "opened",
        "last - opened",
        "peak - opened",
        "stamp - last",
        "told - last",
        "severity",
        "samples",
        "steps",
        "state",
        "revision",
        "opened_last - opened",
        "reopened",
        "weak",
    ],
}
LEVELS = {"positions": 1, "devices": 1, "gaps": 1, "outbox": 2}
"""How many levels of a field are broken into lines; the others stand on a line of their own."""
Tree = dict[str, Any]
_MOST_S = 1e12


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
            line["frozen"] = _row("frozen", line["frozen"], last=line["last"])
        if place := asked.index(line.pop("asked", "")):
            line["asked"] = place
    for name, episodes in head.get("episodes", {}).items():
        devices.setdefault(name, {})["episodes"] = [_row("episodes", episode) for episode in episodes]
    days = sorted(head.get("ledger", {}))
    books = {
        name: _books([head["ledger"][day].get(name, {}) for day in days])
        for name in sorted({name for day in days for name in head["ledger"][day]})
    }
    classes = [name for name, _ in Counter(name for each in books.values() for name in sorted(each)).most_common()]
    for name, each in books.items():
        devices.setdefault(name, {})["books"] = _short([each.get(kind) for kind in classes])
    if devices or days:
        folded |= {
            "columns": {**COLUMNS, "books": classes},
            "asked": asked,
            "days": days,
            "devices": dict(sorted(devices.items())),
        }
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
            books = _fields(columns.get("books", []), state.pop("books", []))
            for day, counts in zip(days, _counts(books, len(days)), strict=True):
                if counts:
                    ledger[day][name] = counts
            if "frozen" in state:
                state["frozen"] = _fields(columns["frozen"], state["frozen"], last=state["last"])
            if state:
                health[name] = {**state, "asked": asked[state.get("asked", 0)]}
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"the line of a device cannot be read: {error!r}") from error
    return head | {"health": health, "episodes": episodes, "ledger": ledger}


def _row(kind: str, fields: Mapping[str, Any], **beside: float) -> list[Any]:
    """The fields in the order of their columns; ``beside``: what else a column is counted from."""
    row = []
    for column in COLUMNS[kind]:
        name, _, base = column.partition(" - ")
        value = fields.get(name)
        row.append(_after(value, {**beside, **fields}[base]) if base and value is not None else value)
    return _short(row)


def _short(row: list[Any]) -> list[Any]:
    """Null for a default, none at the end."""
    return row[: max(n for n, value in enumerate(row, 1) if value is not None)]


def _fields(columns: list[str], row: list[Any], **beside: float) -> Tree:
    fields: Tree = {}
    for column, value in zip(columns, row, strict=False):
        name, _, base = column.partition(" - ")
        if value is not None:
            fields[name] = _at(value, {**beside, **fields}[base]) if base else value
    return fields


def _after(value: float, base: float) -> float | str:
    """The seconds from ``base`` to ``value``, from which `_at` gives the very same ``value``; else itself, as text."""
    seconds: float = (
        value - floor(base) if isinstance(value, int) else float(Decimal(repr(value)) - Decimal(repr(base)))
    )
    exact = abs(seconds) < _MOST_S and _at(seconds, base) == value
    return seconds if exact else repr(value)


def _at(seconds: float | str, base: float) -> float:
    """The undoing of `_after`. In decimals: what was written with six digits comes back with the same six."""
    if isinstance(seconds, str):
        value: float = orjson.loads(seconds)
        return value
    return floor(base) + seconds if isinstance(seconds, int) else float(Decimal(repr(base)) + Decimal(repr(seconds)))


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
