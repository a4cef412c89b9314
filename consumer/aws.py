"""Clients of AWS: time-outs and retries on every call, and records and scanned items parsed fast."""

from __future__ import annotations

from typing import Any

import boto3
import orjson
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.parsers import JSONParser, ResponseParser, ResponseParserFactory
from botocore.session import Session as BotocoreSession

from consumer.errors import ConfigurationError

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 20
CALLS = Config(
    connect_timeout=CONNECT_TIMEOUT_S,
    read_timeout=READ_TIMEOUT_S,
    retries={"mode": "standard", "total_max_attempts": 4},
    signature_version="v4",  # without it botocore signs links the old way, which young regions refuse
    max_pool_connections=32,
    user_agent_extra="battery-watch",
)
ONE_TRY = CALLS.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
"""For the fenced write: a retry of the SDK's would meet its own first attempt and look like a foreign writer."""


class _RecordsParser(JSONParser):
    """Leaves the body of GetRecords and Scan as the JSON it is: botocore walks every attribute of every record, 50 us
    each."""

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
    """A session whose credentials come from wherever boto3 finds them. Makes no call.

    Raises `ConfigurationError` for a profile that does not exist: boto3 reads it here already.
    """
    core = BotocoreSession()
    core.register_component("response_parser_factory", _ParserFactory())
    try:
        return boto3.Session(region_name=region, botocore_session=core)
    except BotoCoreError as error:
        raise ConfigurationError(f"{error}. Set AWS_PROFILE to a profile that exists, or unset it") from None
