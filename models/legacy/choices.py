"""Reads the old service's config.json and feature_names.json, whose settings may have several names.

Nested objects are read as one name: ``{"severity": {"high": {"current": 6}}}`` is ``severity_high_current``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from models.legacy.errors import LegacyError, Unanswered
from models.legacy.files import File
from scoring.config import SeverityLimit, SeverityLimits
from window.features import FEATURES, ROLLING

THRESHOLD_NAMES = (
    "reconstruction_threshold",
    "reconstruction_error_threshold",
    "threshold_reconstruction",
    "thresholds_reconstruction",
    "thresholds_reconstruction_error",
    "autoencoder_threshold",
    "autoencoder_reconstruction_threshold",
    "thresholds_autoencoder",
    "ae_threshold",
    "thresholds_ae",
    "mse_threshold",
    "error_threshold",
    "anomaly_threshold",
    "threshold",
)
LEVELS = ("medium", "high", "critical")
_LIST_NAMES = ("feature_names", "features", "feature_columns", "feature_cols", "columns", "names")
_ROLLING_NAMES = ("rolling", "rolling_window", "rolling_window_size", "rolling_size", "roll_window", "features_rolling")
_METRIC_NAMES = ("error_metric", "reconstruction_metric", "reconstruction_error_metric")
_METRICS = ("mse", "mean_squared_error")
# Words in a setting's name that add nothing to its meaning.
_WRAPPERS = {"config", "settings", "model", "models", "params", "parameters", "detection", "anomaly_detection"}
_QUANTITIES = {"current": "current", "amps": "current", "temperature": "temperature", "temp": "temperature"}
_FILLERS = {"severity", "severities", "threshold", "thresholds", "limit", "limits", "level", "levels", "a", "c", "degc"}
_FILLERS |= {"celsius", "max", "rules", "anomaly"} | _WRAPPERS
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says; None where it says nothing. Limits are (amperes, degrees Celsius), ranges
    (low, high); ``forest_input`` is raw or scaled; ``autoencoder`` names the .h5 file."""

    reconstruction_threshold: float | None = None
    severity: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    forest_input: str | None = None
    current_range_a: tuple[float, float] | None = None
    temperature_range_c: tuple[float, float] | None = None
    autoencoder: str | None = None


@dataclass(frozen=True, slots=True)
class Choices:
    """What goes into the bundle's config. ``sources``: where each choice comes from. ``unused``: settings of the old
    service that were not used."""

    reconstruction_threshold: float
    severity: SeverityLimits
    sources: dict[str, str]
    unused: tuple[str, ...]


def feature_names(file: File) -> list[str]:
    """The 14 features in the order of the old models. Raises `LegacyError` if they are not ours."""
    content = _json(file)
    lists = [content] if isinstance(content, list) else []
    if isinstance(content, dict):
        lists = [content[name] for name in _LIST_NAMES if isinstance(content.get(name), list)]
    if len(lists) != 1 or not all(isinstance(name, str) for name in lists[0]):
        raise LegacyError(
            f"{file.name} is not a list of feature names, alone or under one of: {', '.join(_LIST_NAMES)}. "
            "Write the names in the order of the columns the models were trained on."
        )
    names: list[str] = lists[0]
    if sorted(names) != sorted(FEATURES):
        faults = {
            "missing": [name for name in FEATURES if name not in names],
            "unknown": [name for name in names if name not in FEATURES],
            "twice": sorted({name for name in names if names.count(name) > 1}),
        }
        said = "; ".join(f"{what}: {', '.join(which)}" for what, which in faults.items() if which)
        raise LegacyError(f"{file.name} does not name the 14 features ({said}). Their names: {', '.join(FEATURES)}.")
    return names


