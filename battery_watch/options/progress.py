"""Progress bars on stderr, one a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bars() -> Iterator[Callable[[str, int, int], None]]:
    """Gives a function that takes the name of a step, how much of it is done, and of how much (0: nobody knows). What a
    name says in brackets may change while the step goes on."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def tell(step: str, done: int, total: int) -> None:
            name = step.split(" (")[0]
            if name not in tasks:
                tasks[name] = progress.add_task(step, total=total or None)
            progress.update(tasks[name], description=step, completed=done, total=total or None)

        yield tell
