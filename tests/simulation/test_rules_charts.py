"""The rule of the charts (16), end to end."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import UTC, datetime

import pytest
from sim_cases import BEGIN, charge, live, rotation, shard, stream
from sim_host import NotedCharts
from sim_outcome import Outcome, differences
from sim_pace import Pace
from sim_plan import Plan
from sim_world import World

from consumer.outgoing.chart_schedule import ChartRequest
from consumer.worker import charts as charting
from reporting.charts.process import ChartDropped
from reporting.sinks.archive import Archive
from scoring.bundle import Bundle

CHART_S = 300.0


class Asked:
    """Notes which charts are asked for, and when. Installed in place of the host's own twin."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys: list[str] = []
        self.at: list[float] = []
        self.watermark: list[float] = []
        self.world: World | None = None
        monkeypatch.setattr(NotedCharts, "draw", lambda charts, requests: self._note(requests))

    def run(self, world: World) -> World:
        """Run the world to its end."""
        self.world = world
        return world.run()

    def _note(self, requests: list[ChartRequest]) -> None:
        assert self.world is not None
        for request in requests:
            self.keys.append(request.key)
            self.at.append(self.world.clock.now)
            self.watermark.append(self.world.host.lane.watermark)


def key(at: float, device: str = "device4") -> str:
    """Of a chart."""
    return f"battery-reports/{device}/{datetime.fromtimestamp(BEGIN + at, UTC):%Y%m%dT%H%M%SZ}.png"


BOUNDARY = -BEGIN % CHART_S
"""The first one after the beginning, in seconds after it."""


def test_rule_16_a_chart_is_due_when_the_watermark_passes_a_boundary(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    """Every five minutes, keyed by the boundary; and when an episode opens, keyed by its first sample."""
    asked = Asked(monkeypatch)
    asked.run(World(stream(charge(1.0, 980.0, strange=[450.0, 451.0]), rotation([300.0])), bundle, live()))
    boundaries = [BOUNDARY + CHART_S * n for n in range(3)]
    assert asked.keys == sorted([*map(key, boundaries), key(450.0)])
    for name, at, watermark in zip(asked.keys, asked.at, asked.watermark, strict=True):
        due = datetime.strptime(name.rsplit("/", 1)[1], "%Y%m%dT%H%M%SZ.png").replace(tzinfo=UTC).timestamp()
        assert watermark >= due
        assert at - due < 10.0


def test_rule_16_the_same_boundaries_whatever_the_pages_and_crashes(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    """A chart asked for again has the same key."""
    script = stream(charge(1.0, 980.0, strange=[450.0, 451.0]), [shard()])
    found = []
    for kills in (0, 3):
        asked = Asked(monkeypatch)
        plan = live(kills=kills, calm_from=BEGIN + 980.0, downtime_s=(20.0,))
        asked.run(World(script, bundle, plan, seed=kills))
        found.append(set(asked.keys))
    assert found[0] == found[1]


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_rule_16_the_chart_of_an_opening_is_asked_for_again_after_a_restart(
    how: str, monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    """Its link is in messages, and the first process may have ended before it was drawn. Older ones were drawn."""
    asked = Asked(monkeypatch)
    script = stream(charge(1.0, 890.0, strange=[100.0, 101.0, 720.0, 721.0]), [shard()])
    world = World(script, bundle, live(downtime_s=(1.0,)))
    asked.world = world
    world.run(until=lambda w: w.clock.now > BEGIN + 740.0)
    assert {key(100.0), key(720.0)} < set(asked.keys)
    asked.keys.clear()
    world.stop() if how == "stop" else world.kill()
    asked.keys.clear()
    world.run()
    assert asked.keys.count(key(720.0)) == 1
    assert key(100.0) not in asked.keys


def test_rule_16_in_a_catch_up_only_openings_make_charts(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> None:
    """Two hours of backlog: nobody looks at charts of the past. Within ten minutes of now they are due again."""
    readings = charge(1.0, 7200.0, period_s=5.0, strange=[1201.0, 4501.0])
    asked = Asked(monkeypatch)
    pace = Pace(page=20, credit=40, poll_s=1.0, tick_s=0.5)
    asked.run(World(stream(readings, [shard()]), bundle, Plan(begins=BEGIN + 7200.0, pace=pace)))
    recent = [at for n in range(40) if 7200.0 - 610.0 < (at := BOUNDARY + CHART_S * n) <= 7200.0]
    assert asked.keys == [*map(key, (1201.0, 4501.0)), *map(key, recent)]


def test_rule_16_a_chart_that_is_never_done_holds_up_no_commit(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> None:
    """The drawing process hangs for good: archive, messages and books are those of the run without it."""
    drawings: list[Future[bytes]] = []

    class Hanging:
        def submit(self, data: object, *, periodic: bool) -> Future[bytes]:
            drawings.append(Future())
            return drawings[-1]

        def close(self, timeout_s: float) -> None:
            for drawing in drawings:
                drawing.set_exception(ChartDropped("closed"))

    script = stream(charge(1.0, 970.0, period_s=2.0, strange=[101.0, 721.0]), [shard()])
    calm = Outcome.of(World(script, bundle, live()).run())
    monkeypatch.setattr(charting, "ChartProcess", Hanging)
    charts = charting.Charting(Archive(object(), "results"))  # type: ignore[arg-type]
    monkeypatch.setattr(NotedCharts, "draw", lambda twin, requests: charts.draw(requests))
    try:
        world = World(script, bundle, live()).run()
        assert len(drawings) >= 4
        assert not any(drawing.done() for drawing in drawings)
        assert differences(calm, Outcome.of(world)) == []
    finally:
        charts.finish(0.0)
