"""When charts are due, by event time (rule 16)."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from consumer.outgoing.chart_schedule import AT_ONCE, BEHIND_S, ChartSchedule
from reporting.charts.data import CURRENT
from scoring.bundle import Bundle
from scoring.detectors import Stage
from scoring.scorer import Scorer
from scoring.succession import Change, Succession
from window.features import ROLLING
from window.samples import Samples


class Charted:
    """A schedule over a scorer with devices a and b."""

    def __init__(self, bundle: Bundle) -> None:
        self.scorer = Scorer(bundle)
        self.codes: dict[str, int] = {}
        self.schedule = ChartSchedule(self.scorer, self.codes, "reports")

    def sample(self, device: str, ts: float, current_a: float = 2.0) -> None:
        code = self.codes.setdefault(device, len(self.codes))
        self.scorer.take(Samples.of([ts], [current_a], [25.0], device=code), most_anomalies=ROLLING)

    def drained(self) -> list[tuple[str, bool]]:
        return [(request.key, request.periodic) for request in self.schedule.drain()]


@pytest.fixture
def charted(plain_bundle: Bundle) -> Charted:
    """No samples yet."""
    return Charted(plain_bundle)


@pytest.mark.parametrize(
    ("stamp", "due"), [(0.0, 300.0), (299.9, 300.0), (300.0, 600.0), (301.0, 600.0), (1_784_989_507.5, 1_784_989_800.0)]
)
def test_boundaries_are_aligned_and_count_from_the_first_sample(charted: Charted, stamp: float, due: float) -> None:
    """Whatever comes later; before the first sample none is due."""
    assert charted.schedule.due == inf
    charted.schedule.begin(stamp)
    charted.schedule.begin(stamp + 10_000)
    assert charted.schedule.due == due


def test_at_a_boundary_every_device_that_has_sent_since_gets_a_chart(charted: Charted) -> None:
    """Keyed by the boundary; one that is silent gets none."""
    charted.sample("a", 10.0)
    charted.sample("b", 20.0)
    charted.schedule.begin(10.0)
    charted.schedule.fire(charted.schedule.due)
    assert charted.drained() == [
        ("reports/a/19700101T000500Z.png", True),
        ("reports/b/19700101T000500Z.png", True),
    ]
    assert charted.schedule.due == 600.0
    charted.sample("b", 310.0)
    charted.schedule.fire(charted.schedule.due)
    assert charted.drained() == [("reports/b/19700101T001000Z.png", True)]
    charted.schedule.fire(charted.schedule.due)
    assert charted.drained() == []
    assert charted.schedule.due == 1200.0


def test_an_episode_that_opens_gets_its_chart(charted: Charted) -> None:
    """Keyed by the time it opened, and never dropped for a periodic one."""
    charted.sample("a", 10.0)
    charted.schedule.opening("a", 10.0)
    assert charted.drained() == [("reports/a/19700101T000010Z.png", False)]


def test_rule_26_a_boundary_is_sliced_and_makes_the_same_charts(charted: Charted) -> None:
    """One call copies a few windows; the boundary stays due until all devices were looked at, also one that is
    forgotten meanwhile."""
    names = [f"d{n}" for n in range(2 * AT_ONCE + 10)]
    for name in names:
        charted.sample(name, 10.0)
    charted.schedule.begin(10.0)
    charted.schedule.fire(300.0)
    first = charted.drained()
    assert len(first) == AT_ONCE
    assert charted.schedule.due == 300.0
    charted.schedule.fire(300.0 + 2 * BEHIND_S)  # the clock has moved on: what has begun is brought to its end
    del charted.codes[names[-1]]
    charted.schedule.fire(300.0)
    assert charted.schedule.due == 600.0
    rest = charted.drained()
    assert [key for key, _ in first + rest] == [f"reports/{name}/19700101T000500Z.png" for name in names[:-1]]


def test_rule_26_a_chart_is_scored_where_it_is_drawn(charted: Charted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lane only copies: to score the windows of a thousand devices took it nine seconds."""
    scored: list[int] = []
    shown = Scorer.shown
    monkeypatch.setattr(Scorer, "shown", lambda scorer, code: scored.append(code) or shown(scorer, code))
    charted.sample("a", 10.0)
    charted.schedule.opening("a", 10.0)
    (request,) = charted.schedule.drain()
    assert scored == []
    assert request.window.data().ts.tolist() == [10.0]
    assert scored == [charted.codes["a"]]


def test_at_the_end_every_device_gets_a_last_chart(charted: Charted) -> None:
    """At its newest sample, whether or not it had one since; a device without samples gets none."""
    charted.sample("a", 10.0)
    charted.sample("b", 3700.5)
    charted.codes["never"] = 7
    charted.schedule.final()
    # They may be dropped: an opening's chart, whose link was published, must not make room for them.
    last = [("reports/a/19700101T000010Z.png", True), ("reports/b/19700101T010140Z.png", True)]
    assert charted.drained() == last
    charted.schedule.final(iter([True, False]).__next__)
    assert charted.drained() == last[:1]


def test_a_chart_shows_what_the_window_shows(charted: Charted) -> None:
    """The last 25 minutes, both scores with their limits, and what the autoencoder made of it; as of when it was asked
    for."""
    for ts, current_a in ((0.0, 2.0), (300.0, 7.0), (1700.0, 3.0)):
        charted.sample("a", ts, current_a)
    charted.schedule.opening("a", 1700.0)
    charted.sample("a", 1701.0)
    data = charted.schedule.drain()[0].window.data()
    assert (data.device, data.model) == ("a", "bw-plain")
    assert data.ts.tolist() == [300.0, 1700.0]
    assert (data.current_a.tolist(), data.reconstructed_current_a.tolist()) == ([7.0, 3.0], [2.0, 2.0])
    assert (data.temperature_c.tolist(), data.reconstructed_temperature_c.tolist()) == ([25.0, 25.0], [25.0, 25.0])
    assert (data.reconstruction_error.tolist(), data.forest_score.tolist()) == ([7.0, 3.0], [-0.4, -0.4])
    assert data.severity.tolist() == [2, 0]
    assert (data.stages.tolist(), data.blamed.tolist()) == ([Stage.RECONSTRUCTION, 0], [CURRENT, 0])
    assert (data.error_limit, data.forest_limit) == (5.0, -0.7)


def test_a_chart_names_the_bundle_in_force_at_its_newest_sample(plain_bundle: Bundle) -> None:
    """The old one before the minute at which another takes effect, the new one from then on."""
    charted = Charted(plain_bundle)
    charted.scorer = Scorer(Succession(plain_bundle, [Change(replace(plain_bundle, id="bw-new"), 60.0)]))
    charted.schedule = ChartSchedule(charted.scorer, charted.codes, "reports")
    named = []
    for ts in (59.0, 60.0):
        charted.sample("a", ts)
        charted.schedule.opening("a", ts)
        named += [request.window.data().model for request in charted.schedule.drain()]
    assert named == ["bw-plain", "bw-new"]
