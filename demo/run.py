"""Runs the demo in order: embedded AWS, worker, charger, summary."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from demo import archive
from demo.board import BoardOn
from demo.charger import Charger
from demo.emulator import Emulator
from demo.environment import scrubbed
from demo.interrupt import Interrupted, interrupts
from demo.listener import Listener
from demo.outage import TAKE_OVER_S, Crash, planned
from demo.performance import Performance, Stage
from demo.picture import recovery
from demo.printed import Left, print_script, print_summary
from demo.score import Summary, summarise
from demo.script import ROUND_S, write
from demo.worker import Worker
from demo.world import TABLE, World, clients
from reporting.charts.figure import render


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller chose. ``keep``: each run makes a folder of its own in it. ``kill``: kill the worker on the
    way."""

    live_s: int = 75
    forever: bool = False
    keep: Path = Path("demo-out")
    seed: int = 1
    kill: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run. ``exit_code`` is 0 only if the summary passed and nobody ended the run early."""

    summary: Summary
    exit_code: int


def run(options: Options, console: Console) -> Outcome:
    """Play the demo, show it on ``console``, and end every process it started, whatever happens.

    Blocks for the live part and about ten seconds more, or until another worker has taken over if the kill comes late.
    Raises `EmulatorError` or `WorkerError` with a message that says what to do, OSError if the folder cannot be
    written, `Interrupted` if somebody ended it early.
    """
    script = write(options.seed, ROUND_S if options.forever else options.live_s)
    folder = options.keep / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    folder.mkdir(parents=True, exist_ok=True)
    exit_code = 0
    with interrupts() as interrupt, Emulator(pause=interrupt.pause) as emulator:
        world = World.create(clients(emulator.environment()))
        # A killed worker tidies nothing: its liveness file and its libraries' files go with the emulator's folder.
        own = {"TAKE_OVER_S": str(TAKE_OVER_S), "TMPDIR": str(emulator.folder)}
        environment = scrubbed(os.environ) | emulator.environment() | world.worker_settings() | own
        with (
            BoardOn(console) as board,
            Worker(environment, log=folder / "worker.log", pause=interrupt.pause) as worker,
            Listener(world) as listener,
        ):
            board.step(f"An embedded AWS serves {emulator.url}: table {TABLE}, a bucket, a topic and a queue.")
            worker.wait_until_watching()
            board.step(f"The worker (process {worker.pid}) watches the table's stream.")
            crash = Crash(worker, planned(script), board.step) if options.kill else None
            stage = Stage(world, worker, listener, board, interrupt.pause)
            play = Performance(stage, Charger(options.seed, script), crash)
            print_script(console, play.view())
            play.upload()
            try:
                play.endless() if options.forever else play.live()
            except Interrupted as wish:
                if not options.forever:
                    raise
                # This is how an endless demo ends. It still prints its summary, which another Ctrl-C can end.
                exit_code = wish.exit_code
                interrupt.rearm()
            play.settle()
            record = play.record(play.finish())
            summary = summarise(record)
        archive.copy(world, folder)
        (folder / "messages.ndjson").write_text("".join(f"{body}\n" for body in listener.bodies), encoding="utf-8")
        last = play.last_chart()
        picture = None
        if record.outage is not None and record.outage.killed_s is not None:
            picture = folder / "recovery.png"
            picture.write_bytes(render(recovery(record, summary, record.outage, play.charger)))
    print_summary(console, summary, Left(folder, folder / last if last else None, picture))
    return Outcome(summary, exit_code or (0 if summary.passed else 1))
