"""Looking for another bundle beside the loop."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from repository import SHIPPED_BUNDLE
from structlog.testing import capture_logs

from consumer.bundles.location import BundleSource
from consumer.bundles.watcher import PATIENT_LOOKS, BundleReader, Offer
from consumer.errors import Retry
from scoring.bundle import FILES, MANIFEST, Bundle, BundleError, UnfinishedError, in_folder


class Bench:
    """A reader over a source that holds what a test says, and a store; ``loads`` and ``kept`` are what was done."""

    where = "models"

    def __init__(self, first: Bundle) -> None:
        self.first = first
        self.there: Bundle | Exception = first
        self.id = ""
        self.refuse: Exception | None = None
        self.loads = 0
        self.kept: list[str] = []
        self.reader = BundleReader(self, self, first, every_s=0.01)

    def named(self) -> str:
        if isinstance(self.there, Bundle):
            return self.there.id
        if not self.id:
            raise self.there
        return self.id

    def load(self) -> Bundle:
        self.loads += 1
        if isinstance(self.there, Exception):
            raise self.there
        return self.there

    def keep(self, bundle: Bundle) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.kept.append(bundle.id)

    def look(self) -> list[str]:
        """Look once; the events logged."""
        with capture_logs() as logged:
            assert self.reader.look() == self.reader.current
        return [entry["event"] for entry in logged]


@pytest.fixture
def bench(plain_bundle: Bundle) -> Bench:
    """The first bundle lies there."""
    return Bench(plain_bundle)


@pytest.fixture
def other(plain_bundle: Bundle) -> Bundle:
    return replace(plain_bundle, id="bw-other")


def test_while_nothing_changes_nothing_is_loaded(bench: Bench) -> None:
    """Only the manifest's id is read."""
    assert bench.reader.current == Offer(bench.first)
    assert bench.look() == bench.look() == []
    assert (bench.loads, bench.reader.current) == (0, Offer(bench.first))


def test_another_bundle_is_loaded_stored_and_offered(bench: Bench, other: Bundle) -> None:
    """Once; the way back too."""
    bench.there = other
    assert bench.look() == ["another bundle"]
    assert bench.look() == []
    assert bench.reader.current.bundle is other
    assert (bench.loads, bench.kept[-1]) == (1, "bw-other")
    bench.there = bench.first
    assert bench.look() == ["another bundle"]
    assert bench.reader.current.bundle is bench.first


def test_it_is_not_offered_before_it_is_stored(bench: Bench, other: Bundle) -> None:
    """Or a successor could not score as the head says."""
    bench.there, bench.refuse = other, Retry("the bucket is down")
    assert bench.look() == ["another bundle", "the bundle cannot be looked for, will retry"]
    assert bench.look() == []
    assert bench.reader.current == Offer(None)
    bench.refuse = None
    bench.look()
    assert bench.reader.current.bundle is other
    assert bench.loads == 1


def test_a_bad_bundle_is_refused_at_once_and_not_loaded_again(bench: Bench, other: Bundle) -> None:
    """All its files are those of its manifest, so it will not get better."""
    bench.there, bench.id = BundleError("its scores are others"), "bw-bad"
    assert bench.look() == ["bundle refused, the one in force goes on"]
    assert bench.look() == []
    refused = bench.reader.current.refused
    assert refused is not None
    assert (refused.bundle, refused.reason) == ("bw-bad", "its scores are others")
    assert bench.reader.current.bundle is None
    assert bench.loads == 1
    bench.there = other
    bench.look()
    assert bench.reader.current == Offer(other)


def test_an_unfinished_one_is_waited_for_while_it_changes(bench: Bench, other: Bundle) -> None:
    """A copy goes on: what is wrong with it changes."""
    for n in range(3):
        for _ in range(PATIENT_LOOKS - 1):
            bench.there = UnfinishedError(f"file {n} is missing")
            bench.look()
            assert bench.reader.current == Offer(None)
    bench.there = other
    bench.look()
    assert bench.reader.current == Offer(other)


def test_one_that_stays_unfinished_is_refused_and_taken_once_it_is_whole(bench: Bench, other: Bundle) -> None:
    """By the place's name, as it has no id; an outage of the source in between changes nothing."""
    for n in range(PATIENT_LOOKS):
        bench.there = UnfinishedError("manifest.json is missing")
        said = bench.look()
        assert ("bundle refused, the one in force goes on" in said) is (n == PATIENT_LOOKS - 1)
    refused = bench.reader.current.refused
    assert refused is not None
    assert refused.bundle == "models"
    bench.there = Retry("the bucket is down")
    bench.look()
    assert bench.reader.current == Offer(None, refused)
    bench.there = other
    bench.look()
    assert bench.reader.current == Offer(other)


def test_a_folder_is_copied_file_by_file_in_any_order(
    tmp_path: Path, plain_bundle: Bundle, default_bundle: Bundle
) -> None:
    """Over another one, with a look after each file: it is taken when the last one is there, and never refused."""
    for order in ((MANIFEST, *FILES), (*FILES, MANIFEST)):
        place = tmp_path / order[0]
        shutil.copytree(SHIPPED_BUNDLE, place)
        for name in FILES:
            (place / name).write_bytes(b"the other's")
        (place / MANIFEST).write_text(
            (SHIPPED_BUNDLE / MANIFEST).read_text().replace(default_bundle.id, plain_bundle.id)
        )
        reader = BundleReader(BundleSource(in_folder(place), "place"), Bench(plain_bundle), plain_bundle, every_s=60)
        offers = []
        for name in order:
            shutil.copy(SHIPPED_BUNDLE / name, place / name)
            offers.append(reader.look())
        assert {offer.refused for offer in offers} == {None}
        before = {offer.bundle and offer.bundle.id for offer in offers[:-1]}
        assert before == ({None} if order[0] == MANIFEST else {plain_bundle.id})
        assert offers[-1].bundle is not None
        assert offers[-1].bundle.id == default_bundle.id


def test_a_reason_is_cut_short(bench: Bench) -> None:
    """A configuration may have hundreds of faults, and a message 32 KiB."""
    bench.there = BundleError("x" * 100_000)
    bench.look()
    refused = bench.reader.current.refused
    assert refused is not None
    assert len(refused.reason) == 1000


def test_whatever_goes_wrong_it_goes_on_looking(bench: Bench, other: Bundle, monkeypatch: Any) -> None:
    """On a thread of its own, until it is stopped."""
    bench.there = RuntimeError("surprise")
    looked = threading.Event()
    taken = bench.keep
    monkeypatch.setattr(bench, "keep", lambda bundle: (taken(bundle), looked.set()))
    assert "looking for a bundle failed, will retry" in bench.look()
    bench.there = other
    bench.reader.begin()
    assert looked.wait(5.0)
    bench.reader.stop()
    assert bench.kept == ["bw-other"]
