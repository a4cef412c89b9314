"""What a mute suppresses and defers: the decisions alone, and in a lane."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import pytest
from pydantic import TypeAdapter

from consumer.outgoing.muting import AT_ONCE, Muting
from consumer.state.head import Suppressed
from reporting.anomaly.episode import Episode
from reporting.anomaly.episodes import Episodes, Kind, Step
from reporting.contract.events import HealthType
from reporting.health.notice import Notice
from reporting.mutes import Mute, Mutes

EPISODE = Episode("d", 10.0, 12.0, 10.0, 12)


def mute(device: str | None = "d", since: float = 10.0, until: float = 20.0, *, health: bool = True) -> Mute:
    return Mute("m1", device, since, until, "new fan", "ann", health)


def told(at: float, state: Any = "opened", kind: HealthType = "health.silence", device: str | None = "d") -> Notice:
    return Notice(kind, device, at, state, "No sample.")


@pytest.fixture
def muting() -> Muting:
    """Device d is muted from 10 to 20, notices too."""
    found = Muting()
    found.learn(Mutes([mute()]), 0.0)
    return found


def test_samples_are_muted_by_their_time(muting: Muting) -> None:
    """Whenever they are looked at; each is counted at its record's creation."""
    asked = [(9.9, False), (10.0, True), (19.9, True), (20.0, False)]
    assert [muting.sample(EPISODE, ts, ts + 1, mentioned=True) for ts, _ in asked] == [muted for _, muted in asked]
    assert muting.waiting == 2
    assert muting.drain() == (("d", 11.0), ("d", 20.9))
    assert muting.drain() == ()


def test_the_first_message_after_a_mute_mentions_what_was_left_out(muting: Muting) -> None:
    """Once, and only of its own episode; an amendment of an older sample is no message after it."""
    for ts in (12.0, 11.0, 13.0):
        muting.sample(EPISODE, ts, ts, mentioned=True)
    assert muting.catch_up(EPISODE, 10.5) is None
    assert muting.catch_up(replace(EPISODE, opened=9.0), 21.0) is None
    assert muting.catch_up(EPISODE, 21.0) == Suppressed(11.0, 3)
    assert muting.catch_up(EPISODE, 22.0) is None


def test_episodes_of_a_device_do_not_disturb_each_other(muting: Muting) -> None:
    """Each is mentioned by its own messages; a sample that no later message mentions is counted alone."""
    other = Episode("d", 9.0, 9.0, 9.0, 9)
    muting.sample(EPISODE, 15.0, 15.0, mentioned=True)
    muting.sample(EPISODE, 16.0, 16.0, mentioned=False)
    assert muting.step(step("opened", 10.0, other))
    both = Episodes({"d": [other, EPISODE]})
    assert muting.suppressed(both) == {EPISODE.id: Suppressed(15.0, 1), other.id: Suppressed(10.0, 1, unopened=True)}
    assert muting.waiting == 3


def step(kind: Kind, at: float, episode: Episode = EPISODE) -> Step:
    return Step(kind, at, episode)


def test_an_episode_that_was_told_to_begin_is_told_to_end(muting: Muting) -> None:
    """Under the mute too; what came in between is mentioned then."""
    assert not muting.step(step("opened", 9.0))
    assert muting.step(step("escalated", 12.0))
    assert not muting.step(step("closed", 15.0))
    assert muting.catch_up(EPISODE) == Suppressed(12.0, 1)


def test_of_what_nobody_knows_the_end_is_not_told(muting: Muting) -> None:
    """Not even when the mute is over; should it open again after that, it mentions what was left out."""
    assert muting.step(step("opened", 12.0))
    assert muting.step(step("closed", 77.0))
    assert not muting.step(step("opened", 100.0))
    assert muting.catch_up(EPISODE) == Suppressed(12.0, 2)
    assert not muting.step(step("closed", 165.0))


def test_an_episode_whose_opening_was_muted_goes_on_untold_until_then(muting: Muting) -> None:
    """The next step after the mute learns of it, also where that is about an earlier time."""
    assert muting.step(step("opened", 12.0))
    assert muting.step(step("escalated", 13.0))
    assert not muting.step(step("escalated", 9.5))
    assert muting.catch_up(EPISODE) == Suppressed(12.0, 2, unopened=True)
    assert not muting.step(step("closed", 90.0))
    assert muting.drain() == (("d", 12.0), ("d", 13.0))


