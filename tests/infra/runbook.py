"""The commands of the runbook."""

import re
import shlex

from tests.infra.manifests import INFRA

RUNBOOK = (INFRA / "RUNBOOK.md").read_text()
BLOCKS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", RUNBOOK, re.DOTALL)
    for line in block.splitlines()
]
PLACES = ("kubectl", "docker")  # the cluster, one host


def section(heading):
    """The lines of commands below a heading."""
    text = re.search(rf"\n## {heading}\n(.*?)\n## ", RUNBOOK, re.DOTALL).group(1)
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def without_files(line):
    """A command without where its input comes from and its output goes to."""
    return re.sub(r"\s[<>]\s*\S+(?=$|\s)", "", line)


def inside(line):
    """What a line has a container do: its words, those of a shell as they are."""
    words = shlex.split(without_files(line.rpartition(" | ")[2]))
    if words[0] == "kubectl":
        return words[words.index("--") + 1 :]
    return words[words.index("-T") + 2 :]  # and the service


def the_one(heading, place, what):
    """The one command below a heading that does `what` in a container of a place."""
    (line,) = [
        line
        for line in section(heading)
        if line.rpartition(" | ")[2].startswith(f"{place} ")
        and " exec " in line
        and re.search(what, line)
    ]
    return line
