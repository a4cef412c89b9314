"""A committer without threads: the scheduler executes the steps of a commit one by one, when it likes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from math import inf
from random import Random

from botocore.exceptions import BotoCoreError, ClientError
from sim_faults import Clock

from consumer.errors import Fenced, Retry
from consumer.state.commit import Commit
from consumer.state.committer import BACKOFF_FROM_S, BACKOFF_TO_S, Abandoned, Outgoing, Sinks, Step, steps
from consumer.state.delivery import Delivered
from reporting.message import Message


class _Result(Future[Delivered]):
    """Whoever waits for it lets the commit be written, in virtual time."""

    def __init__(self, drive: Callable[[float | None], None]) -> None:
        super().__init__()
        self._drive = drive

    def result(self, timeout: float | None = None) -> Delivered:
        """See `Future.result`."""
        if not self.done():
            self._drive(timeout)
        if not self.done():
            raise TimeoutError
        return super().result(0)


@dataclass(frozen=True, slots=True)
class _Job:
    """Groups of steps that are executed one after the other. ``commit``: None for what the last owner promised."""

    groups: Iterator[list[Step]]
    outgoing: Outgoing
    result: _Result
    commit: Commit | None = None


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
        self._jobs: deque[_Job] = deque()
        self._group: list[Step] = []
        self._backoff_s = BACKOFF_FROM_S
        self.due = inf

    @property
    def idle(self) -> bool:
        """True when all that was given to it is durable."""
        return not self._jobs

    def submit(self, commit: Commit) -> Future[Delivered]:
        """See `Commits`."""
        assert not any(job.commit for job in self._jobs), "a second commit in flight"
        self._cut_recovering = self._recovering()
        self._submitted(commit)
        outgoing = Outgoing(commit.messages, self._to, commit.head.undelivered)
        return self._enqueue(_Job(steps(commit, self._to, outgoing), outgoing, _Result(self._until_done), commit))

    def resend(self, messages: Sequence[Message], episodes: Iterable[str] = ()) -> Future[Delivered]:
        """See `Commits`."""
        outgoing = Outgoing(messages, self._to, episodes)
        return self._enqueue(_Job(iter([outgoing.steps()]), outgoing, _Result(self._until_done)))

    def stop(self) -> None:
        """See `Commits`."""
        for job in self._jobs:
            if not job.result.done():
                job.result.set_exception(Abandoned("stopped"))
        self._jobs.clear()
        self.due = inf

    def step(self) -> None:
        """Execute one step of the oldest job."""
        job = self._jobs[0]
        if not self._group:
            self._group = [*next(job.groups, [])]
        if self._group:
            self._execute(self._group, job.result)
        if self._jobs and not self._group:
            following = next(job.groups, None)
            if following is None:
                self._finish(job)
            else:
                self._group = [*following]
        self.due = inf if not self._jobs else max(self.due, self._clock.now)

    def _execute(self, group: list[Step], result: _Result) -> None:
        step = self._rng.choice(group)
        try:
            step.call()
        except (Retry, ClientError, BotoCoreError):
            self.due = self._clock.now + self._backoff_s
            self._backoff_s = min(self._backoff_s * 2, BACKOFF_TO_S)
        except Fenced as error:
            self._jobs.clear()
            self._group = []
            result.set_exception(error)
        else:
            group.remove(step)
            self._backoff_s = BACKOFF_FROM_S
            self.due = self._clock.now + self._rng.uniform(0.0, self._latency_s)

    def _finish(self, job: _Job) -> None:
        self._jobs.popleft()
        if job.commit is not None:
            self._durable(job.commit, self._cut_recovering)
        job.result.set_result(job.outgoing.result)

    def _enqueue(self, job: _Job) -> Future[Delivered]:
        self._jobs.append(job)
        self.due = min(self.due, self._clock.now)
        return job.result

    def _until_done(self, timeout_s: float | None) -> None:
        deadline = self._clock.now + (inf if timeout_s is None else timeout_s)
        while self._jobs and max(self.due, self._clock.now) <= deadline:
            self._clock.now = max(self.due, self._clock.now)
            self.step()
