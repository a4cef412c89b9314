"""`battery-watch run`: the worker."""

from __future__ import annotations

import os
import signal
import sys

import click

from battery_watch.options.failure import complain


@click.command(
    epilog="""\b
Example:
  export AWS_DEFAULT_REGION=eu-central-1 BATTERY_TABLE_NAME=device4
  export RESULTS_BUCKET_NAME=my-results TOPIC_ARN=arn:aws:sns:eu-central-1:123456789012:battery
  battery-watch doctor && battery-watch run"""
)
def command() -> None:
    """Watch a table until told to stop.

    Reads the table's stream, scores every sample and writes events to the topic, events and charts to the bucket.
    Configured by the environment alone; `battery-watch doctor` lists and checks all of it.

    Exit codes: 0 stopped in order (SIGTERM, Ctrl-C), 1 failed, 2 something must be put right first, 75 another worker
    owns the lane.
    """
    # The first process of a container has no default action for a signal: without this a stop during the checks is
    # thrown away. There is nothing to put in order yet; `consumer.worker.assembly.run` takes the signals over.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))

    from consumer.errors import ConfigurationError, Retry
    from consumer.worker.assembly import run

    try:
        code = run()
    except ConfigurationError as error:
        complain(error)
        code = 2
    except Retry as error:
        # Nothing to put right: what was read and promised is in the bucket, and the next start goes on from there.
        complain(f"the start failed, and may succeed when tried again: {error}")
        code = 1
    # A thread may still be in a call to a sink that hangs; all that matters is durable or said: nobody waits for it.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
