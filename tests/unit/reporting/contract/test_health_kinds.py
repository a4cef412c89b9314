"""The registry of health kinds: whole, and what everything else is made from."""

from __future__ import annotations

from typing import get_args

from consumer.worker.metrics import COUNTS, METRICS
from reporting.contract.events import HealthEvent
from reporting.contract.health_kinds import HEALTH_COUNTERS, HEALTH_KINDS, HealthType, metric_name
from reporting.contract.receiving import TYPES


def test_every_type_has_a_row_and_none_else() -> None:
    """In the same order: a type without a row has no severity, no sample and no metric."""
    assert list(HEALTH_KINDS) == list(get_args(HealthType)) == [kind for kind in TYPES if kind.startswith("health.")]
    assert HealthEvent.model_json_schema()["properties"]["type"]["enum"] == list(HEALTH_KINDS)


def test_each_kind_is_counted_apart() -> None:
    """Two kinds that share a counter, or one that shares that of the records, could not be told apart."""
    assert len(set(COUNTS)) == len(COUNTS)
    assert {metric_name(counter) for counter in HEALTH_COUNTERS.values()} <= set(METRICS)
