"""The stream's twin shows what the stream may do, and what it does though it may not."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from random import Random

import pytest
from sim_cases import BEGIN, Reading, charge, shard, writes
from sim_faults import HARDER_FAULTS, Clock, Faults
from sim_reader import StreamReader
from sim_schedule import EVERYTHING, USUAL, drawn
from sim_script import Nodes, Script, script
from sim_stream import SimulatedStream, Weather

from consumer.errors import Retry, Trimmed, Vanished
from consumer.stream.client import DynamoDBStreams, Page

NOW = BEGIN + 600.0


def reader(made: Script, weather: Weather | None = None, **rates: float) -> StreamReader:
    """A host's way to a stream whose records are all there."""
    clock = Clock(NOW)
    stream = SimulatedStream(made, clock, weather or Weather())
    return StreamReader(stream, "a host", Faults(Random(1), clock, rates, until=inf))


def minute(count: int = 60, nodes: Nodes = Nodes()) -> Script:  # noqa: B008  # it is frozen
    """A sample a second over two shards that stay open."""
    return script(Random(3), writes(charge(1.0, 1.0 + count)), [shard(high=0.5), shard(low=0.5)], nodes=nodes)


def pages(read: StreamReader, name: str, most: int = 200) -> list[Page]:
    """All pages of a shard up to its tip, each of ten records."""
    token: str | None = read.iterator(name, "TRIM_HORIZON", None)
    found: list[Page] = []
    empty = 0
    while token is not None and empty < 100 and len(found) < most:
        found.append(read.records(token, 10))
        token = found[-1].next_iterator
        empty = 0 if found[-1].records else empty + 1
    return found


def test_any_number_of_empty_pages_lies_before_records() -> None:
    """In the middle of an open shard, where more records follow."""
    made = minute(400)
    first = made.shards[0]
    found = pages(reader(made, Weather(empty_pages=0.5, empty_run=30)), first.name)
    runs = [0]
    for page in found:
        runs = [*runs, 0] if page.records else [*runs[:-1], runs[-1] + 1]
    assert max(runs[1:-1]) > 10
    assert sum(len(page.records) for page in found) == len(first.records)


def test_an_open_shard_ends_falsely() -> None:
    """A page without a next iterator; a new iterator shows that the shard goes on."""
    made = minute()
    first = made.shards[0]
    read = reader(made, **{"stream ends falsely": 0.4})
    assert any(page.next_iterator is None for page in (pages(read, first.name)[-1] for _ in range(5)))
    assert read._faults.injected["stream ends falsely"] >= 1
    assert all(not node.closed for node in read.describe(None).shards)
    seen: list[str] = []
    while len(seen) < len(first.records):
        token: str | None = read.iterator(
            first.name, "AFTER_SEQUENCE_NUMBER" if seen else "TRIM_HORIZON", (seen or [None])[-1]
        )
        while token is not None and len(seen) < len(first.records):
            page = read.records(token, 10)
            seen += [record["dynamodb"]["SequenceNumber"] for record in page.records]
            token = page.next_iterator
    assert seen == [str(each) for each in first.sequences]


def test_a_trim_is_told_falsely() -> None:
    """For records that are there, and only when they are asked for."""
    made = minute()
    read = reader(made, **{"stream says trimmed": 1.0})
    with pytest.raises(Retry):
        read.iterator(made.shards[0].name, "TRIM_HORIZON", None)
    read._faults.until = 0.0
    token = read.iterator(made.shards[0].name, "TRIM_HORIZON", None)
    read._faults.until = inf
    with pytest.raises(Trimmed):
        read.records(token, 10)


@pytest.mark.parametrize("call", ["streams", "describe", "iterator", "records"])
@pytest.mark.parametrize("fault", ["stream answers no JSON", "stream answer lacks a key"])
def test_a_broken_answer_is_what_the_client_makes_of_it(fault: str, call: str) -> None:
    """The same error as that of the real client, with its words."""
    made = minute()
    read = reader(made)
    token = read.iterator(made.shards[0].name, "TRIM_HORIZON", None)
    read._faults.down = ()
    broken = reader(made, **{fault: 1.0})
    ask = {
        "streams": lambda: broken.streams(None),
        "describe": lambda: broken.describe(None),
        "iterator": lambda: broken.iterator(made.shards[0].name, "TRIM_HORIZON", None),
        "records": lambda: broken.records(token, 10),
    }
    with pytest.raises(Retry) as raised:
        ask[call]()
    if call == "records" and fault == "stream answer lacks a key":

        class Gateway:
            def get_records(self, **request: object) -> dict[str, object]:
                return {}

        client = DynamoDBStreams(Gateway(), "arn:aws:dynamodb:x:1:table/t/stream/l")  # type: ignore[arg-type]
        with pytest.raises(Retry) as real:
            client.records("iterator", 1)
        assert str(raised.value) == str(real.value)


