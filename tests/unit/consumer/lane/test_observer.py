"""Who listens to a lane beside its commits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from lane_rig import REPORTING, Record, Rig, T

from consumer.lane.lane import Lane
from consumer.lane.observer import NoObserver
from consumer.lane.parts import LaneOptions
from consumer.outgoing.told import Told
from consumer.stream.records import NameTables
from scoring.bundle import Bundle
from scoring.scorer import Scored, Scorer


class Heard(NoObserver):
    """Keeps what the lane has judged."""

    def __init__(self) -> None:
        self.ts: list[float] = []
        self.episodes: list[str] = []
        self.again: list[float] = []

    def judged(self, scored: Scored, told: Mapping[int, Told]) -> None:
        """See `LaneObserver`."""
        self.ts += [float(ts) for ts in scored.ts]
        self.episodes += [told[row].episode for row in sorted(told)]

    def recalled(self, scored: Scored) -> None:
        """See `LaneObserver`."""
        self.again += [float(ts) for ts in scored.ts]


def test_it_hears_of_every_sample_in_order_with_the_episodes_of_anomalies(
    plain_bundle: Bundle, at: Callable[..., Record]
) -> None:
    """Also of those that are no anomaly, and again of those that are scored again; the commits are the same."""
    heard, alone = Heard(), Rig(plain_bundle).open("s")
    rig = Rig(plain_bundle)
    names = NameTables(rig.decoder.devices, rig.decoder._shards)
    rig.lane = Lane(Scorer(plain_bundle), rig.head, replace(REPORTING), names, None, LaneOptions(observer=heard))
    rig.open("s")
    for each in (alone, rig):
        each.batch("s", at(0), at(10, 9.0), at(20)).turn()
        each.batch("s", at(5, number=2000, created=T + 21)).idle("s", at=T + 40).until_quiet(T + 1)
    assert heard.ts[:3] == [T, T + 10.0, T + 20.0]
    assert heard.ts[3:] == [T + 5.0, T + 10.0, T + 20.0]
    assert len(heard.episodes) == 4
    assert heard.episodes[:2] == heard.episodes[2:]  # each sample stays in the episode of its kind
    assert [message.body for message in rig.messages] == [message.body for message in alone.messages]


def test_it_hears_apart_of_what_is_read_again(plain_bundle: Bundle, at: Callable[..., Record]) -> None:
    """A successor reads records again for its windows: they were judged before the restart, and are not judged anew."""
    first = Rig(plain_bundle).open("s")
    first.batch("s", at(0), at(10, 9.0)).turn()
    heard, rig = Heard(), first.successor(snapshot=False)
    rig.lane = Lane(
        Scorer(plain_bundle),
        rig.head,
        replace(REPORTING),
        NameTables(rig.decoder.devices, rig.decoder._shards),
        None,
        LaneOptions(observer=heard),
    )
    rig.open("s").batch("s", at(0), at(10, 9.0), at(20)).until_quiet(T + 1)
    assert heard.again == [T, T + 10.0]
    assert heard.ts == [T + 20.0]