def read(file: File, given: Given) -> Choices:
    """The thresholds and limits of config.json, where ``given`` does not say otherwise.

    Raises one `Unanswered` for everything that neither says, or that the file says in two ways.
    """
    content = _json(file)
    if not isinstance(content, dict):
        raise LegacyError(f"{file.name} is a JSON {type(content).__name__}; an object of settings is expected.")
    settings = list(_flat(content))
    _check_meant(file, settings)
    used: set[str] = set()
    sources: dict[str, str] = {}
    open_questions: list[str] = []

    def choose(what: str, names: str, option: str, said: float | None, found: list[tuple[str, float]]) -> float:
        used.update(path for path, _ in found)
        if said is not None:
            sources[what] = option.split()[0]
            return said
        if len({value for _, value in found}) == 1:
            sources[what] = f"{file.name}: {found[0][0]}"
            return found[0][1]
        if found:
            open_questions.append(
                f"{what}: said in {len(found)} ways ({', '.join(f'{path} = {value:g}' for path, value in found)}); "
                f"choose with {option}"
            )
        else:
            open_questions.append(f"{what}: looked for {names}; give it with {option}")
        return math.nan

    threshold = choose(
        "reconstruction threshold",
        ", ".join(THRESHOLD_NAMES),
        "--reconstruction-threshold ERROR",
        given.reconstruction_threshold,
        [(path, value) for path, name, value in _numbers(settings) if _bare(name) in THRESHOLD_NAMES],
    )
    limits: dict[str, list[float]] = {}
    for level in LEVELS:
        both = given.severity.get(level)
        limits[level] = [
            choose(
                f"{level} limit of the {quantity}",
                f"{level}_{quantity}, {quantity}_{level}, also nested or with severity, threshold or limit in the name",
                f"--{level} AMPERES DEGREES",
                both[k] if both else None,
                [(path, value) for path, name, value in _numbers(settings) if _limit(name) == (level, quantity)],
            )
            for k, quantity in enumerate(("current", "temperature"))
        ]
    if open_questions:
        held = [f"{path} = {_short(value)}" for path, _, value in settings]
        more = f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else ""
        raise Unanswered(
            f"{file.name} does not say all that a bundle needs:\n"
            + "".join(f"  {question}\n" for question in open_questions)
            + f"It holds: {', '.join(held[:_SHOWN]) or 'nothing'}{more}"
        )
    if threshold <= 0:
        raise Unanswered(
            f"The reconstruction threshold is {threshold:g} ({sources['reconstruction threshold']}); a mean squared "
            "error lies above 0. Give another with --reconstruction-threshold ERROR."
        )
    unused = tuple(f"{path} = {_short(value)}" for path, _, value in settings if path not in used)
    return Choices(threshold, _severity(limits), sources, unused)


def _severity(limits: Mapping[str, list[float]]) -> SeverityLimits:
    try:
        return SeverityLimits(
            **{level: SeverityLimit(current_a=a, temperature_c=c) for level, (a, c) in limits.items()}
        )
    except ValidationError as error:
        said = ", ".join(f"{level} {a:g} A / {c:g} °C" for level, (a, c) in limits.items())
        raise Unanswered(
            f"These severity limits cannot be used: {said} ({error.errors()[0]['msg']}). "
            "Give others with --medium, --high, --critical AMPERES DEGREES."
        ) from error


def _check_meant(file: File, settings: list[tuple[str, str, Any]]) -> None:
    """Refuse settings that give the old numbers another meaning than here."""
    for path, name, value in settings:
        if _bare(name) in _ROLLING_NAMES and value != ROLLING:
            raise LegacyError(
                f"{file.name}: {path} = {_short(value)}, but Battery Watch computes the rolling features over "
                f"{ROLLING} samples. Models trained on others cannot be converted; train a new bundle with "
                "`battery-watch train`."
            )
        if _bare(name) in _METRIC_NAMES and str(value).lower() not in _METRICS:
            raise LegacyError(
                f"{file.name}: {path} = {_short(value)}, but Battery Watch scores by the mean squared error, and a "
                "threshold for another error is no threshold for this one."
            )


def _json(file: File) -> Any:
    try:
        return json.loads(file.content)
    except (ValueError, RecursionError) as error:
        raise LegacyError(f"{file.name} is not JSON ({error}). Copy it again from the old service.") from error


def _flat(content: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str, Any]]:
    """(path as written, plain name, value) of every setting that is no object."""
    for key, value in content.items():
        whole = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            yield from _flat(value, whole)
        else:
            words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", whole)
            yield whole, re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_"), value


def _numbers(settings: list[tuple[str, str, Any]]) -> Iterator[tuple[str, str, float]]:
    for path, name, value in settings:
        # An integer of JSON may be too long for a float.
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300:
            yield path, name, float(value)


def _bare(name: str) -> str:
    """A name without the words that wrap it: ``model_config_ae_threshold`` is ``ae_threshold``."""
    for wrapper in sorted(_WRAPPERS, key=len, reverse=True):
        if name.startswith(f"{wrapper}_"):
            return _bare(name.removeprefix(f"{wrapper}_"))
    return name


def _limit(name: str) -> tuple[str, str] | None:
    """The limit that a name means, (level, quantity); None if one of its words is unknown."""
    words = name.split("_")
    levels = [word for word in words if word in LEVELS]
    quantities = [_QUANTITIES[word] for word in words if word in _QUANTITIES]
    rest = [word for word in words if word not in LEVELS and word not in _QUANTITIES and word not in _FILLERS]
    return (levels[0], quantities[0]) if len(levels) == len(quantities) == 1 and not rest else None


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
