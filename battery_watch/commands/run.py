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
    """Watch a table until SIGTERM or Ctrl-C.

    Reads the table's stream, scores every sample, publishes events to the topic, and writes events and charts to the
    bucket. All settings come from the environment; `battery-watch doctor` lists and checks them.

    Exit codes: 0 stopped in order (SIGTERM, Ctrl-C), 1 failed, 2 something must be fixed first, 75 another worker owns
    the lane.
    """
    # The first process of a container has no default action for a signal, so a stop during the checks would be lost.
    # Nothing needs tidying yet. `consumer.worker.assembly.run` takes the signals over.
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
        # There is nothing to fix. Everything committed is in the bucket, and the next start goes on from there.
        complain(f"the start failed. Try again, it may succeed: {error}")
        code = 1
    # A thread may still hang in a call to a sink. Everything that matters is stored or printed: do not wait for it.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
