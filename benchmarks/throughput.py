"""From a GetRecords answer to commit, on the worker's real classes with full windows; peers in the same rounds."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from statistics import median

from benchmarks import peers
from benchmarks.charges import SHARE, Charges, names, pages
from benchmarks.child import Child
from benchmarks.engine import Engine
from benchmarks.figures import Found, Measured, percentile
from benchmarks.full_windows import left
from benchmarks.machine import first_core
from benchmarks.peers import Measure
from benchmarks.tape import Tape

ROUNDS = 5
SAMPLES = 10_000
ALONE = 2_000
OURS = {f"samples_per_s_{count}dev": count for count in (1, 100, 1000)}
PEERS = {"ratio_naive": peers.naive, "ratio_river_hst": peers.river_hst, "ratio_krcf": peers.krcf}
NAMES = (*OURS, *PEERS, "batch1_us_p50", "batch1_us_p99")


class Ours:
    """The worker in steps, over so many devices with full windows."""

    def __init__(self, devices: int) -> None:
        objects, second = left(devices)
        self._charges = Charges(names(devices), second)
        self._tape = Tape(partial(self._charges.records, 1))
        self._engine = Engine(self._tape, objects=objects)

    def round(self) -> float:
        """Samples a second of processor time, in pages of 1,000; what is made up beforehand does not count."""
        self._tape.feed(pages(self._charges.records(SAMPLES)))
        end = float(self._charges.second - 1)
        begin = time.process_time()
        self._engine.run_to(end)
        return SAMPLES / (time.process_time() - begin)

    def alone(self) -> list[float]:
        """Microseconds of the processor, from the bytes of an answer with one record to the end of the turn that
        processes it: on a quiet machine those of the clock, as one thread does it all."""
        found: list[float] = []
        while len(found) < ALONE:
            before = self._tape.answered_s
            self._engine.turn()
            if self._tape.answered_s != before:
                found.append((time.process_time() - self._tape.answered_s) * 1e6)
        return found


@dataclass(frozen=True, slots=True)
class _Contender:
    """One of those that take turns. ``setup`` is called in its own process."""

    setup: Callable[[], Measure]

    def __call__(self, pipe: Connection) -> None:
        measure = self.setup()
        measure()  # warm
        pipe.send("ready")
        while pipe.recv():
            pipe.send(measure())


def ours(devices: int) -> Measure:
    """A worker with so many devices."""
    return Ours(devices).round


def alone(pipe: Connection) -> None:
    """One sample after the other with one device."""
    engine = Ours(1)
    engine.alone()
    pipe.send(engine.alone())


def measure(wanted: set[str], say: Callable[[str], None]) -> Found:
    """The figures of `NAMES` that are wanted, and those they are made of."""
    found: dict[str, Measured] = {}
    contenders: dict[str, Callable[[], Measure]] = {
        name: partial(ours, count)
        for name, count in OURS.items()
        if name in wanted or (count == 1 and wanted & {*PEERS})
    }
    contenders |= {name: peer for name, peer in PEERS.items() if name in wanted}
    if "ratio_krcf" in contenders and not peers.krcf_installed():
        del contenders["ratio_krcf"]
        found["ratio_krcf"] = Measured(None, peers.HOW_TO_GET_KRCF)
    rates = _rounds(contenders, say)
    for name, measured in rates.items():
        rate = median(measured)
        spread = f"{min(measured):,.0f} to {max(measured):,.0f} samples/s in {len(measured)} rounds"
        if name in OURS:
            found[name] = Measured(rate, f"{SHARE:.1%} anomalies; {spread}")
        else:
            found[name] = Measured(median(rates["samples_per_s_1dev"]) / rate, f"the other: {spread}")
    if wanted & {"batch1_us_p50", "batch1_us_p99"}:
        say("one sample at a time")
        with Child(alone, core=first_core()) as child:
            times = child.heard()
        for name, share in (("batch1_us_p50", 0.5), ("batch1_us_p99", 0.99)):
            found[name] = Measured(percentile(times, share), f"{len(times):,} samples, in processor time")
    return found


def _rounds(contenders: dict[str, Callable[[], Measure]], say: Callable[[str], None]) -> dict[str, list[float]]:
    """Everybody's samples a second, in rounds in which each has its turn, alone, all on the same core."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    with ExitStack() as stack:
        children = {}
        for name, setup in contenders.items():
            say(f"{name}: getting ready")
            children[name] = stack.enter_context(Child(_Contender(setup), core=first_core()))
            children[name].heard()
        for number in range(ROUNDS):
            for name, child in children.items():
                say(f"round {number + 1} of {ROUNDS}: {name}")
                rates[name].append(child.ask(True))
    return rates
