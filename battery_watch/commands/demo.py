"""``battery-watch demo``: the whole product on a laptop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from demo.run import Options

EPILOG = """\b
Examples:
  battery-watch demo                          watch it for a minute and a half
  battery-watch demo --no-kill                the same without killing the worker
  battery-watch demo --forever                until Ctrl-C, faults in rounds
  battery-watch demo --seconds 60 --json      for scripts: figures as JSON on the last line
  MODEL_DIR=my-bundle battery-watch demo      try a bundle of your own

\b
Exit codes: 0 passed; 1 a record lost or unaccounted for, a message in two versions, a fault missed, a
false alarm or no chart; 2 could not run; 130 ended by Ctrl-C; 141 the reader left (demo | head)."""


@click.command(epilog=EPILOG)
@click.option(
    "--seconds",
    type=click.IntRange(min=30),
    default=75,
    show_default=True,
    help="Length of the live part. From 60 on all four faults fit. If the kill leaves too little time to recover, the "
    "charge goes on until the worker has recovered.",
)
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-out"),
    show_default=True,
    help="Copy charts, archive, ledger and the worker's log into a new folder in DIR.",
    metavar="DIR",
)
@click.option("--forever", is_flag=True, help="Go on until Ctrl-C; --seconds is ignored.")
@click.option("--json", "as_json", is_flag=True, help="Progress on stderr, the figures as the last line of stdout.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of noise and script.")
@click.option("--kill/--no-kill", default=True, show_default=True, help="Kill the worker as a fault begins.")
def command(seconds: int, keep: Path, forever: bool, as_json: bool, seed: int, kill: bool) -> None:
    """Run the whole product on this machine and watch it find faults.

    An embedded AWS, a simulated charger and the real worker start as processes of their own. The charger first
    uploads the last 20 minutes of a charge, then sends a sample a second. Faults happen in both parts. The demo shows
    the events that reach the topic as they come, and compares them with what really happened. In the middle of the
    cooling failure it kills the worker itself (SIGKILL). A new worker stands by for 15 seconds, takes over, and goes on
    where the killed one stood. No AWS account is used or touched.
    """
    from demo.run import Options

    try:
        raise SystemExit(_play(Options(seconds, forever, keep, seed, kill), as_json))
    except KeyboardInterrupt:
        # Ctrl-C before the demo handles it itself: nothing has started yet.
        raise SystemExit(130) from None


def _play(options: Options, as_json: bool) -> int:
    from demo.board import Audience
    from demo.emulator import EmulatorError
    from demo.interrupt import Interrupted
    from demo.run import run
    from demo.worker import WorkerError

    console = Audience(stderr=as_json)
    try:
        outcome = run(options, console)
    except Interrupted as wish:
        if not console.quiet:
            click.echo("Stopped; no process is left behind.", err=True)
        return wish.exit_code
    except (EmulatorError, WorkerError, OSError) as fault:
        click.echo(f"The demo could not run: {fault}", err=True)
        return 2
    if as_json:
        click.echo(json.dumps(outcome.summary.as_json()))
    return outcome.exit_code
