"""The deployment's templates, made once by the documented command: no Docker, no Node and no account are needed. The
modules beside the tests are found by their names."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from repository import ROOT

sys.path.insert(0, str(Path(__file__).parent))

Resource = dict[str, Any]


def run_app(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python infra/cdk/app.py` where nothing else is to be found: an empty PATH, no AWS settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_", "JSII_"))}
    return subprocess.run(
        [sys.executable, "infra/cdk/app.py", *arguments],
        cwd=ROOT,
        env=environment | {"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@dataclass(frozen=True)
class Synthesised:
    """What a synthesis wrote."""

    folder: Path

    def template(self, stack: str) -> dict[str, Any]:
        """A stack's template: `Data` or `Service`."""
        (path,) = self.folder.glob(f"*-{stack}.template.json")
        return dict(json.loads(path.read_text()))

    def of(self, kind: str, stack: str | None = None) -> list[Resource]:
        """All resources of a type, `AWS::S3::Bucket`, of one stack or both."""
        stacks = [stack] if stack else ["Data", "Service"]
        return [r for s in stacks for r in self.template(s)["Resources"].values() if r["Type"] == kind]

    def one(self, kind: str) -> Resource:
        """The properties of the only resource of a type."""
        (found,) = self.of(kind)
        return dict(found["Properties"])

    def accepted(self) -> Iterator[tuple[str, str, str]]:
        """Path, rule and reason of everything that was set aside of cdk-nag's findings."""
        for path in self.folder.glob("*.metadata.json"):
            for where, entries in json.loads(path.read_text()).items():
                for entry in entries:
                    if entry["type"] == "aws:cdk:acknowledged-rules":
                        yield from ((where, rule, reason) for rule, reason in entry["data"].items())


def _synthesise(factory: pytest.TempPathFactory, name: str, root: Path, *context: str) -> Synthesised:
    """Once a run: of the processes that run tests, the first makes it, the others wait for it and share it."""
    own = factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder, chosen = shared / name, [word for each in context for word in ("-c", each)]
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            part = shared / f"{name}.part"
            done = run_app("--output", str(part), "--root", str(root), *chosen)
            assert done.returncode == 0, done.stdout + done.stderr
            part.rename(folder)
    return Synthesised(folder)


@pytest.fixture
def app() -> Callable[..., subprocess.CompletedProcess[str]]:
    """The program, to be called with arguments."""
    return run_app


@pytest.fixture(scope="session")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in small: what an image is made of, and what it is not."""
    root = tmp_path_factory.mktemp("root")
    kept = ["Dockerfile", "consumer/lane/lane.py", "models/default/manifest.json", "requirements/runtime.txt"]
    left = [".git/HEAD", ".venv/bin/python", "tests/test_it.py", "docs/operate.md", "infra/cdk/app.py", "cdk.out/x"]
    for name in kept + left:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("FROM scratch AS worker\n")
    return root


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory, code: Path) -> Synthesised:
    """The defaults, with subscribers."""
    context = ["emails=a@b.org", "queues=board", "alarmEmails=o@b.org"]
    return _synthesise(tmp_path_factory, "plain", code, *context)


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory, code: Path) -> Synthesised:
    """Everything otherwise: a new table, a stand-by, private subnets, bundles in S3, an image that is there."""
    context = [
        "namespace=two",
        "tableName=cells",
        "createTable=true",
        "standby=true",
        "network=endpoints",
        "modelDir=s3://my-models/bundles",
        "publish=both",
        "imageUri=123456789012.dkr.ecr.eu-central-1.amazonaws.com/battery-watch:1.2",
        "architecture=arm64",
    ]
    return _synthesise(tmp_path_factory, "other", code, *context)
