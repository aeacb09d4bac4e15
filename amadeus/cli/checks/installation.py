"""The installation: packages, rooms and libraries. It reads about them and imports none."""

import ctypes
import ctypes.util
import importlib.util
import re
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from amadeus.cli.checks.check import Check, judge
from amadeus.native import library as kernels

# Where the lock lies in a checkout; an installation has none.
REQUIREMENTS_PATH = Path(__file__).parents[3] / "requirements"
LOCK_PATH = REQUIREMENTS_PATH / "requirements.lock"
OVERRIDES_PATH = REQUIREMENTS_PATH / "overrides.txt"

# What an installation without a lock is asked for.
ESSENTIAL_PACKAGES = (
    *("tensorflow", "tfx", "ml-metadata", "apache-beam", "protobuf", "numpy", "scipy"),
    *("grpcio", "grpcio-status", "grpcio-health-checking", "grpcio-reflection"),
    *("tensorflow-serving-api", "aiohttp", "prometheus-client"),
    *("onnxruntime", "swift-f0", "torchcrepe", "soundfile", "soxr", "mido"),
    *("rich", "click", "platformdirs", "matplotlib", "jinja2"),
)
PROTO_STUBS = (
    *("profiles", "personality", "practice"),
    *("perform", "session", "studio"),
)


def check_packages(lock_path: Path = LOCK_PATH) -> Check:
    """Compares what is installed with the lock, or with what is essential without one."""
    mend = "make setup" if lock_path.is_file() else "install Amadeus again"
    wanted = (
        read_lock(lock_path)
        if lock_path.is_file()
        else dict.fromkeys(ESSENTIAL_PACKAGES)
    )
    differing = [
        _say_difference(name, version, _installed(name))
        for name, version in wanted.items()
        if _installed(name) is None or version not in (None, _installed(name))
    ]
    if differing:
        more = f" and {len(differing) - 8} more" if len(differing) > 8 else ""
        return Check("packages", "problem", f"{', '.join(differing[:8])}{more}", mend)
    where = "as the lock says" if lock_path.is_file() else "the essential ones"
    return Check(
        "packages",
        "ok",
        f"{len(wanted)} packages, {where}; tensorflow {_installed('tensorflow')}, "
        f"tfx {_installed('tfx')}",
    )


def explain_overrides(
    path: Path = OVERRIDES_PATH,
) -> Iterator[Check]:
    """Says which packages differ on purpose from what others ask for, and why."""
    if not path.is_file():
        return
    for reason, names in _read_overrides(path):
        versions = [f"{name} {_installed(name)}" for name in names if _installed(name)]
        if versions:
            yield Check("override", "ok", f"{', '.join(versions)}: {reason}")


def check_rooms() -> Check:
    """The stubs are generated at set-up, and the pipelines are found from anywhere."""
    missing = [
        f"amadeus.v1.{stub}_pb2"
        for stub in PROTO_STUBS
        if importlib.util.find_spec(f"amadeus.v1.{stub}_pb2") is None
    ]
    missing += [
        room
        for room in ("components", "pipelines")
        if importlib.util.find_spec(room) is None
    ]
    text = (
        f"missing: {', '.join(missing)}"
        if missing
        else "protocol stubs, components and pipelines are there"
    )
    return judge(
        "rooms",
        not missing,
        text,
        "pip install --no-deps --no-build-isolation --editable .",
    )


def check_kernels() -> Check:
    """Without the compiled kernels practice is several times slower."""
    library = kernels.load()
    if library is None:
        return Check(
            "kernels",
            "warning",
            "not built, or switched off by AMADEUS_NATIVE=0: practice is several times slower",
            "install a C compiler and run make setup again",
        )
    name = Path(library._name).name.split(".")[0].removeprefix("_kernels_")
    return Check("kernels", "ok", f"{name}, on {kernels.n_threads()} threads")


def check_libsndfile() -> Check:
    """Libsndfile reads and writes most sound files."""
    mend = "make setup, or pip install --force-reinstall soundfile"
    try:
        library = ctypes.CDLL(_find_libsndfile())
        library.sf_version_string.restype = ctypes.c_char_p
        return Check("libsndfile", "ok", library.sf_version_string().decode())
    except (OSError, TypeError) as error:
        return Check("libsndfile", "problem", f"cannot be loaded: {error}", mend)


def check_ffmpeg() -> Check:
    """Ffmpeg reads what libsndfile does not: m4a, webm, caf and more."""
    on_path = shutil.which("ffmpeg")
    if on_path:
        return Check("ffmpeg", "ok", on_path)
    spec = importlib.util.find_spec("imageio_ffmpeg")
    bundled = (
        sorted(Path(spec.origin).parent.glob("binaries/ffmpeg*"))
        if spec and spec.origin
        else []
    )
    if bundled:
        return Check("ffmpeg", "ok", str(bundled[0]))
    mend = "install ffmpeg, or pip install imageio-ffmpeg; wav, flac, ogg and mp3 work without"
    return Check(
        "ffmpeg", "warning", "not found: m4a, aac, webm and caf cannot be read", mend
    )


def read_lock(path: Path) -> dict[str, str | None]:
    """Reads a lock: the version wanted of each package that this machine needs."""
    pattern = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", re.MULTILINE)
    return dict(pattern.findall(path.read_text()))


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _say_difference(name: str, wanted: str | None, installed: str | None) -> str:
    if installed is None:
        return f"{name} is missing"
    return f"{name} is {installed} and should be {wanted}"


def _read_overrides(path: Path) -> Iterator[tuple[str, list[str]]]:
    # Paragraphs: comment lines say why, the other lines say what.
    for paragraph in path.read_text().split("\n\n"):
        lines = paragraph.strip().splitlines()
        why = " ".join(line[1:].strip() for line in lines if line.startswith("#"))
        names = [
            re.split(r"[<>=;\s]", line, maxsplit=1)[0]
            for line in lines
            if not line.startswith("#") and "python_version" not in line
        ]  # a line with python_version leaves a package out instead
        if names:
            yield why.rstrip("."), names


def _find_libsndfile() -> str | None:
    spec = importlib.util.find_spec("_soundfile_data")
    bundled = (
        sorted(Path(spec.origin).parent.glob("libsndfile*"))
        if spec and spec.origin
        else []
    )
    return str(bundled[0]) if bundled else ctypes.util.find_library("sndfile")
