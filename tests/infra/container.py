"""A container by the kernel's own means, where there is no engine: a root of its own that is read-only but for the
image's volume, a space of processes in which the command is the first one, and a user without a name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import Signals

from recipe import Stage

from demo.child import Child

BASE_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
SETUP = """
set -e
root=$1 environment=$2 target=$3 python=$4 volume=$5 user=$6; shift 6
mount --make-rprivate /
mount -t tmpfs -o mode=755 image "$root"
for each in bin lib lib64 sbin etc usr; do
  if [ -L "/$each" ]; then cp -P "/$each" "$root/$each"
  elif [ -d "/$each" ]; then
    mkdir "$root/$each"; mount --bind "/$each" "$root/$each"; mount -o remount,bind,ro "$root/$each"
  fi
done
for each in "$environment:$target" "$python:$python"; do
  [ -d "$root${each#*:}" ] && continue
  mkdir -p "$root${each#*:}"; mount --bind "${each%%:*}" "$root${each#*:}"; mount -o remount,bind,ro "$root${each#*:}"
done
mkdir -p "$root/proc" "$root/dev" "$root$volume"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 volume "$root$volume"
mount -o remount,ro "$root"
exec chroot --userspec="$user" --groups= "$root" /usr/bin/env --chdir=/ -i "$@"
"""


def cannot() -> str:
    """Why there can be no container here; empty where there can."""
    if not sys.platform.startswith("linux"):
        return "containers are made of Linux"
    if missing := [name for name in ("unshare", "nsenter", "chroot") if shutil.which(name) is None]:
        return f"there is no {missing[0]}"
    tried = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, text=True, check=False
    )
    return tried.stderr.strip() and f"only root may make a container here ({tried.stderr.strip()})"


class Container:
    """An image's stage, started with its own entrypoint, command, environment, user and volume; a context manager that
    ends it. ``environment`` is the folder that stands for what the stage copies, ``more`` is what an operator adds."""

    def __init__(self, stage: Stage, environment: Path, root: Path, more: Mapping[str, str]) -> None:
        self._stage = stage
        root.mkdir()
        given = {name: value.replace("$PATH", BASE_PATH) for name, value in stage.pairs("ENV").items()}
        self._given = [f"{name}={value}" for name, value in {**given, **more}.items()]
        (_, self._target, _) = stage.copies()[0]
        self._volume = stage.one("VOLUME")
        self.heard: list[str] = []
        script = [str(root), str(environment), self._target, sys.base_prefix, self._volume, stage.one("USER")]
        command = [*self._given, *stage.words("ENTRYPOINT"), *stage.words("CMD")]
        self._child = Child(
            [
                "unshare",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "sh",
                "-c",
                SETUP,
                "container",
                *script,
                *command,
            ],
            {"PATH": os.environ["PATH"]},
            on_stdout=self._hear,
        )

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()

    def until(self, true: Callable[[], object], within_s: float = 30.0) -> None:
        """Wait until something is true; fails where the command ended or time is up."""
        deadline = time.monotonic() + within_s
        while not true():
            assert self._child.exit_code is None, f"exit code {self._child.exit_code}\n{self.logs()}"
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.05)

    def healthcheck(self) -> subprocess.CompletedProcess[str]:
        """Run the stage's health check as an engine does: in the container, as its user."""
        user, _, group = self._stage.one("USER").partition(":")
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--root", "--wd=/"]
        as_user = ["--setuid", user, "--setgid", group]
        command = [*enter, *as_user, "/usr/bin/env", "-i", *self._given, *self._stage.words("HEALTHCHECK")]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    def written(self) -> set[str]:
        """The files in the volume, by their paths in the container. It is the only place that can be written."""
        root = Path(f"/proc/{self.pid}/root")
        return {f"/{each.relative_to(root)}" for each in (root / self._volume[1:]).rglob("*") if each.is_file()}

    def status(self, name: str) -> list[str]:
        """A line of the first process's status in the kernel, by its name, in words."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(line.split()[1:] for line in lines if line.startswith(f"{name}:"))

    def stop(self, within_s: float = 15.0) -> int | None:
        """Send the stage's stop signal to its first process; the exit code, None where it goes on all the same."""
        os.kill(self.pid, Signals[self._stage.one("STOPSIGNAL")])
        deadline = time.monotonic() + within_s
        while self._child.exit_code is None and time.monotonic() < deadline:
            time.sleep(0.02)
        return self._child.exit_code

    def logs(self) -> str:
        """Its last lines."""
        return self._child.last_lines(40)

    @property
    def pid(self) -> int:
        """Of its first process, as the host counts."""
        return int(Path(f"/proc/{self._child.pid}/task/{self._child.pid}/children").read_text().split()[0])

    def _hear(self, line: str) -> None:
        if line.startswith("{"):
            self.heard.append(str(json.loads(line).get("event")))
