"""How long a stop may take, and how long the deployment lets it."""

from __future__ import annotations

import re

from repository import ROOT

from consumer.worker.worker import STOP_S


def test_a_stop_takes_11_s_at_most_and_the_deployment_gives_30() -> None:
    """The task on Fargate, the command for Docker and the pages say so. `test_worker` adds the steps up."""
    task, page, house = (
        (ROOT / name).read_text() for name in ("infra/cdk/worker.py", "docs/image.md", "docs/architecture.md")
    )
    given = [*re.findall(r"stop_timeout=Duration\.seconds\((\d+)\)", task), *re.findall(r"--stop-timeout (\d+)", page)]
    assert STOP_S == 11.0
    assert given == ["30", "30"]
    assert all(int(seconds) > STOP_S for seconds in given)
    assert f"up to {STOP_S:g} s (`STOP_S`)" in page
    assert f"`STOP_S` in the same file, {STOP_S:g} s" in house
