"""Scores a sample again from what the table has now, with the worker's own code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import numpy as np

from consumer.aws import CALLS
from consumer.errors import ConfigurationError, Retry
from consumer.outgoing.outbox import REACH_S
from consumer.stream.records import TS, Decoded, Decoder, Item
from consumer.table.history import TableHistory
from consumer.table.scan import Progress, TableDescription, scan
from reporting.anomaly.evidence import Evidence
from scoring.bundle import Bundle
from scoring.config import Range
from scoring.evidence import LENGTH, Past
from scoring.scorer import Scorer
from window.features import tails
from window.samples import Kind, Names, Samples, concat

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DeviceHistory:
    """Reads from the table a device's samples up to one of them, as far back as they matter for its verdict."""

    def __init__(
        self, aws: boto3.Session, table: TableDescription, *, device: str, ts: float, device_key: str, plausible: Range
    ) -> None:
        self._aws = aws
        self._table = table
        self._device = device
        self._since, self._until = ts - REACH_S, ts
        self._device_key = device_key
        self._names = Names()
        self._decoder = Decoder(
            table=table.name, device_key=device_key, devices=self._names, shards=Names(), plausible=plausible
        )

    def readings(self, progress: Progress) -> Iterator[Samples]:
        """The samples in order of time. May yield twice, the cheap way first: from a table keyed by time the samples at
        whole seconds, which may not be all, and then all by a scan. From a table keyed by device and time all at once.

        Blocks until they are read; raises `ConfigurationError`.
        """
        try:
            client: DynamoDBClient = self._aws.client("dynamodb", config=CALLS)
            if self._table.keys == (self._device_key, TS):
                history = TableHistory(client, self._table.name, partition=self._device_key, sort=TS)
                yield self._samples(history.items(self._since, self._until, [self._device], lambda *_: None))
                return
            if self._table.time_keyed:
                history = TableHistory(client, self._table.name, partition=TS, sort=None)
                yield self._samples(history.whole_seconds(self._since, self._until))
        except Retry as error:
            raise ConfigurationError(f"{error}. Check the rights to read the table, and try again") from error
        pages = scan(self._aws, self._table, self._decoder, since=self._since, until=self._until, progress=progress)
        yield self._own(list(pages))

    def _samples(self, items: list[Item]) -> Samples:
        return self._own([self._decoder.items(self._table.name, items)])

    def _own(self, pages: list[Decoded]) -> Samples:
        whole = concat([page.samples for page in pages])
        mine = whole.take((whole.kind == Kind.BACKFILL) & (whole.device == self._names.code(self._device)))
        return mine.take(np.argsort(mine.ts, kind="stable"))


def rescore(samples: Samples, *, device: str, bundle: Bundle) -> Evidence | None:
    """The evidence about the last of a device's ``samples``, which are in order of time; its severity is NONE if it is
    no anomaly. None if the sample gets no score."""
    scorer = Scorer(bundle)
    scored, _ = scorer.take(samples.of_device(0), most_anomalies=len(samples) + scorer.touches)
    row = len(samples) - 1
    if scored.verdicts.unscorable[row]:
        return None
    tail = tails(samples.ts, samples.current_a, samples.temperature_c, length=LENGTH).take(slice(row, row + 1))
    errors = np.pad(scored.scores.reconstruction_error, (LENGTH, 0), constant_values=np.nan)[-LENGTH:]
    return Evidence.of(scored, row, device=device, bundle=bundle, past=Past(tail, errors[None, :]))
