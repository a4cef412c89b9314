"""Quarantine: records that are no samples are stored where a person can read them (rule 21)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import orjson
import structlog

from consumer.state.head import Head
from consumer.stream.records import Reject
from reporting.keys import quarantine_key
from reporting.sinks.archive import StoredObject
from scoring.scorer import Scored
from window.released import Released, Sequences
from window.samples import Kind, Names

MOST_AN_HOUR = 100
"""Records stored for one shard and hour; further ones are only counted, in the ledger."""
HOUR_S = 3600.0
Kept = dict[str, tuple[int, int]]
"""By shard: the latest hour of creation, and how many records of it were quarantined."""
log = structlog.get_logger(__name__)


class Quarantine:
    """Gathers the objects of quarantined records. They are functions of the records alone: no clock, no owner.

    ``kept``: the counts of the last owner, from the head.
    """

    def __init__(self, shards: Names, devices: Names, kept: Mapping[str, tuple[int, int]]) -> None:
        self._shards = shards
        self._devices = devices
        self._rejects: dict[tuple[str, str], Reject] = {}
        self._objects: list[StoredObject] = []
        self.kept: Kept = dict(kept)

    @classmethod
    def restore(cls, head: Head, shards: Names, devices: Names) -> Quarantine:
        """With the counts of the last owner."""
        return cls(shards, devices, head.quarantined)

    def stored(self, shards: Collection[str]) -> dict[str, Any]:
        """For the head: the counts of these shards, which are those that may still bring a record."""
        return {"quarantined": {shard: count for shard, count in self.kept.items() if shard in shards}}

    def keep(self, shard: str, sequence: Sequences, rejects: Mapping[int, Reject]) -> None:
        """Remember why records of a page, by row, are no samples, until they are processed."""
        for row, reject in rejects.items():
            self._rejects[shard, str(sequence[row])] = reject

    def forget(self, run: Released) -> None:
        """Forget the reasons of records that were processed."""
        if self._rejects:
            for code, sequence in zip(run.samples.shard, run.sequence, strict=True):
                self._rejects.pop((self._shards[int(code)], str(sequence)), None)

    def quarantine(self, run: Released) -> None:
        """Quarantine records, all of a kind that is quarantined."""
        for row in range(len(run)):
            shard, sequence = self._place(run, row)
            reject = self._rejects.get((shard, sequence)) or self._foreign(run, row)
            self._put(float(run.samples.created[row]), shard, sequence, reject)

    def quarantine_unscorable(self, scored: Scored, run: Released) -> list[int]:
        """Quarantine the samples without a finite score: they are not normal either. Returns their rows."""
        rows = [int(row) for row in np.flatnonzero(scored.verdicts.unscorable[: len(run)])]
        for row in rows:
            values = {"ts": scored.ts, "current": scored.current_a, "temperature": scored.temperature_c}
            raw = {name: repr(float(column[row])) for name, column in values.items()}
            reject = Reject("the models give no finite score for this sample", raw)
            self._put(float(run.samples.created[row]), *self._place(run, row), reject)
        return rows

    def drain(self) -> tuple[StoredObject, ...]:
        """Take all objects that wait, for a commit."""
        objects, self._objects = tuple(self._objects), []
        return objects

    def _place(self, run: Released, row: int) -> tuple[str, str]:
        return self._shards[int(run.samples.shard[row])], str(run.sequence[row])

    def _foreign(self, run: Released, row: int) -> Reject:
        """The reason of a record that is a good sample by itself, but of a foreign device."""
        samples = run.samples
        device = self._devices[int(samples.device[row])]
        values = {"ts": samples.ts, "current": samples.current_a, "temperature": samples.temperature_c}
        raw = {"device": device, **{name: repr(float(column[row])) for name, column in values.items()}}
        assert samples.kind[row] == Kind.FOREIGN
        return Reject(
            f"a table keyed by time alone can hold one device: samples of {device!r} and of another one at the same "
            "time overwrite each other. Give each a table, or the key a device",
            raw,
        )

    def _put(self, created: float, shard: str, sequence: str, reject: Reject) -> None:
        hour = int(created // HOUR_S)
        known, count = self.kept.get(shard, (hour, 0))
        count = count + 1 if known == hour else 1
        self.kept[shard] = (hour, count)
        if count > MOST_AN_HOUR + 1:
            return
        reason = reject.reason
        if count > MOST_AN_HOUR:
            reason += (
                f" (more than {MOST_AN_HOUR} in this shard and hour: further ones are only counted, in the ledger)"
            )
        log.warning("quarantined", shard=shard, sequence=sequence, reason=reason)
        body = {"reason": reason, "shard": shard, "sequence": sequence, "record": reject.raw}
        key = quarantine_key(created, shard, sequence)
        self._objects.append(StoredObject(key, orjson.dumps(body, option=orjson.OPT_INDENT_2)))
