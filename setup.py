"""Packages Amadeus and generates its protocol buffers.

`amadeus/v1/*_pb2.py` is generated from `proto/` at build time and never committed.
"""

import platform
import re
import runpy
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent.resolve()
NATIVE = HERE / "amadeus" / "native"
COMPILE_ARGS = [
    "-std=gnu11",
    "-O3",
    "-pthread",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
    "-Wno-psabi",
]
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
        f"--grpc_python_out={target}",
        *sources,
    ]
    if protoc.main(arguments):
        raise RuntimeError("protoc failed; see the lines above.")


class BuildWithProtos(build_py):
    """Generates the stubs, then builds as usual."""

    def run(self) -> None:
        """Generates first: setuptools looks for modules when it runs, and for packages before that."""
        generate_protos(HERE)
        self.packages = find_packages(str(HERE), include=ROOMS)
        super().run()


def kernels() -> list[Extension]:
    """The C kernels, once for each level of vector instructions; see amadeus/native.

    Without them practice is slower but whole, so a machine that cannot compile them may go on.
    """
    levels = {"baseline": []}
    if platform.machine() == "x86_64":
        levels["x86_64_v3"] = ["-march=x86-64-v3"]
        levels["x86_64_v4"] = ["-march=x86-64-v4"]
    sources = sorted(str(path.relative_to(HERE)) for path in NATIVE.glob("*.c"))
    headers = sorted(str(path.relative_to(HERE)) for path in NATIVE.glob("*.h"))
    digest = runpy.run_path(str(NATIVE / "sources.py"))["digest"](NATIVE)
    return [
        Extension(
            f"amadeus.native._kernels_{level}",
            sources,
            depends=headers,
            define_macros=[("AMADEUS_SOURCES", f'"{digest}"')],
            extra_compile_args=[*COMPILE_ARGS, *arguments],
            extra_link_args=["-pthread"],
            optional=True,
        )
        for level, arguments in levels.items()
    ]


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
    ext_modules=kernels(),
    package_data={"amadeus": ["report/*.html"]},
    # ffmpeg is GPL: it runs in a process of its own.
    extras_require={
        "formats": ["imageio-ffmpeg"],
        "live": ["python-rtmidi", "sounddevice"],
        "onnx": ["onnx"],
    },
    entry_points={"console_scripts": ["amadeus=amadeus.cli.main:main"]},
    cmdclass={"build_py": BuildWithProtos},
)
