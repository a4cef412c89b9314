"""Links to charts, on a stopped clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reporting.sinks import chart_links as links
from reporting.sinks.chart_links import ChartLinks

NOON = datetime(2026, 7, 25, 12, tzinfo=UTC)


class Signer:
    """Signs as S3's client does, and counts."""

    def __init__(self) -> None:
        self.signed: list[tuple[str, int]] = []

    def generate_presigned_url(self, operation: str, *, Params: dict[str, str], ExpiresIn: int) -> str:  # noqa: N803
        assert operation == "get_object"
        assert Params["Bucket"] == "b"
        self.signed.append((Params["Key"], ExpiresIn))
        return f"https://b/{Params['Key']}?n={len(self.signed)}"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``clock.now`` is what the module takes for the time."""

    class Clock:
        now = NOON

    class Stopped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            assert tz is UTC
            return Clock.now

    monkeypatch.setattr(links, "datetime", Stopped)
    return Clock


def chart_links(signer: Any, dies: datetime | None = None) -> ChartLinks:
    return ChartLinks(signer, "b", ttl_s=43_200, credentials_expire=lambda: dies)


@pytest.mark.parametrize(
    ("dies_in_s", "expires_in_s"), [(None, 43_200), (3600, 3600), (43_199, 43_199), (43_200, 43_200), (90_000, 43_200)]
)
def test_a_link_tells_its_true_expiry(clock: Any, dies_in_s: int | None, expires_in_s: int) -> None:
    """It dies with the credentials that signed it, whatever it says itself."""
    signer = Signer()
    dies = NOON + timedelta(seconds=dies_in_s) if dies_in_s is not None else None
    link = chart_links(signer, dies)("p/d/1.png")
    assert link.expires == NOON + timedelta(seconds=expires_in_s)
    assert (link.bucket, link.key, link.url) == ("b", "p/d/1.png", "https://b/p/d/1.png?n=1")
    assert signer.signed == [("p/d/1.png", 43_200)]


def test_a_link_is_signed_once_a_minute(clock: Any) -> None:
    """An episode names the same chart in every message."""
    signer = Signer()
    link = chart_links(signer)
    first = link("a")
    clock.now = NOON + timedelta(seconds=59.9)
    assert link("a") == first
    assert link("b").key == "b"
    clock.now = NOON + timedelta(seconds=60)
    assert link("a").expires == clock.now + timedelta(seconds=43_200)
    assert [key for key, _ in signer.signed] == ["a", "b", "a"]


def test_links_no_longer_fresh_take_no_memory(clock: Any) -> None:
    """A worker runs for years."""
    link = chart_links(Signer())
    for n in range(1000):
        clock.now = NOON + timedelta(seconds=10 * n)
        link(f"chart-{n}")
    assert len(link._signed) <= 7
