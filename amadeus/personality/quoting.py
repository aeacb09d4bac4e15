"""Words of strangers in our sentences."""

_MAX_CHARACTERS = 200


def tame(text: str) -> str:
    """Makes one short line of printable characters of a text: no bundle gets to write to a terminal or a log."""
    line = printable(text[: _MAX_CHARACTERS + 1])
    return line if len(line) <= _MAX_CHARACTERS else f"{line[:_MAX_CHARACTERS]}..."


def printable(text: str) -> str:
    """Makes one line of printable characters of a text, however long it is; what is none becomes `?`."""
    return "".join(c if c.isprintable() else "?" for c in text)
