"""Objects that grow, against the bucket's twin: an older view of a minute never replaces a later one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from reporting.sinks.archive import Archive, Revision, StoredObject

KEY = "battery-events/device=d/dt=2026-07-25/hour=14/1425.ndjson"


def grown(body: str) -> StoredObject:
    return StoredObject(KEY, body.encode(), "application/x-ndjson")


def test_an_object_is_written_with_its_revision(s3: Any) -> None:
    """The first writer needs nothing to be there."""
    assert Archive(s3, "b").put_revision(grown("one"), (1, 7))
    stored = s3.objects[KEY]
    assert (stored.body, stored.content_type) == (b"one", "application/x-ndjson")
    assert json.loads(stored.metadata["rev"]) == [1, 7]
    assert s3.calls == [("put", KEY)]


@pytest.mark.parametrize(
    ("there", "comes", "written"),
    [
        ((1, 7), (1, 8), True),
        ((1, 7), (1, 7), True),
        ((1, 7), (1, 6), False),
        ((1, 99), (2, 1), True),
        ((2, 1), (1, 99), False),
        ((9, 0), (10, 0), True),
    ],
)
def test_the_higher_revision_stays(s3: Any, there: Revision, comes: Revision, written: bool) -> None:
    """Epoch before commit, as numbers; one's own again after a lost answer is no conflict."""
    archive = Archive(s3, "b")
    archive.put_revision(grown("old"), there)
    assert archive.put_revision(grown("new"), comes) == (comes if written else there)
    assert s3.objects[KEY].body == (b"new" if written else b"old")
    assert json.loads(s3.objects[KEY].metadata["rev"]) == list(max(there, comes))


def test_an_object_without_a_revision_is_written_over(s3: Any) -> None:
    """Someone put it there by hand."""
    s3.put_object(Bucket="b", Key=KEY, Body=b"by hand", ContentType="text/plain")
    assert Archive(s3, "b").put_revision(grown("new"), (1, 1))
    assert s3.objects[KEY].body == b"new"


@pytest.mark.parametrize("status", [409, 412])
def test_a_conflict_is_looked_at_and_tried_again(s3: Any, status: int) -> None:
    """S3 answers 409 where two writers meet."""
    Archive(s3, "b").put_revision(grown("old"), (1, 1))
    s3.refuse = [s3.refused(status, "Conflict"), s3.refused(409, "ConditionalRequestConflict")]
    assert Archive(s3, "b").put_revision(grown("new"), (1, 2))
    assert s3.objects[KEY].body == b"new"
    assert s3.refuse == []


@pytest.mark.parametrize(("other", "written"), [((1, 3), True), ((2, 0), False)])
def test_a_writer_who_comes_between_looking_and_writing_is_seen(s3: Any, other: Revision, written: bool) -> None:
    """The condition is on what was looked at, so nothing is written over unseen."""
    archive = Archive(s3, "b")
    archive.put_revision(grown("old"), (1, 1))

    def as_it_comes(put: Callable[[], Any]) -> Any:
        return put()

    def after_another(put: Callable[[], Any]) -> Any:
        assert Archive(s3, "b").put_revision(grown("other"), other)
        return put()

    s3.refuse = [as_it_comes, after_another]
    assert archive.put_revision(grown("new"), (1, 4)) == ((1, 4) if written else other)
    assert s3.objects[KEY].body == (b"new" if written else b"other")


def test_a_lost_answer_is_the_callers_to_repeat_and_repeating_is_safe(s3: Any) -> None:
    """The object stands already; the same revision again is the same object."""
    archive = Archive(s3, "b")
    s3.refuse = [s3.unanswered]
    with pytest.raises(ReadTimeoutError):
        archive.put_revision(grown("new"), (1, 4))
    assert archive.put_revision(grown("new"), (1, 4))
    assert s3.objects[KEY].body == b"new"


@pytest.mark.parametrize("status", [403, 500, 503])
def test_other_refusals_are_raised(s3: Any, status: int) -> None:
    """Whether to try again is the committer's to say."""
    s3.refuse = [s3.refused(status, "No")]
    with pytest.raises(ClientError, match="No"):
        Archive(s3, "b").put_revision(grown("new"), (1, 4))
    assert s3.calls == [("put", KEY)]


def test_a_plain_object_is_put_as_it_is(s3: Any) -> None:
    """Charts, ledger and quarantine: the same bytes from every writer."""
    Archive(s3, "b").put(StoredObject("k.json", b"{}"))
    Archive(s3, "b").put(StoredObject("k.json", b"{}"))
    assert s3.objects["k.json"].content_type == "application/json"
    assert s3.calls == [("put", "k.json")] * 2


def line(ts: float, of: str) -> bytes:
    return json.dumps({"ts": ts, "of": of}).encode() + b"\n"


@pytest.mark.parametrize(("epoch", "united"), [(2, True), (1, False)])
def test_bug_34_lines_that_the_writer_cannot_have_stay(s3: Any, epoch: int, united: bool) -> None:
    """A worker whose windows begin in the middle of a minute keeps what another owner wrote of the time before. What it
    wrote itself in this epoch it replaces."""
    archive = Archive(s3, "b")
    archive.put_revision(StoredObject(KEY, line(1.0, "old") + line(2.0, "old") + line(9.0, "old")), (1, 9))
    mine = line(2.0, "new") + line(8.0, "new")
    archive.put_revision(StoredObject(KEY, mine, whole_from=5.0), (epoch, 10))
    kept = line(1.0, "old") + line(2.0, "old") + line(8.0, "new")
    assert s3.objects[KEY].body == (kept if united else mine)
