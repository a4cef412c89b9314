"""Which events to show, by severity, device and type: as a filter policy for SNS, and as a test on our side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from reporting.names import flat

LEVELS = ("low", "medium", "high", "critical")
"""The contract's severities, the mildest first. Written here so that `--help` need not import the contract."""


def levels_from(severity: str | None) -> tuple[str, ...]:
    """A severity and the graver ones; None is all of them.

    >>> levels_from("high")
    ('high', 'critical')
    """
    return LEVELS if severity is None else LEVELS[LEVELS.index(severity) :]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """``severity``: this one and the graver ones, with the ends of such notices; None for all. ``devices`` and
    ``types``: any of these, empty for all. A type that ends with a dot stands for all types that begin with it."""

    severity: str | None = None
    devices: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def policy(self) -> dict[str, list[Any]]:
        """The filter policy of an SNS subscription, on message attributes; empty where it lets everything through."""
        levels = levels_from(self.severity)
        types = [{"prefix": each} if each.endswith(".") else each for each in self.types]
        # A worker of version 0.1.0 sends no filterseverity.
        grave: list[Any] = [{name: list(levels)} for name in ("filterseverity", "severity")]
        found: dict[str, list[Any]] = {
            "$or": [] if levels == LEVELS else grave,
            "device": list(self.devices),
            "type": types,
        }
        return {name: values for name, values in found.items() if values}

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Does an event pass? SNS takes up to 15 minutes until a new filter policy holds everywhere, so we check
        too."""
        kind = str(event.get("type"))
        levels = levels_from(self.severity)
        return (
            (event.get("filterseverity") in levels or event.get("severitytext") in levels)
            and (not self.devices or event.get("subject") in self.devices)
            and (
                not self.types
                or any(kind.startswith(each) if each.endswith(".") else kind == each for each in self.types)
            )
        )

    def words(self) -> str:
        """For people."""
        said = [
            "" if self.severity in (None, LEVELS[0]) else f"severity {' or '.join(levels_from(self.severity))}",
            f"device {' or '.join(map(flat, self.devices))}" if self.devices else "",
            f"type {' or '.join(each + '*' if each.endswith('.') else each for each in self.types)}"
            if self.types
            else "",
        ]
        return ", ".join(filter(None, said)) or "everything"


class EventType(click.ParamType):  # type: ignore[type-arg]  # generic in the stubs of click 8.3 only
    """A type of the contract, or a beginning of types up to a dot. A misspelt type is refused: no event would ever
    come."""

    name = "type"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See `click.ParamType`."""
        from reporting.contract.receiving import TYPES

        text = str(value)
        if text not in TYPES and not (text.endswith(".") and any(each.startswith(text) for each in TYPES)):
            self.fail(
                f"{text!r} is no type of event: it is anomaly., health., or one of {', '.join(TYPES)}", param, ctx
            )
        return text
