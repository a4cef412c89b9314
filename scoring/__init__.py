"""What a model bundle says about a sample: both models in one graph, the verdict, and why."""
