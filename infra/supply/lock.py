"""The runtime lock as one Python on Linux installs it. The lock serves several Pythons and names some packages twice.

`python -m infra.supply.lock` prints it for the image's Python.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

RUNTIME = Path(__file__).parents[2] / "requirements" / "runtime.txt"
IMAGE_PYTHON = "3.11"


@dataclass(frozen=True, slots=True)
class Pin:
    """A package of the lock: its ``version``, and its ``lines`` as they stand there, hashes included."""

    name: str
    version: str
    lines: str


def pins(lock: str, python: str = IMAGE_PYTHON) -> list[Pin]:
    """The packages of a lock's text that a ``python`` such as "3.11" installs on Linux, in the lock's order."""
    platform = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
    }
    found = []
    for lines in _entries(lock):
        required = Requirement(lines.partition("--hash")[0].strip(" \\\n"))
        if required.marker is None or required.marker.evaluate(platform):
            found.append(Pin(required.name, str(required.specifier).removeprefix("=="), lines))
    return found


def _entries(lock: str) -> list[str]:
    """Each package's lines: a line that ends with a backslash goes on in the next."""
    entries: list[str] = []
    goes_on = False
    for line in lock.splitlines():
        if goes_on:
            entries[-1] += f"\n{line}"
        elif line and not line.lstrip().startswith("#"):
            entries.append(line)
        else:
            continue
        goes_on = line.endswith("\\")
    return entries


if __name__ == "__main__":
    sys.stdout.writelines(f"{pin.lines}\n" for pin in pins(RUNTIME.read_text(encoding="utf-8")))
