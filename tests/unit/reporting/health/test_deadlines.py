"""Which of thousands of deadlines is next."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from reporting.health.deadlines import Deadlines
from window.samples import Names

DEVICES = ["d", "b", "a", "c"]
changes = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([None, 1.0, 2.0, 3.0, 4.0, inf]), st.sampled_from([0.0, 2.5, 4.0]))
)


@given(changes)
def test_the_next_deadline_is_the_smallest_of_all(changes: list[tuple[int, float | None, float]]) -> None:
    """Whatever moved before, earlier or later; of several at one time the first by name. None drops a device."""
    names = Names()
    for name in DEVICES:
        names.code(name)
    deadlines, at = Deadlines(names), dict[int, float]()
    for device, to, until in changes:
        if to is not None:
            deadlines.set(device, to)
            at[device] = to
        elif device in at:
            deadlines.drop(device)
            del at[device]
        assert deadlines.next == min(at.values(), default=inf)
        assert sorted(deadlines.until(until)) == sorted(code for code, due in at.items() if due <= until)
        if deadlines.next < inf:
            assert deadlines.first() == min(at, key=lambda code: (at[code], DEVICES[code]))
    deadlines.clear()
    assert deadlines.next == inf
