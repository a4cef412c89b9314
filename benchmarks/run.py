"""The runner: which figures, in which order, and what is printed."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType

from benchmarks import backlog, late, latency, running, shards, smoothness, throughput
from benchmarks.child import Failed
from benchmarks.figures import FIGURES, Found, Measured
from benchmarks.machine import environment

SUBJECTS: tuple[ModuleType, ...] = (throughput, smoothness, backlog, late, shards, latency, running)
EXIT_OK, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130
EXAMPLES = """\
examples:
  make bench                                             all of it, about a quarter of an hour, a table
  make bench BENCH_ARGS=--json                           the same; the last line is one JSON object
  python -m benchmarks --only start_s idle_core_share    these two
"""


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for. Returns the exit code: 0; 1 where a figure failed; 130 when interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="How fast, small and smooth the worker is. Needs what make test sets up, and a quiet machine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="one JSON object last; the table goes to stderr")
    parser.add_argument("--only", nargs="+", choices=[*FIGURES], metavar="NAME", help="figures, by their names")
    parser.add_argument("--list", action="store_true", help="name all figures, and measure nothing")
    asked = parser.parse_args(arguments)
    if asked.list:
        print("\n".join(f"{name:30}{about}" for name, about in FIGURES.items()))
        return EXIT_OK
    signal.signal(signal.SIGTERM, _interrupt)
    about = environment()
    began = time.monotonic()
    try:
        found = measure(asked.only or FIGURES, lambda line: _say(f"{time.monotonic() - began:4.0f} s  {line}"))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    about["took"] = f"{time.monotonic() - began:.0f} s"
    print(as_table(found, about), file=sys.stderr if asked.json else sys.stdout, flush=True)
    if asked.json:
        print(as_json(found))
    missing = [name for name, each in found.items() if each.value is None and name != "ratio_krcf"]
    return EXIT_FAILED if missing else EXIT_OK


def measure(names: Iterable[str], say: Callable[[str], None]) -> Found:
    """The figures of these names, in the order of `FIGURES`. One that fails has no value, and a note that says why."""
    wanted, found = {*names}, {}
    for subject in SUBJECTS:
        here = wanted & {*subject.NAMES}
        if not here:
            continue
        try:
            found.update(subject.measure(here, say))
        except Failed as error:
            say(f"failed: {error}")
            found.update({name: Measured(None, f"failed: {error}") for name in here})
    return {name: found[name] for name in FIGURES if name in wanted}


def as_json(found: Found) -> str:
    """Every figure by its name; null where it has no value."""
    return json.dumps({name: each.value and float(f"{each.value:.4g}") for name, each in found.items()})


def as_table(found: Found, about: dict[str, str]) -> str:
    """For people: what it was measured on, then figure by figure what it is and what must be known of it."""
    lines = [f"{name:12}{value}" for name, value in about.items()] + [""]
    for name, each in found.items():
        value = "-" if each.value is None else f"{each.value:,.4g}" if each.value < 1000 else f"{each.value:,.0f}"
        lines.append(f"{name:30}{value:>12}")
        for text in (FIGURES[name], each.note):
            lines += textwrap.wrap(text, 76, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
