"""The model card of a converted bundle: its origin, what was proven, and what nobody measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.bundle.card import wrapped
from scoring.config import BundleConfig

CONVERTED = "converted"
"""``training["source"]`` of a bundle that was converted, not trained."""


def converted_card(
    bundle_id: str, config: BundleConfig, training: Mapping[str, Any], metrics: Mapping[str, Any]
) -> str:
    """The Markdown text of `MODEL_CARD.md`."""
    current, temperature = config.training_range.current_a, config.training_range.temperature_c
    parity, steady = metrics["parity"], metrics["steady"]
    files = "\n".join(f"| {file['name']} | {file['bytes']:,} | `{file['sha256']}` |" for file in training["files"])
    sources = "\n".join(f"| {what} | {source} |" for what, source in training["choices"].items())
    warnings = "\n\n".join(f"**Take note.** {warning}" for warning in training["warnings"])
    return wrapped(f"""# Model card: {bundle_id}

**This is no safety device.** It reads a log of current and temperature and points out samples unlike those its models
were trained on. It cannot see voltage, single cells, gas or swelling, it can miss a dangerous fault, and nothing
may be left unprotected because it is silent. Protection belongs into the charger and the battery management system.

## Converted, not trained

{training["summary"]}

| file | bytes | sha256 |
|---|---|---|
{files}

| choice | from |
|---|---|
{sources}

The old models' verdict is kept: anomalous is what the autoencoder rebuilds with a mean squared error above
{config.thresholds.reconstruction_error:.6g}, or what the forest scores below {config.thresholds.forest_score:.6g}
(scikit-learn's `predict` says -1). Rates are differences from sample to sample, not per second, as the old service
computed them.

{warnings}

## What nobody measured

No data came with the files. How often normal charging reaches such scores is unknown, so events say that rarity was
not measured; false alarms and missed faults are as they were in the old service, which nobody counted here. The
features are those of Battery Watch: where the old service computed one otherwise, in the first samples of a session
or near 0 °C say, its scores differed there. Trained at least on {current[0]:.2f} to {current[1]:.2f} A and
{temperature[0]:.1f} to {temperature[1]:.1f} °C (range: {training["range_from"]}).

Of {steady["samples"]:,} samples of made-up steady charges, at currents and temperatures within one deviation of the
training mean, the autoencoder calls {steady["reconstruction_anomalous"]:.1%} anomalous and the forest
{steady["forest_anomalous"]:.1%}. That is no measurement, only a sign that the parts belong together.

Before you believe an alarm or its absence, run it over charges of your own, or train on them.

## Same model

Every weight of the old file was read and compared with what Keras loads from it. The graph that scores was compared
with the old models themselves, in Keras and scikit-learn, over {parity["rows"]:,} made-up rows, among them
{parity["boundary_rows"]:,} at the thresholds of the forest and one float32 step to either side. Reconstruction errors
differ by at most {parity["worst_error_ratio"]:.1e} relative, forest scores by
{parity["worst_forest_difference"]:.1e}; no verdict differs.
""")
