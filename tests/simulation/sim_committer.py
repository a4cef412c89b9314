"""A committer without threads: the scheduler executes the steps of a commit one by one, when it likes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from math import inf
from random import Random

from botocore.exceptions import BotoCoreError, ClientError
from sim_faults import Clock

from consumer.errors import Fenced, Retry
from consumer.state.commit import Commit
from consumer.state.committer import BACKOFF_FROM_S, BACKOFF_TO_S, Abandoned, Sinks, Step, publishing, steps
from reporting.message import Message


class _Result(Future[Commit]):
    """Whoever waits for it lets the commit be written, in virtual time."""

    def __init__(self, drive: Callable[[float | None], None]) -> None:
        super().__init__()
        self._drive = drive

    def result(self, timeout: float | None = None) -> Commit:
        """See `Future.result`."""
        if not self.done():
            self._drive(timeout)
        if not self.done():
            raise TimeoutError
        return super().result(0)


class SteppedCommitter:
    """`consumer.worker.owned_lane.Commits`. ``due``: when its next step is, epoch seconds; infinite while it has
    nothing to do.

    ``latency_s``: what a step takes at most. ``submitted`` is told of each commit that is given to it; ``durable`` of
    each that is done, and whether the lane was recovering when it was cut. Steps of a group are executed in any order,
    as the threads would.
    """

    trouble: tuple[float, str] | None = None

    def __init__(
        self,
        to: Sinks,
        clock: Clock,
        rng: Random,
        *,
        latency_s: float,
        recovering: Callable[[], bool],
        durable: Callable[[Commit, bool], None],
        submitted: Callable[[Commit], None] = lambda commit: None,
    ) -> None:
        self._to = to
        self._clock = clock
        self._rng = rng
        self._latency_s = latency_s
        self._recovering = recovering
        self._durable = durable
        self._submitted = submitted
        self._cut_recovering = False
        self._jobs: deque[tuple[Iterator[list[Step]], Commit | None, _Result | None]] = deque()
        self._group: list[Step] = []
        self._backoff_s = BACKOFF_FROM_S
        self.due = inf

    @property
    def idle(self) -> bool:
        """True when all that was given to it is durable."""
        return not self._jobs

    def submit(self, commit: Commit) -> Future[Commit]:
        """See `Commits`."""
        assert not any(job[1] for job in self._jobs), "a second commit in flight"
        self._cut_recovering = self._recovering()
        self._submitted(commit)
        result = _Result(self._until_done)
        self._enqueue(steps(commit, self._to), commit, result)
        return result

    def resend(self, messages: Sequence[Message]) -> None:
        """See `Commits`."""
        if messages:
            self._enqueue(iter([publishing(messages, self._to.publishers)]), None, None)

    def stop(self) -> None:
        """See `Commits`."""
        for _, _, result in self._jobs:
            if result is not None and not result.done():
                result.set_exception(Abandoned("stopped"))
        self._jobs.clear()
        self.due = inf

    def step(self) -> None:
        """Execute one step of the oldest job."""
        groups, commit, result = self._jobs[0]
        if not self._group:
            self._group = [*next(groups, [])]
        if self._group:
            self._execute(self._group, result)
        if self._jobs and not self._group:
            following = next(groups, None)
            if following is None:
                self._finish(commit, result)
            else:
                self._group = [*following]
        self.due = inf if not self._jobs else max(self.due, self._clock.now)

    def _execute(self, group: list[Step], result: _Result | None) -> None:
        step = self._rng.choice(group)
        try:
            step.call()
        except (Retry, ClientError, BotoCoreError):
            self.due = self._clock.now + self._backoff_s
            self._backoff_s = min(self._backoff_s * 2, BACKOFF_TO_S)
        except Fenced as error:
            self._jobs.clear()
            self._group = []
            if result is not None:
                result.set_exception(error)
        else:
            group.remove(step)
            self._backoff_s = BACKOFF_FROM_S
            self.due = self._clock.now + self._rng.uniform(0.0, self._latency_s)

    def _finish(self, commit: Commit | None, result: _Result | None) -> None:
        self._jobs.popleft()
        if commit is not None and result is not None:
            self._durable(commit, self._cut_recovering)
            result.set_result(commit)

    def _enqueue(self, groups: Iterator[list[Step]], commit: Commit | None, result: _Result | None) -> None:
        self._jobs.append((groups, commit, result))
        self.due = min(self.due, self._clock.now)

    def _until_done(self, timeout_s: float | None) -> None:
        deadline = self._clock.now + (inf if timeout_s is None else timeout_s)
        while self._jobs and max(self.due, self._clock.now) <= deadline:
            self._clock.now = max(self.due, self._clock.now)
            self.step()
