"""Becoming the owner of a lane, with the bucket's twin and a clock of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from consumer.errors import ConfigurationError, Retry
from consumer.heartbeat import TAKE_OVER_S
from consumer.state.head import ActiveBundle, Head, Outbox, ShardPosition
from consumer.state.ownership import READ_EVERY_S, Claimant, Taken, Terms, Watch, claim, inherit, new_owner
from consumer.state.store import S3StateStore
from reporting.anomaly.episode import Episode
from reporting.message import Message

TERMS = Terms(lambda head: "bw-2")


class Standby:
    """A starter: time passes as it waits, and things may happen meanwhile."""

    def __init__(self, s3: Any, owner: str = "me") -> None:
        self.store = S3StateStore(s3, "b", "p")
        self.owner = owner
        self.now = 1000.0
        self.waits = 0
        self.meanwhile: Callable[[Standby], object] = lambda _: None
        self.give_up_after = 50
        self.ahead_s = 0.0  # of the wall clock
        self.watch = Watch()
        self.terms = TERMS
        self.taken: Taken | None = None

    def claim(self) -> Head | None:
        claimant = Claimant(self.owner, lambda: self.now + self.ahead_s, monotonic=lambda: self.now, watch=self.watch)
        taken = claim(self.store, "table", claimant, self.terms, wait=self._wait)
        self.taken = taken
        return taken.head if taken is not None else None

    def _wait(self, seconds: float) -> bool:
        assert seconds == READ_EVERY_S
        self.now += seconds
        self.waits += 1
        self.meanwhile(self)
        return self.waits >= self.give_up_after


def owned(s3: Any, *, heartbeat: float, released: bool = False, epoch: int = 4, commit: int = 70) -> S3StateStore:
    """A lane with another owner, who has his outbox in the head."""
    message = Message("m", "anomaly.sample", "high", "d", "sample", "urn:s", "{}", "t")
    store = S3StateStore(s3, "b", "p")
    store.read()
    store.write(
        Head(
            lane="table",
            owner="you",
            epoch=epoch,
            commit=commit,
            heartbeat=heartbeat,
            released=released,
            bundle="bw-1",
            outbox=Outbox(messages=[message]),
        )
    )
    return store


def test_a_lane_that_nobody_has_is_taken_at_once(s3: Any) -> None:
    """And the head says so before anything else is done."""
    me = Standby(s3)
    head = me.claim()
    assert head is not None
    assert (head.owner, head.epoch, head.commit, head.heartbeat, head.bundle) == ("me", 1, 0, 1000.0, "bw-2")
    assert me.waits == 0
    assert S3StateStore(s3, "b", "p").read() == head.model_copy(update={"beat": 1})


@pytest.mark.parametrize(("heartbeat", "released"), [(999.0, True), (1000.0 - TAKE_OVER_S, False), (0.0, False)])
def test_a_lane_released_or_silent_is_taken_over_with_all_that_was_promised(
    s3: Any, heartbeat: float, released: bool
) -> None:
    """In the next epoch; the last owner is fenced from then on."""
    theirs = owned(s3, heartbeat=heartbeat, released=released)
    head = Standby(s3).claim()
    assert head is not None
    assert (head.owner, head.epoch, head.commit, head.released, head.bundle) == ("me", 5, 70, False, "bw-2")
    assert [message.id for message in head.outbox.messages] == ["m"]
    with pytest.raises(Exception, match="owned by me"):
        theirs.write(Head(lane="table", owner="you", epoch=4, commit=71, bundle="bw-1"))


def test_a_living_owner_is_waited_for(s3: Any) -> None:
    """As long as the heartbeat is younger than 15 s."""
    theirs = owned(s3, heartbeat=1000.0)
    me = Standby(s3)

    def beat(at: Standby) -> None:
        if at.waits <= 10:
            theirs.write(Head(lane="table", owner="you", epoch=4, commit=70 + at.waits, heartbeat=at.now, bundle="b"))

    me.meanwhile = beat
    head = me.claim()
    assert head is not None
    assert me.now == pytest.approx(1000.0 + 10 * READ_EVERY_S + TAKE_OVER_S, abs=READ_EVERY_S)
    assert (head.epoch, head.commit) == (5, 80)


@pytest.mark.parametrize("ahead_s", [16.0, 3600.0, -3600.0])
def test_bug_33_a_stand_by_whose_clock_is_wrong_takes_no_living_lane(s3: Any, ahead_s: float) -> None:
    """It counts what it sees change, on its own monotonic clock: commits, and beats where no commit is made."""
    theirs = owned(s3, heartbeat=1000.0)
    me = Standby(s3)
    me.ahead_s = ahead_s

    def beat(at: Standby) -> None:
        if at.waits % 3 == 0 and at.waits <= 30:
            theirs.write(Head(lane="table", owner="you", epoch=4, commit=70, heartbeat=1000.0, bundle="b"))

    me.meanwhile = beat
    assert me.claim() is not None
    assert me.now >= 1000.0 + 30 * READ_EVERY_S + TAKE_OVER_S


def test_rule_27_each_process_watches_a_whole_period_first(s3: Any) -> None:
    """However old the heartbeat is by its own clock; what was released is taken at once."""
    owned(s3, heartbeat=0.0)
    me = Standby(s3)
    assert me.claim() is not None
    assert 1000.0 + TAKE_OVER_S <= me.now <= 1000.0 + TAKE_OVER_S + READ_EVERY_S
    owned(s3, heartbeat=0.0, released=True)
    me = Standby(s3)
    assert me.claim() is not None
    assert me.waits == 0


def test_rule_27_a_head_that_vanishes_while_it_is_watched_is_damage(s3: Any) -> None:
    """Its owner writes it again, and lives. Where nobody does, the lane goes on from the head that was seen last."""
    theirs = owned(s3, heartbeat=1000.0)
    me = Standby(s3)

    def deleted(at: Standby) -> None:
        if at.waits == 2:
            del s3.objects["p/head"]
        if at.waits == 4:
            with pytest.raises(Retry, match="written again"):
                theirs.write(Head(lane="table", owner="you", epoch=4, commit=71, bundle="bw-1"))
            theirs.write(Head(lane="table", owner="you", epoch=4, commit=71, bundle="bw-1"))
        if at.waits == 6:
            del s3.objects["p/head"]

    me.meanwhile = deleted
    head = me.claim()
    assert head is not None
    assert me.taken is not None
    assert (head.epoch, head.commit, me.taken.new, me.taken.lost) == (5, 71, False, True)
    assert me.now >= 1000.0 + 6 * READ_EVERY_S + TAKE_OVER_S


def test_bug_35_a_missing_head_beside_windows_is_no_first_start(s3: Any) -> None:
    """It waits a period for an owner to write it again, then goes on from what the windows tell."""
    me = Standby(s3)
    me.terms = Terms(lambda head: "bw-2", recover=lambda: Head(lane="table", owner="?", epoch=6, commit=9, bundle="b"))
    head = me.claim()
    assert head is not None
    assert me.taken is not None
    assert (head.owner, head.epoch, head.commit, me.taken.new, me.taken.lost) == ("me", 7, 9, False, True)
    assert me.now >= 1000.0 + TAKE_OVER_S


def test_bug_34_the_epoch_is_above_all_that_is_known_of(s3: Any) -> None:
    """Those of other streams and other lanes too, at a first start as well."""
    me = Standby(s3)
    me.terms = Terms(lambda head: "bw-2", epoch=lambda: 11)
    head = me.claim()
    assert head is not None
    assert head.epoch == 12


def test_of_two_that_stand_by_one_gets_it(s3: Any) -> None:
    """The other finds itself too late, and goes on standing by."""
    owned(s3, heartbeat=0.0)
    me, other = Standby(s3, "me"), Standby(s3, "other")
    me.give_up_after = 12

    def faster(put: Callable[[], Any]) -> Any:
        assert other.claim() is not None
        return put()

    s3.refuse = [faster]
    assert me.claim() is None
    found = S3StateStore(s3, "b", "p").read()
    assert found is not None
    assert (found.owner, found.epoch) == ("other", 5)


def test_told_to_stop_while_standing_by(s3: Any) -> None:
    """Nothing was changed."""
    owned(s3, heartbeat=5000.0)
    me = Standby(s3)
    me.give_up_after = 3
    assert me.claim() is None
    assert me.waits == 3
    assert [call for call, _ in s3.calls[2:]] == ["get", "get", "get"]


def test_state_that_cannot_be_read_or_written_is_tried_again(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 has bad minutes; a start outlives them."""
    owned(s3, heartbeat=0.0)
    real, failures = s3.get_object, [0]

    def failing(**request: Any) -> Any:
        failures[0] += 1
        if failures[0] <= 2:
            raise s3.error("GetObject", 503, "SlowDown")
        return real(**request)

    monkeypatch.setattr(s3, "get_object", failing)
    s3.refuse = [s3.lost]
    head = Standby(s3).claim()
    assert head is not None
    assert (head.owner, head.epoch) == ("me", 5)


