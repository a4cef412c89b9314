"""How a host works: small pages and little credit, so that a workload of a hundred records meets every limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

from sim_faults import Clock

from consumer.intake import credit
from consumer.lane import runs
from consumer.lane.observer import LaneObserver
from consumer.stream import page_reader
from scoring.scorer import Scored

PIECE_S = 0.3
"""The longest piece of a turn's work where a record takes time: what rule 26 leaves to it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a host works. ``page``: records asked for at once; ``credit``: records read ahead, over all shards;
    ``poll_s``: between two looks at a shard that is quiet; ``tick_s``: between two turns of the lane at most;
    ``latency_s``: what a sink takes at most; ``record_s``: what it takes to judge a row of a window. That time passes
    in the middle of a turn: nobody of the same host acts meanwhile, and all others may."""

    page: int = 1000
    credit: int = 20_000
    poll_s: float = 4.0
    tick_s: float = 3.0
    latency_s: float = 0.05
    record_s: float = 0.0


class Effort:
    """A `LaneObserver` on whose watch judging takes time (`Pace.record_s`). ``then``: the next observer."""

    def __init__(self, clock: Clock, pace: Callable[[], Pace], then: LaneObserver) -> None:
        self._clock = clock
        self._pace = pace
        self._then = then

    def judged(self, scored: Scored, episodes: Mapping[int, str]) -> None:
        """See `LaneObserver`."""
        self._then.judged(scored, episodes)
        self._clock.advance(self._pace().record_s * len(scored.ts))

    def recalled(self, scored: Scored) -> None:
        """See `LaneObserver`."""
        self._then.recalled(scored)


@contextmanager
def paced(pace: Pace) -> Iterator[None]:
    """The engine's limits as the pace has them, for as long as it is entered."""
    wanted: dict[tuple[ModuleType, str], float] = {
        (page_reader, "PAGE"): pace.page,
        (page_reader, "POLL_S"): pace.poll_s,
        (credit, "PAGE"): pace.page,
        (credit, "TOTAL"): pace.credit,
        (credit, "LEAST_CHANGE"): min(credit.LEAST_CHANGE, max(1, pace.page // 5)),
    }
    if pace.record_s:
        longest = max(1, int(PIECE_S / pace.record_s))
        wanted[runs, "LONGEST_RUN"] = min(runs.LONGEST_RUN, longest)
        wanted[runs, "SHORTEST_RUN"] = min(runs.SHORTEST_RUN, longest)
    kept = {(module, name): getattr(module, name) for module, name in wanted}
    for (module, name), value in wanted.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for (module, name), value in kept.items():
            setattr(module, name, value)
