"""Processes the records that the merge releases: class, score, count and report them, in their order."""

from __future__ import annotations

import numpy as np
import structlog

from consumer.lane.commit_builder import MAX_MESSAGES
from consumer.lane.parts import Parts
from consumer.lane.recovery import Recovery
from consumer.lane.runs import MOST_NOTICES, Run, Runs
from consumer.lane.timers import Timers
from reporting.anomaly.episode import CLOSED_AFTER_S
from reporting.health.overwritten import Overwrite
from scoring.scorer import Scored
from window.released import Released
from window.samples import Kind

log = structlog.get_logger(__name__)


class Processing:
    """Processes one run after the other. The result for a record does not depend on where a run ends (rule 4)."""

    def __init__(self, parts: Parts, recovery: Recovery, timers: Timers) -> None:
        self._parts = parts
        self._recovery = recovery
        self._runs = Runs(parts, timers)

    def process(self, ready: Released, now: float) -> Released | None:
        """Process a leading run of records of one class; returns the rest. ``now``: epoch seconds."""
        parts = self._parts
        taken = 0 if self._recovery.active else parts.outbox.messages + parts.waiting.gathered
        room = MAX_MESSAGES - MOST_NOTICES - taken
        if not self._recovery.rereads(ready):
            first = float(ready.stamp[0])
            parts.charts.begin(first)
            parts.outbox.notify(parts.warming.begin(first), now=now)
        run = self._runs.next(ready)
        if run.duplicate and run.records.samples.kind[0] == Kind.BACKFILL:
            return self._done(run.records, ready)
        if run.sets_back:
            first_row = run.records.samples
            parts.scorer.windows.set_back(int(first_row.device[0]), float(first_row.ts[0]))
        scored = overwrite = None
        if run.kind.scored:
            # The windows know it only before. A sample that is there already is a run of its own (`Scorer.take`).
            overwrite = Overwrite.of(parts.scorer.windows, run.records.samples) if run.kind is Kind.SAMPLE else None
            scored, run = self._score(run, room)
        run = self._runs.settled(run)
        parts.watch.apply(run.seen)
        if overwrite is not None:
            run = run.told(parts.watch.overwrote(int(run.samples.device[0]), overwrite, float(run.times[0])))
        parts.single_device.seen(run.records.samples, run.records.stamp)
        parts.processed.count_out_of_order(run.records, reread=run.reread)
        if not run.reread:
            self._account(run, scored, now)
            if overwrite is not None:
                parts.ledger.overwritten(run.samples)
        elif scored is not None:
            parts.outbox.recall(scored, self._recovery.fresh)
            parts.observer.recalled(scored)
        return self._done(run.records, ready)

    def _score(self, run: Run, room: int) -> tuple[Scored, Run]:
        """Score leading samples, as many as cause at most ``room`` messages; returns the run of these too."""
        parts, samples = self._parts, run.records.samples
        if run.reread:
            scored, count = parts.scorer.take(samples, most_anomalies=len(run) + parts.scorer.touches)
        else:
            # An episode that opens in this run must close on time. So scoring ends before the first close that is due.
            ends = np.searchsorted(run.records.stamp, run.records.stamp + CLOSED_AFTER_S)
            scored, count = parts.scorer.take(samples, most_anomalies=parts.outbox.capacity(room), ends=ends)
            self._runs.scored(len(run), count)
        run = run.leading(count)
        parts.scored_minutes.add(scored)
        names = parts.names.devices
        parts.known.update((names[int(code)], int(code)) for code in np.unique(run.records.samples.device))
        parts.processed.scored(run.records.samples)
        return scored, run

    def _account(self, run: Run, scored: Scored | None, now: float) -> None:
        """Count the records of a run in the ledger and report them."""
        parts, samples, records = self._parts, run.samples, run.records
        names = [parts.names.devices[int(code)] for code in np.unique(samples.device)]
        self._recovery.new_among_reread(names)
        notices = [(row, notice) for row, notice in run.seen.notices if not self._recovery.knows(notice)]
        from_stream = samples.kind != Kind.BACKFILL
        parts.ledger.read(samples.take(from_stream))
        parts.shards.count_backfilled(samples.take(~from_stream))
        parts.ledger.duplicate(samples) if run.duplicate else parts.ledger.classed(samples)
        if scored is None:
            for row, notice in notices:
                parts.outbox.notify([notice], now=now, stamp=float(records.stamp[row]))
            if run.kind.quarantined:
                parts.quarantine.quarantine(records)
            return
        if len(scored.ts) == 0 and samples.kind[0] == Kind.SAMPLE:
            # Older than its window, which happens only after a forced release (rule 7) or a broken promise of idleness
            # (rule 24). It is not scored, so it counts as late, and is reported as late.
            code = int(samples.device[0])
            log.warning("older than the window: not scored", ts=float(samples.ts[0]), sequence=str(records.sequence[0]))
            parts.ledger.moved(float(samples.created[0]), code, "scored", "late")
            parts.watch.outrun(code, float(samples.ts[0]), float(run.times[0]))
        parts.outbox.emit(scored, records, run.times, notices, now=now)
        parts.observer.judged(scored, parts.outbox.told)
        for row in parts.quarantine.quarantine_unscorable(scored, records):
            parts.ledger.moved(float(samples.created[row]), int(samples.device[row]), "scored", "quarantined")
        for device, ts in parts.outbox.opened():
            parts.charts.opening(device, ts)
        for name in names:
            parts.outbox.forget(name, parts.scorer.windows.newest(parts.names.devices.code(name)))

    def _done(self, records: Released, ready: Released) -> Released | None:
        """The leading ``records`` of ``ready`` were processed; returns what is left."""
        parts = self._parts
        parts.processed.advance(float(records.stamp[-1]))
        parts.shards.move_past(records)
        parts.quarantine.forget(records)
        self._recovery.check_finished()
        return ready.take(slice(len(records), None)) if len(records) < len(ready) else None
