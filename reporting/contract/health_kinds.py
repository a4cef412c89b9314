"""The registry of health kinds: the one place to add, change or look up a kind of health notice.

To add a kind: name it in `HealthType`, give it a row in `HEALTH_KINDS`, run `make contract`. The contract, the schemas,
the samples, the table in docs/events.md, the worker's counters and the dashboard are made from these rows. What
detects it builds a `reporting.health.notice.Notice` of that type.

This module imports nothing but the standard library and the severities: the deployment reads it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from reporting.contract.severities import SeverityName

HealthType = Literal[
    "health.silence",
    "health.stuck",
    "health.clock_skew",
    "health.gap",
    "health.late",
    "health.lagging",
    "health.quarantine",
    "health.warming",
    "health.bundle",
    "health.misfit",
    "health.undelivered",
    "health.host_clock",
    "health.rewritten",
    "health.overwritten",
]
PREFIX = "health."
EXAMPLE_S = 1_784_989_507.0
"""When all examples happen: 2026-07-25 14:25:07 UTC, in epoch seconds."""


@dataclass(frozen=True, slots=True)
class HealthKind:
    """One kind of health notice.

    ``severity``: of a notice that opens; one that closes is always low, and filtered as its opening
    (`filter_severity`). ``meaning``: one line for docs/events.md.
    ``example``: the payload's fields in the published sample, beside device and state. ``counter``: what the worker
    counts it as; None for the type's own name. ``many``: by state, what many devices do, for the one message about all
    of them (rule 30); empty for a kind about the table.
    """

    severity: SeverityName
    meaning: str
    example: Mapping[str, Any]
    counter: str | None = None
    many: Mapping[str, str] = field(default_factory=dict)


HEALTH_KINDS: dict[HealthType, HealthKind] = {
    "health.silence": HealthKind(
        severity="high",
        meaning="a device sends nothing for 2 minutes",
        example={"summary": "No sample from bay-7 since 14:25:07 UTC, 120 s ago.", "since": EXAMPLE_S},
        many={
            "opened": "send nothing",
            "closed": "send again, or are watched no longer",
        },
    ),
    "health.stuck": HealthKind(
        severity="high",
        meaning="its readings repeat to the last digit",
        example={
            "summary": "bay-7 has reported exactly 2.52 A and 31.2 °C for 60 s: a sensor or its logger is stuck.",
            "since": EXAMPLE_S,
        },
        many={
            "opened": "repeat their readings to the last digit",
            "closed": "do not repeat their readings any more",
        },
    ),
    "health.clock_skew": HealthKind(
        severity="medium",
        meaning="its clock is wrong; its samples are scored on its own clock",
        example={
            "summary": "The clock of bay-7 is 95 s ahead: its samples are scored on its own clock.",
            "offset_s": 95.0,
        },
        many={
            "opened": "have a wrong clock; their samples are scored on their own clocks",
            "closed": "have a right clock again, or are watched no longer",
        },
    ),
    "health.gap": HealthKind(
        severity="high",
        meaning="records were lost with the stream and are read from the table",
        example={
            "device": None,
            "summary": "The stream lost the samples between 2026-07-25 14:25:07 and 2026-07-25 14:37:07 UTC (the "
            "stream was recreated). The worker reads them from the table and scores them now; later events wait "
            "until that is done.",
            "since": EXAMPLE_S,
            "until": EXAMPLE_S + 720.0,
        },
    ),
    "health.late": HealthKind(
        severity="low",
        meaning="samples came too late to be scored",
        example={
            "summary": "17 samples of bay-7 came too late and were not scored.",
            "since": EXAMPLE_S,
            "until": EXAMPLE_S + 16.0,
            "count": 17,
            "command": "battery-watch replay --table device4 --since 2026-07-25T14:25:07Z",
        },
        counter="late_run",  # one notice for a run of records; `late` counts the records themselves
        many={
            "opened": "sent samples too late, which were not scored",
        },
    ),
    "health.lagging": HealthKind(
        severity="high",
        meaning="a shard cannot be read, and everything waits for it",
        example={
            "device": None,
            "summary": "Paused since 2026-07-25 14:25:07 UTC: a shard of the stream cannot be read; later events "
            "wait. Run `battery-watch doctor`.",
            "since": EXAMPLE_S,
        },
    ),
    "health.quarantine": HealthKind(
        severity="medium",
        meaning="a record could not be used",
        example={
            "summary": "A record of bay-7 could not be used and is quarantined (malformed). Further ones within the "
            "hour get no notice.",
            "since": EXAMPLE_S,
        },
        many={
            "opened": "sent records that could not be used and are quarantined",
        },
    ),
    "health.warming": HealthKind(
        severity="low",
        meaning="the window is not full yet",
        example={
            "device": None,
            "summary": "The windows are empty at 2026-07-25 14:25:07 UTC, the oldest record of the stream. For 25 "
            "minutes charts show less, and a fault that began earlier cannot be seen.",
            "since": EXAMPLE_S,
        },
    ),
    "health.bundle": HealthKind(
        severity="medium",
        meaning="a new model bundle was refused",
        example={
            "device": None,
            "summary": "Bundle bw-0123456789ab was refused; bw-04f703624b25 stays active. Its golden rows score "
            "otherwise than when it was made.",
            "since": EXAMPLE_S,
            "model": "bw-0123456789ab",
        },
    ),
    "health.misfit": HealthKind(
        severity="medium",
        meaning="the bundle was not trained on such a battery",
        example={
            "summary": "71% of the first 151 samples of bay-7 lie outside the training range of bundle "
            "bw-04f703624b25 (0 to 5 A, 4 to 48 °C): it may raise false alarms all the time, or miss a fault. Train a "
            "bundle on your own charges and point MODEL_DIR at it.",
            "since": EXAMPLE_S,
            "model": "bw-04f703624b25",
            "command": "battery-watch train --table device4 --out my-bundle",
        },
        many={
            "opened": "lie outside the training range of their bundle",
            "closed": "have another bundle now, or fit theirs",
        },
    ),
    "health.undelivered": HealthKind(
        severity="high",
        meaning="the topic refused a message; the whole lies in the bucket, and a short text went in its place",
        example={
            "summary": "The topic refused message 7c1e0d5a3b9f48627c1e0d5a3b9f4862 (anomaly.opened): InvalidParameter. "
            "The whole lies in s3://battery-results/battery-undelivered/dt=2026-07-25/"
            "7c1e0d5a3b9f48627c1e0d5a3b9f4862.json.",
            "since": EXAMPLE_S,
            "event": "7c1e0d5a3b9f48627c1e0d5a3b9f4862",
        },
        counter="undelivered_notice",  # `undelivered` counts the messages themselves
        many={
            "opened": "have messages that the topic refused; they lie in battery-undelivered/",
        },
    ),
    "health.host_clock": HealthKind(
        severity="medium",
        meaning="the clock of the worker's machine has jumped",
        example={
            "device": None,
            "summary": "The clock of the worker's machine has jumped 600 s ahead. Nothing stops: the worker's own time "
            "follows slowly. Check the time service of that machine.",
            "since": EXAMPLE_S,
            "offset_s": 600.0,
        },
    ),
    "health.rewritten": HealthKind(
        severity="medium",
        meaning="objects of a higher revision than the worker's were written again",
        example={
            "device": None,
            "summary": "2 objects had a higher revision than this worker's. It owns the lane, so it wrote them again "
            "under epoch 9. Was state deleted or restored?",
            "since": EXAMPLE_S,
            "count": 2,
        },
    ),
    "health.overwritten": HealthKind(
        severity="medium",
        meaning="many of its samples overwrite another of the same time with other readings",
        example={
            "summary": "30 of the last 60 samples of bay-7 overwrite another of the same ts with other readings (the "
            "last one: 3 A and 22 °C, then 1.5 A and 18 °C): two devices under one name, or a clock that shows an hour "
            "twice?",
            "since": EXAMPLE_S,
            "until": EXAMPLE_S + 29.0,
            "count": 30,
        },
        counter="overwritten_notice",  # `overwritten` counts the samples themselves
        many={
            "opened": "overwrite their samples with other readings",
            "closed": "overwrite no samples any more, or are watched no longer",
        },
    ),
}

HEALTH_COUNTERS: dict[str, str] = {kind: of.counter or kind.removeprefix(PREFIX) for kind, of in HEALTH_KINDS.items()}
"""By type, the name under which the worker counts its openings."""


def filter_severity(event_type: str, severity: str) -> str:
    """The severity by which filters let an event pass. An event that closes a health notice has that of its opening:
    who heard that something is wrong hears that it is over. Any other has its own.

    >>> filter_severity("health.silence", "low"), filter_severity("anomaly.closed", "critical")
    ('high', 'critical')
    """
    return next((of.severity for kind, of in HEALTH_KINDS.items() if kind == event_type), severity)


def metric_name(counter: str) -> str:
    """A counter's name as a CloudWatch metric.

    >>> metric_name("clock_skew")
    'ClockSkew'
    """
    return "".join(part.capitalize() for part in counter.split("_"))
