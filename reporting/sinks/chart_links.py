"""Links to charts, each with its true expiry."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from reporting.contract.events import ChartLink

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FRESH_S = 60.0
"""A link is signed again after so long."""


class ChartLinks:
    """Signs links to objects of one bucket. Signing makes no call, but the credentials may be refreshed.

    ``ttl_s``: how long a link should live. A link that is signed with a role's credentials dies with them, whatever
    expiry it states. So ``credentials_expire`` (aware UTC time, None for credentials without an end) limits it.
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
        """The link of a chart. It is the same for `FRESH_S` seconds, because each message of an episode names it."""
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
