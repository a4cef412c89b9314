"""The two models, autoencoder and forest: their training, their export into one graph, and its parity. Imports scoring
and window."""
