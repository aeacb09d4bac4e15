"""Notebooks as text: their cells, and the Python in them once IPython's own lines are turned into calls."""

import ast
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

FOLDER = Path(__file__).parents[2] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def trees(path):
    """The syntax tree of each cell of code."""
    transform = TransformerManager().transform_cell
    return [ast.parse(transform(cell.source)) for cell in code_cells(path)]


def nodes(path, *kinds):
    return [n for tree in trees(path) for n in ast.walk(tree) if isinstance(n, kinds)]
