"""Samples that take the place of others: what counts as one, what is material, and when it is told."""

from __future__ import annotations

from random import Random

import pytest
from health_rig import Watched, sample

from reporting.health.overwritten import MOST, QUIET_S, WITHIN, Overwrite, Reading, differs
from scoring.scorer import Scorer
from window.rolling import RETAINED_S, Windows
from window.samples import Samples

NEAR, FAR = Overwrite(Reading(3.0, 22.0), Reading(3.02, 22.1), False), Overwrite(Reading(3, 22), Reading(1.5, 18), True)
Step = tuple[float, Overwrite | None]
"""A sample's stamp, and what it overwrites."""


def fed(watched: Watched, steps: list[Step], sizes: list[int] | None = None, restarts: tuple[int, ...] = ()) -> Watched:
    """Samples of device d in runs of these sizes. As the scorer takes them, one that overwrites is a run of its own.
    Before those at ``restarts`` the states go into a new watch."""
    sizes, at, turn = sizes or [1], 0, 0
    while at < len(steps):
        end = min(at + sizes[turn % len(sizes)], *(each for each in restarts if each > at), len(steps))
        end = next((n for n in range(at, end) if steps[n][1] is not None and n > at), end)
        end = at + 1 if steps[at][1] is not None else end
        watched.until(steps[at][0])
        watched.feed(*(sample(stamp) for stamp, _ in steps[at:end]))
        overwrite = steps[at][1]
        if overwrite is not None:
            watched.said += watched.watch.overwrote(watched.names.code("d"), overwrite, steps[at][0])
        at, turn = end, turn + 1
        if at in restarts:
            watched.watch.restore(watched.watch.states)
    return watched


