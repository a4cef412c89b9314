"""What the old files leave open: the forest's input, the range that was trained on, whether the parts fit together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from models.detectors.forest import LEAF, Forest
from models.legacy import forest_input
from models.legacy.choices import Given
from models.legacy.errors import Unanswered
from models.legacy.forest_input import RAW
from scoring.bundle import Scaler
from scoring.config import Range, Thresholds
from scoring.graph import Graph
from window.features import FEATURES
from window.samples import Floats

_DOUBTFUL = 0.5
_READINGS = {
    "current": ("current", "current_roll_mean", "current_roll_min", "current_roll_max", "current_lag1"),
    "temperature": ("temperature", "temp_roll_mean", "temp_lag1"),
}
_AT = {name: column for column, name in enumerate(FEATURES)}
Warn = Callable[[str], None]


def warn_of_versions(written: dict[str, str], warn: Warn) -> None:
    """Warn of each file, by name, that another version of scikit-learn wrote."""
    import sklearn

    for name, by in written.items():
        if by != sklearn.__version__:
            warn(
                f"{name} was written by scikit-learn {by} and read by {sklearn.__version__}, which scikit-learn does "
                "not promise to work; the comparison below is with the object as it was read."
            )


def chosen_forest_input(forest: Forest, scaler: Scaler, given: Given, warn: Warn) -> tuple[Any, str]:
    """Raw or scaled, and why. Raises `Unanswered` when neither the command line nor the thresholds say."""
    judged = forest_input.judge(forest, scaler)
    if given.forest_input is not None:
        if judged.answer not in (None, given.forest_input):
            warn(
                f"--forest-input says {given.forest_input}, but the forest looks grown on {judged.answer} features: "
                f"{judged.sentence}. If that is wrong, every verdict of the forest is."
            )
        return given.forest_input, "--forest-input"
    if judged.answer is None:
        raise Unanswered(
            "Whether the forest was trained on raw or on scaled features is not clear, and a wrong guess would be "
            f"wrong without a sign: {judged.sentence}. Look at what the old service passed to the forest's "
            "`predict`: the features as they are (--forest-input raw) or the scaler's output (--forest-input scaled)."
        )
    return judged.answer, judged.sentence


def steady_shares(graph: Graph, thresholds: Thresholds, rows: Floats, warn: Warn) -> dict[str, Any]:
    """What share of made-up steady charges each model calls anomalous; warns where it is most of them."""
    scores = graph.score(rows)
    far = float((scores.reconstruction_error > thresholds.reconstruction_error).mean())
    apart = float((scores.forest_score < thresholds.forest_score).mean())
    for share, what, look in (
        (far, "autoencoder", "the threshold, and whether scaler and autoencoder belong together"),
        (apart, "forest", "--forest-input, and whether scaler and forest belong together"),
    ):
        if share > _DOUBTFUL:
            warn(
                f"The {what} calls {share:.0%} of made-up steady charges near the training mean anomalous. "
                f"Something does not fit: check the order of the features, {look}."
            )
    return {"samples": len(rows), "reconstruction_anomalous": far, "forest_anomalous": apart}


def known_range(forest: Forest, scaler: Scaler, splits: str, given: Given) -> tuple[Range, str]:
    """The readings the old models know, and from where: a forest splits only inside of what it was shown.

    ``splits``: raw or scaled. Raises `Unanswered` for a reading that the forest never splits and nobody gave.
    """
    inner = forest.left != LEAF
    ranges: dict[str, tuple[float, float]] = {}
    for reading, said, option in (
        ("current", given.current_range_a, "--current-range"),
        ("temperature", given.temperature_range_c, "--temperature-range"),
    ):
        column, threshold = forest.feature[inner], forest.threshold[inner]
        seen = np.isin(column, [_AT[name] for name in _READINGS[reading]])
        if said is None and not seen.any():
            raise Unanswered(
                f"What range of the {reading} the old models know cannot be told from the forest, which never splits "
                f"it: give it with {option} LOW HIGH."
            )
        if splits != RAW:
            threshold = threshold * scaler.scale[column] + scaler.mean[column]
        ranges[reading] = said or (round(float(threshold[seen].min()), 3), round(float(threshold[seen].max()), 3))
    where = [
        f"{name} {'given' if said else 'from the splits of the forest'}"
        for name, said in (("current", given.current_range_a), ("temperature", given.temperature_range_c))
    ]
    return Range(current_a=ranges["current"], temperature_c=ranges["temperature"]), ", ".join(where)
