"""What a running worker takes of the machine: at its start, idle, live with a thousand devices, and at its peak."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from statistics import median

from benchmarks.charges import item, names, reading
from benchmarks.child import Child
from benchmarks.emulated import HURRIED, Aws, Running, embedded
from benchmarks.figures import Found, Measured
from benchmarks.full_windows import Objects, more, watched
from consumer.state.head import Head
from consumer.state.snapshot import Snapshot

STARTS = 5
SETTLE_S, WATCH_S = 15.0, 60.0
"""Until what came during the restart is processed; and a minute, which has one snapshot in it."""
CHARTS_AFTER_S, PEAK_S = 95.0, 25.0
"""From its exec to the moment at which charts are due; and how long it goes on from there."""
MANY, SHARE, QUIET = 1000, 0.01, 1e-9
MEMORY = "restart with full windows, snapshots, charts due, stop; shared pages counted once"
ONE = ("start_s", "start_cpu_s", "idle_core_share", "peak_mb_1dev")
THOUSAND = ("restart_1000dev_cpu_s", "live_1000dev_core_share", "peak_mb_1000dev")
NAMES = (*ONE, *THOUSAND)


def measure(wanted: set[str], say: Callable[[str], None]) -> Found:
    """The figures of `NAMES` that are wanted."""
    found: dict[str, Measured] = {}
    for work, made in ((starts, ONE[:2]), (partial(at_work, 1), ONE[2:]), (partial(at_work, MANY), THOUSAND)):
        if wanted & {*made}:
            say(f"the worker as a process: {', '.join(made)}")
            with Child(work) as child:
                found.update(child.heard())
    return {name: each for name, each in found.items() if name in wanted}


def starts(pipe: Connection) -> None:
    """First starts on an empty table of one shard, each in a namespace of its own."""
    times, processor = [], []
    with embedded() as aws:
        for number in range(STARTS):
            with Running(aws, NAMESPACE=f"start-{number}") as worker:
                times.append(worker.start_s)
                processor.append(worker.start_cpu_s)
    note = f"median of {STARTS}: {{:.2f}} to {{:.2f}}"
    pipe.send(
        {
            "start_s": Measured(median(times), note.format(min(times), max(times))),
            "start_cpu_s": Measured(median(processor), note.format(min(processor), max(processor))),
        }
    )


def at_work(count: int, pipe: Connection) -> None:
    """A worker with so many devices at 1 Hz, that starts again with full windows: quiet with one, one sample in a
    hundred an anomaly with many. Charts are due once, after the processor was looked at; its memory is looked at from
    start to stop."""
    objects, _ = watched(names(count)[0])
    with embedded() as account:
        aws = account.fleet()
        _inherit(aws, objects, count)
        with _Writer(aws, count, SHARE if count > 1 else QUIET) as writer:
            charts_due = time.time() + CHARTS_AFTER_S
            with Running(aws, (*HURRIED, str(charts_due))).watch_memory() as worker:
                time.sleep(SETTLE_S)
                core_share = worker.core_share(WATCH_S)
                behind_s, rate = writer.behind_s, writer.rate
                time.sleep(max(0.0, charts_due + PEAK_S - time.time()))
    about = f"{WATCH_S:.0f} s with one snapshot and without charts due; {rate:,.1f} samples/s, "
    about += f"the writer {behind_s:.1f} s behind at most"
    if rate < 0.95 * count:
        about += f"; scaled up by {count / rate:.2f}"
        core_share *= count / rate
    if count == 1:
        pipe.send({"idle_core_share": Measured(core_share, about), "peak_mb_1dev": Measured(worker.peak_mb, MEMORY)})
        return
    pipe.send(
        {
            "restart_1000dev_cpu_s": Measured(worker.start_cpu_s, "exec to watching"),
            "live_1000dev_core_share": Measured(core_share, about),
            "peak_mb_1000dev": Measured(worker.peak_mb, MEMORY),
        }
    )


def _inherit(aws: Aws, objects: Objects, count: int) -> None:
    """Let the account hold what a worker leaves that has watched so many devices: one writes a first head there, which
    is then made to say so."""
    devices = names(count)
    with Running(aws, START="trim_horizon"):
        aws.write([item(devices[0], int(time.time()), reading(0, 0))])
        time.sleep(1.5)
    (key,) = (k for k in aws.world.keys("state/") if k.endswith("/head") and not k.endswith("/table/head"))
    windows = key.removesuffix("head") + "windows"
    here = Head.decode(aws.get(key))
    (made,) = (k for k in objects if k.endswith("/head") and not k.endswith("/table/head"))
    head, snapshot = more(
        Head.decode(objects[made][0]),
        Snapshot.decode(objects[made.removesuffix("head") + "windows"][0]),
        devices,
        later_s=float(round((here.newest or time.time()) - (Head.decode(objects[made][0]).newest or 0.0))),
    )
    kept = ("health", "ledger", "newest")
    body = here.model_copy(update={name: getattr(head, name) for name in kept}).encode()
    aws.replace(key, body)
    there = Snapshot.decode(aws.get(windows))
    aws.replace(windows, Snapshot(there.commit, there.positions, snapshot.devices, snapshot.health).encode())


class _Writer:
    """Writes one sample a second of every device; a context manager. ``behind_s``: how late it was at most."""

    def __init__(self, aws: Aws, devices: int, share: float) -> None:
        self._aws = aws
        self._names = names(devices)
        self._share = share
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._began = time.monotonic()
        self._written = 0
        self.behind_s = 0.0

    def __enter__(self) -> _Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30.0)

    @property
    def rate(self) -> float:
        """Samples a second, from the beginning; the second under way counts as written."""
        return self._written / max(1.0, time.monotonic() - self._began)

    def _write(self) -> None:
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            self.behind_s = max(self.behind_s, time.monotonic() - due)
            ts = int(time.time())
            self._aws.write(
                [item(name, ts, reading(ts, number, self._share)) for number, name in enumerate(self._names)]
            )
            self._written += len(self._names)
            due += 1.0
