"""What the tests of several folders share: twins of the bucket and of the models, and the shipped bundle."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from coverage import Coverage

sys.path.insert(0, str(Path(__file__).parent))

from repository import ROOT, SHIPPED_BUNDLE

from scoring.bundle import Bundle, Manifest, Scaler, load
from scoring.config import BundleConfig, Calibration, Range, SeverityLimit, SeverityLimits, Thresholds
from scoring.graph import Graph, Scores

HEAVY = ("tests/unit/models/", "tests/infra/")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever the order otherwise: tests that import TensorFlow or the CDK follow one another, so that of several
    test processes one has to import it and not all."""
    items.sort(key=lambda item: next((n for n, folder in enumerate(HEAVY) if folder in item.nodeid), len(HEAVY)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Coverage is measured over unit tests alone, fixtures included. It would double the time of a simulation, and what
    a whole run passes through by chance is not tested by it."""
    measured = Coverage.current()
    if measured is None or item.nodeid.startswith("tests/unit/"):
        return (yield)
    measured.stop()
    try:
        return (yield)
    finally:
        measured.start()


@pytest.fixture(scope="session")
def default_bundle() -> Bundle:
    """The shipped bundle."""
    return load(SHIPPED_BUNDLE)


@pytest.fixture(scope="session")
def recorded_data() -> Path:
    """The folder of real charges; without one the test is skipped, and it is said how to have it run."""
    folder = Path(os.environ.get("BATTERY_WATCH_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "arts30q_1hz").is_dir():
        pytest.skip(f"no recorded charges in {folder}: BATTERY_WATCH_DATA names their folder")
    return folder


class PlainGraph:
    """Models a reader can follow: the error is the current's magnitude and ten times its scatter, the forest score
    falls with the temperature's distance from 25 °C; 400 °C gives no score at all."""

    def score(self, features: np.ndarray) -> Scores:
        """As `scoring.graph.Graph`."""
        current_a, temperature_c, scatter = features[:, 0], features[:, 1], features[:, 3]
        nothing = np.where(temperature_c == 400.0, np.nan, 0.0)
        expected = features.copy()
        expected[:, 0] = 2.0
        return Scores(
            np.abs(current_a) + 10 * scatter + nothing, -0.4 - np.abs(temperature_c - 25.0) / 100 + nothing, expected
        )


@pytest.fixture(scope="session")
def plain_bundle() -> Bundle:
    """A bundle over `PlainGraph`: an anomaly is an error above 5 or a temperature more than 30 degrees off."""
    config = BundleConfig(
        thresholds=Thresholds(reconstruction_error=5.0, forest_score=-0.7),
        severity=SeverityLimits(
            medium=SeverityLimit(current_a=6.0, temperature_c=45.0),
            high=SeverityLimit(current_a=8.0, temperature_c=60.0),
            critical=SeverityLimit(current_a=10.0, temperature_c=80.0),
        ),
        training_range=Range(current_a=(0.0, 5.0), temperature_c=(0.0, 45.0)),
        calibration=Calibration(
            normal_hours=10.0, reconstruction_error=((1.0, 50), (4.0, 2)), forest_score=((-0.5, 9), (-0.6, 1))
        ),
    )
    manifest = Manifest(format=1, id="bw-plain", sha256={}, versions={}, training={}, metrics={})
    scaler = Scaler(np.zeros(14), np.ones(14))
    return Bundle("bw-plain", {}, config, scaler, cast("Graph", PlainGraph()), manifest)


@dataclass
class StoredTwin:
    """An object in the bucket's twin."""

    body: bytes
    etag: str
    metadata: dict[str, str]
    content_type: str


@dataclass
class S3Twin:
    """S3 in memory, as far as the product uses it: conditional writes, metadata, and refusals on demand.

    ``refuse``: what happens to the coming puts, one after the other; each is called with the put itself and may carry
    it out before it raises, as a lost answer does. ``calls`` are the operations with their keys.
    """

    objects: dict[str, StoredTwin] = field(default_factory=dict)
    refuse: list[Callable[[Callable[[], Any]], Any]] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    writes: int = 0

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str, **more: Any) -> dict[str, str]:  # noqa: N803
        """As S3 does it; the answer names the new ETag."""
        self.calls.append(("put", Key))

        def put() -> dict[str, str]:
            there = self.objects.get(Key)
            if "IfMatch" in more and there is None:
                raise self.error("PutObject", 404, "NoSuchKey")
            if ("IfMatch" in more and there is not None and there.etag != more["IfMatch"]) or (
                "IfNoneMatch" in more and there is not None
            ):
                raise self.error("PutObject", 412, "PreconditionFailed")
            self.writes += 1
            self.objects[Key] = StoredTwin(Body, f'"{self.writes:032x}"', dict(more.get("Metadata", {})), ContentType)
            return {"ETag": self.objects[Key].etag}

        return cast("dict[str, str]", self.refuse.pop(0)(put)) if self.refuse else put()

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        """The object with its body as a stream."""
        self.calls.append(("get", Key))
        there = self._there("GetObject", Key, "NoSuchKey")
        return {"Body": io.BytesIO(there.body), "ETag": there.etag, "Metadata": there.metadata}

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        """The object without its body; a missing one has no error code but its status."""
        self.calls.append(("head", Key))
        there = self._there("HeadObject", Key, "404")
        return {"ETag": there.etag, "Metadata": there.metadata}

    def delete_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        """As S3 does it: what is not there is deleted just as well."""
        self.calls.append(("delete", Key))
        self.objects.pop(Key, None)
        return {}

    def get_paginator(self, operation: str) -> Any:
        """Lists keys by prefix, two a page."""
        assert operation == "list_objects_v2"

        class Pages:
            @staticmethod
            def paginate(*, Bucket: str, Prefix: str, StartAfter: str = "", Delimiter: str = "") -> Any:  # noqa: N803
                self.calls.append(("list", Prefix))
                keys = sorted(key for key in self.objects if key.startswith(Prefix) and key > StartAfter)
                if Delimiter:
                    folders = {Prefix + key.removeprefix(Prefix).split(Delimiter)[0] + Delimiter for key in keys}
                    yield {"CommonPrefixes": [{"Prefix": folder} for folder in sorted(folders)]}
                    return
                rows = [{"Key": key, "ETag": self.objects[key].etag} for key in keys]
                yield from ({"Contents": rows[n : n + 2]} for n in range(0, len(rows), 2))
                yield {}

        return Pages

    def _there(self, operation: str, key: str, code: str) -> StoredTwin:
        if key not in self.objects:
            raise self.error(operation, 404, code)
        return self.objects[key]

    @staticmethod
    def error(operation: str, status: int, code: str) -> ClientError:
        """What botocore raises for a refused call."""
        return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)  # type: ignore[typeddict-item]

    def refused(self, status: int, code: str) -> Callable[[Callable[[], Any]], Any]:
        """For ``refuse``: the put is not carried out."""

        def refuse(_: Callable[[], Any]) -> Any:
            raise self.error("PutObject", status, code)

        return refuse

    @staticmethod
    def unanswered(put: Callable[[], Any]) -> Any:
        """For ``refuse``: the put is carried out and its answer is lost."""
        put()
        raise ReadTimeoutError(endpoint_url="https://s3")

    @staticmethod
    def lost(_: Callable[[], Any]) -> Any:
        """For ``refuse``: neither the put nor an answer arrives."""
        raise ReadTimeoutError(endpoint_url="https://s3")


@pytest.fixture
def s3() -> S3Twin:
    """An empty bucket."""
    return S3Twin()
