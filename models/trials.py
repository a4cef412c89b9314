"""What a finished bundle finds and what it misses, by simulation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models import logger
from models.faults import LASTS, STRENGTHS, Injection, inject, places
from models.sessions import features_of
from models.simulate import Charge
from scoring.config import BundleConfig
from scoring.graph import Graph
from scoring.verdict import judge
from window.samples import Samples

ORDINARY = logger.Logger(1.0, 0.0, 0.004, 0.03, 0.03, 0.0, 0.0, 0, 0)
"""An ordinary 1 Hz logger."""


def anomalous(session: Samples, graph: Graph, config: BundleConfig) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which samples of one session the models call anomalous."""
    (rows,) = features_of([session], config.features.rules)
    return judge(graph.score(rows), session.current_a, session.temperature_c, config).anomaly


def find_faults(
    charges: Sequence[Charge], graph: Graph, config: BundleConfig, seed: int, *, count: int = 40
) -> list[dict[str, Any]]:
    """Per kind and strength of fault: how many of ``count`` were found, and the median delay in samples.

    The faults lie in the constant-current phase of ``charges`` of 1.5 A or more and between 15 and 40 degrees. A
    fault is found by an anomalous sample inside it.
    """
    rng = np.random.default_rng(seed)
    sessions = []
    for charge in charges:
        whole = logger.record(charge, ORDINARY, rng)
        whole = whole.take(slice(0, int(charge.cv_from_s) - 1))
        within = (whole.temperature_c.min() >= 15.0) and (whole.temperature_c.max() <= 40.0)
        if len(whole) > 400 and within and charge.current_a.max() >= 1.5:
            sessions.append(whole)
    table = []
    for fault, strength in STRENGTHS if sessions else ():
        delays = []
        for session, first in places(sessions, rng, count):
            faulty = inject(session, Injection(fault, strength, first, LASTS[fault]))
            hits = np.flatnonzero(anomalous(faulty, graph, config)[first : first + LASTS[fault]])
            delays.extend(hits[:1].tolist())
        table.append(
            {
                "fault": str(fault),
                "strength": strength,
                "injected": count,
                "found": len(delays),
                "median_delay_samples": float(np.median(delays)) if delays else None,
            }
        )
    return table
