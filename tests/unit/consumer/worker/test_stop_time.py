"""How long a stop may take, and how long the deployment lets it."""

from __future__ import annotations

import re

from repository import ROOT

from consumer.worker.start import STOPPED_AFTER_S
from consumer.worker.worker import STOP_S


def test_rule_34_a_stop_takes_8_s_at_most_and_docker_gives_10() -> None:
    """The task on Fargate, the command for Docker and the pages say so. `test_worker` lets every step hang."""
    task, page, house = (
        (ROOT / name).read_text() for name in ("infra/cdk/worker.py", "docs/image.md", "docs/architecture.md")
    )
    given = [*re.findall(r"stop_timeout=Duration\.seconds\((\d+)\)", task), *re.findall(r"--stop-timeout (\d+)", page)]
    assert STOP_S == 8.0
    assert STOP_S < STOPPED_AFTER_S < 10.0  # of Docker
    assert given == ["30", "30"]
    assert all(int(seconds) > STOP_S for seconds in given)
    assert f"up to {STOP_S:g} s (`STOP_S`)" in page
    assert f"`STOP_S` in the same file, {STOP_S:g} s" in house
