"""Windows that are newer than their head are refused; all that a living lane writes is taken (rule 31)."""

from __future__ import annotations

from typing import Any

import pytest

from consumer.errors import ConfigurationError, Retry
from consumer.state.agreement import refuse_newer_windows
from consumer.state.head import Head
from consumer.state.ownership import Claimant, Terms, claim
from consumer.state.snapshot import Snapshot
from consumer.state.store import S3StateStore


def written(s3: Any, *, head: tuple[int, int], windows: tuple[int, int], says: int | None = None) -> Head:
    """A lane's head and windows, each with its epoch and commit; ``says``: what the windows themselves say."""
    store = S3StateStore(s3, "b", "p")
    store.read()
    store.write(Head(lane="table", owner="you", bundle="bw-1", epoch=head[0], commit=head[1]))
    store.write_windows(Snapshot(windows[1] if says is None else says, {}, {}, {}).encode(), windows)
    stored = store.read()
    assert stored is not None
    return stored


@pytest.mark.parametrize("windows", [(5, 160), (6, 60)])
def test_bug_41_windows_of_a_later_commit_or_epoch_are_refused(windows: tuple[int, int], s3: Any) -> None:
    """The sentence says both, and what to do; the lane stays with its last owner."""
    written(s3, head=(5, 100), windows=windows)
    store = S3StateStore(s3, "b", "p")
    terms = Terms(lambda head: "bw-1", check=lambda head: refuse_newer_windows(store, head))
    before = s3.objects["p/head"].body
    with pytest.raises(ConfigurationError) as refused:
        claim(store, "table", Claimant("me", lambda: 0.0), terms, wait=None)
    said = str(refused.value)
    assert "head is of commit 100 (epoch 5)" in said
    assert f"windows are of commit {windows[1]} (epoch {windows[0]})" in said
    assert "battery-watch state restore" in said
    assert s3.objects["p/head"].body == before


@pytest.mark.parametrize(
    ("head", "windows", "says"),
    [
        ((5, 160), (5, 160), None),  # the last step of a commit
        ((5, 160), (5, 160), -1),  # its messages were carried: the windows prove nothing
        ((5, 175), (5, 160), None),
        ((6, 160), (5, 160), None),  # taken over, nothing committed yet
        ((6, 100), (5, 160), None),  # the head was lost, and is written again from what was known (rule 28)
    ],
)
def test_rule_31_what_owners_write_is_taken(
    head: tuple[int, int], windows: tuple[int, int], says: int | None, s3: Any
) -> None:
    """In every order of head and windows that an owner, its successor or a lost head leaves."""
    stored = written(s3, head=head, windows=windows, says=says)
    refuse_newer_windows(S3StateStore(s3, "b", "p"), stored)


def test_rule_31_a_head_without_windows_is_taken(s3: Any) -> None:
    """A lane has none before its first minute."""
    refuse_newer_windows(S3StateStore(s3, "b", "p"), Head(lane="table", owner="you", bundle="bw-1", commit=3))


@pytest.mark.parametrize(("commit", "fits"), [(100, True), (160, False)])
def test_rule_31_windows_that_were_copied_without_their_metadata_say_their_commit(
    commit: int, fits: bool, s3: Any
) -> None:
    """`aws s3 cp` by way of a disk leaves it out."""
    stored = written(s3, head=(5, 100), windows=(5, commit))
    s3.objects["p/windows"].metadata.clear()
    store = S3StateStore(s3, "b", "p")
    if fits:
        refuse_newer_windows(store, stored)
        return
    with pytest.raises(ConfigurationError, match="commit 160"):
        refuse_newer_windows(store, stored)


@pytest.mark.parametrize("deleted", [False, True])
def test_rule_31_an_owner_that_writes_meanwhile_is_no_damage(deleted: bool, s3: Any) -> None:
    """A stand-by reads the head; the owner, which had stood still, writes head and windows; then the stand-by looks at
    the windows."""
    read = written(s3, head=(5, 100), windows=(5, 100))
    s3.objects.clear()
    written(s3, head=(5, 160), windows=(5, 160))
    if deleted:
        del s3.objects["p/head"]
    with pytest.raises(Retry):
        refuse_newer_windows(S3StateStore(s3, "b", "p"), read)


def test_rule_31_a_stand_by_goes_on_waiting_where_the_owner_wakes_up(s3: Any) -> None:
    """It ends neither with an error nor with the lane."""
    written(s3, head=(5, 100), windows=(5, 100))
    store, now, checks = S3StateStore(s3, "b", "p"), [0.0], []

    def check(head: Head) -> None:
        if not checks:
            s3.objects.clear()
            written(s3, head=(5, 160), windows=(5, 160))
        checks.append(head.commit)
        refuse_newer_windows(store, head)

    def wait(seconds: float) -> bool:
        now[0] += seconds
        return bool(checks)

    claimant = Claimant("me", lambda: now[0], monotonic=lambda: now[0])
    assert claim(store, "table", claimant, Terms(lambda head: "bw-1", check=check), wait=wait) is None
    assert checks == [100]
    assert Head.decode(s3.objects["p/head"].body).owner == "you"