def test_one_shard_answers_an_error_for_minutes() -> None:
    """The others do not, and before and after it is well."""
    made = minute()
    sick, well = (each.name for each in made.shards)
    weather = Weather(sick=((sick, NOW, NOW + 120.0, "stream says not found"),))
    read = reader(made, weather)
    for _ in range(20):
        with pytest.raises(Vanished):
            read.iterator(sick, "TRIM_HORIZON", None)
        read.records(read.iterator(well, "TRIM_HORIZON", None), 10)
    read._stream.clock.advance(120.0)
    assert read.records(read.iterator(sick, "TRIM_HORIZON", None), 10).records


def test_a_record_may_have_no_creation_time() -> None:
    """Some of them; they keep everything else."""
    records = [record["dynamodb"] for each in minute(nodes=Nodes(undated=0.3)).shards for record in each.records]
    undated = [each for each in records if "ApproximateCreationDateTime" not in each]
    assert 5 < len(undated) < 40
    assert all(each["SequenceNumber"] and each["NewImage"] for each in undated)


def test_a_shard_may_be_slow() -> None:
    """Its records can be read up to ten seconds after they were written, in their order."""
    made = minute(300, Nodes(slow=1.0))
    for each in made.shards:
        delays = [visible - written for visible, written in zip(each.visible, each.written, strict=True)]
        assert max(delays) > 5.0
        assert min(delays) >= 0.0
        assert list(each.visible) == sorted(each.visible)
    assert max(v - w for each in minute(300).shards for v, w in zip(each.visible, each.written, strict=True)) < 1.0


def test_nodes_have_clocks_of_their_own() -> None:
    """Some shards are ahead, some behind, by tens of milliseconds: two creation seconds meet in a few records."""
    readings = [Reading(float(n), n + 0.99 + 0.02 * (n % 2), place=n * 0.37 % 1.0) for n in range(200)]
    quarters = [shard(low=n / 4, high=(n + 1) / 4) for n in range(4)]

    def created(nodes: Nodes) -> list[float]:
        made = script(Random(3), writes(readings), quarters, nodes=nodes)
        found = [(record["dynamodb"]["SequenceNumber"], record) for each in made.shards for record in each.records]
        return [record["dynamodb"]["ApproximateCreationDateTime"] for _, record in sorted(found, key=lambda f: f[0])]

    exact, off = created(Nodes()), created(Nodes(clock_s=0.05))
    assert exact == sorted(exact)
    assert 0 < sum(a != b for a, b in zip(exact, off, strict=True)) < 200
    assert max(abs(a - b) for a, b in zip(exact, off, strict=True)) == 1.0


def test_a_seed_keeps_its_other_faults_where_it_is_made_harder() -> None:
    """What came later has draws of its own."""
    harder = replace(EVERYTHING, nodes=frozenset())  # those would have the stream end later, and all with it
    plain, hard = ([drawn(seed, ailments) for seed in range(200)] for ailments in (USUAL, harder))
    for before, after in zip(plain, hard, strict=True):
        kept = {name: rate for name, rate in after.plan.rates.items() if name not in HARDER_FAULTS}
        assert kept == before.plan.rates
        assert after.plan.down == before.plan.down
        assert after.plan.kills == before.plan.kills
        assert after.script.writes == before.script.writes
        assert replace(before.plan.weather, empty_run=0, empty_pages=0.0, sick=()) == replace(
            after.plan.weather, empty_run=0, empty_pages=0.0, sick=()
        )
    assert all(sum(name in each.plan.rates for each in hard) > 20 for name in HARDER_FAULTS)
    assert sum(bool(each.plan.weather.sick) for each in hard) > 20
    assert sum(bool(each.plan.clocks) for each in hard) > 20
    assert sum(each.plan.weather.empty_run > 2 for each in hard) > 20
    assert not any(each.plan.clocks or each.plan.weather.sick for each in plain)
