"""Sound that libsndfile reads, through `soundfile`."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from amadeus.errors import RecordingError


class SndfileDecoder:
    """Decodes a file that libsndfile reads; use as a context manager.

    Attributes:
      sample_rate: In Hz.
      n_channels: Channels of the file.
      n_samples: Samples per channel libsndfile expects; None if it does not know.
      format: Container and encoding.

    Raises:
      soundfile.LibsndfileError: libsndfile does not know the file.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        file.seek(0)  # libsndfile starts where the descriptor stands
        # By descriptor: soundfile would believe the suffix of a name such as `take.raw`.
        self._sound = _StreamedFile(file.fileno(), closefd=False)
        self.sample_rate = self._sound.samplerate
        self.n_channels = self._sound.channels
        self.format = f"{self._sound.format} {self._sound.subtype}"
        n_samples = self._sound.frames
        self.n_samples = (
            n_samples if n_samples < 2**62 else None
        )  # its word for unknown

    def __enter__(self) -> "SndfileDecoder":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def seek(self, offset_samples: int) -> None:
        """Moves to a sample."""
        self._sound.seek(min(offset_samples, self._sound.frames))

    def blocks(self, n_samples: int) -> Iterator[np.ndarray]:
        """Yields float32 blocks [<= n_samples, n_channels] until the file ends.

        Raises:
          RecordingError: The data are damaged.
        """
        n_read = 0
        try:
            while len(block := self._read(n_samples)):
                n_read += len(block)
                yield block
        except soundfile.LibsndfileError as error:
            reason = error.error_string.removeprefix("Error : ").rstrip(".")
            raise RecordingError(
                f"{self._path} is cut off or damaged: it promises {(self.n_samples or 0) / self.sample_rate:.2f} s of "
                f"sound but cannot be decoded beyond {n_read / self.sample_rate:.2f} s ({reason}); "
                "copy or export it again.",
                fault="undecodable",
            ) from error

    def close(self) -> None:
        """Closes the decoder; the file stays open, for its owner to close."""
        self._sound.close()

    def _read(self, n_samples: int) -> np.ndarray:
        return self._sound.read(n_samples, dtype="float32", always_2d=True)


class _StreamedFile(soundfile.SoundFile):
    """Reads straight on: `read` of a seekable file seeks after every block, which DWVW cannot do."""

    def seekable(self) -> bool:
        return False
