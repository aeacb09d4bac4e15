"""What the parts of a compiled practice are called: by its compiler, its containers and its client.

Light: whoever only starts a practice imports this.
"""

import hashlib
import re

PREPARE_TASK = "prepare"

# Inputs of the compiled pipeline, which every run may set anew.
RECORDINGS = "recordings"
RECORDING_NAMES = "recording_names"
PRACTICE = "practice"
PARENT_GENERATION = "parent_generation"
METADATA_URL = "metadata_url"
PERSONALITIES_URL = "personalities_url"

_DIGEST_CHARACTERS = 8
_DIGESTED = re.compile(rf"-[0-9a-f]{{{_DIGEST_CHARACTERS}}}$")

# What `prepare` finds out for the others.
FINGERPRINT = "input_fingerprint"
PARENT_DIGEST = "parent_digest"
LESSON = "lesson"

# As a parent generation: the highest there is when the run starts ...
LATEST = -1
# ... or, where that one has had this very lesson already, whom it grew from then: the cache answers.
LATEST_IF_NEW = -2


def pipeline_name(deu: str) -> str:
    """Names the imitation pipeline of a deu as Kubeflow wants names, of a-z, 0-9 and -; no two deus share one.

    A deu whose name Kubeflow would take keeps it. Any other (`a_b`, `a-`) gets a digest behind it, and so does one that
    looks as if it had one already.
    """
    plain = deu.replace("_", "-").rstrip("-")
    if plain == deu and not _DIGESTED.search(deu):
        return f"imitation-{deu}"
    digest = hashlib.sha256(deu.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return f"imitation-{plain}-{digest}"


def task_name(component_id: str) -> str:
    """Names the task of a component: `AudioExampleGen` becomes `audio-example-gen`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", component_id).lower()
