"""The old service's files: read, checked, and made into a bundle. Imports models.bundle and models.detectors."""
