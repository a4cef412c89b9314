"""A bundle as files: writer and model card. Imports scoring, models.detectors and models.evaluation."""
