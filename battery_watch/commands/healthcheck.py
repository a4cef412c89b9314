"""`battery-watch healthcheck`: is the worker on this machine well?"""

from __future__ import annotations

import sys

import click


@click.command()
@click.option("--ready", is_flag=True, help="Exit with 1 also where the worker lives but is unwell.")
def command(ready: bool) -> None:
    """Ask whether the worker on this machine lives (the container's health check).

    Reads the file that the worker's main loop writes as it turns. Makes no call. A worker that is unwell, say because
    the topic is down, says so and is not at fault: a restart would not mend it.

    Exit codes: 0 alive, 1 not: the loop is blocked, a reader is dead, or no worker runs here; with --ready also unwell.
    """
    import os

    from consumer.worker.liveness import LivenessFile, default_path

    # Not the settings class: a health check must answer within a second, even if other settings are wrong.
    named = os.environ.get("PULSE_FILE")
    path = default_path(os.environ.get("NAMESPACE", "default"), os.environ.get("BATTERY_TABLE_NAME", "device4"))
    well, said = LivenessFile(type(path)(named) if named else path).check(ready=ready)
    click.echo(said, err=not well)
    sys.exit(0 if well else 1)
