"""`battery-watch healthcheck`: is the worker on this machine well?"""

from __future__ import annotations

import sys

import click


@click.command()
def command() -> None:
    """Ask whether the worker on this machine makes progress (the container's health check).

    Reads the file that the worker's main loop writes as it turns. Makes no call. Exit codes: 0 well, 1 not well: the
    loop is blocked, a reader is dead, the lane waits for a shard, or no worker runs here.
    """
    import os

    from consumer.worker.liveness import LivenessFile, default_path

    # Not the settings class: a health check must answer within a second, even if other settings are wrong.
    named = os.environ.get("PULSE_FILE")
    path = default_path(os.environ.get("NAMESPACE", "default"), os.environ.get("BATTERY_TABLE_NAME", "device4"))
    well, said = LivenessFile(type(path)(named) if named else path).check()
    click.echo(said, err=not well)
    sys.exit(0 if well else 1)
