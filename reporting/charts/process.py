"""Charts are drawn in a child process: the time, the memory or a crash of a drawing does not reach the scoring."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from reporting.charts.data import ChartData

WAITING = 8
"""At most so many charts wait."""
TIMEOUT_S = 30.0
"""A drawing that takes longer is ended with its child."""


class ChartError(RuntimeError):
    """A chart that was asked for is missing. Samples and events are not affected."""


class ChartDropped(ChartError):
    """Newer charts took its place in the queue, or the process was closed."""


class ChartTimeout(ChartError):
    """Drawing took too long, and the child was ended."""


class ChartFailed(ChartError):
    """Drawing raised an error, or the child died twice while it drew."""


@dataclass(frozen=True, slots=True)
class _Job:
    make: Callable[[], ChartData]
    periodic: bool
    future: Future[bytes]


class ChartProcess:
    """Draws charts one after the other in a child. It starts the child for the first chart and again after a crash.

    At most ``waiting`` charts wait. One more drops the oldest periodic one, which ``dropped`` counts. A chart that
    takes longer than ``timeout_s`` (the first one: with the start of the child) fails, and its child is killed.
    A thread moves the data, so nothing here blocks except `close`, for a few seconds at most.
    """

    def __init__(self, *, waiting: int = WAITING, timeout_s: float = TIMEOUT_S) -> None:
        self._waiting = waiting
        self._timeout_s = timeout_s
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._child: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self.dropped = 0

    @property
    def pid(self) -> int | None:
        """The child's process id; None where there is none."""
        return self._child.pid if self._child is not None else None

    def submit(self, make: Callable[[], ChartData], *, periodic: bool = True) -> Future[bytes]:
        """Order a chart. The future gives the PNG or raises a `ChartError`. Never blocks, never raises. ``make`` gives
        what to draw; it is called on this object's thread, and not at all for a chart that is dropped."""
        job = _Job(make, periodic, Future())
        # A drawing cannot be stopped half-way: from here on `cancel` answers False.
        job.future.set_running_or_notify_cancel()
        dropped = None
        with self._changed:
            if self._closed:
                dropped = job
            else:
                if len(self._jobs) >= self._waiting:
                    dropped = self._oldest()
                    self.dropped += 1
                self._jobs.append(job)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._serve, name="charts", daemon=True)
                    self._thread.start()
                self._changed.notify()
        if dropped is not None:
            reason = "the chart process is closed" if dropped is job else "newer charts took its place"
            dropped.future.set_exception(ChartDropped(reason))
        return job.future

    def close(self, timeout_s: float = 5.0) -> None:
        """End the child and drop the charts that wait. Whoever needs a last chart waits for its future first. Blocks up
        to ``timeout_s``, while the child ends."""
        with self._changed:
            self._closed = True
            waiting = list(self._jobs)
            self._jobs.clear()
            self._changed.notify()
            thread = self._thread
        for job in waiting:
            job.future.set_exception(ChartDropped("the chart process is closed"))
        child = self._child
        if child is not None:
            # The child ignores SIGTERM. A drawing in progress is lost.
            child.kill()
        if thread is not None:
            thread.join(timeout=timeout_s)

    def _oldest(self) -> _Job:
        """Take the oldest periodic chart out of the queue, or the oldest of all where none is periodic."""
        job = next((job for job in self._jobs if job.periodic), self._jobs[0])
        self._jobs.remove(job)
        return job

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            try:
                job.future.set_result(self._draw(_made(job.make)))
            except ChartError as failure:
                job.future.set_exception(failure)
        self._end_child()

    def _next(self) -> _Job | None:
        with self._changed:
            while not self._jobs and not self._closed:
                self._changed.wait()
            return None if self._closed else self._jobs.popleft()

    def _draw(self, data: ChartData) -> bytes:
        # Two attempts: the child may have died while it was idle. A chart that kills its child does so twice.
        for _ in range(2):
            late = threading.Event()
            try:
                return self._exchange(data, late)
            except (EOFError, OSError):
                self._end_child()
                if late.is_set():
                    raise ChartTimeout(f"a chart took longer than {self._timeout_s:g} s") from None
                if self._closed:
                    raise ChartDropped("the chart process is closed") from None
        raise ChartFailed("the chart process died twice while it drew")

    def _exchange(self, data: ChartData, late: threading.Event) -> bytes:
        """Send the data, receive the PNG. Raises EOFError or OSError where the child is gone, also if it was killed for
        taking too long."""
        child, pipe = self._start()

        def give_up() -> None:
            late.set()
            child.kill()

        # Killing the child also ends a `send` that waits because a stuck child does not read.
        timer = threading.Timer(self._timeout_s, give_up)
        timer.start()
        try:
            pipe.send(data)
            answer = pipe.recv()
        finally:
            timer.cancel()
        if isinstance(answer, bytes):
            return answer
        raise ChartFailed(str(answer))

    def _start(self) -> tuple[SpawnProcess, Connection]:
        if self._child is None or self._pipe is None:
            spawn = multiprocessing.get_context("spawn")
            self._pipe, theirs = spawn.Pipe()
            self._child = spawn.Process(target=_child, args=(theirs,), name="charts", daemon=True)
            self._child.start()
            # Only the child may hold its end of the pipe: otherwise its death would not close the pipe.
            theirs.close()
            if self._closed:
                self._child.kill()
        return self._child, self._pipe

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.join()
            self._child.close()
            self._child = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None


def _made(make: Callable[[], ChartData]) -> ChartData:
    """What to draw. Raises `ChartFailed`: an error here must not end the thread that serves all charts."""
    try:
        return make()
    except Exception as failure:
        raise ChartFailed(f"{type(failure).__name__}: {failure}") from failure


def _child(pipe: Connection) -> None:
    """Draw until the pipe closes. It also closes when the parent dies.

    The child ignores Ctrl-C and SIGTERM, which reach the whole process group: the parent stops in order, and it still
    needs its last chart.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    from reporting.charts.figure import render

    while True:
        try:
            data = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(render(data))
        except BrokenPipeError:
            return
        except Exception as failure:  # noqa: BLE001 - whatever a drawing raises is the answer; without one the parent would wait
            pipe.send(f"{type(failure).__name__}: {failure}")
