"""Events as people read them."""

from __future__ import annotations

import io
import json
import os
from datetime import UTC, datetime
from typing import Any

import pytest
from explained import explained

from battery_watch.events.printer import NobodyReads, Output, archive_text
from reporting.anomaly.evidence import Evidence
from reporting.anomaly.publication import Publication
from reporting.anomaly.sample_message import sample_message
from reporting.contract.events import ChartLink
from reporting.health.notice import Notice
from scoring.detectors import Stage
from scoring.severity import Severity

NOW = datetime(2026, 7, 25, 14, 25, 8, tzinfo=UTC)
TOLD = explained(sentences=("Current jumped from 2.50 to 7.50 A at 14:25:07, and that " * 3,))
EVIDENCE = Evidence(
    "rack/7", 1_784_989_507.25, 7.5, 41.0, 60.5, 53.25, -0.75, -0.5, Stage.FOREST, Severity.HIGH, TOLD, "bw-x"
)
CHART = ChartLink(
    bucket="b", key="k", url="https://results/chart?" + "x" * 200, expires=datetime(2026, 7, 26, 2, 25, tzinfo=UTC)
)


def published(device: str = "rack/7", chart: ChartLink | None = CHART) -> dict[str, Any]:
    evidence = Evidence(
        device, *(getattr(EVIDENCE, name) for name in EVIDENCE.__dataclass_fields__ if name != "device")
    )
    to = Publication("urn:battery-watch:t", "b", NOW, chart=chart)
    message = sample_message(evidence, to, episode="e", revision=0)
    return dict(json.loads(message.body))


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Takes what is printed; no terminal."""
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    return io.StringIO()


def test_an_event_is_a_line_its_summary_and_its_chart(stream: io.StringIO) -> None:
    """The summary is wrapped, the link is not."""
    Output(stream).event(published())
    head, *summary, link = stream.getvalue().splitlines()
    assert head == "2026-07-25 14:25:07  HIGH      rack/7  anomaly.sample"
    assert len(summary) > 1
    assert all(line.startswith("    ") and len(line) <= 120 for line in summary)
    assert " ".join(" ".join(summary).split()) == " ".join(TOLD.sentence.split())
    assert link == f"    {CHART.url} (until 2026-07-26 02:25 UTC)"


def test_a_notice_has_no_chart(stream: io.StringIO) -> None:
    """Nor has every anomaly."""
    told = Notice("health.silence", None, 60.0, "opened", "Nothing has come.")
    Output(stream).event(json.loads(told.message(source="urn:battery-watch:t", table="t", recorded=NOW).body))
    assert stream.getvalue().splitlines() == [
        "1970-01-01 00:01:00  HIGH      t  health.silence",
        "    Nothing has come.",
    ]
    Output(stream).event(published(chart=None))
    assert "until" not in stream.getvalue()


def test_a_severity_has_its_colour_on_a_terminal(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """And on nothing else."""
    Output(stream).event(published())
    assert "\x1b[" not in stream.getvalue()
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    Output(stream).event(published())
    assert "\x1b[1;31mHIGH" in stream.getvalue()


def test_a_device_cannot_command_the_terminal(stream: io.StringIO) -> None:
    """Its name may be anything that a table can hold."""
    Output(stream).event(published("a\x1b[2J\nb", chart=None))
    assert stream.getvalue().splitlines()[0].endswith("HIGH      a?[2J b  anomaly.sample")
    assert "\x1b" not in archive_text({**json.loads(EVIDENCE.line()), "device": "\x1b]0;x"}).plain


def test_an_archived_sample_is_one_line() -> None:
    """Time, severity, device, what is wrong, what was measured and expected, the rules that were met."""
    assert archive_text(json.loads(EVIDENCE.line())).plain == (
        "2026-07-25 14:25:07.250  HIGH      rack/7  over current: 7.50 A (2.50 expected), 41.0 °C (25.5 expected); "
        "by reconstruction error 60.5 (limit 53.25); forest -0.75 (limit -0.5)"
    )


def test_a_line_of_0_1_0_has_no_kinds_and_no_rules() -> None:
    """What it calls expected is the autoencoder's: it is not told."""
    line = json.loads(EVIDENCE.line())
    for name in ("kinds", "rules", "reconstruction"):
        del line[name]
    assert archive_text(line).plain.endswith("  unusual pattern: 7.50 A, 41.0 °C; by forest")


@pytest.mark.parametrize("write", [False, True])
def test_a_reader_that_left_is_noticed(write: bool) -> None:
    """When something is written, and also while nothing is; what was not written makes no noise later."""
    reads, writes = os.pipe()
    with os.fdopen(writes, "w") as stream:
        output = Output(stream)
        output.check()
        output.verbatim(b"read\n")
        assert os.read(reads, 100) == b"read\n"
        os.close(reads)
        with pytest.raises(NobodyReads):
            output.verbatim(b"unread\n") if write else output.check()
