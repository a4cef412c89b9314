"""Episodes against a few lines of plain Python."""

from hypothesis import given, settings
from hypothesis import strategies as st

from reporting.episodes import QUIET_S, Episodes


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([0.0, 1.0, 59.0, 60.0, 60.5, 200.0])), max_size=30))
def test_adjacent_anomalies_of_a_device_are_one_episode(steps: list[tuple[str, float]]) -> None:
    """A new one begins after more than a quiet minute; devices do not mix; its id tells device and begin."""
    episodes, last, opened = Episodes(), dict.fromkeys("ab", -1e9), dict.fromkeys("ab", 0.0)
    now = dict.fromkeys("ab", 1000.0)
    ids: dict[str, tuple[str, float]] = {}
    for device, step in steps:
        now[device] += step
        if now[device] - last[device] > QUIET_S:
            opened[device] = now[device]
        last[device] = now[device]
        episode = episodes.see(device, now[device])
        assert (episode.device, episode.opened, episode.last) == (device, opened[device], now[device])
        assert ids.setdefault(episode.id, (device, opened[device])) == (device, opened[device])
        assert episodes.current[device] == episode
    assert len(set(ids.values())) == len(ids)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 400).map(float), st.integers(0, 300).map(float)), max_size=30))
def test_an_episode_that_is_settled_makes_no_difference(steps: list[tuple[float, float]]) -> None:
    """Samples come out of order, none from a horizon that only rises: with and without settling they are the same."""
    kept, settled, newest = Episodes(), Episodes(), 1000.0
    for step, back in steps:
        newest += step
        horizon = newest - 300.0
        ts = max(newest - back, horizon + 0.5)
        assert settled.see("d", ts) == kept.see("d", ts)
        settled.settle("d", horizon)
    settled.settle("d", newest + QUIET_S)
    settled.settle("nobody", newest)
    assert settled.current == {}


def test_with_its_device_an_episode_is_forgotten() -> None:
    """The next one is another."""
    episodes = Episodes()
    first, other = episodes.see("d", 0.0), episodes.see("e", 0.0)
    episodes.forget("d")
    episodes.forget("nobody")
    assert episodes.current == {"e": other}
    assert episodes.see("d", 10.0).id != first.id


def test_a_successor_gives_the_same_ids() -> None:
    """They depend on the device and its first anomalous sample alone; the state goes with the head."""
    one, other = Episodes(), Episodes()
    first = one.see("d", 10.0)
    assert other.see("d", 10.0).id == first.id
    assert Episodes(one.current).see("d", 50.0).id == first.id
    assert Episodes(one.current).see("d", 71.0).id != first.id
    assert one.see("e", 10.0).id != first.id


def test_an_anomaly_that_comes_late_does_not_shorten_its_episode() -> None:
    """Out of order within an episode."""
    episodes = Episodes()
    episodes.see("d", 10.0)
    episodes.see("d", 50.0)
    late = episodes.see("d", 20.0)
    assert (late.opened, late.last) == (10.0, 50.0)


def test_the_episodes_given_out_are_a_copy() -> None:
    """A head is written while the lane goes on."""
    episodes = Episodes()
    episodes.see("d", 10.0)
    before = episodes.current
    episodes.see("e", 10.0)
    assert set(before) == {"d"}