def test_without_waiting_a_lane_is_taken_from_whoever_has_it(s3: Any) -> None:
    """For the other lanes of a table whose owner one has become; where the state cannot be written it is said."""
    owned(s3, heartbeat=1000.0)
    store = S3StateStore(s3, "b", "p")
    s3.refuse = [s3.lost]
    with pytest.raises(Retry):
        claim(store, "table", Claimant("me", lambda: 1000.0), TERMS, wait=None)
    taken = claim(store, "table", Claimant("me", lambda: 1000.0), TERMS, wait=None)
    assert taken is not None
    assert (taken.head.owner, taken.head.epoch) == ("me", 5)


def test_a_stream_made_anew_inherits_all_but_the_positions() -> None:
    """Its shards are others; episodes, health, books and the watermark go on."""
    before = Head(
        lane="table",
        owner="you",
        epoch=9,
        commit=70,
        bundle="bw-1",
        watermark=12.5,
        positions={"old": ShardPosition(sequence="1")},
        episodes={"d": [Episode("d", 1.0, 2.0, 1.0, 2)]},
        ledger={"2026-07-25": {"d": {"read": 1}}},
        forced=3,
    )
    head = inherit(Head(lane="table", owner="me", bundle="bw-2"), before)
    assert (head.owner, head.epoch, head.commit, head.bundle, head.positions) == ("me", 1, 0, "bw-2", {})
    assert (head.watermark, head.episodes, head.ledger, head.forced) == (12.5, before.episodes, before.ledger, 3)


