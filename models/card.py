"""The model card: what a bundle was trained on, what it finds, what it is not."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from scoring.config import BundleConfig

_UNITS = {
    "over_current": "+{:.0%} of the current",
    "drop_out": "to 0 A",
    "temperature_spike": "+{:g} °C",
    "cooling_failure": "{:g} °C/s",
}


def card(bundle_id: str, config: BundleConfig, training: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """The Markdown text of `MODEL_CARD.md`."""
    if training["source"] == "recordings":
        return _recorded(bundle_id, config, training, metrics)
    current, temperature = config.training_range.current_a, config.training_range.temperature_c
    held, faults = metrics["held_out"], metrics["faults"]
    table = "\n".join(
        f"| {row['fault'].replace('_', ' ')} | {_UNITS[row['fault']].format(row['strength'])} "
        f"| {row['found']} of {row['injected']} | {_delay(row['median_delay_samples'])} |"
        for row in faults
    )
    found = (
        f"""Faults put into healthy further charges (1 Hz, constant-current phase, 1.5 A or more, 15 to 40 °C):

| fault | strength | found | median delay, samples |
|---|---|---|---|
{table}
"""
        if faults
        else "No held-out charge was fit for injected faults, so what it finds was not measured.\n"
    )
    parity = metrics["parity"]
    return wrapped(f"""# Model card: {bundle_id}

**This is no safety device.** It reads a log of current and temperature and points out samples unlike the charges
it was trained on. It cannot see voltage, single cells, gas or swelling, it can miss a dangerous fault, and nothing
may be left unprotected because it is silent. Protection belongs into the charger and the battery management system.

## Trained on

{training["summary"]}

Currents from {current[0]:.2f} to {current[1]:.2f} A, temperatures from {temperature[0]:.1f} to
{temperature[1]:.1f} °C, {training["rows"]:,} rows. The autoencoder was also shown rows with a made-up step of the
current in their last samples, and taught to give back the charge without it. Another cell, pack or charger is outside
of this: train on your own table before you believe an alarm or its absence.

## Good for

Sudden changes in the charge of one such cell: a step of the current, a drop-out, a jump of the temperature, heating
far faster than charging explains. A wrong current or temperature that creeps in slowly, or that was there from the
start and lies within the training range, looks like another healthy charge to it.

## What it finds

On held-out charges ({held["hours"]:.1f} h, {held["samples"]:,} samples) {held["false_samples"]} samples were called
anomalous. That is not a promise: the thresholds were laid just beyond these very charges. Of further simulated
charges, seen by neither models nor thresholds ({held["fresh_hours"]:.1f} h, {held["fresh_samples"]:,} samples),
{held["fresh_false_samples"]} samples were. In the first seconds of charges at any current and temperature of the
training range, {held["start_false_samples"]} of {held["start_samples"]:,} samples were, none in a
charge of less than {held["starts_quiet_below_a"]:.1f} A: a charger switched on at a higher current is the most likely
false alarm.

{found}
## Same model

The graph that scores was compared with Keras and scikit-learn over {parity["rows"]:,} rows, among them
{parity["boundary_rows"]:,} at the thresholds of the forest and one float32 step to either side. Reconstruction errors
differ by at most {parity["worst_error_ratio"]:.1e} relative, forest scores by
{parity["worst_forest_difference"]:.1e}; no verdict differs.
""")


def wrapped(text: str) -> str:
    """Every paragraph that is no heading or table, filled anew: its figures are of any length."""
    blocks = text.strip().split("\n\n")
    return "\n\n".join(b if b.startswith(("#", "|")) else textwrap.fill(b, 110) for b in blocks) + "\n"


def _delay(samples: float | None) -> str:
    return "" if samples is None else f"{samples:g}"


def _recorded(bundle_id: str, config: BundleConfig, training: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    current, temperature = config.training_range.current_a, config.training_range.temperature_c
    parity = metrics["parity"]
    return wrapped(f"""# Model card: {bundle_id}

**This is no safety device.** It reads a log of current and temperature and points out samples unlike the charges
it was trained on. It cannot see voltage, single cells, gas or swelling, it can miss a dangerous fault, and nothing
may be left unprotected because it is silent. Protection belongs into the charger and the battery management system.

## Trained on

{training["summary"]}

Currents from {current[0]:.2f} to {current[1]:.2f} A, temperatures from {temperature[0]:.1f} to
{temperature[1]:.1f} °C, {training["rows"]:,} rows. Another cell, pack or charger is outside of this: train on its own
charges before you believe an alarm or its absence.

## What it finds

Not measured here: `battery-watch evaluate --bundle DIR --input FILES --inject` says how often it is wrong on other
charges, and what it finds of faults put into them. {training["held_out_hours"]} h of charging held out laid the
thresholds of the models.

## Same model

The graph that scores was compared with Keras and scikit-learn over {parity["rows"]:,} rows, among them
{parity["boundary_rows"]:,} at the thresholds of the forest and one float32 step to either side. Reconstruction errors
differ by at most {parity["worst_error_ratio"]:.1e} relative, forest scores by {parity["worst_forest_difference"]:.1e};
no verdict differs.
""")
