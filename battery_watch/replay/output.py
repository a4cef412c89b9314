"""The files of a replay: scores, events, quarantined rows, charts. All of them are written, or none."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from battery_watch.options.progress import StepProgress
from reporting.charts.data import SEVERITIES, ChartData, blame, limits_of
from reporting.charts.figure import render
from scoring.detectors import Stage

if TYPE_CHECKING:
    from consumer.offline.replay import Judged, Replayed
    from scoring.bundle import Bundle
    from scoring.rules import Rule

COLUMNS = (
    "device",
    "ts",
    "current",
    "temperature",
    "reconstruction_error",
    "forest_score",
    "anomaly",
    "stages",
    "severity",
    "kinds",
    "rules",
    "episode",
)
STAGES = tuple("+".join(stage.name.lower() for stage in Stage(bits) if stage.name) for bits in range(2 * max(Stage)))
"""The words for every combination of `Stage` bits."""
TEXTS = ("kinds", "rules", "episode")
SCORES, EVENTS, QUARANTINE, CHARTS = "scores", "events.ndjson", "quarantine.ndjson", "charts"
DRAWN = 20_000
"""Most samples in a chart, which is 1,200 pixels wide."""


@contextmanager
def result_folder(out: Path) -> Iterator[Path]:
    """A folder to write into. At the end its files replace those of an earlier replay in ``out``; on an exception, also
    Ctrl-C, ``out`` stays as it was."""
    made = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".replay-", dir=out))
    try:
        yield scratch
        for name in (f"{SCORES}.parquet", f"{SCORES}.csv", EVENTS, QUARANTINE, CHARTS):
            old, new = out / name, scratch / name
            if old.is_dir():
                shutil.rmtree(old)
            if new.exists():
                os.replace(new, old)
            else:
                old.unlink(missing_ok=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if made and not any(out.iterdir()):
            out.rmdir()


def write(replayed: Sequence[Replayed], bundle: Bundle, out: Path, *, charts: bool, progress: StepProgress) -> None:
    """Write all results of the replays into ``out``, a `result_folder`."""
    with (out / EVENTS).open("wb") as stream:
        for each in replayed:
            stream.writelines(message.body.encode() + b"\n" for message in each.messages)
    aside = [item.body for each in replayed for item in each.quarantine]
    if aside:
        import orjson

        lines = (orjson.dumps(orjson.loads(body), option=orjson.OPT_APPEND_NEWLINE) for body in aside)
        (out / QUARANTINE).write_bytes(b"".join(lines))
    (_parquet if has_parquet() else _csv)([each.judged for each in replayed], out)
    if charts:
        _charts([each.judged for each in replayed], bundle, out / CHARTS, progress)


def has_parquet() -> bool:
    """Is pyarrow installed? Without it scores are written as CSV."""
    try:
        import pyarrow.parquet  # noqa: F401 - imported only to see whether it is there
    except ImportError:
        return False
    return True


def _parquet(judged: Sequence[Judged], out: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def named(codes: NDArray[Any], names: Sequence[str]) -> Any:
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(list(names), pa.string()))

    kinds: dict[str, Any] = dict.fromkeys(COLUMNS, pa.float64())
    kinds |= dict.fromkeys(("device", "stages", "severity"), pa.dictionary(pa.int32(), pa.string()))
    schema = pa.schema(
        [(name, kind) for name, kind in (kinds | {"anomaly": pa.bool_()} | dict.fromkeys(TEXTS, pa.string())).items()]
    )
    with pq.ParquetWriter(out / f"{SCORES}.parquet", schema) as writer:
        for each in judged:
            columns = _columns(each) | {
                "device": named(each.device, each.devices),
                "stages": named(each.stages, STAGES),
                "severity": named(each.severity, SEVERITIES),
                **{name: pa.array([text or None for text in texts], pa.string()) for name, texts in _texts(each)},
            }
            writer.write_table(pa.table([columns[name] for name in COLUMNS], schema=schema))


def _csv(judged: Sequence[Judged], out: Path) -> None:
    with (out / f"{SCORES}.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(COLUMNS)
        for each in judged:
            columns = _columns(each) | {
                "device": map(each.devices.__getitem__, each.device),
                "anomaly": ("true" if row else "false" for row in each.severity > 0),
                "stages": map(STAGES.__getitem__, each.stages.tolist()),
                "severity": map(SEVERITIES.__getitem__, each.severity),
                **dict(_texts(each)),
            }
            lists = [c.tolist() if isinstance(c, np.ndarray) else c for c in (columns[name] for name in COLUMNS)]
            rows.writerows(zip(*lists, strict=True))


def _columns(of: Judged) -> dict[str, Any]:
    """The columns that hold numbers."""
    return {
        "ts": of.ts,
        "current": of.current_a,
        "temperature": of.temperature_c,
        "reconstruction_error": of.reconstruction_error,
        "forest_score": of.forest_score,
        "anomaly": of.severity > 0,
    }


def _texts(of: Judged) -> Iterator[tuple[str, list[str]]]:
    yield "kinds", ["+".join(kinds) for kinds in of.kinds]
    yield "rules", ["; ".join(map(_rule, rules)) for rules in of.rules]
    yield "episode", of.episode.tolist()


def _rule(rule: Rule) -> str:
    """As in ``change current 61.4 > 3.804``: a value, and the limit beyond which it lies."""
    words = rule.name if rule.reading is None else f"{rule.name} {rule.reading}"
    return f"{words} {rule.value:.6g} {'>' if rule.value >= rule.limit else '<'} {rule.limit:.6g}"


def _charts(judged: Sequence[Judged], bundle: Bundle, out: Path, progress: StepProgress) -> None:
    """One chart per device, of all its replayed samples."""
    out.mkdir()
    drawn = [(each, code) for each in judged for code in np.unique(each.device)]
    for done, (each, code) in enumerate(drawn, start=1):
        device = each.devices[code]
        (out / f"{quote(device, safe='')[:200]}.png").write_bytes(render(chart(each, int(code), bundle)))
        progress("drawing charts", done, len(drawn))


def chart(of: Judged, code: int, bundle: Bundle) -> ChartData:
    """A chart of one device. Where there are very many samples, those that are no anomalies are thinned out."""
    rows = np.flatnonzero(of.device == code)
    counted = len(rows)
    note = "replay"
    if len(rows) > DRAWN:
        every = -(-len(rows) // DRAWN)
        note = f"replay; of the samples that are no anomalies one in {every} is drawn"
        rows = rows[(of.severity[rows] > 0) | (np.arange(len(rows)) % every == 0)]
    error_limit, forest_limit = limits_of(bundle.config)
    return ChartData(
        device=of.devices[code],
        ts=of.ts[rows],
        current_a=of.current_a[rows],
        temperature_c=of.temperature_c[rows],
        reconstructed_current_a=of.reconstructed_current_a[rows],
        reconstructed_temperature_c=of.reconstructed_temperature_c[rows],
        reconstruction_error=of.reconstruction_error[rows],
        forest_score=of.forest_score[rows],
        severity=of.severity[rows],
        stages=of.stages[rows].astype(np.int8),
        blamed=blame(of.kinds[rows].tolist()),
        error_limit=error_limit,
        forest_limit=forest_limit,
        model=bundle.id,
        note=note,
        counted=counted,
    )
