"""What works beside a worker's loop, as twins that have nothing to say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from consumer.bundles.watcher import KnownBundles, Offer
from consumer.mutes.watcher import KnownMutes
from consumer.state.head import Gap
from consumer.stream.records import Decoded
from consumer.worker.backfill import Backfill, FirstWindow
from consumer.worker.bundle_rollout import BundleRollout
from consumer.worker.lanes import Lanes
from consumer.worker.table_reader import Tables
from consumer.worker.worker import Background, Charts
from reporting.mutes import Mutes


class NoTables:
    """`consumer.worker.table_reader.Tables` of a table that nobody reads."""

    def ask(self, lane: str, gap: Gap, devices: Sequence[str]) -> None:
        """See `Tables`."""

    def answers(self) -> Iterator[tuple[str, Gap, Decoded]]:
        """See `Tables`."""
        return iter(())

    def stop(self) -> None:
        """See `Tables`."""


class NoMutes:
    """`consumer.mutes.watcher.KnownMutes` of a bucket without mutes."""

    current = Mutes()

    def begin(self) -> None:
        """See `KnownMutes`."""

    def stop(self) -> None:
        """See `KnownMutes`."""


class NoBundles:
    """`consumer.bundles.watcher.KnownBundles` that has found none: the active one goes on."""

    current = Offer(None)

    def begin(self) -> None:
        """See `KnownBundles`."""

    def stop(self) -> None:
        """See `KnownBundles`."""


def background(
    lanes: Lanes,
    charts: Charts,
    *,
    tables: Tables | None = None,
    first: FirstWindow | None = None,
    mutes: KnownMutes | None = None,
    bundles: KnownBundles | None = None,
    replace: Callable[[Any], None] = lambda _: None,
) -> Background:
    """All of it, with twins for what a test does not give."""
    return Background(
        backfill=Backfill(tables or NoTables(), lanes, first or FirstWindow()),
        mutes=mutes or NoMutes(),
        rollout=BundleRollout(bundles or NoBundles(), lanes, replace),
        charts=charts,
    )
