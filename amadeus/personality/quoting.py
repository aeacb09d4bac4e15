"""Words of strangers in our sentences."""

_MAX_CHARACTERS = 200


def tame(text: str) -> str:
    """Makes one short line of printable characters of a text: no bundle gets to write to a terminal or a log."""
    line = "".join(c if c.isprintable() else "?" for c in text[: _MAX_CHARACTERS + 1])
    return line if len(line) <= _MAX_CHARACTERS else f"{line[:_MAX_CHARACTERS]}..."
