"""The head as small text that a person can read at 3 a.m.: one line for each device, shard and message.

The line of a device has its health, its episodes and its ledger (``books``). What repeats on every line is named once,
above: ``columns`` of the rows of numbers; ``asked``, the bundles that devices were compared with (a line has an index
into it, if it is not 0); ``days`` of the ledger. A line has one count for each day (null: none), and ``read`` only if
it is not the sum of its classes. A column ``a - b`` has the seconds from b to a: a number with a decimal point is
exact, one without counts from b's whole second. If that would change a bit of a, the column has a itself, as text.
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
    "overwriting": ["since - last", "until - last", "seen", "count", "told"],
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
        "kind",
        "worst",
        "usual",
        "loudest",
        "said - last",
        "opened_told - opened",
        "closed_told - last",
        "origin - opened",
        "held",
        "amended",
        "withdrawn",
    ],
}
OF_HEALTH = ("frozen", "overwriting")
"""Fields of a device's health that are rows, with times relative to its last record."""
LEVELS = {"positions": 1, "devices": 1, "gaps": 1, "outbox": 2}
"""How many levels of a field are broken into lines. Every other field is one line."""
Tree = dict[str, Any]
_MOST_S = 1e12


def encode(head: Mapping[str, Any]) -> bytes:
    """The text of a head, which was dumped to a tree without its defaults."""
    return _text(fold(head), LEVELS, levels=1) + b"\n"


def fold(head: Mapping[str, Any]) -> Tree:
    """Health, episodes and ledger, each by device, as one line for each device."""
    folded = {name: value for name, value in head.items() if name not in ("health", "episodes", "ledger", "outbox")}
    devices: dict[str, Tree] = {}
    health = head.get("health", {})
    asked = [name for name, _ in Counter(state.get("asked", "") for state in health.values()).most_common()]
    for name, state in health.items():
        line = devices.setdefault(name, {})
        line.update({"last": 0.0, **state})  # ``last`` even if it is the default: without it a line has no health
        for field in [each for each in OF_HEALTH if each in line]:
            line[field] = _row(field, line[field], last=line["last"])
        if place := asked.index(line.pop("asked", "")):
            line["asked"] = place
    for name, episodes in head.get("episodes", {}).items():
        devices.setdefault(name, {})["episodes"] = [_row("episodes", episode) for episode in episodes]
    days = sorted(head.get("ledger", {}))
    rows = {
        name: _ledger_row([head["ledger"][day].get(name, {}) for day in days])
        for name in sorted({name for day in days for name in head["ledger"][day]})
    }
    classes = [name for name, _ in Counter(name for each in rows.values() for name in sorted(each)).most_common()]
    for name, each in rows.items():
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
    """The head that `fold` got. Raises ValueError."""
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
            ledger_rows = _fields(columns.get("books", []), state.pop("books", []))
            for day, counts in zip(days, _counts(ledger_rows, len(days)), strict=True):
                if counts:
                    ledger[day][name] = counts
            for field in [each for each in OF_HEALTH if each in state]:
                state[field] = _fields(columns[field], state[field], last=state["last"])
            if state:
                health[name] = {**state, "asked": asked[state.get("asked", 0)]}
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"the line of a device cannot be read: {error!r}") from error
    return head | {"health": health, "episodes": episodes, "ledger": ledger}


def _row(kind: str, fields: Mapping[str, Any], **beside: float) -> list[Any]:
    """The fields in the order of their columns. ``beside``: values of other fields that a column is relative to."""
    row = []
    for column in COLUMNS[kind]:
        name, _, base = column.partition(" - ")
        value = fields.get(name)
        row.append(_after(value, {**beside, **fields}[base]) if base and value is not None else value)
    return _short(row)


def _short(row: list[Any]) -> list[Any]:
    """The row without its last nulls; null means the default."""
    return row[: max(n for n, value in enumerate(row, 1) if value is not None)]


def _fields(columns: list[str], row: list[Any], **beside: float) -> Tree:
    fields: Tree = {}
    for column, value in zip(columns, row, strict=False):
        name, _, base = column.partition(" - ")
        if value is not None:
            fields[name] = _at(value, {**beside, **fields}[base]) if base else value
    return fields


def _after(value: float, base: float) -> float | str:
    """The seconds from ``base`` to ``value``, if `_at` gives exactly ``value`` back; otherwise ``value`` as text."""
    seconds: float = (
        value - floor(base) if isinstance(value, int) else float(Decimal(repr(value)) - Decimal(repr(base)))
    )
    exact = abs(seconds) < _MOST_S and _at(seconds, base) == value
    return seconds if exact else repr(value)


def _at(seconds: float | str, base: float) -> float:
    """The inverse of `_after`. It adds decimals: floats would not give the same six digits back."""
    if isinstance(seconds, str):
        value: float = orjson.loads(seconds)
        return value
    return floor(base) + seconds if isinstance(seconds, int) else float(Decimal(repr(base)) + Decimal(repr(seconds)))


def _ledger_row(days: list[Mapping[str, int]]) -> Tree:
    """The ledger's counts by class, one for each day."""
    named = [name for name in dict.fromkeys(chain.from_iterable(days)) if name != "read"]
    if any(counts.get("read") != _accounted(counts) for counts in days if counts):
        named.insert(0, "read")
    return {name: [counts.get(name) for counts in days] for name in named}


def _counts(ledger_rows: Mapping[str, list[int | None]], days: int) -> Iterator[dict[str, int]]:
    for day in zip(*ledger_rows.values(), strict=True) if ledger_rows else [()] * days:
        counts = {name: n for name, n in zip(ledger_rows, day, strict=True) if n is not None}
        accounted = _accounted(counts)
        yield counts if "read" in ledger_rows or accounted is None else {"read": accounted, **counts}


def _accounted(counts: Mapping[str, int]) -> int | None:
    """How many records were read, if the ledger balances; None if there were none."""
    return sum(counts.get(name, 0) for name in ACCOUNTED) or None


def _text(value: Any, inner: Mapping[str, int] | None = None, *, levels: int, indent: bytes = b"") -> bytes:
    """JSON with one line for each entry of that many levels. ``inner``: the levels of single entries, by name."""
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
