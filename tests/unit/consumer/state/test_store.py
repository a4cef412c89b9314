"""The head behind its fence, against the bucket's twin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from consumer.errors import Fenced, Retry
from consumer.state.head import Head, Outbox, ShardPosition
from consumer.state.store import S3StateStore, Stores, stream_prefix
from reporting.anomaly.episode import Episode
from reporting.message import Message

STREAM = "state/default/device4/2026-07-25T00:00:00.000"
PREFIX = f"{STREAM}/table"
HEAD, WINDOWS = f"{PREFIX}/head", f"{PREFIX}/windows"


def store(s3: Any) -> S3StateStore:
    return S3StateStore(s3, "b", PREFIX)


def head(owner: str = "me", epoch: int = 1, commit: int = 1) -> Head:
    return Head(lane="table", owner=owner, epoch=epoch, commit=commit, bundle="bw-plain")


def there(s3: Any) -> tuple[str, int, int]:
    found = Head.model_validate_json(s3.objects[HEAD].body)
    return found.owner, found.epoch, found.commit


def by_another(s3: Any, other: Head) -> None:
    """Somebody else reads the head and puts his own in its place."""
    others = store(s3)
    others.read()
    others.write(other)


def test_before_the_first_commit_there_is_nothing(s3: Any) -> None:
    """Neither head nor windows; the first write asks that nobody was faster."""
    mine = store(s3)
    assert mine.read() is None
    assert mine.read_windows() is None
    mine.write(head())
    assert there(s3) == ("me", 1, 1)


def test_two_workers_at_a_first_start_one_is_fenced(s3: Any) -> None:
    """Both saw nothing; the one who writes first has it."""
    mine, yours = store(s3), store(s3)
    mine.read()
    yours.read()
    mine.write(head("me"))
    with pytest.raises(Fenced, match="owned by me"):
        yours.write(head("you"))
    assert there(s3) == ("me", 1, 1)


def test_whoever_wrote_last_writes_on(s3: Any) -> None:
    """Commit after commit, without reading in between."""
    mine = store(s3)
    mine.read()
    for commit in range(1, 5):
        mine.write(head(commit=commit))
    assert there(s3) == ("me", 1, 4)
    assert [call for call, _ in s3.calls] == ["get", "put", "put", "put", "put"]


def test_an_owner_that_was_replaced_is_fenced_and_stays_fenced(s3: Any) -> None:
    """However often it tries: what is there is the successor's."""
    mine = store(s3)
    mine.write(head("me"))
    by_another(s3, head("you", epoch=2))
    for _ in range(3):
        with pytest.raises(Fenced, match="owned by you"):
            mine.write(head("me", commit=2))
    assert there(s3) == ("you", 2, 1)


def test_a_write_whose_answer_was_lost_is_recognised(s3: Any) -> None:
    """The head says that it was written: own name, own epoch, own number."""
    mine = store(s3)
    mine.write(head())
    s3.refuse = [s3.unanswered]
    mine.write(head(commit=2))
    mine.write(head(commit=3))
    assert there(s3) == ("me", 1, 3)


def test_a_write_that_never_arrived_may_be_tried_again(s3: Any) -> None:
    """The head is as it was."""
    mine = store(s3)
    mine.write(head())
    s3.refuse = [s3.lost]
    with pytest.raises(Retry):
        mine.write(head(commit=2))
    mine.write(head(commit=2))
    assert there(s3) == ("me", 1, 2)


def test_the_very_first_write_may_be_lost_too(s3: Any) -> None:
    """Nothing is there then, as before."""
    mine = store(s3)
    mine.read()
    s3.refuse = [s3.lost, s3.unanswered]
    with pytest.raises(Retry):
        mine.write(head())
    mine.write(head())
    assert there(s3) == ("me", 1, 1)


@pytest.mark.parametrize(
    ("status", "code"), [(409, "ConditionalRequestConflict"), (500, "InternalError"), (503, "SlowDown")]
)
def test_a_conflict_or_a_fault_of_s3_is_no_fence(s3: Any, status: int, code: str) -> None:
    """As long as the head is unchanged, trying again is right."""
    mine = store(s3)
    mine.write(head())
    s3.refuse = [s3.refused(status, code)]
    with pytest.raises(Retry, match=code):
        mine.write(head(commit=2))
    mine.write(head(commit=2))


