"""Progress bars on stderr, one a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

StepProgress = Callable[[str, int, int], None]
"""Gets the name of a step, how much of it is done, and of how much (0: nobody knows). What stands in brackets in a name
may change while the step goes on."""


@contextmanager
def progress_bars() -> Iterator[StepProgress]:
    """Draws a bar for each step on stderr until the block ends."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True)) as display:

        def progress(step: str, done: int, total: int) -> None:
            name = step.split(" (")[0]
            if name not in tasks:
                tasks[name] = display.add_task(step, total=total or None)
            display.update(tasks[name], description=step, completed=done, total=total or None)

        yield progress
