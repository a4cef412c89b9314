"""Simulated charges: a cell, a logger, and training material from them. Imports models.data."""
