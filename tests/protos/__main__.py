"""Checks the protos, or locks what was added to them.

    python -m tests.protos             say what breaks clients, what is not locked and what lacks a comment
    python -m tests.protos --update    lock additions

A break that is wanted is made by taking its lines out of the lock by hand, where whoever reviews it sees them go.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.protos.elements import PROTO_ROOT, read_elements
from tests.protos.rules import find_additions, find_breaks, find_flaws

LOCK_PATH = Path(__file__).parent / "protos.lock"
UPDATE = "--update"


def main(
    arguments: Sequence[str],
    *,
    proto_root: Path = PROTO_ROOT,
    lock_path: Path = LOCK_PATH,
) -> int:
    """Returns the exit status: 0 all is well, 1 something has to be mended."""
    elements = read_elements(proto_root)
    locked = lock_path.read_text().splitlines() if lock_path.exists() else []
    problems = [*find_breaks(locked, elements), *find_flaws(elements)]
    if not problems and UPDATE in arguments:
        lock_path.write_text(
            "".join(f"{line}\n" for line in sorted(map(str, elements)))
        )
    elif added := list(find_additions(locked, elements)):
        problems.append(
            f"{len(added)} elements are new, such as {added[0].kind} {added[0].name}: lock them with `make protos`."
        )
    sys.stdout.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
