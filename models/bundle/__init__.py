"""A bundle as files: its writer and its model cards. Imports scoring, models.detectors and models.evaluation."""
