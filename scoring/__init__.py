"""The model bundle and its verdict on a sample: both models in one graph, the detectors, verdict and explanation."""
