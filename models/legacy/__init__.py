"""Converts the old service's model files into a bundle. Imports models.bundle and models.detectors."""
