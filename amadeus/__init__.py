"""Amadeus, a living, learning instrument."""

__version__ = "0.1.0"
