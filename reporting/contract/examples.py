"""An example of every type of event: to read, to build against and to test with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from reporting.contract.events import AnomalyType, EpisodeType, Event, parse_fields, schema_uri
from reporting.contract.health_kinds import EXAMPLE_S, HEALTH_KINDS
from reporting.contract.receiving import TYPES
from reporting.contract.severities import SEVERITY_NUMBERS

_SOURCE, _DEVICE, _BUCKET = "urn:battery-watch:123456789012:eu-central-1:device4", "bay-7", "battery-results"
_BEGAN = datetime.fromtimestamp(EXAMPLE_S, UTC)
_MODEL = "bw-04f703624b25"
_FINDING: dict[str, Any] = {
    "ts": _BEGAN.timestamp(),
    "severity": "high",
    "kinds": ["over_current"],
    "rules": [
        {"rule": "reconstruction_error", "value": 214.7, "limit": 15.45},
        {"rule": "forest", "value": -0.68, "limit": -0.607},
        {"rule": "change", "reading": "current", "value": 51.9, "limit": 3.804},
    ],
    "actual": {"current_a": 6.31, "temperature_c": 31.4},
    "expected": {"current_a": 2.52, "temperature_c": 31.2},
    "expected_band": {"current_a": [2.29, 2.75], "temperature_c": [30.9, 31.5]},
    "reconstruction": {"current_a": 4.87, "temperature_c": 30.1},
    "scores": {
        "reconstruction_error": {"value": 214.7, "threshold": 10.3, "exceeded": True},
        "forest": {"value": -0.68, "threshold": -0.607, "exceeded": True},
    },
    "stages": ["reconstruction", "forest", "change"],
    "contributions": {
        "current": 0.44,
        "temperature": 0.0,
        "current_roll_mean": 0.05,
        "current_roll_std": 0.16,
        "current_roll_min": 0.0,
        "current_roll_max": 0.21,
        "temp_roll_mean": 0.0,
        "temp_roll_std": 0.0,
        "current_rate": 0.12,
        "temp_rate": 0.0,
        "current_lag1": 0.0,
        "temp_lag1": 0.0,
        "current_temp_ratio": 0.02,
        "current_temp_product": 0.0,
    },
    "forest_features": {"current_rate": 0.09, "current_roll_std": 0.07, "current": 0.05},
    "rarity": "not seen in 111 h of normal charging",
    "model": _MODEL,
}
_SENTENCE = "Current jumped from 2.52 to 6.31 A at 14:25:07 (normal here: 2.29 to 2.75 A)."
_WORST = "current 9.12 A at worst, at 14:25:11 UTC"
_ARCHIVE = {"bucket": _BUCKET, "key": "battery-events/device=bay-7/dt=2026-07-25/hour=14/1425.ndjson"}
_CHART = {
    "bucket": _BUCKET,
    "key": "battery-reports/bay-7/20260725T142507Z.png",
    "url": "https://battery-results.s3.eu-central-1.amazonaws.com/battery-reports/bay-7/20260725T142507Z.png?X-Amz-Expires=43200",
    "expires": "2026-07-26T02:25:08Z",
}
_POSITION = {"shard": "shardId-00000001784989000000-0a1b2c3d", "sequence": "49600000000000012345"}
_AFTER_S = {"opened": 0.0, "escalated": 4.0, "ongoing": 300.0, "closed": 371.0}


def examples() -> dict[str, Event]:
    """The examples by type, in the order of `TYPES`."""
    payloads = {kind: _anomaly(kind.split(".")[1]) for kind in (*get_args(EpisodeType), *get_args(AnomalyType))}
    for kind, of in HEALTH_KINDS.items():
        payloads[kind] = {"device": _DEVICE, "state": "opened", **of.example}, 0.0, of.severity
    return {kind: _event(kind, *payloads[kind]) for kind in TYPES}


def _event(kind: str, data: dict[str, Any], after_s: float, severity: str) -> Event:
    device = data["device"] or "device4"
    at = _BEGAN + timedelta(seconds=after_s)
    return parse_fields(
        {
            "id": f"{TYPES.index(kind):032x}",
            "source": _SOURCE,
            "type": kind,
            "subject": device,
            "time": at,
            "dataschema": schema_uri(kind),
            "severitytext": severity,
            "severitynumber": SEVERITY_NUMBERS[severity],
            "filterseverity": severity,
            "sequence": _POSITION["sequence"] if data.get("position") else None,
            "partitionkey": device,
            "recordedtime": at + timedelta(seconds=0.8),
            "data": data,
        }
    )


def _anomaly(name: str) -> tuple[dict[str, Any], float, str]:
    shared = {"device": _DEVICE, "episode": "5f1d8c2e9b7a4036", "archive": _ARCHIVE, "chart": _CHART}
    if name == "sample":
        return {**_FINDING, **shared, "summary": _SENTENCE, "kind": "over_current", "position": _POSITION}, 0.0, "high"
    after_s = _AFTER_S[name]
    severity = "high" if name == "opened" else "critical"
    worst = {**_FINDING, "severity": severity}
    if name != "opened":
        worst |= {"ts": _FINDING["ts"] + 4.0, "actual": {"current_a": 9.12, "temperature_c": 31.9}}
    summary = {
        "opened": _SENTENCE,
        "escalated": "Now critical: Current is 9.12 A since 14:25:07, up from 2.52 A (normal here: 2.29 to 2.75 A).",
        "ongoing": f"Over-current for 5 min so far: {_WORST}; 301 anomalous samples.",
        "closed": f"Over-current over after 5 min 6 s: {_WORST}; 307 anomalous samples.",
    }[name]
    return (
        {
            **shared,
            "summary": summary,
            "kind": "over_current",
            "state": name,
            "severity": severity,
            "step": 1 + list(_AFTER_S).index(name),
            "opened": _FINDING["ts"],
            "last": _FINDING["ts"] + min(after_s, 306.0),
            "samples": int(1 + min(after_s, 306.0)),
            "reopened": 0,
            "revision": 0,
            "sample": {"ts": worst["ts"], "event": "7c1e0d5a3b9f48627c1e0d5a3b9f4862"},
            "evidence": worst if name in ("opened", "escalated") else None,
            "position": _POSITION if name in ("opened", "escalated") else None,
        },
        after_s,
        severity,
    )
