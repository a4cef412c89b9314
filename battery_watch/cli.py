"""The command line. A command's module is imported only when the command is called, so `--help` answers at once."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys

import click

# ONNX Runtime (from 1.29 on) keeps an id of the machine and reports its use to its maker. This must be set before it is
# loaded: https://github.com/microsoft/onnxruntime/pull/27379
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

COMMANDS = {
    "run": "Watch a table: score every sample, publish anomalies.",
    "doctor": "Check everything the worker needs.",
    "demo": "See the whole product work on this machine.",
    "tail": "The topic's events as they come.",
    "events": "Archived anomalies from the last hours or days.",
    "explain": "Why was this sample flagged, and does that still hold?",
    "mute": "Publish nothing about a device for a while.",
    "unmute": "End a mute before its time.",
    "mutes": "What is muted, until when, and why.",
    "ledger": "What became of every record, and whether the ledger balances.",
    "state": "Save where the worker stands, also while it runs, and put it back.",
    "replay": "What would the worker have published about recorded data?",
    "train": "Make a bundle.",
    "convert": "Make a bundle from the old service's model files.",
    "evaluate": "How often a bundle is wrong, and what it finds, on recorded charges.",
    "healthcheck": "Is the worker on this machine well?",
}


class Commands(click.Group):
    """The commands, listed without importing them. The image leaves out replay, demo and those that train."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if _is_here(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        if not _is_here(cmd_name):
            ctx.fail(f"'{cmd_name}' is not part of the image: run it in a clone of the repository (`make setup`).")
        command = importlib.import_module(f"battery_watch.commands.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])


def _is_here(name: str) -> bool:
    return importlib.util.find_spec(f"battery_watch.commands.{name}") is not None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="battery-watch", prog_name="battery-watch")
def cli() -> None:
    """Battery Watch watches charging batteries: two models score every sample of a DynamoDB table, and every anomaly is
    published to an SNS topic within a second.

    It is no safety device: never let it be the only thing between a battery and harm.
    """


def main() -> None:
    """Run the command line; a reader that closes the pipe early is no error."""
    try:
        cli(prog_name="battery-watch")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
