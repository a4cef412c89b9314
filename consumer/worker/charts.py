"""Draws the charts that a lane asks for in their own process, and puts them into the bucket."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from functools import partial

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from consumer.outgoing.chart_schedule import ChartRequest
from reporting.charts.process import ChartError, ChartProcess
from reporting.sinks.archive import Archive, StoredObject

CLOSE_S = 0.3
"""What ending the process takes of the time."""
log = structlog.get_logger(__name__)


class Charting:
    """Draws and stores charts in the background. A chart that fails is logged: it must stop nothing else."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._process = ChartProcess()
        self._upload = ThreadPoolExecutor(1, thread_name_prefix="charts")
        self._open: set[Future[None]] = set()

    def draw(self, requests: Iterable[ChartRequest]) -> None:
        """Draw and store charts. Does not block."""
        self._open = {future for future in self._open if not future.done()}
        for request in requests:
            drawn = self._process.submit(request.window.data, periodic=request.periodic)
            self._open.add(self._upload.submit(partial(self._store, request.key, drawn)))

    def finish(self, timeout_s: float) -> None:
        """Wait for the charts in progress and end the process, in that time at most."""
        ends = time.monotonic() + timeout_s
        wait(self._open, timeout=max(0.0, timeout_s - CLOSE_S), return_when=FIRST_EXCEPTION)
        self._process.close(max(0.0, ends - time.monotonic()))
        self._upload.shutdown(wait=False, cancel_futures=True)

    def _store(self, key: str, drawn: Future[bytes]) -> None:
        try:
            self._archive.put(StoredObject(key, drawn.result(), "image/png"))
        except (ChartError, ClientError, BotoCoreError) as error:
            log.error("no chart", key=key, error=str(error))
        else:
            log.info("chart", key=key)
