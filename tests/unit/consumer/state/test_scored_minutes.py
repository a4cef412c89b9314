"""The counts that are compared with the table."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import numpy as np
import pytest

from consumer.state.scored_minutes import Minute, ScoredMinutes, digest, read_minutes
from scoring.bundle import Bundle
from scoring.scorer import Scorer
from window.rolling import Windows
from window.samples import Kind, Names, Samples

T = 1_784_937_600.0  # 2026-07-25T00:00:00Z


def samples(*ts: float, device: int = 0, temperature_c: float = 25.0) -> Samples:
    """Quiet samples of a device."""
    count = len(ts)
    return Samples.of(
        ts, [2.0] * count, [temperature_c] * count, created=ts, device=device, shard=0, kind=[Kind.SAMPLE] * count
    )


class Lane:
    """As much of a lane as scores."""

    def __init__(self, bundle: Bundle, windows: Windows | None = None) -> None:
        self.names = Names()
        self.names.code("a")
        self.names.code("b")
        self.scorer = Scorer(bundle, windows)
        self.minutes = ScoredMinutes(self.scorer.windows, self.names)

    def score(self, batch: Samples) -> None:
        """All of them, in as many runs as it takes."""
        while len(batch):
            scored, count = self.scorer.take(batch, most_anomalies=100)
            self.minutes.add(scored)
            batch = batch.take(slice(count, None))

    def stored(self, commit: int = 1) -> dict[str, dict[str, dict[str, Minute]]]:
        """By key, device and minute."""
        return {
            item.key: {
                device: {f"{datetime.fromtimestamp(minute, UTC):%H:%M}": row for minute, row in minutes.items()}
                for device, minutes in read_minutes(item.body).items()
            }
            for item in self.minutes.objects("table", (1, commit))
        }


def independent(*ts: float) -> Minute:
    """Splitmix64 in whole numbers, as its author writes it."""
    total = 0
    for each in ts:
        z = (int.from_bytes(np.float64(each).tobytes(), "little") + 0x9E3779B97F4A7C15) % 2**64
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        total += z ^ (z >> 31)
    return Minute(len(ts), total % 2**64)


HOUR = "battery-minutes/dt=2026-07-25/hour=00/table/000001-0000000001.json"


def test_each_minute_of_each_device_has_its_count_and_digest(plain_bundle: Bundle) -> None:
    """An object for each hour of event time; a minute without samples has no row."""
    lane = Lane(plain_bundle)
    lane.score(samples(T + 1, T + 2.5, T + 61))
    lane.score(samples(T + 3600, device=1))
    assert lane.stored() == {
        HOUR: {"a": {"00:00": independent(T + 1, T + 2.5), "00:01": independent(T + 61)}},
        HOUR.replace("hour=00", "hour=01"): {"b": {"01:00": independent(T + 3600)}},
    }
    assert lane.stored(2) == {}


@pytest.mark.parametrize("seed", range(20))
def test_neither_order_nor_batches_nor_a_sample_written_again_matter(plain_bundle: Bundle, seed: int) -> None:
    """It is a set: a sample is in it once, whatever its readings were."""
    rng = random.Random(seed)
    times = [T + 20 * 60 + rng.randrange(300) for _ in range(120)]
    lane = Lane(plain_bundle)
    rest = times[:]
    while rest:
        count = rng.randint(1, 9)
        lane.score(samples(*rest[:count], temperature_c=rng.uniform(20.0, 80.0)))
        rest = rest[count:]
    ((_, devices),) = lane.stored().items()
    expected = {f"00:{20 + n:02d}": [ts for ts in set(times) if ts // 60 == T // 60 + 20 + n] for n in range(5)}
    assert devices == {"a": {minute: independent(*found) for minute, found in expected.items() if found}}


def test_a_minute_that_goes_on_is_stored_again_as_a_whole(plain_bundle: Bundle) -> None:
    """The row of a later commit replaces the earlier one."""
    lane = Lane(plain_bundle)
    lane.score(samples(T + 1))
    lane.stored()
    lane.score(samples(T + 2, T + 90))
    (devices,) = lane.stored(2).values()
    assert devices["a"] == {"00:00": independent(T + 1, T + 2), "00:01": independent(T + 90)}


def test_after_a_restart_the_windows_say_what_was_counted(plain_bundle: Bundle) -> None:
    """What was read after them is read again; what the table filled in as context was not scored."""
    windows = Windows()
    before = Lane(plain_bundle, windows)
    windows.keep_as_context(windows.upsert(samples(T + 1, T + 2)))
    before.score(samples(T + 3))
    after = Lane(plain_bundle, windows)
    after.minutes.restore(0)
    assert after.stored() == {}
    after.score(samples(T + 2))
    after.score(samples(T + 4))
    ((_, devices),) = after.stored().items()
    assert devices == {"a": {"00:00": independent(T + 2, T + 3, T + 4)}}


def test_what_is_older_than_the_windows_is_forgotten_once_it_is_stored(plain_bundle: Bundle) -> None:
    """A catch-up goes through hours: every minute is stored, and none is kept for ever."""
    lane = Lane(plain_bundle)
    lane.score(samples(*(T + 60 * n for n in range(600))))
    assert sum(len(devices["a"]) for devices in lane.stored().values()) == 600
    assert len(lane.minutes._minutes[0]) < 45
    lane.score(samples(T, device=1))
    lane.minutes.forget(1)
    assert [*lane.stored(2).values()] == [{"b": {"00:00": independent(T)}}]
    assert 1 not in lane.minutes._minutes


def test_the_digest_is_that_of_the_set() -> None:
    """An empty one has none."""
    assert digest(np.array([])) == 0
    assert digest(np.array([T])) == independent(T).digest
    assert digest(np.array([T, T + 0.25])) == independent(T + 0.25, T).digest