def test_a_lost_write_of_another_owner_is_a_fence(s3: Any) -> None:
    """The same commit number is not enough."""
    mine = store(s3)
    mine.write(head())

    def another_was_faster(put: Callable[[], Any]) -> Any:
        by_another(s3, head("you", epoch=2, commit=2))
        return s3.lost(put)

    s3.refuse = [another_was_faster]
    with pytest.raises(Fenced):
        mine.write(head("me", commit=2))


def test_a_write_that_arrives_after_it_was_given_up_is_recognised(s3: Any) -> None:
    """S3 may carry out a put later than its answer was waited for."""
    mine = store(s3)
    mine.write(head())
    late: list[Callable[[], Any]] = []

    def on_its_way(put: Callable[[], Any]) -> Any:
        late.append(put)
        return s3.lost(put)

    def and_it_arrives(put: Callable[[], Any]) -> Any:
        late[0]()
        return put()

    s3.refuse = [on_its_way, and_it_arrives]
    with pytest.raises(Retry):
        mine.write(head(commit=2))
    mine.write(head(commit=2))
    mine.write(head(commit=3))
    assert there(s3) == ("me", 1, 3)


def test_bug_35_a_head_that_was_deleted_under_its_owner_is_written_again(s3: Any) -> None:
    """The owner has all of it. One that stood still meanwhile, and had a successor, has not."""
    mine = store(s3)
    mine.write(head())
    del s3.objects[HEAD]
    with pytest.raises(Retry, match="was deleted"):
        mine.write(head(commit=2))
    mine.write(head(commit=2))
    assert there(s3) == ("me", 1, 2)
    mine.write_windows(b"another's", (2, 1))
    del s3.objects[HEAD]
    for _ in range(2):
        with pytest.raises(Fenced, match="another owner since"):
            mine.write(head(commit=3))
    assert HEAD not in s3.objects


