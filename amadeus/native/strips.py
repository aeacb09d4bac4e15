"""Channel strips by kernels: what `amadeus.live.room` and `amadeus.live.resampling` do, for many at once.

One call for all performances of a round, without Python's lock: the strips of sixteen take as long as the first would
in NumPy.
"""

import ctypes
import functools
from collections.abc import Sequence

import numpy as np

from amadeus.native import library

SHORT, LONG = 256, 2048  # samples a block, as in amadeus.live.room
MARGIN = 64  # floats that vectors may read beyond an end

_POINTERS = (
    *("head", "near_parts", "far_parts", "roots", "near_past", "far_past"),
    *("near_ringing", "far_ringing", "samples", "taps", "kept", "dry", "sound"),
)
_NUMBERS = (
    *("n_near", "n_far", "near_newest", "far_newest", "n_filled"),
    *("up", "down", "n_taps", "n_kept", "n_dry", "n_sound", "has_room"),
)


class Strip(ctypes.Structure):
    """As in strip.c. Arrays that it points to are kept in `arrays`."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in _POINTERS),
        *((name, ctypes.c_int64) for name in ("first", "n_out")),
        *((name, ctypes.c_int) for name in _NUMBERS),
        *((name, ctypes.c_float) for name in ("mix_before", "mix")),
    )

    def __init__(
        self,
        head: np.ndarray,
        near_parts: np.ndarray,
        far_parts: np.ndarray,
        *,
        taps: np.ndarray,
        up: int,
        down: int,
    ) -> None:
        """Begins in silence.

        Args:
          head: The first taps of the reverb. Shape [SHORT].
          near_parts: Spectra of the taps up to LONG. Shape [n_near, 2, SHORT + 1].
          far_parts: Of those from LONG on. Shape [n_far, 2, LONG + 1].
          taps: Of the resampler, by phase. Shape [up, n_taps].
          up: Output samples for each `down` input samples.
          down: See above.
        """
        super().__init__()
        self.arrays: dict[str, np.ndarray] = {}
        given = {
            "head": head,
            "near_parts": near_parts,
            "far_parts": far_parts,
            "roots": _roots(),
            "taps": taps,
        }
        own = {
            "near_past": np.zeros_like(near_parts),
            "far_past": np.zeros_like(far_parts),
            "near_ringing": np.zeros(SHORT, np.float32),
            "far_ringing": np.zeros(LONG, np.float32),
            "samples": np.zeros(2 * LONG + MARGIN, np.float32),
        }
        for name, array in {**given, **own}.items():
            self.point(name, np.ascontiguousarray(array, np.float32))
        n_half = taps.shape[1] // 2
        self.up, self.down, self.n_taps = up, down, taps.shape[1]
        self.n_near, self.n_far = len(near_parts), len(far_parts)
        self.n_kept = 0 if up == down else n_half  # before the stream: silence
        self.first = -self.n_kept
        self.point("kept", np.zeros(self.n_kept + LONG, np.float32))

    def point(self, name: str, array: np.ndarray) -> None:
        """Lets a field point to an array."""
        self.arrays[name] = array
        setattr(self, name, array.ctypes.data)

    def take(
        self, dry: np.ndarray, n_sound: int, *, mix: tuple[float, float] | None
    ) -> np.ndarray:
        """Prepares the next call of `play`.

        Args:
          dry: Float32, shape [n_dry].
          n_sound: Output samples that can be had then.
          mix: Of the reverb, before and after; None for no reverb.

        Returns:
          Where they will be. Float32, shape [n_sound].
        """
        kept = self.arrays["kept"]
        n_needed = self.n_kept + len(dry) + MARGIN
        if n_needed > len(kept):
            more = np.zeros(2 * n_needed, np.float32)
            more[: self.n_kept] = kept[: self.n_kept]
            self.point("kept", more)
        sound = np.empty(n_sound, np.float32)
        self.point("dry", np.ascontiguousarray(dry, np.float32))
        self.point("sound", sound)
        self.n_dry, self.n_sound = len(dry), n_sound
        self.has_room = mix is not None
        if mix is not None:
            self.mix_before, self.mix = mix
        return sound


def play(strips: Sequence[Strip]) -> None:
    """Lets strips make what they were prepared for, each at most once."""
    places = np.array([ctypes.addressof(strip) for strip in strips], np.uint64)
    library.call("strips", len(strips), places)


@functools.cache
def _roots() -> np.ndarray:
    angles = 2 * np.pi * np.arange(2 * LONG) / (2 * LONG)
    return np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
