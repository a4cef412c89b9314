"""Simulated charges: a cell, a logger, training material made of them. Imports models.data."""
