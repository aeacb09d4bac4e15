"""What README and docs/ promise exists: commands, options, files and Python lines."""

import re
import shlex
from pathlib import Path

import click
import pytest

from amadeus.cli.main import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def _blocks(language, text=README):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


COMMANDS = [
    line
    for page in PAGES
    for block in _blocks("sh", page.read_text())
    for line in block.splitlines()
    if line.startswith("amadeus ")
]
LINKS = [
    (page.parent, target)
    for page in PAGES
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text())
]


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_parses(line):
    words = shlex.split(line, comments=True)[1:]
    command, context = cli, click.Context(cli)
    while isinstance(command, click.Group):
        _, command, words = command.resolve_command(context, words)
    command.make_context(line, words)


@pytest.mark.parametrize("block", _blocks("python"))
def test_every_python_block_imports_what_is_there(block):
    imports = [
        line for line in block.splitlines() if line.startswith(("from", "import"))
    ]
    exec("\n".join(imports), {})


@pytest.mark.parametrize(("folder", "target"), LINKS, ids=str)
def test_every_linked_file_is_there(folder, target):
    assert (folder / target).exists()


@pytest.mark.parametrize("target", re.findall(r"make ([a-z-]+)", README))
def test_every_make_target_is_there(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_every_component_of_the_table_is_a_folder():
    folders = {
        path.parent.name for path in (ROOT / "components").glob("*/component.py")
    }
    named = re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)
    assert {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in named} == folders
