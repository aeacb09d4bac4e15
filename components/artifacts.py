"""Artifact types of Amadeus beside TFX's standard ones.

Only custom properties are used: Kubeflow refuses custom types that declare any.
"""

from tfx.types import artifact, system_artifacts


class Statistics(artifact.Artifact):
    """What was measured over the training takes: `statistics.json`."""

    TYPE_NAME = "amadeus.Statistics"
    TYPE_ANNOTATION = system_artifacts.Statistics


class Evaluation(artifact.Artifact):
    """How a voice did on held-out takes: `metrics.json` and `examples/<n>.npz`."""

    TYPE_NAME = "amadeus.Evaluation"
    TYPE_ANNOTATION = system_artifacts.Metrics


class Personality(artifact.Artifact):
    """One generation of a deu; its uri is the pushed voice, a SavedModel."""

    TYPE_NAME = "amadeus.Personality"
    TYPE_ANNOTATION = system_artifacts.Model
