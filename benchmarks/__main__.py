"""Runs a benchmark by name: `python -m benchmarks NAME ...`."""

import importlib
import pkgutil
import sys

import benchmarks


def main(argv: list[str]) -> int:
    """Hands the arguments to the benchmark named first."""
    found = pkgutil.iter_modules(benchmarks.__path__)
    names = [module.name for module in found if not module.ispkg]
    names = sorted(name for name in names if not name.startswith("_"))
    if not argv or argv[0] not in names:
        print(f"benchmarks: name one of {', '.join(names)}", file=sys.stderr)
        return 2
    return importlib.import_module(f"benchmarks.{argv[0]}").main(argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