def test_bug_40_a_bucket_that_was_deleted_is_no_fence(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said what is missing, and tried again."""
    mine = store(s3)
    mine.write(head())

    def gone(**_: Any) -> Any:
        raise s3.error("GetObject", 404, "NoSuchBucket")

    with monkeypatch.context() as deleted:
        deleted.setattr(s3, "get_object", gone)
        deleted.setattr(s3, "put_object", gone)
        with pytest.raises(Retry, match="the bucket b does not exist"):
            mine.read()
        for _ in range(2):
            with pytest.raises(Retry, match="the bucket b does not exist"):
                mine.write(head(commit=2))
    mine.write(head(commit=2))
    assert there(s3) == ("me", 1, 2)


def test_rule_27_every_write_of_the_head_has_a_beat_of_its_own(s3: Any) -> None:
    """Also where owner, epoch and commit stay: a heartbeat."""
    mine = store(s3)
    beats = []
    for _ in range(3):
        mine.write(head())
        beats.append(Head.decode(s3.objects[HEAD].body).beat)
    assert beats == [1, 2, 3]
    other = store(s3)
    other.read()
    other.write(head("you", epoch=2))
    assert Head.decode(s3.objects[HEAD].body).beat == 4


def test_reading_that_fails_may_be_tried_again(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a missing object is the absence of one."""
    mine = store(s3)
    mine.write(head())

    def forbidden(**_: Any) -> Any:
        raise s3.error("GetObject", 403, "AccessDenied")

    monkeypatch.setattr(s3, "get_object", forbidden)
    for read in (mine.read, mine.read_windows):
        with pytest.raises(Retry, match="AccessDenied"):
            read()


def test_windows_of_a_later_owner_stay(s3: Any) -> None:
    """The windows go by revision, not by the fence: a put may come late."""
    mine = store(s3)
    mine.write_windows(b"old", (1, 5))
    mine.write_windows(b"new", (2, 1))
    mine.write_windows(b"late", (1, 9))
    assert mine.read_windows() == b"new"
    assert set(s3.objects) == {WINDOWS}


def test_the_head_is_json_for_people_and_reads_back_whole() -> None:
    """Everything a successor needs: positions, episodes, books, and the outbox word for word."""
    message = Message("m1", "anomaly.sample", "high", "rack/7", "sample", "urn:s", '{"summary":"21 °C"}', "HIGH\n21 °C")
    whole = head().model_copy(
        update={
            "watermark": 12.5,
            "positions": {"s": ShardPosition(sequence="4200", stamp=12.5), "t": ShardPosition(since=3.0, ended=True)},
            "episodes": {"rack/7": [Episode("rack/7", 1.0, 2.0, 1.0, 2)]},
            "ledger": {"2026-07-25": {"rack/7": {"read": 1}}},
            "outbox": Outbox(messages=[message], minutes=[("rack/7", 60)]),
        }
    )
    stored = whole.model_dump_json(indent=1)
    assert stored.count("\n") > 20
    read = Head.model_validate_json(stored)
    assert read == whole
    assert read.outbox.messages == [message]
    assert [getattr(read.outbox.messages[0], f.name) for f in fields(Message)] == [
        getattr(message, f.name) for f in fields(Message)
    ]


def test_environments_tables_and_streams_have_places_of_their_own() -> None:
    """Two that differ in any of them never share state (rule 14)."""
    assert stream_prefix("default", "device4", "2026-07-25T00:00:00.000") == STREAM
    assert len({stream_prefix(n, t, s) for n in "ab" for t in "cd" for s in "ef"}) == 8


def test_the_lanes_of_a_stream_are_found(s3: Any) -> None:
    """Those that have a head or, where it was lost, windows; of this stream only."""
    stores = Stores(s3, s3, "b")
    assert stores.lanes(STREAM) == []
    for lane in ("table", "shardId-02", "shardId-01"):
        stores.store(STREAM, lane).write(head())
    stores.store(stream_prefix("default", "device4", "other"), "shardId-09").write(head())
    stores.store(STREAM, "only windows").write_windows(b"", (1, 1))
    assert stores.lanes(STREAM) == ["only windows", "shardId-01", "shardId-02", "table"]


def test_bug_34_the_highest_epoch_is_that_of_any_stream_lane_or_object(s3: Any) -> None:
    """Of the table in its name space."""
    stores = Stores(s3, s3, "b")
    assert stores.highest_epoch(STREAM) == 0
    stores.store(STREAM, "table").write(head(epoch=2))
    assert stores.highest_epoch(STREAM) == 2
    stores.store(STREAM, "shardId-01").write_windows(b"", (4, 1))
    assert stores.highest_epoch(STREAM) == 4
    stores.store(stream_prefix("default", "device4", "2025"), "table").write(head(epoch=7))
    stores.store(stream_prefix("default", "device42", "2025"), "table").write(head(epoch=9))
    assert stores.highest_epoch(STREAM) == 7
    key = f"{stream_prefix('default', 'device4', '2024')}/table/head"
    s3.put_object(Bucket="b", Key=key, Body=b"not JSON", ContentType="application/json")
    assert stores.highest_epoch(STREAM) == 7


def test_a_stream_made_anew_finds_the_last_one_before_it(s3: Any) -> None:
    """By its label, whatever the clocks of their owners said; of the same table, name space and lane."""
    stores = Stores(s3, s3, "b")
    assert stores.previous_stream(STREAM, "table") is None
    for label, lane, heartbeat in (("2025", "table", 1.0), ("2024", "table", 5.0), ("2023", "shard", 9.0)):
        one = stores.store(stream_prefix("default", "device4", label), lane)
        one.write(head(owner=label).model_copy(update={"heartbeat": heartbeat}))
        one.write_windows(label.encode(), (1, 1))
    for other in (stream_prefix("default", "device42", "x"), stream_prefix("staging", "device4", "x")):
        stores.store(other, "table").write(head().model_copy(update={"heartbeat": 99.0}))
    stores.store(STREAM, "table").write(head(owner="now"))
    found = stores.previous_stream(STREAM, "table")
    assert found is not None
    assert found[0].owner == "2025"
    assert found[1].read_windows() == b"2025"


def test_lanes_that_cannot_be_listed_may_be_tried_again(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not taken for none."""

    def forbidden(_: str) -> Any:
        raise s3.error("ListObjectsV2", 403, "AccessDenied")

    monkeypatch.setattr(s3, "get_paginator", forbidden)
    with pytest.raises(Retry, match="AccessDenied"):
        Stores(s3, s3, "b").lanes(STREAM)