def test_what_is_remembered_of_an_episode_goes_with_it(muting: Muting) -> None:
    """The head holds nothing of those that are over."""
    muting.sample(EPISODE, 15.0, 15.0, mentioned=True)
    assert muting.suppressed(Episodes({"d": [replace(EPISODE, opened=500.0)]})) == {}
    assert muting.suppressed(Episodes({"d": [EPISODE]})) == {}


def test_what_begins_and_ends_under_a_mute_is_not_told(muting: Muting) -> None:
    """Both are counted."""
    assert muting.notice(told(12.0))
    assert muting.notice(told(15.0, "closed"))
    assert (muting.deferred, muting.drain()) == ([], (("d", 12.0), ("d", 15.0)))
    assert muting.due == 20.0
    assert muting.fire() == []
    assert muting.due == inf


def test_what_was_told_to_begin_is_told_to_end(muting: Muting) -> None:
    """Nobody is left waiting for it."""
    assert not muting.notice(told(9.0))
    assert not muting.notice(told(15.0, "closed"))


def test_what_outlives_its_mute_is_told_at_its_end(muting: Muting) -> None:
    """Once, with the time at which it began; then its closing is published."""
    muting.notice(told(12.0))
    assert muting.due == 20.0
    (made_up,) = muting.fire()
    assert (made_up.at, made_up.state, made_up.summary) == (12.0, "opened", "No sample. (This was muted until now.)")
    assert muting.deferred == []
    assert not muting.notice(told(25.0, "closed"))


def test_a_mute_that_is_followed_by_another_goes_on(muting: Muting) -> None:
    """A deferred notice waits until no mute covers it."""
    muting.notice(told(12.0))
    muting.learn(Mutes([mute(), mute(None, 18.0, 30.0)]), 15.0)
    assert (muting.fire(), muting.due, len(muting.deferred)) == ([], 30.0, 1)
    assert len(muting.fire()) == 1


def test_what_is_unmuted_is_told_at_once(muting: Muting) -> None:
    """If it still holds; other mutes that come and go do not matter."""
    muting.notice(told(12.0))
    muting.learn(Mutes([mute(), mute("other", 0.0, 40.0)]), 13.0)
    assert muting.due == 20.0
    muting.learn(Mutes([mute("other", 0.0, 40.0)]), 14.0)
    assert muting.due <= 14.0
    assert len(muting.deferred) == 1  # until it is fired, a successor must know of it
    assert len(muting.fire()) == 1
    assert (muting.deferred, muting.due) == ([], 40.0)


def test_a_thousand_silent_devices_are_told_in_parts() -> None:
    """A commit has room for so many messages."""
    muting = Muting()
    muting.learn(Mutes([mute(None)]), 0.0)
    for n in range(25):
        muting.notice(told(12.0, device=f"d{n}"))
    parts = []
    while muting.due <= 20.0:
        parts.append(len(muting.fire()))
    assert parts == [AT_ONCE, AT_ONCE, 5]


@pytest.mark.parametrize("kind", ["health.late", "health.quarantine"])
def test_what_has_no_end_is_not_made_up_for(muting: Muting, kind: HealthType) -> None:
    """It was counted."""
    assert muting.notice(told(12.0, kind=kind))
    assert (muting.deferred, muting.waiting) == ([], 1)


def test_notices_are_muted_only_where_the_mute_says_so() -> None:
    """And never those about the table itself."""
    muting = Muting()
    muting.learn(Mutes([mute(health=False)]), 0.0)
    assert not muting.notice(told(12.0))
    assert muting.due == inf
    muting.learn(Mutes([mute(None)]), 0.0)
    assert not muting.notice(told(12.0, kind="health.gap", device=None))


def test_a_clock_that_changed_again_is_told_to_be_right(muting: Muting) -> None:
    """The opening that was muted may have followed one that was published."""
    muting.notice(told(12.0, kind="health.clock_skew"))
    assert not muting.notice(told(15.0, "closed", kind="health.clock_skew"))
    assert muting.deferred == []


def test_a_successor_goes_on_with_what_is_held() -> None:
    """From the head; what no mute covers any more when it learns of the mutes is due."""
    held = TypeAdapter(list[Notice]).validate_json(TypeAdapter(list[Notice]).dump_json([told(12.0)]))
    after = Muting({EPISODE.id: Suppressed(11.0, 2)}, held, watermark=15.0)
    after.learn(Mutes([mute()]), 15.0)
    assert (after.due, after.deferred) == (20.0, [told(12.0)])
    assert after.catch_up(EPISODE, 25.0) == Suppressed(11.0, 2)
    late = Muting({}, held, watermark=25.0)
    late.learn(Mutes([mute()]), 25.0)
    assert late.due <= 25.0
    assert [notice.at for notice in late.fire()] == [12.0]
