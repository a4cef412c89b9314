"""A sample scored again from the last six minutes is scored as it was in the middle of its charge."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from consumer.errors import ConfigurationError, Retry
from consumer.offline.rescore import DeviceHistory, rescore
from consumer.outgoing.outbox import REACH_S
from consumer.table.scan import TableDescription
from reporting.anomaly.evidence import Evidence
from scoring.bundle import Bundle
from scoring.config import PLAUSIBLE, BundleConfig, Change, Stuck
from scoring.config import Evidence as Policy
from scoring.scorer import Scorer
from scoring.severity import Severity
from window.samples import Samples

T = 1_784_989_500.0


def by_evidence(bundle: Bundle) -> Bundle:
    """The same models under the policy that looks back furthest."""
    changes = (
        Change(reading="current", newest=10, before=25, floor=0.01, limit=3.0),
        Change(reading="temperature", newest=2, before=20, floor=0.05, limit=4.0),
    )
    policy = Policy(share=0.3, of=8, out_of=30, changes=changes, stuck=Stuck(temperature=12))
    config = bundle.config.model_copy(update={"policy": "evidence", "evidence": policy})
    return replace(bundle, config=BundleConfig.model_validate(config.model_dump()))


def charge(step_s: float) -> Samples:
    """With jumps, gaps, an end of a session, and a thermometer that sticks."""
    rng = np.random.default_rng(5)
    row = np.arange(700)
    ts = T + row * step_s + np.cumsum(rng.choice([0.0, 7.0, 50.0, 80.0], 700, p=[0.95, 0.03, 0.01, 0.01]))
    current_a = 2.5 + rng.normal(0, 0.01, 700) + np.where(row % 97 < 12, 0.8, 0.0)
    temperature_c = 25 + row / 200 + rng.normal(0, 0.02, 700) + np.where(row % 61 == 7, 9.0, 0.0)
    temperature_c[400:430] = 27.0
    return Samples.of(ts, current_a, temperature_c)


@pytest.mark.parametrize("step_s", [0.5, 3.0])
@pytest.mark.parametrize("policy", ["plain", "evidence"])
def test_the_last_minutes_give_the_same_bits(default_bundle: Bundle, policy: str, step_s: float) -> None:
    """As the whole charge in one go, for anomalies and for what is none, by either policy."""
    bundle = by_evidence(default_bundle) if policy == "evidence" else default_bundle
    samples = charge(step_s)
    scorer = Scorer(bundle)
    whole, count = scorer.take(samples, most_anomalies=2000)
    assert count == len(samples)
    anomalous = np.flatnonzero(whole.verdicts.anomaly)
    assert len(anomalous) > 30
    for row in {*anomalous[::5].tolist(), *range(0, 700, 70)}:
        near = samples.take((samples.ts >= samples.ts[row] - REACH_S) & (samples.ts <= samples.ts[row]))
        again = rescore(near, device="d", bundle=bundle)
        assert again is not None
        assert (again.severity is Severity.NONE) == (row not in anomalous)
        assert again.reconstruction_error == whole.scores.reconstruction_error[row]
        assert again.forest_score == whole.scores.forest_score[row]
        if row in anomalous:
            said = Evidence.of(whole, row, device="d", bundle=bundle)
            assert again.line() == said.line()
            assert again == said
        else:
            assert (again.explanation.kinds, again.explanation.rules) == ((), ())
            assert again.explanation.sentence.endswith("are as in normal charging.")


def test_no_score_is_no_evidence(plain_bundle: Bundle) -> None:
    """At 400 °C these models have none."""
    assert rescore(Samples.of([T], [2.0], [400.0]), device="d", bundle=plain_bundle) is None


class Twin:
    """A table in memory by its keys: it serves single keys, queries and one segment of a scan."""

    def __init__(self, *items: dict[str, Any], fails: bool = False) -> None:
        self.items, self.fails = items, fails
        self.calls: list[str] = []

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> Any:  # noqa: N803
        self.calls.append("keys")
        if self.fails:
            return {"Responses": {}, "UnprocessedKeys": RequestItems}
        ((name, asked),) = RequestItems.items()
        return {"Responses": {name: [i for i in self.items if {"ts": i["ts"]} in asked["Keys"]]}}

    def get_paginator(self, operation: str) -> Any:
        def paginate(**asked: Any) -> Any:
            self.calls.append(operation)
            values = asked["ExpressionAttributeValues"]
            yield {"Items": [i for i in self.items if i.get("device") == values[":d"] and self._within(i, values)]}

        return SimpleNamespace(paginate=paginate)

    def scan(self, **asked: Any) -> Any:
        self.calls.append("scan")
        mine = [i for i in self.items if self._within(i, asked["ExpressionAttributeValues"])]
        return {"Items": mine if asked["Segment"] == 0 else [], "ScannedCount": 1}

    @staticmethod
    def _within(item: dict[str, Any], values: dict[str, Any]) -> bool:
        return float(values[":a"]["N"]) <= float(item["ts"]["N"]) <= float(values[":b"]["N"])


def item(ts: float, device: str | None = None, current: float = 2.5) -> dict[str, Any]:
    found = {"ts": f"{ts:.12g}", "current": f"{current}", "temperature": "25"}
    return {name: {"N": value} for name, value in found.items()} | ({"device": {"S": device}} if device else {})


def readings(twin: Twin, keys: tuple[str, ...], device: str, ts: float) -> list[list[float]]:
    session: Any = SimpleNamespace(client=lambda *_, **__: twin)
    past = DeviceHistory(
        session, TableDescription("t", 1, keys), device=device, ts=ts, device_key="device", plausible=PLAUSIBLE
    )
    return [samples.ts.tolist() for samples in past.readings(lambda *_: None)]


def test_a_table_keyed_by_time_is_read_at_whole_seconds_and_then_as_a_whole() -> None:
    """Broken items, other devices and what lies outside are left out; whoever has enough asks for no more."""
    broken = item(T - 3) | {"current": {"S": "much"}}
    ten_times_off = item(T - 5, current=2e6)
    twin = Twin(
        item(T), item(T - 2.5), broken, item(T - 4), item(T + 1), item(T - 400), ten_times_off, item(T - 1, "x")
    )
    assert readings(twin, ("ts",), "t", T) == [[T - 4, T], [T - 4, T - 2.5, T]]
    assert twin.calls[:4] == ["keys"] * 4
    assert "scan" in twin.calls


def test_a_table_keyed_by_device_and_time_is_asked_for_the_device_alone() -> None:
    """All at once: nothing else is read."""
    twin = Twin(*(item(T - n / 2, device) for n in range(4) for device in "ab"))
    assert readings(twin, ("device", "ts"), "b", T) == [[T - 1.5, T - 1, T - 0.5, T]]
    assert twin.calls == ["query"]


def test_any_other_table_is_scanned() -> None:
    """Keyed by device alone, it has the newest sample only."""
    assert readings(Twin(item(T, "b"), item(T, "a")), ("device",), "b", T) == [[T]]
    assert readings(Twin(item(T, "b")), ("id", "ts"), "b", T) == [[T]]


def test_a_table_that_cannot_be_read_is_said() -> None:
    """And what to check."""
    with pytest.raises(ConfigurationError, match="throttled") as raised:
        readings(Twin(fails=True), ("ts",), "t", T)
    assert isinstance(raised.value.__cause__, Retry)
