"""Draws the charts that a lane asks for in their own process, and puts them into the bucket."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from functools import partial

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from consumer.outgoing.chart_schedule import ChartRequest
from reporting.charts.process import ChartError, ChartProcess
from reporting.sinks.archive import Archive, StoredObject

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
        """Wait for the charts in progress, at most that long, and end the process."""
        wait(self._open, timeout=timeout_s, return_when=FIRST_EXCEPTION)
        self._process.close()
        self._upload.shutdown(wait=False, cancel_futures=True)

    def _store(self, key: str, drawn: Future[bytes]) -> None:
        try:
            self._archive.put(StoredObject(key, drawn.result(), "image/png"))
        except (ChartError, ClientError, BotoCoreError) as error:
            log.error("no chart", key=key, error=str(error))
        else:
            log.info("chart", key=key)
