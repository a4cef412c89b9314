"""The machine: what it is, and what a process and its children take of it."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


def environment() -> dict[str, str]:
    """What a figure depends on beside the code."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "onnxruntime", "boto3", "orjson")},
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "cores": str(len(cores())),
        "processor": _processor(),
        "load": ", ".join(f"{load:.1f}" for load in os.getloadavg()),
    }


def cores() -> set[int]:
    """Those this process may use."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def first_core() -> int:
    """The one that measurements are pinned to."""
    return min(cores())


def tree(pid: int) -> list[int]:
    """A process and all its descendants that are alive."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, wanted = [], [pid]
    while wanted:
        found.append(wanted.pop())
        wanted += children.get(found[-1], [])
    return found


def cpu_s(pid: int) -> float:
    """Processor seconds of a process and its descendants, those that have ended included."""
    return sum(sum(map(int, fields[11:15])) for each in tree(pid) if (fields := _stat(each))) / TICKS


def memory_mb(pid: int) -> float:
    """Memory of a process and its descendants, what they share counted once (PSS), megabytes as a task's limit counts
    them: 2**20 bytes."""
    return sum(_pss_kb(each) for each in tree(pid)) / 1024


def _pss_kb(pid: int) -> int:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0  # it has ended
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, parent and so on; none where it has ended."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _processor() -> str:
    try:
        lines = (PROC / "cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
