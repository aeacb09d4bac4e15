"""Packages Amadeus and generates its protocol buffers.

`amadeus/v1/*_pb2.py` is generated from `proto/` at build time and never committed.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent.resolve()
ROOMS = ["amadeus*", "components*", "pipelines*", "serving*"]


def generate_protos(target: Path) -> None:
    """Writes the Python stubs of every .proto file below `target`/amadeus/v1.

    Raises:
      RuntimeError: protoc refused a file; its words are on stderr.
    """
    from grpc_tools import protoc

    sources = sorted(str(path) for path in (HERE / "proto").rglob("*.proto"))
    package = target / "amadeus" / "v1"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text('"""Generated from proto/amadeus/v1."""\n')
    arguments = [
        "protoc",
        f"-I{HERE / 'proto'}",
        f"--python_out={target}",
        f"--pyi_out={target}",
        *sources,
    ]
    if protoc.main(arguments):
        raise RuntimeError("protoc failed; see the lines above.")


class BuildWithProtos(build_py):
    """Generates the stubs, then builds as usual."""

    def run(self) -> None:
        """Generates first: setuptools looks for modules when it runs."""
        generate_protos(HERE)
        super().run()


def read_version() -> str:
    """Reads the version without importing the package."""
    text = (HERE / "amadeus" / "__init__.py").read_text()
    return re.search(r'__version__ = "([^"]+)"', text).group(1)


setup(
    name="amadeus",
    version=read_version(),
    description="A living, learning instrument: DDSP voices taught by TFX pipelines",
    license="Apache-2.0",
    python_requires=">=3.11,<3.12",
    packages=find_packages(include=ROOMS),
    package_data={"amadeus": ["report/*.html"]},
    # ffmpeg is GPL: it runs in a process of its own.
    extras_require={"formats": ["imageio-ffmpeg"], "onnx": ["onnx"]},
    entry_points={"console_scripts": ["amadeus=amadeus.cli.main:main"]},
    cmdclass={"build_py": BuildWithProtos},
)
