"""Bundles beside the state, against the bucket's twin and the shipped bundle."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from repository import SHIPPED_BUNDLE

from consumer.bundles.store import BundleStore
from consumer.errors import ConfigurationError, Retry
from scoring.bundle import Bundle, load


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder that may be written to."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


def key(bundle: Bundle) -> str:
    return f"state/blue/bundles/{bundle.id}.zip"


def repacked(body: bytes, change: Callable[[dict[str, bytes]], object]) -> bytes:
    """The archive with its files changed."""
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    change(files)
    again = io.BytesIO()
    with zipfile.ZipFile(again, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return again.getvalue()


def test_a_bundle_comes_back_whole(s3: Any, default_bundle: Bundle, temporary: Path) -> None:
    """Verified, with the same scores, and nothing is left lying about."""
    store = BundleStore(s3, "b", "blue")
    store.keep(default_bundle)
    found = store.load(default_bundle.id)
    assert (found.id, found.config, found.manifest) == (
        default_bundle.id,
        default_bundle.config,
        default_bundle.manifest,
    )
    rows = default_bundle.scaler.mean[None, :] * [[1.0], [2.0]]
    assert found.graph.score(rows).forest_score.tolist() == default_bundle.graph.score(rows).forest_score.tolist()
    assert list(temporary.iterdir()) == []


def test_a_bundle_is_stored_once(s3: Any, default_bundle: Bundle) -> None:
    """By whoever comes first, in equal bytes, also where an answer was lost; whoever did so need not ask again."""
    store = BundleStore(s3, "b", "blue")
    store.keep(default_bundle)
    store.keep(default_bundle)
    assert len(s3.calls) == 1
    body = s3.objects[key(default_bundle)].body
    s3.objects[key(default_bundle)].body = b"another's"
    BundleStore(s3, "b", "blue").keep(default_bundle)
    assert s3.objects[key(default_bundle)].body == b"another's"
    assert BundleStore.packed(default_bundle) == body


def test_a_bundle_is_stored_as_it_was_loaded(s3: Any, default_bundle: Bundle, tmp_path: Path) -> None:
    """A stand-by may take over days after it loaded its bundle, and something else, or nothing, lies there by then."""
    shutil.copytree(SHIPPED_BUNDLE, tmp_path / "mine")
    mine = load(tmp_path / "mine")
    (tmp_path / "mine" / "config.json").write_bytes(b"{}")
    shutil.rmtree(tmp_path / "mine")
    BundleStore(s3, "b", "blue").keep(mine)
    assert s3.objects[key(mine)].body == BundleStore.packed(default_bundle)


@pytest.mark.parametrize("status", [409, 503])
def test_a_refused_call_may_be_made_again(s3: Any, default_bundle: Bundle, status: int) -> None:
    """Writing or reading."""
    store = BundleStore(s3, "b", "blue")
    s3.refuse = [s3.refused(status, "Refused"), s3.lost]
    for _ in range(2):
        with pytest.raises(Retry, match=r"writing s3://b/state/blue/bundles/.+\.zip"):
            store.keep(default_bundle)
    store.keep(default_bundle)
    s3.get_object = lambda **_: s3.refused(status, "Refused")(lambda: None)
    with pytest.raises(Retry, match="reading"):
        store.load(default_bundle.id)


def test_a_missing_bundle_is_said_with_what_to_do(s3: Any) -> None:
    """Another one is never taken in its place."""
    with pytest.raises(
        ConfigurationError, match=r"bw-gone\.zip is missing.+start once with MODEL_DIR set to .+bw-gone"
    ):
        BundleStore(s3, "b", "blue").load("bw-gone")


_DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "no archive": lambda body: b"nonsense",
    "cut short": lambda body: body[: len(body) // 2],
    "a file is missing": lambda body: repacked(body, lambda files: files.pop("model.onnx")),
    "a file is another": lambda body: repacked(body, lambda files: files.update({"scaler.json": b"{}"})),
    "a flipped bit": lambda body: body[:5000] + bytes([body[5000] ^ 1]) + body[5001:],
}


@pytest.mark.parametrize("damage", _DAMAGES)
def test_a_damaged_bundle_is_said_with_what_to_do(
    s3: Any, default_bundle: Bundle, temporary: Path, damage: str
) -> None:
    """However it is damaged, and nothing is left lying about."""
    store = BundleStore(s3, "b", "blue")
    store.keep(default_bundle)
    stored = s3.objects[key(default_bundle)]
    stored.body = _DAMAGES[damage](stored.body)
    with pytest.raises(ConfigurationError, match=r"is damaged \(.+delete it and start once with MODEL_DIR"):
        store.load(default_bundle.id)
    assert list(temporary.iterdir()) == []


def test_another_bundle_under_the_name_is_damage(s3: Any, default_bundle: Bundle) -> None:
    """The id asked for is the id that counts."""
    store = BundleStore(s3, "b", "blue")
    store.keep(default_bundle)
    s3.objects["state/blue/bundles/bw-other.zip"] = s3.objects[key(default_bundle)]
    with pytest.raises(ConfigurationError, match=f"is damaged .it holds {default_bundle.id}"):
        store.load("bw-other")


def test_an_archive_that_names_other_places_writes_nothing_there(
    s3: Any, default_bundle: Bundle, temporary: Path
) -> None:
    """Neither above the folder nor at a root; a bomb is not unpacked."""
    store = BundleStore(s3, "b", "blue")
    store.keep(default_bundle)
    stored = s3.objects[key(default_bundle)]
    evil = {"../outside": b"x", str(temporary / "absolute"): b"x", "extra": b"x"}
    stored.body = repacked(stored.body, lambda files: files.update(evil))
    assert store.load(default_bundle.id).id == default_bundle.id
    assert list(temporary.iterdir()) == []
    assert not (temporary.parent / "outside").exists()


def test_a_file_too_large_is_not_unpacked(s3: Any, default_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive of a few kilobytes can hold gigabytes."""
    monkeypatch.setattr("consumer.bundles.store.MOST_BYTES", 100_000)
    store = BundleStore(s3, "b", "blue")
    store.keep(default_bundle)
    with pytest.raises(ConfigurationError, match=r"model\.onnx is too large"):
        store.load(default_bundle.id)