def test_another_bundle_is_in_the_head_before_anything_else_is_done(s3: Any) -> None:
    """With the minute from which it scores; taken over again with the same bundle, the minute stays."""
    owned(s3, heartbeat=0.0).write(
        Head(lane="table", owner="you", epoch=4, commit=71, bundle="bw-1", watermark=3601.0, newest=3659.0)
    )
    for epoch in (5, 6):
        assert Standby(s3).claim() is not None
        found = S3StateStore(s3, "b", "p").read()
        assert found is not None
        assert (found.epoch, found.bundle) == (epoch, "bw-2")
        assert found.bundles == [ActiveBundle("bw-1"), ActiveBundle("bw-2", 3660.0)]
        found.heartbeat = 0.0
        store = S3StateStore(s3, "b", "p")
        store.read()
        store.write(found)


def test_where_it_cannot_prepare_the_lane_stays_with_its_last_owner(s3: Any) -> None:
    """Nobody is fenced by a worker that cannot go on; what may be tried again is, while standing by."""
    owned(s3, heartbeat=0.0)
    before = dict(s3.objects)
    store, waits = S3StateStore(s3, "b", "p"), []

    def claimed(error: Exception) -> Taken | None:
        def prepare(head: Head) -> None:
            assert head.bundle == "bw-2"
            raise error

        return claim(
            store,
            "table",
            Claimant("me", lambda: 1000.0, monotonic=lambda: 100.0 * len(waits)),
            Terms(lambda head: "bw-2", prepare),
            wait=lambda s: waits.append(s) or len(waits) == 3,
        )

    with pytest.raises(ConfigurationError):
        claimed(ConfigurationError("the bundle is missing"))
    assert claimed(Retry("the bucket is down")) is None
    assert len(waits) == 3
    assert s3.objects == before


def test_rule_34_why_a_claim_waits_is_known_until_it_waits_no_more(s3: Any) -> None:
    """The health check says it: a worker that cannot read the state does not pass for one that merely stands by."""
    owned(s3, heartbeat=0.0, released=True)
    me, seen = Standby(s3), []

    def prepare(head: Head) -> None:
        if me.waits < 2:
            raise Retry("the bucket is down")

    def another(at: Standby) -> None:
        seen.append(at.watch.trouble)
        if at.waits == 2:
            owned(s3, heartbeat=0.0)

    me.terms, me.meanwhile, me.give_up_after = Terms(lambda head: "bw-2", prepare), another, 3
    assert me.claim() is None
    assert seen == ["the bucket is down", "the bucket is down", ""]


def test_a_stream_made_anew_goes_on_with_the_bundles() -> None:
    """What was told under the old stream's name stays as it was told."""
    before = Head(lane="table", owner="you", bundle="bw-1", watermark=61.0, newest=62.0)
    fresh = Head(lane="table", owner="me", bundle="bw-2", bundles=[ActiveBundle("bw-2")])
    assert inherit(fresh, before).bundles == [ActiveBundle("bw-1"), ActiveBundle("bw-2", 120.0)]


def test_no_two_workers_have_one_name() -> None:
    """Not even in one process."""
    assert len({new_owner() for _ in range(100)}) == 100
