"""Data sets, worked through with Beam."""
