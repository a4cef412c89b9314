"""Runs many seeded schedules in parallel processes and says what each fault did: `python tests/simulation/chaos.py`."""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import monotonic

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it has no conftest that does it: twins lie there

from sim_bundle import arithmetic_bundle
from sim_judge import Judge, Verdict
from sim_promise import LONG_TEST, command
from sim_schedule import PLANS

BLOCK = 20
BEGIN, END = "<!-- chaos -->", "<!-- /chaos -->"


@dataclass(slots=True)
class Tally:
    """Of one fault, over all schedules that it was injected into. ``lost``: schedules with something lost or missing;
    ``conflicting``: with something said that the undisturbed run does not say, or said in two ways; ``false_silence``:
    with a device called silent while it wrote; ``silent_late``: with a sample booked as late and nothing said."""

    injected: int = 0
    lost: int = 0
    conflicting: int = 0
    false_silence: int = 0
    silent_late: int = 0
    recovery_s: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Chaos:
    """What came of all schedules."""

    schedules: int = 0
    records: int = 0
    guessed: int = 0
    broken: dict[tuple[int, bool], list[str]] = field(default_factory=dict)
    faults: defaultdict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))

    def add(self, verdict: Verdict) -> None:
        """Count a schedule."""
        self.schedules += 1
        self.records += verdict.records
        self.guessed += bool(verdict.guesses)
        kinds = {_kind(said) for said in verdict.broken}
        if verdict.broken:
            self.broken[verdict.seed, verdict.long] = verdict.broken
        for name, count in (verdict.injected or {"none": 0}).items():
            tally = self.faults[name]
            tally.injected += count
            for kind in kinds:
                setattr(tally, kind, getattr(tally, kind) + 1)
        for name, seconds in verdict.recovery_s:
            self.faults[name].recovery_s.append(seconds)

    def table(self) -> str:
        """The table, in Markdown."""
        lines = [
            "| Fault | Injected | Lost | Conflicting | False silence | Silent late "
            "| Next durable commit after (virtual s, median and worst) |",
            "|---|---:|---:|---:|---:|---:|---|",
        ]
        for name, tally in sorted(self.faults.items()):
            took = f"{median(tally.recovery_s):.1f}, {max(tally.recovery_s):.0f}" if tally.recovery_s else "-"
            counts = [tally.injected, tally.lost, tally.conflicting, tally.false_silence, tally.silent_late]
            lines.append(f"| {name} | {' | '.join(map(str, counts))} | {took} |")
        lines += [
            "",
            f"{self.schedules} schedules, {self.records} records; {len(self.broken)} broke the promise; "
            f"{self.guessed} contained a forced release or a broken promise of idleness.",
        ]
        return "\n".join(lines)


def _kind(said: str) -> str:
    """Which column of the table says of a schedule what was said of it."""
    for kind in ("false silence", "silent late"):
        if f"witness, {kind}" in said:
            return kind.replace(" ", "_")
    loss = "lost" in said or "became nothing" in said or said.startswith(("ledger", "written", "Stuck"))
    untold = "witness, unarchived" in said or "witness, untold" in said
    return "lost" if loss or untold else "conflicting"


@dataclass(frozen=True, slots=True)
class Block:
    """Seeds that a process judges one after another. ``long``: of schedules with thousands of records."""

    seeds: range
    long: bool = False


def _judge_block(block: Block) -> list[Verdict]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    judge = Judge(arithmetic_bundle())
    return [_judge(seed, judge, long=block.long) for seed in block.seeds]


def _judge(seed: int, judge: Judge, *, long: bool) -> Verdict:
    try:
        return judge.judge_long(seed) if long else judge.judge(seed)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is this seed's result
        return Verdict(seed, [f"{type(error).__name__}: {error}"], long=long)


def blocks_of(seeds: range, *, long: bool) -> list[Block]:
    """Neighbours share an undisturbed run, so they stay together."""
    each = PLANS if long else BLOCK
    return [Block(range(n, min(n + each, seeds.stop)), long) for n in range(seeds.start, seeds.stop, each)]


def run(blocks: Sequence[Block], processes: int) -> Iterator[list[Verdict]]:
    """The verdicts, block by block, in order of the seeds."""
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(_judge_block, blocks)


def _counted(blocks: Iterable[list[Verdict]], total: int, console: Console) -> Chaos:
    chaos = Chaos()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("schedules", total=total)
        for block in blocks:
            for verdict in block:
                chaos.add(verdict)
                if verdict.broken:
                    again = command(verdict.seed, LONG_TEST) if verdict.long else command(verdict.seed)
                    console.print(f"broken: {again}", highlight=False, soft_wrap=True)
            progress.update(task, advance=len(block), description=f"schedules, {len(chaos.broken)} broken")
    return chaos


def _around(file: Path) -> tuple[str, str]:
    """What stands before and after the place for the report."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    before, found, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise SystemExit(f"{file} has no place for the table: it needs a line {BEGIN} and a line {END}")
    return before, after


def _replace(file: Path, report: str) -> None:
    """Put the report between the two marks in a file."""
    before, after = _around(file)
    file.write_text(f"{before}{BEGIN}\n\n{report}\n\n{END}{after}", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Exit code 1 where anything was lost or conflicting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many schedules")
    parser.add_argument(
        "--long", type=int, default=0, help="how many long schedules besides, of 2,000 records and more"
    )
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", type=Path, help="a file with the marks between which the table goes")
    chosen = parser.parse_args(arguments)
    if chosen.write:
        _around(chosen.write)  # before minutes of work
    console = Console(stderr=True)
    begun = monotonic()
    blocks = [
        block
        for count, long in ((chosen.long, True), (chosen.seeds, False))
        for block in blocks_of(range(chosen.first, chosen.first + count), long=long)
    ]
    chaos = _counted(run(blocks, chosen.processes), chosen.seeds + chosen.long, console)
    sys.stdout.write(chaos.table() + "\n")
    if chaos.broken:
        seeds = ", ".join(f"{seed}{' (long)' if long else ''}" for seed, long in sorted(chaos.broken))
        sys.stdout.write(f"\nbroken: {seeds}\n")
    for (seed, long), said in sorted(chaos.broken.items())[:10]:
        lines = "\n".join(f"  {line}" for line in said[:4])
        sys.stdout.write(f"\nseed {seed}; again: {command(seed, LONG_TEST) if long else command(seed)}\n{lines}\n")
    if chosen.write:
        took_s = monotonic() - begun
        said = (
            f"`make chaos` on {datetime.now(UTC):%Y-%m-%d}: Python {platform.python_version()}, {platform.system()}, "
            f"{chosen.processes} processes, {took_s / 60:.0f} minutes."
        )
        _replace(chosen.write, f"{said}\n\n{chaos.table()}")
    return 1 if chaos.broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
