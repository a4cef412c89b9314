from __future__ import annotations

from itertools import pairwise

import pytest

from demo.script import AFTERMATH_S, CALM_S, MIN_LIVE_S, ROUND_S, UPLOAD_S, FaultKind, write


@pytest.mark.parametrize("live_s", [30, 44, 45, 59, 60, 61, 75, 90, 119, 120, 599, 600, 1203])
@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_faults_lie_in_their_part_in_order_with_calm_after_each(live_s: int, seed: int) -> None:
    """Whatever the length, faults never touch and lie within their part; the upload has room to tell a false alarm."""
    script = write(seed, live_s)
    ends = [fault.start_s for fault in script.faults[1:]] + [live_s]
    for fault, following_s in zip(script.faults, ends, strict=True):
        assert fault.start_s < fault.end_s
        assert following_s - fault.end_s >= CALM_S
        if fault.part == "upload":
            assert following_s - fault.end_s > AFTERMATH_S
            assert fault.start_s >= -UPLOAD_S + 60
            assert fault.end_s < 0
        else:
            assert fault.start_s > 0
            assert fault.end_s <= live_s


@pytest.mark.parametrize("live_s", [60, 75, 90, 1000])
def test_from_sixty_seconds_on_every_kind_of_fault_is_in_both_parts(live_s: int) -> None:
    """The issue's four faults come in the upload and live."""
    script = write(3, live_s)
    for part in ("upload", "live"):
        assert {fault.kind for fault in script.faults if fault.part == part} == set(FaultKind)


def test_the_shortest_live_part_still_has_faults() -> None:
    """Thirty seconds hold at least one live fault; less is refused in words."""
    assert any(fault.part == "live" for fault in write(1, MIN_LIVE_S).faults)
    with pytest.raises(ValueError, match="at least 30 s"):
        write(1, MIN_LIVE_S - 1)


def test_a_long_live_part_repeats_the_faults_in_rounds() -> None:
    """Half an hour and some holds three rounds of four faults, each kind ten minutes from the one before."""
    faults = write(1, 2000).faults
    assert sum(fault.part == "live" for fault in faults) == 12
    for kind in FaultKind:
        starts = [fault.start_s for fault in faults if fault.kind is kind]
        assert all(other - one > 600 for one, other in pairwise(starts))


def test_the_same_seed_writes_the_same_script_and_another_seed_another() -> None:
    """A run can be repeated."""
    assert write(5, 60) == write(5, 60)
    assert write(5, 60) != write(6, 60)


def test_at_and_explains_tell_the_fault_its_aftermath_and_the_calm_apart() -> None:
    """A sample is inside a fault, up to 15 seconds behind it, or in the calm."""
    script = write(1, 60)
    fault = script.faults[1]
    assert script.at(fault.start_s - 1) is None
    assert script.at(fault.start_s) is fault
    assert script.at(fault.end_s - 1) is fault
    assert script.at(fault.end_s) is None
    assert not script.explains(fault.start_s - 1)
    assert script.explains(fault.end_s + 15)
    assert not script.explains(fault.end_s + 16)
    assert not script.explains(-UPLOAD_S)


def test_an_endless_script_grows_by_whole_rounds() -> None:
    """What was played does not change when the script grows."""
    script = write(1, ROUND_S)
    longer = script.extended()
    assert longer.faults[: len(script.faults)] == script.faults
    assert longer.live_s == 2 * ROUND_S
    assert len(longer.faults) == len(script.faults) + 4


def test_a_cut_script_keeps_what_ended_and_what_was_found() -> None:
    """Ctrl-C in the middle of a fault makes no missed fault of it."""
    script = write(1, 60)
    third, fourth = script.faults[-2:]
    cut = script.cut(fourth.start_s + 1, found=set())
    assert third in cut.faults
    assert fourth not in cut.faults
    assert fourth in script.cut(fourth.start_s + 1, found={fourth}).faults
