"""An explanation of an anomalous sample, for tests that need one and do not care which."""

from __future__ import annotations

from typing import Any

from scoring.explanation import Explanation, Pair
from scoring.faults import FaultKind
from scoring.rules import Rule

SENTENCE = "Current jumped from 2.50 to 7.50 A at 14:25:07 (normal here: 2.27 to 2.73 A)."


def explained(**changes: Any) -> Explanation:
    """Of an over-current that both models found."""
    told: dict[str, Any] = {
        "kinds": (FaultKind.OVER_CURRENT,),
        "sentences": (SENTENCE,),
        "rules": (Rule("reconstruction_error", 60.5, 53.25), Rule("forest", -0.75, -0.5)),
        "expected": Pair(2.5, 25.5),
        "band": None,
        "forecast": None,
        "reconstruction": Pair(4.5, 33.25),
        "shares": {"current": 0.75, "temp_rate": 0.25},
        "forest": None,
        "rarity": "not seen in 11 h of normal charging",
    }
    return Explanation(**{**told, **changes})
