"""The npm package `audio-lena` (MIT): one sung clip in many encodings.

It is fetched rather than kept: 25 MB, of which the encodings that matter most are 1 MB of a film's
sound whose own licence the package does not tell.
"""

from pathlib import Path

from tests import npm

PACKAGE = "audio-lena@3.0.1"


def fetch() -> Path:
    """Returns the folder of the package.

    Raises:
      RuntimeError: npm is missing, or could not fetch it.
    """
    return npm.fetch(PACKAGE) / "node_modules" / PACKAGE.partition("@")[0]
