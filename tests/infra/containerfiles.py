"""What stands in the Containerfiles."""

import json
import re

from tests.infra.settings import ROOT

IMAGES = ROOT / "infra" / "images"
NAMES = ("studio", "practice")


def instructions(name):
    """The instructions of a Containerfile, continued lines joined, without comments."""
    text = (IMAGES / f"{name}.Containerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [line.split(None, 1) for line in text.splitlines() if line.strip()]


def final(name):
    """The instructions of the last stage."""
    found = instructions(name)
    last = max(n for n, (word, _) in enumerate(found) if word == "FROM")
    return found[last:]


def variables(name):
    """The environment that an image brings along."""
    return dict(re.findall(r"([A-Z_]+)=(\S+)", dict(final(name))["ENV"]))


def command(name):
    """What an image runs, without the program that stands in for init."""
    last = dict(final(name))
    words = json.loads(last["ENTRYPOINT"]) + json.loads(last["CMD"])
    return words[words.index("--") + 1 :]
