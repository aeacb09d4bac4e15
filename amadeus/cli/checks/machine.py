"""The machine: interpreter, C library, processor, memory."""

import os
import platform
import re
import sys
from pathlib import Path

from amadeus.cli.checks.check import Check, judge

MIN_GLIBC = (2, 28)  # of the TensorFlow and TFX wheels
MIN_MEMORY_BYTES, GOOD_MEMORY_BYTES = 2e9, 4e9


def check_interpreter() -> Check:
    """CPython 3.11 is what the lock was made for."""
    text = f"{platform.python_implementation()} {platform.python_version()} at {sys.executable}"
    fits = (
        sys.version_info[:2] == (3, 11)
        and platform.python_implementation() == "CPython"
    )
    mend = "install CPython 3.11 and set up again: make setup PYTHON=python3.11"
    return judge("interpreter", fits, text, mend)


def check_glibc() -> Check:
    """The wheels need a C library that is not too old."""
    library, version = platform.libc_ver()
    needed = ".".join(map(str, MIN_GLIBC))
    numbers = tuple(int(n) for n in re.findall(r"\d+", version))
    mend = (
        f"use a Linux with glibc {needed} or newer, such as Debian 10 or Ubuntu 18.10"
    )
    text = (
        f"{library or 'no glibc'} {version}, {platform.system()} {platform.machine()}"
    )
    return judge("C library", library == "glibc" and numbers >= MIN_GLIBC, text, mend)


def check_cpu(cpuinfo_path: Path = Path("/proc/cpuinfo")) -> Check:
    """TensorFlow needs AVX, and is much faster with AVX2 and FMA."""
    flags, model = _read_cpu(cpuinfo_path)
    cores = len(os.sched_getaffinity(0))
    text = f"{model}, {cores} core{'s' if cores > 1 else ''}"
    if not flags:
        return Check("processor", "warning", text, "its features could not be read")
    if platform.machine() == "x86_64" and "avx" not in flags:
        mend = "TensorFlow's wheels do not run here: use a processor made after 2011"
        return Check("processor", "problem", f"{text}, without AVX", mend)
    missing = [flag.upper() for flag in ("avx2", "fma") if flag not in flags]
    if platform.machine() == "x86_64" and missing:
        mend = "it will work, but training will be slow"
        return Check(
            "processor", "warning", f"{text}, without {' and '.join(missing)}", mend
        )
    return Check("processor", "ok", f"{text}, AVX2 and FMA")


def check_memory() -> Check:
    """A practice takes 2 GB; with less than 4 GB it may have to swap."""
    total, available = _read_memory()
    text = f"{available / 1e9:.1f} GB free of {total / 1e9:.1f} GB"
    if available < MIN_MEMORY_BYTES:
        return Check(
            "memory", "problem", text, "close other programs: a practice takes 2 GB"
        )
    if available < GOOD_MEMORY_BYTES:
        return Check(
            "memory", "warning", text, "close other programs before a practice"
        )
    return Check("memory", "ok", text)


def _read_cpu(path: Path) -> tuple[set[str], str]:
    try:
        text = path.read_text()
    except OSError:
        return set(), platform.machine()
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    model = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    name = model.group(1) if model else platform.machine()
    return set(flags.group(1).split()) if flags else set(), name


def _read_memory() -> tuple[float, float]:
    # In bytes: all of it, and what is free, within the limit of the container if there is one.
    text = Path("/proc/meminfo").read_text()
    sizes = {
        name: int(kb) * 1024.0 for name, kb in re.findall(r"(\w+):\s+(\d+) kB", text)
    }
    limit = float("inf")
    for path in (
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ):
        if (
            Path(path).is_file()
            and (words := Path(path).read_text().strip()).isdecimal()
        ):
            limit = float(words)
    total = min(sizes["MemTotal"], limit)
    return total, min(sizes.get("MemAvailable", sizes["MemFree"]), total)
