"""How many samples a second `battery-watch replay` takes from end to end on one core: start, reading, the worker's way,
scores, events and a chart.

python -m benchmarks.replay [SAMPLES]
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SAMPLES = 500_000
CHARGE_S = 5400
TARGET = 50_000


def recorded(samples: int) -> list[np.ndarray]:
    """Charges at 1 Hz, one after the other, with a step of the current in every tenth: time, amperes, degrees."""
    rng = np.random.default_rng(0)
    row = np.arange(samples)
    at = row % CHARGE_S
    current_a = np.where(at < 3600, 2.5, 2.5 * np.exp(-(at - 3600) / 900.0)) + 0.004 * rng.standard_normal(samples)
    current_a += 3.0 * ((row // CHARGE_S % 10 == 5) & (at >= 1200) & (at < 1230))
    temperature_c = 23.0 + 3.5 * (1.0 - np.exp(-at / 450.0)) + 0.03 * rng.standard_normal(samples)
    ts = 1_780_000_000.0 + row + 3600.0 * (row // CHARGE_S)
    return [ts, np.round(current_a, 3), np.round(temperature_c, 2)]


def write(columns: list[np.ndarray], path: Path) -> None:
    """As CSV or Parquet, by the name."""
    names = ("ts", "current", "temperature")
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table(dict(zip(names, columns, strict=True))), path)
    else:
        np.savetxt(
            path,
            np.column_stack(columns),
            fmt=("%.0f", "%.3f", "%.2f"),
            delimiter=",",
            header=",".join(names),
            comments="",
        )


def measure(path: Path, out: Path) -> tuple[float, float]:
    """Seconds of a replay: by the clock, and of the processor."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "battery_watch", "replay", "--input", str(path), "--out", str(out)],
        check=True,
        capture_output=True,
    )
    elapsed_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return elapsed_s, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Print one table."""
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    columns = recorded(samples)
    print(f"{samples:,} samples of one device at 1 Hz, one core; the target is {TARGET:,} samples a second")
    print(f"{'':10}{'s':>8}{'samples/s':>14}{'processor s':>14}{'samples/s':>14}")
    with tempfile.TemporaryDirectory() as scratch:
        for suffix in (".csv", ".parquet"):
            path = Path(scratch) / f"charges{suffix}"
            write(columns, path)
            elapsed_s, processor_s = measure(path, Path(scratch) / "out")
            rates = f"{samples / elapsed_s:14,.0f}{processor_s:14.1f}{samples / processor_s:14,.0f}"
            print(f"{suffix[1:]:10}{elapsed_s:8.1f}{rates}")


if __name__ == "__main__":
    main()