def pairs(begin: float, count: int, overwrite: Overwrite = FAR) -> list[Step]:
    """Two writers, a sample a second each, with the same times."""
    return [(begin + n // 2, overwrite if n % 2 else None) for n in range(2 * count)]


def alone(begin: float, count: int, step: float = 1.0) -> list[Step]:
    return [(begin + n * step, None) for n in range(count)]


def told(watched: Watched) -> list[tuple[str, float]]:
    return [(notice.state, notice.at) for notice in watched.said if notice.type == "health.overwritten"]


def test_two_devices_under_one_name_are_told_once_and_so_is_their_end(watched: Watched) -> None:
    """At the 30th sample of the second device, with both readings; closed after an hour without any more."""
    fed(watched, [*alone(0, 500), *pairs(500, 1800)])
    assert told(watched) == [("opened", 529.0)]
    (notice,) = [notice for notice in watched.said if notice.type == "health.overwritten"]
    assert (notice.device, notice.count, notice.since, notice.until) == ("d", MOST, 500.0, 529.0)
    assert notice.summary.startswith("30 of the last 60 samples of d overwrite another of the same ts with other")
    assert "3 A and 22 °C, then 1.5 A and 18 °C" in notice.summary
    assert "two devices under one name" in notice.summary
    last = 500.0 + 1799
    fed(watched, alone(last + 1, 41, step=100.0))
    assert told(watched)[1:] == [("closed", last + 1 + 3600)]
    (closed,) = [notice for notice in watched.said if notice.type == "health.overwritten" and notice.state == "closed"]
    assert closed.count == 1800
    assert "1,800" in closed.summary
    fed(watched, pairs(7000, 60))
    assert told(watched)[2:] == [("opened", 7029.0)]


def test_nearly_equal_readings_are_quiet(watched: Watched) -> None:
    """Two loggers of one battery: nothing is told, and nothing remembered."""
    fed(watched, pairs(0, 1800, NEAR))
    assert told(watched) == []
    assert watched.watch.states["d"].overwriting is None


def test_a_few_corrections_are_quiet(watched: Watched) -> None:
    """One fewer than it takes, every minute; and they are forgotten with the samples around them."""
    fed(watched, [*pairs(0, MOST - 1), *alone(30, WITHIN)])
    assert told(watched) == []
    assert watched.watch.states["d"].overwriting is None
    fed(watched, pairs(200, MOST - 1))
    assert told(watched) == []


def test_a_device_that_is_forgotten_closes_it(watched: Watched) -> None:
    """As its other notices, a day after its last sample."""
    fed(watched, pairs(0, 100)).until(1e6)
    assert told(watched) == [("opened", 29.0), ("closed", 99.0 + 86_400)]
    assert [notice.summary for notice in watched.said if notice.at > 86_400][-1].startswith("No sample from d for 24 h")


@pytest.mark.parametrize("seed", range(12))
def test_however_the_records_come_in_and_wherever_it_restarts_the_same_is_told(seed: int) -> None:
    """Runs of any length, and any number of restarts, against one by one."""
    rng, steps, at = Random(seed), [], 0.0
    for _ in range(8):
        share, far = rng.choice([0.0, 0.1, 0.3, 0.5]), rng.choice([FAR, NEAR])
        for _ in range(rng.randrange(10, 200)):
            at += rng.choice([0.0, 0.0, 1.0, 40.0])
            steps.append((at, far if rng.random() < share else None))
        at += rng.choice([0.0, 100.0, QUIET_S])
    restarts = tuple(sorted(rng.sample(range(1, len(steps)), 5)))
    calm = fed(Watched(), steps)
    rough = fed(Watched(), steps, [rng.randrange(1, 50) for _ in range(5)], restarts)
    assert told(rough) == told(calm)
    assert rough.watch.states == calm.watch.states


def windows(*samples: tuple[float, float, float]) -> Windows:
    """Of device 0, one sample after the other."""
    found = Windows()
    for ts, current_a, temperature_c in samples:
        found.upsert(Samples.of([ts], [current_a], [temperature_c]))
        found.score(
            found.rows(0),
            reconstruction_error=0.0,
            forest_score=0.0,
            severity=0,
            stages=0,  # type: ignore[arg-type]
        )
    return found


def of(kept: Windows, ts: float, current_a: float, temperature_c: float) -> Overwrite | None:
    return Overwrite.of(kept, Samples.of([ts], [current_a], [temperature_c]))


def test_a_sample_overwrites_one_of_the_same_time_with_other_readings() -> None:
    """Neither a new one, nor the same again, nor one that the window has no more, nor the first of a device."""
    kept = windows((1.0, 3.0, 22.0), (2.0, 3.0, 22.0), (3.0, 3.0, 22.5))
    assert of(kept, 3.0, 1.5, 18.0) == Overwrite(Reading(3.0, 22.5), Reading(1.5, 18.0), True)
    assert of(kept, 2.0, 3.0, 22.1) == Overwrite(Reading(3.0, 22.0), Reading(3.0, 22.1), False)
    assert of(kept, 3.0, 3.0, 22.5) is None
    assert of(kept, 2.5, 9.0, 22.0) is None
    assert of(kept, 4.0, 9.0, 22.0) is None
    assert of(kept, 3.0 - RETAINED_S, 9.0, 22.0) is None
    assert Overwrite.of(kept, Samples.of([1.0], [3.0], [22.0], device=[7])) is None


def test_the_first_record_of_a_sample_from_the_table_overwrites_nothing() -> None:
    """It is its own record (rule 18); the next one does."""
    kept = Windows()
    kept.keep_as_context(kept.upsert(Samples.of([1.0, 2.0], [3.0, 3.0], [22.0, 22.0])))
    assert of(kept, 2.0, 1.5, 18.0) is None


@pytest.mark.parametrize(
    ("before", "after", "material"),
    [
        ((2.996, 22.04), (1.498, 18.04), True),
        ((3.0, 22.0), (3.0, 24.0), True),
        ((0.31, 22.0), (0.0, 22.0), True),
        ((2.996, 22.04), (3.016, 22.14), False),
        ((3.0, 22.0), (3.1, 23.0), False),
        ((100.0, 22.0), (104.0, 22.0), False),
        ((100.0, 22.0), (94.0, 22.0), True),
        ((-3.0, 22.0), (3.0, 22.0), True),
    ],
)
def test_what_is_material(before: tuple[float, float], after: tuple[float, float], material: bool) -> None:
    """More than a step of a coarse logger, and more than the calibration of two."""
    assert differs(Reading(*before), Reading(*after)) is material
    assert differs(Reading(*after), Reading(*before)) is material


def test_readings_that_scatter_must_differ_by_more() -> None:
    """The scatter is that of the samples before, so that a noisy sensor read twice is far below the quarter of all that
    it takes; two devices mixed do not count as scatter."""
    rng = Random(1)
    noisy = [
        of(
            windows(*((float(n), 3.0 + rng.gauss(0, 0.4), 22.0) for n in range(40))),
            39.0,
            3.0 + rng.gauss(0, 0.4),
            22.0,
        )
        for _ in range(100)
    ]
    assert sum(each is not None and each.material for each in noisy) < 10
    assert sum(each is not None and differs(each.before, each.after) for each in noisy) > 50
    for place in (lambda n: rng.random(), lambda n: n % 2, lambda n: n * 0.37 % 1.0):
        mixed = windows(*((float(n), 1.5 + 1.5 * (place(n) < 0.5) + rng.gauss(0, 0.005), 22.0) for n in range(40)))
        other = 4.5 - float(mixed.retained(0).current_a[39])
        assert of(mixed, 39.0, other, 22.0).material  # type: ignore[union-attr]


def test_a_scorer_places_an_overwriting_sample_alone(plain_bundle: object) -> None:
    """What `consumer.lane.processing` relies on: nothing is scored together with it."""
    scorer = Scorer(plain_bundle)  # type: ignore[arg-type]
    scorer.take(Samples.of([1.0, 2.0, 3.0], [3.0] * 3, [22.0] * 3), most_anomalies=9)
    for ts in (3.0, 2.0):
        _, count = scorer.take(Samples.of([ts, 4.0, 5.0], [1.5, 3.0, 3.0], [22.0] * 3), most_anomalies=9)
        assert count == 1
