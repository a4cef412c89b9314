"""What a mute covers, against asking every mute in turn."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporting.mutes import Mute, Mutes

times = st.integers(0, 12)


def mute(device: str | None, since: float, until: float, *, health: bool = False, name: str = "m") -> Mute:
    return Mute(name, device, since, until, "new fan", "ann", health)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", None]), times, st.integers(1, 9), st.booleans()), max_size=8),
    st.sampled_from(["a", "b", "c"]),
    times,
    st.booleans(),
)
def test_the_mute_that_lasts_longest_covers(
    drawn: list[tuple[str | None, int, int, bool]], device: str, at: int, health: bool
) -> None:
    """From its beginning to just before its end, for its device or for all; notices where it says so."""
    mutes = [mute(d, s, s + n, health=h, name=str(i)) for i, (d, s, n, h) in enumerate(drawn)]
    ends = [m.until for m in mutes if m.device in (device, None) and at in range(int(m.since), int(m.until))]
    if health:
        ends = [m.until for m in mutes if m.health and m.device in (device, None) and m.since <= at < m.until]
    found = Mutes(mutes).covers(device, at, health=health)
    assert (found.until if found else None) == max(ends, default=None)


def test_what_concerns_the_table_is_never_muted() -> None:
    """A gap says that the watching itself has suffered."""
    assert Mutes([mute(None, 0, 10, health=True)]).covers(None, 5.0, health=True) is None


@pytest.mark.parametrize(("since", "until"), [(1.0, 1.0), (2.0, 1.0), (0.0, inf), (0.0, nan), (-inf, 0.0)])
def test_a_mute_ends(since: float, until: float) -> None:
    """And begins, before that."""
    with pytest.raises(ValueError, match="must end"):
        mute("a", since, until)


def test_those_in_force_are_listed_by_their_ends() -> None:
    """No mute that has ended or has yet to begin."""
    mutes = Mutes([mute("a", 0, 9, name="long"), mute("b", 0, 6, name="short"), mute("c", 0, 5), mute("d", 6, 7)])
    assert [m.id for m in mutes.in_force(5.0)] == ["short", "long"]
    assert len(mutes) == len(list(mutes)) == 4


def test_the_next_end_is_that_of_a_mute_of_notices() -> None:
    """The others end without anything to make up for."""
    mutes = Mutes([mute("a", 0, 3), mute("a", 0, 5, health=True), mute("a", 0, 8, health=True)])
    assert [mutes.next_end(after) for after in (-inf, 5.0, 8.0)] == [5.0, 8.0, inf]
