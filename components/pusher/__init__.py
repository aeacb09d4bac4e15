"""Pusher: a blessed voice takes over, at once or not at all."""
