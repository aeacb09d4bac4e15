"""What the code listens to: the studio's options by their environment names, and all other names it reads."""

import ast
import functools
from pathlib import Path

import click

from serving.cli.studio import studio
from serving.studio.config import ENVIRONMENT_PREFIX, TOKEN_VARIABLE, StudioConfig

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-for-a-manifest-0123456789"
_OF_THE_COMMAND = {"token_file", "log_level", "log_format"}


def option_names():
    """Environment names of the studio's options."""
    names = set()
    for param in studio.params:
        if isinstance(param, click.Option):
            told = param.envvar or f"{ENVIRONMENT_PREFIX}_{param.name.upper()}"
            names |= {told} if isinstance(told, str) else set(told)
    return names


@functools.cache
def read_names():
    """Every environment name of ours that the source spells out, and those of options."""
    names = {TOKEN_VARIABLE, *option_names()}
    for room in ("amadeus", "components", "pipelines", "serving"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    names.add(node.value)
    return {name for name in names if name.startswith("AMADEUS_")}


def parse(words, environment, monkeypatch):
    """Reads a studio's command line and environment as the command does."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert words[0] == "studio"
    settings = studio.make_context("studio", list(words[1:])).params
    token = TOKEN if settings["token_file"] else ""
    told = {k: v for k, v in settings.items() if k not in _OF_THE_COMMAND}
    return StudioConfig(token=token, **told), settings
