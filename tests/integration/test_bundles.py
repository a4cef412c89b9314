"""Another bundle for a table that is being watched, with the worker as a process and the shipped bundle."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from repository import SHIPPED_BUNDLE

from demo.worker import Worker
from demo.world import ARCHIVE
from scoring.bundle import FILES, MANIFEST, POINTER, identity, load


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The shipped bundle with half the threshold."""
    folder = tmp_path / "other"
    shutil.copytree(SHIPPED_BUNDLE, folder)
    config = json.loads((folder / "config.json").read_text())
    config["thresholds"]["reconstruction_error"] /= 2
    (folder / "config.json").write_text(json.dumps(config))
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["sha256"]["config.json"] = hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()
    manifest["id"] = identity(manifest["sha256"])
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


def head(account: Any) -> tuple[str, Any]:
    """The lane's head: its text and what it says."""
    (body,) = (body for key, body in account.world.objects("state/") if key.endswith("/head"))
    return body.decode(), json.loads(body)


def models(account: Any) -> dict[float, str]:
    """By time: the bundle that an archive line names."""
    told = [json.loads(line) for _, body in account.world.objects(ARCHIVE) for line in body.splitlines()]
    return {line["ts"]: line["model"] for line in told}


@pytest.mark.long
def test_a_restart_with_another_bundle(account: Any, other: Path, eventually: Any) -> None:
    """Samples from before the minute in the head are the old bundle's, also when they come after the restart; later
    ones are the new one's. Without the old bundle a start says what to do, and leaves the lane as it is."""
    old, new = load(SHIPPED_BUNDLE).id, load(other).id
    start = float(int(time.time()) - 60)
    with Worker(account.environment) as first:
        first.wait_until_watching()
        account.charge(start, 50, faults={20: 61.5})
        eventually(lambda: start + 20 in models(account))
        assert first.stop() == 0
    assert models(account)[start + 20] == old

    environment = {**account.environment, "MODEL_DIR": str(other)}
    with Worker(environment) as second:
        second.wait_until_watching()
        said = head(account)[1]
        since = said["bundles"][1]["since"]
        assert (said["bundle"], [each["bundle"] for each in said["bundles"]]) == (new, [old, new])
        assert since % 60 == 0
        assert start + 49 < since <= time.time() + 60
        account.put(start + 30, temperature=61.5)
        account.put(since - 1)  # up to a minute may have passed since the charge: this one begins the next
        account.put(since, temperature=61.5)
        eventually(lambda: since in models(account))
        assert second.stop() == 0
    found = models(account)
    assert found[since] == new
    assert {model for ts, model in found.items() if ts < since} == {old}
    assert start + 30 in found

    kept = f"state/default/bundles/{old}.zip"
    account.world.aws.s3.delete_object(Bucket=account.environment["RESULTS_BUCKET_NAME"], Key=kept)
    before = head(account)[0]
    ended = account.run("run", MODEL_DIR=str(other))
    assert ended.returncode == 2
    assert f"{kept} is missing" in ended.stderr
    assert f"MODEL_DIR set to bundle {old}" in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout
    assert head(account)[0] == before


@pytest.mark.long
def test_another_bundle_under_a_running_worker(account: Any, other: Path, tmp_path: Path, eventually: Any) -> None:
    """Copied over the one in MODEL_DIR, file by file: from a minute on that the head names events name the new one. A
    broken one after it is refused with an event, and scoring goes on; it is put right, and that is told."""
    old, new = load(SHIPPED_BUNDLE).id, load(other).id
    place = tmp_path / "place"
    shutil.copytree(SHIPPED_BUNDLE, place)
    told: list[Any] = []

    def notices() -> list[Any]:
        told.extend(json.loads(message["Body"]) for message in account.messages())
        return [event["data"] for event in told if event["type"] == "health.bundle"]

    with Worker({**account.environment, "MODEL_DIR": str(place), "MODEL_EVERY_S": "1"}) as worker:
        worker.wait_until_watching()
        start = float(int(time.time()) - 60)
        account.charge(start, 50, faults={20: 61.5})
        eventually(lambda: start + 20 in models(account))
        for name in (MANIFEST, *FILES):  # the worst order
            shutil.copy(other / name, place / name)
        eventually(lambda: head(account)[1]["bundle"] == new)
        since = head(account)[1]["bundles"][1]["since"]
        account.put(start + 30, temperature=61.5)
        account.put(since - 1)
        account.put(since, temperature=61.5)
        eventually(lambda: {since, start + 30} <= models(account).keys())
        found = models(account)
        assert found[since] == new
        assert {model for ts, model in found.items() if ts < since} == {old}
        assert notices() == []

        (place / "model.onnx").write_bytes(b"broken")
        shutil.copy(SHIPPED_BUNDLE / MANIFEST, place / MANIFEST)
        (opened,) = eventually(notices)
        assert (opened["state"], opened["model"]) == ("opened", old)
        assert f"{new} stays active" in opened["summary"]
        assert "model.onnx is not the file that was made" in opened["summary"]
        account.put(since + 2, temperature=61.5)
        eventually(lambda: models(account).get(since + 2) == new)

        for name in (*FILES, MANIFEST):
            shutil.copy(other / name, place / name)
        eventually(lambda: len(notices()) == 2, within_s=80.0)  # once the minute from which it scores has come
        assert notices()[1]["state"] == "closed"
        assert worker.stop() == 0


def test_a_bundle_in_s3_named_by_a_pointer(account: Any, other: Path, eventually: Any) -> None:
    """At the start, and changed under a running worker."""
    bucket = account.environment["RESULTS_BUCKET_NAME"]
    s3 = account.world.aws.s3

    def upload(folder: Path) -> str:
        name = load(folder).id
        for file in (*FILES, MANIFEST):
            s3.put_object(Bucket=bucket, Key=f"models/{name}/{file}", Body=(folder / file).read_bytes())
        s3.put_object(Bucket=bucket, Key=f"models/{POINTER}", Body=f"{name}\n".encode())
        return name

    old = upload(SHIPPED_BUNDLE)
    environment = {"MODEL_DIR": f"s3://{bucket}/models", "MODEL_EVERY_S": "1"}
    assert account.run("doctor", **environment).returncode == 0
    with Worker({**account.environment, **environment}) as worker:
        worker.wait_until_watching()
        account.charge(float(int(time.time()) - 10), 5)
        eventually(lambda: head(account)[1].get("newest"))
        assert head(account)[1]["bundle"] == old
        new = upload(other)
        eventually(lambda: [each["bundle"] for each in head(account)[1]["bundles"]] == [old, new])
        assert worker.stop() == 0
