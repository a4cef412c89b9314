"""A notice about the health of the data or of the watching itself, and its message."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from reporting.contract.events import Devices, Health, HealthEvent, schema_uri, utc
from reporting.contract.health_kinds import HEALTH_KINDS, HealthType, filter_severity
from reporting.contract.severities import SEVERITY_NUMBERS
from reporting.message import Message
from reporting.names import flat


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened, to which device, and when (``at``: event time, epoch seconds). The other fields are those of the
    contract's `Health`. The head stores deferred notices by the names of these fields."""

    type: HealthType
    device: str | None
    at: float
    state: Literal["opened", "closed"]
    summary: str
    since: float | None = None
    until: float | None = None
    count: int | None = None
    offset_s: float | None = None
    model: str | None = None
    command: str | None = None
    lane: str = ""
    """The lane, for a notice about no device: two lanes may have notices of the same second."""
    event: str | None = None
    """The id of another message, for a notice about that message."""
    devices: Devices | None = None
    """For a notice about many devices."""

    def message(self, *, source: str, table: str, recorded: datetime) -> Message:
        """The notice's message. Its id depends on the kind, the device, the state and the times alone. The interval is
        part of the id because stamps tie: one thing may end and the next begin in the same second."""
        severity = HEALTH_KINDS[self.type].severity if self.state == "opened" else "low"
        about = (self.at, self.since, self.until)
        identity = f"{source}\n{self.type}\n{self.device or self.lane}\n{self.state}\n{about!r}"
        if self.event is not None:
            identity += f"\n{self.event}"
        if self.devices is not None:
            identity += f"\n{self.devices.count} {self.devices.first!r}"
        summary = flat(self.summary, longest=None)  # an older version may have written it
        event = HealthEvent(
            id=hashlib.sha256(identity.encode()).hexdigest()[:32],
            source=source,
            type=self.type,
            subject=self.device or table,
            time=utc(self.at),
            dataschema=schema_uri(self.type),
            severitytext=severity,
            severitynumber=SEVERITY_NUMBERS[severity],
            filterseverity=filter_severity(self.type, severity),
            partitionkey=self.device or table,
            recordedtime=recorded,
            data=Health(
                device=self.device,
                devices=self.devices,
                summary=summary,
                state=self.state,
                since=self.since,
                until=self.until,
                count=self.count,
                offset_s=self.offset_s,
                model=self.model,
                command=self.command,
                event=self.event,
            ),
        )
        text = [
            f"{severity.upper()}: {flat(event.subject)} at {event.time:%Y-%m-%d %H:%M:%S} UTC",
            summary,
        ]
        return Message(
            id=event.id,
            type=event.type,
            severity=severity,
            device=event.subject,
            state=self.state,
            schema_uri=event.dataschema,
            body=event.model_dump_json(exclude_none=True),
            text="\n".join([*text, f"Run: {flat(self.command, longest=None)}"] if self.command else text),
        )
