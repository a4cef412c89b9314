"""From a page of GetRecords to a batch for the lane."""

from __future__ import annotations

from consumer.stream.client import Page
from consumer.stream.envelope import begun, created, numbered, size_bytes
from consumer.stream.records import Decoder
from consumer.stream.shard import Shard
from consumer.stream.source import Position, ShardBatch

PAGE_BYTES = 900_000
"""GetRecords returns 1 MB at most. A page of almost that counts as cut, so more records may wait."""


def batch_of(shard: Shard, page: Page, limit: int, decoder: Decoder, asked_at: float) -> ShardBatch | None:
    """Decode a page, and move the shard's position past it. None for a page that says nothing: it ends the shard, or
    all of its records were written before the shard's ``since``.

    ``asked_at``: when it was asked for, the service's time. Raises `Unnumbered` for a record without a sequence number,
    and leaves the shard as it is.
    """
    records = page.records
    since = shard.position.since
    if shard.skips:
        records = [record for record in records if numbered(record)]
    if since is not None and shard.position.sequence is None and shard.kind == "TRIM_HORIZON":
        # The shard was to begin at its tip, and the iterator expired before the first record. It is read from the
        # horizon instead, without what is older than the tip. Creation times have whole seconds, hence int().
        records = [record for record in records if (at := created(record)) is None or at >= int(since)]
    if not records and (page.records or page.next_iterator is None):
        return None  # an empty batch would mean that the shard is idle
    decoded = decoder.page(shard.name, records, written=begun(shard.name) or asked_at)
    if records:
        shard.position = Position(str(decoded.sequence[-1]))
        shard.allow(-len(records))
    full = len(page.records) >= limit or sum(map(size_bytes, page.records)) >= PAGE_BYTES
    batch = ShardBatch(
        shard.name, shard.epoch, decoded.samples, decoded.sequence, decoded.rejects, asked_at, full, shard.renewed
    )
    shard.renewed = False
    return batch
