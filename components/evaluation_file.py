"""Where the Evaluation artifact keeps its verdict."""

METRICS_NAME = "metrics.json"
EXAMPLES_FOLDER = "examples"
