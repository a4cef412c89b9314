"""Lengths of time for people."""

from __future__ import annotations

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """A length of time in its two largest units, rounded to the second; one below zero counts as none.

    >>> duration(7.0), duration(95.0), duration(300.0), duration(7325.0), duration(93_600.0), duration(0.0)
    ('7 s', '1 min 35 s', '5 min', '2 h 2 min', '1 d 2 h', '0 s')
    """
    rest = max(0, round(seconds))
    counts: list[tuple[int, str]] = []
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count or counts:
            counts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in counts[:2] if count) or "0 s"
