"""What may not change in a proto that somebody speaks already, and what every element must have.

Names count as much as numbers: requests, journals and bundles are kept as JSON, where fields go by name.
"""

from collections.abc import Iterable, Iterator

from tests.protos.elements import Element

COMMENTED = ("message", "field", "enum", "value", "service", "method")
NEW_NUMBER = "leave the old one as it is and add a new one beside it"
KEEP = "keep it; if nobody can speak it yet, take its line out of tests/protos/protos.lock by hand"


def find_breaks(locked: Iterable[str], elements: Iterable[Element]) -> Iterator[str]:
    """Says in a sentence what a client of the locked protos would stumble over.

    Args:
      locked: Lines of the lock.
      elements: What is declared now.
    """
    now = {(e.kind, e.name, _key(e)): e for e in elements}
    numbers = {
        (e.kind, e.name.rpartition(".")[0], e.shape.split()[1]): e
        for e in now.values()
        if e.kind in ("field", "value")
    }
    for line in locked:
        before = parse(line)
        after = now.get((before.kind, before.name, _key(before)))
        if after is None:
            yield _say_removed(before, numbers)
        elif after.shape != before.shape:
            yield _say_changed(before, after)


def find_additions(
    locked: Iterable[str], elements: Iterable[Element]
) -> Iterator[Element]:
    """Lists what is declared and not locked yet."""
    known = {(e.kind, e.name, _key(e)) for e in map(parse, locked)}
    return (e for e in elements if (e.kind, e.name, _key(e)) not in known)


def find_flaws(elements: Iterable[Element]) -> Iterator[str]:
    """Says in a sentence what is not declared as it should be."""
    elements = list(elements)
    for element in elements:
        if element.kind in COMMENTED and not element.comment:
            yield (
                f"{element.place}: {element.kind} {element.name} has no comment: say above it what it is, with unit, "
                "range and default (AIP-192)."
            )
        if element.kind == "value" and element.shape == "= 0":
            yield from _check_zero(element)
        if element.kind == "field" and " uint" in element.shape:
            yield f"{element.place}: field {element.name} is unsigned: take int32 or int64 (AIP-141)."


def parse(line: str) -> Element:
    """Reads a line of the lock."""
    kind, name, shape = (*line.split(" ", 2), "")[:3]
    return Element(kind, name, shape)


def _key(element: Element) -> str:
    # One name may be reserved together with several ranges of numbers.
    return element.shape if element.kind == "reserved" else ""


def _check_zero(element: Element) -> Iterator[str]:
    if not element.name.endswith("_UNSPECIFIED"):
        yield (
            f"{element.place}: value {element.name} is 0 and what a client that says nothing sends: end its name in "
            "_UNSPECIFIED (AIP-126)."
        )


def _say_removed(before: Element, numbers: dict[tuple[str, str, str], Element]) -> str:
    if before.kind in ("field", "value"):
        parent, _, _ = before.name.rpartition(".")
        successor = numbers.get((before.kind, parent, before.shape.split()[1]))
        if successor is not None:
            return (
                f"{successor.place}: {before.kind} {before.name} is called {successor.name.rpartition('.')[2]} now: "
                f"JSON and code know it by its name; {NEW_NUMBER}."
            )
    return f"{before.kind} {before.name} was removed ({before.shape or 'all of it'}): {KEEP}."


def _say_changed(before: Element, after: Element) -> str:
    return f"{after.place}: {before.kind} {before.name} was `{before.shape}` and is `{after.shape}` now: {NEW_NUMBER}."
