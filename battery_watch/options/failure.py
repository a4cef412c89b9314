"""How a command says that something is wrong: one line on stderr, with the program's name, and an exit code."""

from __future__ import annotations

import sys
from typing import NoReturn

import click


def complain(fault: object) -> None:
    """Say on stderr what is wrong."""
    click.echo(f"battery-watch: {fault}", err=True)


def fail(fault: object, exit_code: int = 2) -> NoReturn:
    """Say what is wrong, and end the program. Exit code 2: the user must put something right first."""
    complain(fault)
    sys.exit(exit_code)


def in_one_line(error: Exception) -> str:
    """A message of several lines, such as that of wrong settings, in one."""
    first, *rest = (line.strip() for line in str(error).splitlines())
    return f"{first} {'; '.join(rest)}".rstrip()
