"""The CloudEvents source of events: the table that they are about.

``source`` and ``id`` together name an event, and two accounts may have a table of one name. So the source names account
and region. It names the table alone up to version 0.1.0, and in a replay of files, which have no account.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote

_PREFIX = "urn:battery-watch:"


@dataclass(frozen=True, slots=True)
class EventSource:
    """A table; ``account`` and ``region`` are empty where nobody knows them. `str` gives the source.

    >>> arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/device4/stream/2026-11-22T08:15:30.123"
    >>> str(EventSource.of("device4", arn)), str(EventSource.of("device4"))
    ('urn:battery-watch:123456789012:eu-central-1:device4', 'urn:battery-watch:device4')
    """

    table: str
    account: str = ""
    region: str = ""

    @classmethod
    def of(cls, table: str, arn: str = "") -> EventSource:
        """Of a table with this ARN, or whose stream has it; without one the table alone."""
        parts = arn.split(":", 5)
        return cls(table, account=parts[4], region=parts[3]) if len(parts) == 6 and parts[4] else cls(table)

    @classmethod
    def parse(cls, source: str) -> EventSource | None:
        """What a source of either form names; None for one that no worker wrote.

        >>> EventSource.parse("urn:battery-watch:123456789012:eu-central-1:device4")
        EventSource(table='device4', account='123456789012', region='eu-central-1')
        >>> EventSource.parse("urn:battery-watch:device4"), EventSource.parse("urn:other:device4")
        (EventSource(table='device4', account='', region=''), None)
        """
        parts = source.removeprefix(_PREFIX).split(":") if source.startswith(_PREFIX) else []
        if not all(parts):
            return None
        if len(parts) == 3:
            return cls(unquote(parts[2]), account=parts[0], region=parts[1])
        return cls(unquote(parts[0])) if len(parts) == 1 else None

    def __str__(self) -> str:
        place = f"{self.account}:{self.region}:" if self.account else ""
        return f"{_PREFIX}{place}{quote(self.table, safe='')}"  # a recording may have any name, also one with a colon

    @property
    def forms(self) -> tuple[str, ...]:
        """Every source that the events of this table may have: that of this version first."""
        return tuple(dict.fromkeys((str(self), str(EventSource(self.table)))))
