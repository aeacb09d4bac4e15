"""A digest of source code, so that a cache notices when the code behind a result has changed.

TFX's cache key knows the name of an executor, not what is written in it. Every component takes
this digest as a parameter.
"""

import functools
import hashlib
import importlib.util
from pathlib import Path

CODE_DIGEST_KEY = "code_digest"
SOURCES = (".py", ".c", ".h")


@functools.cache
def running_code_digest(*modules: str) -> str:
    """Digests sources as `code_digest` does, once: what is edited later does not run in this process."""
    return code_digest(*modules)


def code_digest(*modules: str) -> str:
    """Digests the Python and C sources of modules and packages, without running them.

    Args:
      *modules: Dotted names. Of a package, every source below it counts.

    Returns:
      64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for module in sorted(modules):
        for name, path in _sources(module):
            source = path.read_bytes()
            digest.update(f"{name} {len(source)}\n".encode())
            digest.update(source)
    return digest.hexdigest()


def _sources(module: str) -> list[tuple[str, Path]]:
    spec = importlib.util.find_spec(module)
    if spec is None:
        raise ModuleNotFoundError(f"no module named {module!r}", name=module)
    if spec.submodule_search_locations is None:
        return [(module, Path(spec.origin))]
    folders = [Path(folder) for folder in spec.submodule_search_locations]
    return [
        (f"{module}/{path.relative_to(folder).as_posix()}", path)
        for folder in folders
        for path in sorted(folder.rglob("*.[chp]*"))
        if path.suffix in SOURCES
    ]
