"""Practices on Kubeflow Pipelines: compiled, run in containers, started and followed."""
