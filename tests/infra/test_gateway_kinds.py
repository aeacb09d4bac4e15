"""Kinds that Kubernetes itself does not know, against the types that npm carries of them; needs node."""

import json
import shutil
import subprocess

import pytest

from tests.infra import npm
from tests.infra.manifests import OVERLAYS, render

PACKAGES = {
    "gateway.networking.k8s.io": "@kubernetes-models/gateway-api",
    "networking.gke.io": "@kubernetes-models/gke",
}
SCRIPT = """
import {readFileSync} from "node:fs";
for (const {module, kind, object} of JSON.parse(readFileSync(0))) {
  const kinds = await import(module);
  try { new kinds[kind](object).validate(); }
  catch (error) { console.log(`${kind} ${object.metadata.name}: ${error.message}`); }
}
"""

pytestmark = pytest.mark.cluster


def _ask(objects):
    folder = npm.custom_kinds()
    script = folder / "validate.mjs"
    script.write_text(SCRIPT)
    questions = []
    for found in objects:
        group, _, version = found["apiVersion"].partition("/")
        kind = found["kind"]
        if group in PACKAGES:
            module = f"{PACKAGES[group]}/{group}/{version}/{kind}"
            questions.append({"module": module, "kind": kind, "object": found})
    done = subprocess.run(
        [shutil.which("node"), script],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return len(questions), done.stdout


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_ways_in_fit_their_types(overlay):
    assert _ask(render(overlay)) == ({"local": 2, "gke": 4}[overlay], "")


def test_the_types_refuse_what_does_not_fit():
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GRPCRoute",
        "metadata": {"name": "studio"},
        "spec": {"rules": [{"backendRefs": [{"port": 8470}]}]},
    }
    count, said = _ask([route])
    assert count == 1
    assert "must have required property name" in said
