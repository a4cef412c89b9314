"""A table that can hold one device alone."""

from __future__ import annotations

import json
from collections.abc import Callable

from lane_rig import Record, Rig, T

from scoring.bundle import Bundle


def test_a_second_device_in_a_table_that_can_hold_one_is_quarantined(
    plain_bundle: Bundle, at: Callable[..., Record]
) -> None:
    """Their samples would overwrite each other. A successor knows which one it was; an exchange of the battery, after
    the first has been silent for as long as its window lasts, is no second device."""
    rig = Rig(plain_bundle, one_device=True).open("s")
    rig.batch("s", at(0, device={"S": "a"}), at(1, device={"S": "b"}), at(2, device={"S": "a"})).until_quiet()
    rig.turn(T + 900.0, final=True)
    assert (rig.counts["scored"], rig.counts["quarantined"]) == (2, 1)
    assert "can hold one device" in json.loads(next(iter(rig.aside.values())))["reason"]
    successor = (
        rig.successor().open("s").batch("s", at(3, device={"S": "b"}), at(4, device={"S": "a"})).until_quiet(T + 1000.0)
    )
    assert (successor.counts["scored"], successor.counts["quarantined"]) == (3, 2)
    successor.batch(
        "s", at(2224, device={"S": "b"}), at(2225, device={"S": "b"}), at(2226, device={"S": "a"})
    ).until_quiet(T + 3000.0)
    assert (successor.counts["scored"], successor.counts["quarantined"]) == (5, 3)
