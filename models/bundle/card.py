"""The model card: what a bundle was trained on, what it finds, what it is not."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from typing import Any

from models.evaluation.evaluate import FaultResult
from models.evaluation.report import fault_table
from scoring.config import BundleConfig, Evidence, Range

_GOOD_FOR = {
    "simulation": "charges of one such cell, which is none of yours: take it to look around, and to watch until "
    "charges of your own are recorded",
    "recordings": "charges like these: the same kind of cell, charger and logger, within the ranges above",
}
_TRIED = {
    "simulation": "Faults put into further simulated charges, as an ordinary 1 Hz logger records them:",
    "recordings": "Faults put into the held-out sessions:",
}


def card(bundle_id: str, config: BundleConfig, training: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """The Markdown text of `MODEL_CARD.md`."""
    assert config.evidence is not None
    current, temperature = config.training_range.current_a, config.training_range.temperature_c
    parity, source = metrics["parity"], training["source"]
    return wrapped(f"""# Model card: {bundle_id}

**This is no safety device.** It reads a log of current and temperature and points out samples unlike the charges
it was trained on. It cannot see voltage, single cells, gas or swelling, it can miss a dangerous fault, and nothing
may be left unprotected because it is silent. Protection belongs into the charger and the battery management system.

## Trained on

{training["summary"]}

Currents from {current[0]:.2f} to {current[1]:.2f} A, temperatures from {temperature[0]:.1f} to
{temperature[1]:.1f} °C, {training["rows"]:,} rows. The autoencoder was also shown rows with a made-up step of the
current in their last samples, and taught to give back the charge without it. Another cell, pack or charger is outside
of this: train on its own charges before you believe an alarm or its absence.

## Good for

It is good for {_GOOD_FOR[source]}. It finds sudden changes: a step of the current, a drop-out, a jump of the
temperature, heating faster than charging explains. A wrong current or temperature that creeps in slowly, or that was
there from the start and lies near what it was trained on, looks like another healthy charge to it.

{_rules(config.evidence)}

## What it finds

{_false(metrics)}

{_found(source, metrics["faults"])}

## Same model

The graph that scores was compared with Keras and scikit-learn over {parity["rows"]:,} rows, among them
{parity["boundary_rows"]:,} at the thresholds of the forest and one float32 step to either side. Reconstruction errors
differ by at most {parity["worst_error_ratio"]:.1e} relative, forest scores by
{parity["worst_forest_difference"]:.1e}; no verdict differs.
""")


def _rules(by: Evidence) -> str:
    """What the policy says without the models."""
    text = f"In the first {by.warm_up_s:g} s and {by.warm_up_samples} samples of a session nothing is said"
    if by.bounds is not None:
        text += f", but a reading outside of {_spans(by.bounds)} is an anomaly at once, whatever else is the case"
    for name, times in (("current", by.stuck.current), ("temperature", by.stuck.temperature)):
        text += f". A {name} that repeats to the last digit "
        text += f"{times} times is told of as stuck" if times else "is not told of, since normal ones do so too"
    return f"{text}."


def _spans(of: Range) -> str:
    (low_a, high_a), (low_c, high_c) = of.current_a, of.temperature_c
    return f"{low_a:.2f} to {high_a:.2f} A and {low_c:.1f} to {high_c:.1f} °C"


def _false(metrics: Mapping[str, Any]) -> str:
    held_out = metrics["held_out"]
    text = (
        f"On held-out sessions ({held_out['hours']:.1f} h, {held_out['samples']:,} samples) it had "
        f"{_episodes(held_out)}. That is no promise: the thresholds were laid by these very sessions. "
    )
    if test := metrics.get("fresh"):
        text += (
            f"On further ones, seen by neither models nor thresholds ({test['hours']:.1f} h, {test['samples']:,} "
            f"samples), it had {_episodes(test)}; so few hours bear out "
            f"{_borne_out(test):.2g} false episodes an hour at most (95 %)."
        )
    else:
        text += (
            "`battery-watch evaluate --bundle DIR --input FILES --inject` says how often it is wrong on other charges."
        )
    return text


def _episodes(of: Mapping[str, Any]) -> str:
    count = of["false_episodes"]
    samples = of["false_samples"]
    return (
        f"{count or 'no'} false episode{'' if count == 1 else 's'} "
        f"({samples} anomalous sample{'' if samples == 1 else 's'})"
    )


def _borne_out(of: Mapping[str, Any]) -> float:
    """The hourly rate at which a Poisson law gives so few episodes with a probability of 5 % (for none, 3 / hours)."""
    count = int(of["false_episodes"])
    low, high = 0.0, 10.0 + 3.0 * count
    for _ in range(60):
        middle = (low + high) / 2
        fewer = sum(math.exp(k * math.log(middle) - middle - math.lgamma(k + 1)) for k in range(count + 1))
        low, high = (middle, high) if fewer > 0.05 else (low, middle)
    return high / max(float(of["hours"]), 1e-9)


def _found(source: str, faults: list[dict[str, Any]]) -> str:
    if not faults:
        return "No session was long enough to put faults into, so what it finds was not measured."
    return "\n".join([_TRIED[source], "", *fault_table([[FaultResult(**row)] for row in faults])])


def wrapped(text: str) -> str:
    """Wrap every paragraph except headings and tables: the figures in it have any length."""
    blocks = text.strip().split("\n\n")
    return "\n\n".join(b if b.startswith(("#", "|")) else textwrap.fill(b, 110) for b in blocks) + "\n"
