"""Rooms that serve: a model server, the studio in front of it, and clients of both. Never imports TFX."""
