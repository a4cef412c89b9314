"""Whether a device's battery lies in what the bundle was trained on: asked once, of its first five minutes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reporting.health.misfit import FIRST_S, FIRST_SAMPLES, Misfit, compare
from reporting.health.state import Fit
from scoring.bundle import Bundle
from scoring.config import Range
from scoring.succession import Change, Succession
from window.samples import Samples

INSIDE, OUTSIDE = 2.0, 5.5
"""Of the bundle's 0 to 5 A."""


class Asked:
    """One device, fed run by run."""

    def __init__(self, bundles: Succession) -> None:
        self.bundles = bundles
        self.asked = ""
        self.fit: Fit | None = None
        self.found: list[Misfit] = []

    def feed(self, stamp: list[float], current_a: list[float], *, ts: list[float] | None = None) -> Asked:
        samples = Samples.of(ts or stamp, current_a, [25.0] * len(stamp))
        rows = np.arange(len(stamp))
        self.asked, self.fit, found = compare(self.asked, self.fit, samples, np.array(stamp), rows, self.bundles)
        self.found += found
        return self


def times(count: int, *, since: float = 0.0, period_s: float = 2.0) -> list[float]:
    return [since + period_s * n for n in range(count)]


@pytest.fixture
def asked(plain_bundle: Bundle) -> Asked:
    """Nothing seen yet, one bundle."""
    return Asked(Succession(plain_bundle))


@pytest.mark.parametrize(("outside", "told"), [(0, False), (30, False), (31, True), (151, True)])
def test_more_than_a_fifth_of_five_minutes_is_reported(asked: Asked, outside: int, told: bool) -> None:
    """At the first sample after them, which is the 151st here; a fifth is not more than a fifth."""
    currents = [OUTSIDE] * outside + [INSIDE] * (151 - outside)
    asked.feed(times(151), currents)
    assert [(each.row, each.counted.seen, each.counted.outside) for each in asked.found] == (
        [(150, 151, outside)] if told else []
    )
    assert (asked.asked, asked.fit) == ("bw-plain", None)


@pytest.mark.parametrize(("current_a", "temperature_c"), [(-0.1, 25.0), (5.1, 25.0), (2.0, -0.1), (2.0, 45.1)])
def test_outside_is_any_end_of_either_reading(plain_bundle: Bundle, current_a: float, temperature_c: float) -> None:
    """0 to 5 A and 0 to 45 degrees; the ends themselves are inside."""
    rows, stamp = np.arange(151), np.array(times(151))
    for a, c, told in ((current_a, temperature_c, 1), (5.0, 45.0, 0), (0.0, 0.0, 0)):
        samples = Samples.of(stamp, [a] * 151, [c] * 151)
        _, _, found = compare("", None, samples, stamp, rows, Succession(plain_bundle))
        assert len(found) == told


def test_runs_of_any_length_say_the_same(plain_bundle: Bundle) -> None:
    """One by one, or with the answer in the middle of a run."""
    stamp, currents = times(400), [OUTSIDE if n % 3 == 0 else INSIDE for n in range(400)]
    said = set()
    for size in (1, 7, 400):
        asked = Asked(Succession(plain_bundle))
        for start in range(0, 400, size):
            asked.feed(stamp[start : start + size], currents[start : start + size])
        assert len(asked.found) == 1
        said.add((asked.found[0].said("d"), asked.asked, asked.fit))
    assert len(said) == 1


def test_it_is_reported_once(asked: Asked) -> None:
    """However long it goes on."""
    asked.feed(times(151), [OUTSIDE] * 151).feed(times(900, since=302.0), [OUTSIDE] * 900)
    assert len(asked.found) == 1


def test_few_samples_are_waited_for(asked: Asked) -> None:
    """A device that sends once a minute has sent six in five minutes."""
    stamp = times(FIRST_SAMPLES, period_s=60.0)
    asked.feed(stamp[:-1], [OUTSIDE] * (FIRST_SAMPLES - 1))
    assert stamp[-2] > FIRST_S
    assert asked.found == []
    asked.feed(stamp[-1:], [OUTSIDE])
    assert asked.found[0].counted.seen == FIRST_SAMPLES


def test_an_upload_waits_for_five_minutes_of_the_stream(asked: Asked) -> None:
    """Its own times span 20 minutes; its stamps, which no clock of a device can move, a few seconds."""
    asked.feed(times(600, period_s=0.01), [OUTSIDE] * 600, ts=times(600))
    assert asked.found == []


def test_a_new_bundle_asks_again_from_its_minute_on(plain_bundle: Bundle) -> None:
    """By its own range; samples of the old one's time that come later change nothing."""
    wide = Range(current_a=(0.0, 10.0), temperature_c=(0.0, 45.0))
    wider = replace(plain_bundle, id="bw-wide", config=plain_bundle.config.model_copy(update={"training_range": wide}))
    asked = Asked(Succession(plain_bundle))
    asked.feed(times(151), [OUTSIDE] * 151)
    asked.bundles.replace(plain_bundle, [Change(wider, 360.0)])
    asked.feed(times(29, since=302.0), [OUTSIDE] * 29)
    assert (asked.asked, asked.fit) == ("bw-plain", None)
    asked.feed([360.0, 361.0], [OUTSIDE] * 2, ts=[360.0, 350.0])
    assert asked.fit == Fit("bw-wide", 360.0, seen=1, outside=0)
    asked.feed(times(200, since=362.0), [OUTSIDE] * 200)
    assert (asked.asked, asked.fit) == ("bw-wide", None)
    assert len(asked.found) == 1


def test_what_was_asked_does_not_depend_on_when_the_old_bundle_is_given_up(plain_bundle: Bundle) -> None:
    """A head forgets it an hour later, at one commit or another."""
    other = replace(plain_bundle, id="bw-other")
    for bundles in (Succession(plain_bundle, [Change(other, 0.0)]), Succession(other)):
        asked = Asked(bundles)
        asked.asked = "bw-plain"
        asked.feed(times(151), [OUTSIDE] * 151)
        assert [each.bundle.id for each in asked.found] == ["bw-other"]


def test_the_sentence_names_share_bundle_and_range(asked: Asked) -> None:
    """So that it can be understood without looking anything up."""
    said = asked.feed(times(151), [OUTSIDE] * 151).found[0].said("rack-3")
    assert said.startswith("100% of the first 151 samples of rack-3 lie outside the training range of bundle bw-plain")
    assert "(0 to 5 A, 0 to 45 °C)" in said
