"""Sentences about twenty faults, made by the product: `python tests/twenty_sentences.py` writes them into the page that
subscribers read (`make contract`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from repository import ROOT

from reporting.anomaly.evidence import Evidence
from scoring.bundle import load
from scoring.scorer import Scorer
from window.samples import Floats, Samples

BEGIN_S = 1_784_989_500.0 + 60.0
PAGE = ROOT / "docs" / "events.md"
_MARKS = "<!-- sentences: `make contract` writes this table -->\n", "<!-- end -->\n"
_NORMAL_S = 60


@dataclass(frozen=True, slots=True)
class Story:
    """A fault in words, and what it does to the readings from its first second on, (n,) each: amperes and degrees.
    ``told``: the second of the fault whose sentence is shown; ``every_s``: the time between two samples; ``current_a``
    and ``temperature_c``: of the charge before."""

    fault: str
    amperes: Sequence[float]
    degrees: Sequence[float] = (0.0,)
    told: int = 0
    every_s: float = 1.0
    current_a: float = 2.5
    temperature_c: float = 26.0


def _ramp(per_s: float, count: int) -> Floats:
    return per_s * np.arange(1, count + 1)


STORIES = (
    Story("over-current, first sample", [4.5]),
    Story("over-current, goes on", [4.5] * 6, told=5),
    Story("twice the current at the end of a charge", [0.8], current_a=0.8),
    Story("over-current while discharging", [-1.2], current_a=-2.5),
    Story("drop-out, first sample", [-2.5]),
    Story("drop-out, goes on", [-2.5] * 5, told=4),
    Story("the current halves", [-1.25]),
    Story("swinging current", [0.9, 0.6, -0.7, -0.9, -0.2, 0.7, 0.9], told=6),
    Story("creeping current", list(_ramp(0.03, 25)), told=24),
    Story("cooling failure, third sample", [0.0], _ramp(0.25, 3).tolist(), told=2),
    Story("cooling failure, 17th sample", [0.0], _ramp(0.25, 60).tolist(), told=16),
    Story("slow heating", [0.0], _ramp(0.06, 40).tolist(), told=17),
    Story("heating near the limit", [0.0], _ramp(0.2, 20).tolist(), told=12, temperature_c=46.0),
    Story("logger every 5 s, heating", [0.0], _ramp(0.6, 12).tolist(), told=5, every_s=5.0),
    Story("temperature jumps up", [0.0], [12.0]),
    Story("temperature jumps down, goes on", [0.0], [-10.0] * 4, told=3),
    Story("temperature falls", [0.0], _ramp(-0.2, 12).tolist(), told=8),
    Story("over-current and heating at once", [4.5] * 10, _ramp(0.5, 10).tolist(), told=9),
    Story("first sample of a session at -4 A", [0.0], told=-_NORMAL_S, current_a=-4.0),
    Story("first sample of a session at 61.5 °C", [0.0], [0.0], told=-_NORMAL_S, temperature_c=61.5),
)


def sentences() -> Iterator[tuple[str, str]]:
    """Each fault with its sentence. Raises ValueError where a sample that is to be told is no anomaly."""
    bundle = load(ROOT / "models" / "default")
    for place, story in enumerate(STORIES):
        count = max(len(story.amperes), len(story.degrees))
        noise = np.random.default_rng(place).standard_normal((2, _NORMAL_S + count))
        ts = BEGIN_S - _NORMAL_S * story.every_s + story.every_s * np.arange(_NORMAL_S + count)
        current_a: Floats = np.round(story.current_a + _padded(story.amperes, count) + 0.004 * noise[0], 3)
        temperature_c: Floats = np.round(story.temperature_c + _padded(story.degrees, count) + 0.03 * noise[1], 2)
        samples = Samples.of(ts, current_a, temperature_c)
        scored, taken = Scorer(bundle).take(samples, most_anomalies=len(samples))
        row = _NORMAL_S + story.told
        if taken < len(samples) or not scored.verdicts.anomaly[row]:
            raise ValueError(f"no anomaly: {story.fault}")
        yield story.fault, Evidence.of(scored, row, device="bay-7", bundle=bundle).explanation.sentence


def _padded(values: Sequence[float], count: int) -> Floats:
    """After the normal samples; the last value goes on to the end."""
    column = np.zeros(_NORMAL_S + count)
    column[_NORMAL_S:] = values[-1]
    column[_NORMAL_S : _NORMAL_S + len(values)] = values
    return column


def page(text: str) -> str:
    """The page with its table of sentences up to date. Raises ValueError where its marks are missing."""
    first, last = _MARKS
    before, _, rest = text.partition(first)
    _, found, after = rest.partition(last)
    if not found:
        raise ValueError(f"{PAGE.name} has no table between {first.strip()} and {last.strip()}")
    rows = "".join(f"| {fault} | {sentence} |\n" for fault, sentence in sentences())
    return f"{before}{first}| fault | sentence |\n|---|---|\n{rows}{last}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
