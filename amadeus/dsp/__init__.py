"""Differentiable synthesis in TensorFlow: pure functions, streaming by explicit state."""
