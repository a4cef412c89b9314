"""Links to charts, with the expiry they really have."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from reporting.contract.events import ChartLink

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FRESH_S = 60.0


class ChartLinks:
    """Signs links to objects of one bucket. Signing is arithmetic: no call is made, though credentials may refresh.

    ``ttl_s``: how long a link should live. A link signed with a role's credentials dies with them, whatever it says,
    so ``credentials_expire`` (aware UTC time, None for credentials that do not) caps what is told.
    """

    def __init__(
        self, client: S3Client, bucket: str, *, ttl_s: int, credentials_expire: Callable[[], datetime | None]
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._ttl_s = ttl_s
        self._credentials_expire = credentials_expire
        self._signed: dict[str, tuple[datetime, ChartLink]] = {}

    def __call__(self, key: str) -> ChartLink:
        """The link of a chart; the same one for `FRESH_S` seconds, as an episode names it in every message."""
        now = datetime.now(UTC)
        known = self._signed.get(key)
        if known is not None and now - known[0] < timedelta(seconds=FRESH_S):
            return known[1]
        url = self._client.generate_presigned_url(
            "get_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=self._ttl_s
        )
        expires = now + timedelta(seconds=self._ttl_s)
        dies = self._credentials_expire()
        link = ChartLink(bucket=self._bucket, key=key, url=url, expires=min(expires, dies) if dies else expires)
        self._signed = {k: v for k, v in self._signed.items() if now - v[0] < timedelta(seconds=FRESH_S)}
        self._signed[key] = (now, link)
        return link
