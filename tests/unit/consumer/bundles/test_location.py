"""Where bundles lie: a folder or a prefix in S3, with or without a pointer."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from repository import SHIPPED_BUNDLE

from consumer.bundles.location import BundleSource
from consumer.errors import Retry
from scoring.bundle import MANIFEST, POINTER, Bundle, UnfinishedError


def no_session() -> Any:
    raise AssertionError("a folder needs no session")


def in_folder(place: Path, s3: Any) -> BundleSource:
    return BundleSource.at(str(place), no_session)


def in_bucket(place: Path, s3: Any) -> BundleSource:
    """The same files as objects."""
    for file in (file for file in place.rglob("*") if file.is_file()):
        key = f"some/where/{file.relative_to(place)}"
        s3.put_object(Bucket="b", Key=key, Body=file.read_bytes(), ContentType="")
    return BundleSource.at("s3://b/some/where/", lambda: SimpleNamespace(client=lambda name, config: s3))  # type: ignore[arg-type, return-value]


Make = Callable[[Path, Any], BundleSource]
anywhere = pytest.mark.parametrize("make", [in_folder, in_bucket])


@anywhere
@pytest.mark.parametrize("below", ["", "default", "bw-mine"])
def test_a_place_is_a_bundle_or_holds_one(
    make: Make, below: str, tmp_path: Path, s3: Any, default_bundle: Bundle
) -> None:
    """By itself, in `default/`, or where the pointer says, before any other."""
    shutil.copytree(SHIPPED_BUNDLE, tmp_path / below, dirs_exist_ok=True)
    if below == "bw-mine":
        (tmp_path / POINTER).write_text("bw-mine/\n")
        (tmp_path / MANIFEST).write_text("{}")
    source = make(tmp_path, s3)
    assert source.named() == default_bundle.id
    assert source.load().id == default_bundle.id


@anywhere
@pytest.mark.parametrize("pointer", ["", "gone", "../default", "/default", "a/b", "\x00"])
def test_a_pointer_that_names_nothing_is_not_finished(make: Make, pointer: str, tmp_path: Path, s3: Any) -> None:
    """It may be written before the bundle is there; it never leads out of the place."""
    shutil.copytree(SHIPPED_BUNDLE, tmp_path / "place" / "bw-mine")
    shutil.copytree(SHIPPED_BUNDLE, tmp_path / "default")
    (tmp_path / "place" / POINTER).write_text(pointer)
    source = make(tmp_path / "place", s3)
    with pytest.raises(UnfinishedError, match="current names"):
        source.named()
    with pytest.raises(UnfinishedError, match="current names"):
        source.load()


@anywhere
def test_an_empty_place_is_told_with_what_to_do(make: Make, tmp_path: Path, s3: Any) -> None:
    """Nothing is there, or nothing yet."""
    with pytest.raises(UnfinishedError, match=r"holds neither.+MODEL_DIR"):
        make(tmp_path, s3).named()


def test_a_bucket_that_cannot_be_read_may_be_asked_again(s3: Any) -> None:
    """Refused or unreachable: that says nothing about what lies there."""
    for error in (s3.error("GetObject", 403, "AccessDenied"), EndpointConnectionError(endpoint_url="https://s3")):

        def refuse(error: Exception = error, **_: Any) -> Any:
            raise error

        s3.get_object = refuse
        source = BundleSource.at("s3://b", lambda: SimpleNamespace(client=lambda name, config: s3))  # type: ignore[arg-type, return-value]
        with pytest.raises(Retry, match="reading s3://b/current"):
            source.named()


def test_an_object_that_is_too_large_is_no_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read to its end."""
    monkeypatch.setattr("consumer.bundles.location.MOST_BYTES", 10)
    endless: Any = SimpleNamespace(get_object=lambda **_: {"Body": io.BytesIO(b"x" * 100), "ETag": ""})
    source = BundleSource.at("s3://b/p", lambda: SimpleNamespace(client=lambda name, config: endless))  # type: ignore[arg-type, return-value]
    with pytest.raises(UnfinishedError, match="it is too large"):
        source.named()
