"""Clients of AWS: time-outs and retries on every call, fast parsing of records and items, and reads of S3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import orjson
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import JSONParser, ResponseParser, ResponseParserFactory
from botocore.session import Session as BotocoreSession

from consumer.errors import ConfigurationError
from reporting.sinks.archive import status

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 20
CALLS = Config(
    connect_timeout=CONNECT_TIMEOUT_S,
    read_timeout=READ_TIMEOUT_S,
    retries={"mode": "standard", "total_max_attempts": 4},
    signature_version="v4",  # without it botocore signs links with v2, which newer regions refuse
    max_pool_connections=32,
    user_agent_extra="battery-watch",
)
ONE_TRY = CALLS.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
"""For the fenced write: if its first attempt was written after all, a retry by the SDK looks like another writer."""


class _RecordsParser(JSONParser):
    """Returns the body of GetRecords and Scan as plain JSON. botocore would walk every attribute of every record, which
    takes 50 us for each record."""

    def _do_parse(self, response: dict[str, Any], shape: Any) -> Any:
        if shape is not None and shape.name in ("GetRecordsOutput", "ScanOutput"):
            return orjson.loads(response["body"] or b"{}")
        return super()._do_parse(response, shape)  # type: ignore[misc]  # not in the stubs


class _ParserFactory(ResponseParserFactory):
    def __init__(self) -> None:
        super().__init__()
        self._arguments: dict[str, Any] = {}

    def set_parser_defaults(self, **kwargs: Any) -> None:
        self._arguments.update(kwargs)
        super().set_parser_defaults(**kwargs)

    def create_parser(self, protocol_name: str) -> ResponseParser:
        if protocol_name == "json":
            return _RecordsParser(**self._arguments)
        return super().create_parser(protocol_name)


def session(region: str | None) -> boto3.Session:
    """A session with the credentials that boto3 finds. Makes no call.

    Raises `ConfigurationError` for a profile that does not exist: boto3 reads it here.
    """
    core = BotocoreSession()
    core.register_component("response_parser_factory", _ParserFactory())
    try:
        return boto3.Session(region_name=region, botocore_session=core)
    except BotoCoreError as error:
        raise ConfigurationError(f"{error}. Set AWS_PROFILE to a profile that exists, or unset it") from None


def read_object(client: S3Client, bucket: str, key: str, most: int | None = None) -> tuple[bytes, str] | None:
    """The bytes of an object, at most ``most`` of them, and its ETag; None if it does not exist.

    Raises botocore's errors. Without permission to list the bucket, S3 answers 403 for a missing object: that raises.
    """
    try:
        found = client.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if status(error) == 404:
            return None
        raise
    return found["Body"].read(most), found["ETag"]


def list_objects(client: S3Client, bucket: str, prefix: str, *, after: str = "") -> Iterator[ObjectTypeDef]:
    """The objects under ``prefix`` in the order of their keys; with ``after`` only those after that key.

    Fetches a page when the caller needs it. Raises botocore's errors.
    """
    start = {"StartAfter": after} if after else {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **start):  # type: ignore[arg-type]
        yield from page.get("Contents", [])


def list_folders(client: S3Client, bucket: str, prefix: str) -> Iterator[str]:
    """The prefixes one slash below ``prefix``, each with its slash. Raises botocore's errors."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/"):
        yield from (found["Prefix"] for found in page.get("CommonPrefixes", []))
