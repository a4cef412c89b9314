"""The training pipeline: fit, thresholds, policy, severity, plots. Imports every room of models but legacy and
simulation."""
