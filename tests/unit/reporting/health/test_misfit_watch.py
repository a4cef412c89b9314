"""A battery that the bundle does not know, in the watch."""

from __future__ import annotations

from health_rig import BUNDLE, Watched, sample

from reporting.health.state import DeviceHealth, Fit
from reporting.health.watch import Watch
from scoring.succession import Succession
from window.samples import Names


def test_what_was_counted_of_a_battery_goes_on_where_a_head_says_only_what_is_settled() -> None:
    """A head has no room for it: it comes from the windows' side, unless the head says that it is settled, or forgot
    the device."""
    before = {name: DeviceHealth(last=9.0, fit=Fit("bw-wide", 1.0, 5, 2)) for name in ("open", "settled", "gone")}
    head = {"open": DeviceHealth(last=12.0, asked="bw-old"), "settled": DeviceHealth(last=12.0, asked="bw-wide")}
    watch = Watch("device4", Names(), Succession(BUNDLE))
    watch.restore(before)
    watch.resume(head)
    assert watch.states == {
        "open": DeviceHealth(last=12.0, asked="bw-old", fit=Fit("bw-wide", 1.0, 5, 2)),
        "settled": head["settled"],
    }
    assert watch.settled == head


def test_a_battery_that_the_bundle_does_not_know_is_reported_with_the_command_that_helps() -> None:
    """Once, at the first sample after five minutes."""
    watched = Watched()
    watched.feed(*(sample(2.0 * n, 200.0 + n % 7, ts=2.0 * n) for n in range(200)))
    (notice,) = watched.said
    assert (notice.type, notice.state, notice.at, notice.since, notice.count) == (
        "health.misfit",
        "opened",
        300.0,
        0.0,
        151,
    )
    assert (notice.model, notice.command) == ("bw-wide", "battery-watch train --table device4 --out my-bundle")
    assert watched.feed(*(sample(400.0 + n, 200.0 + n % 7) for n in range(600))).said == [notice]
