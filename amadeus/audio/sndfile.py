"""Sound that libsndfile reads, through `soundfile`."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from amadeus.audio.containers import PromisedData
from amadeus.errors import RecordingError


class SndfileDecoder:
    """Decodes a file that libsndfile reads; use as a context manager.

    Attributes:
      sample_rate: In Hz.
      n_channels: Channels of the file.
      n_samples: Samples per channel the file promises; None if it does not say.
      n_samples_held: The same, as far as the bytes are there.
      format: Container and encoding.

    Raises:
      soundfile.LibsndfileError: libsndfile does not know the file.
    """

    def __init__(
        self, path: Path, file: BinaryIO, *, promise: PromisedData | None
    ) -> None:
        self._path = path
        file.seek(0)  # libsndfile starts where the descriptor stands
        # By descriptor: soundfile would believe the suffix of a name such as `take.raw`.
        self._sound = _StreamedFile(file.fileno(), closefd=False)
        self.sample_rate = self._sound.samplerate
        self.n_channels = self._sound.channels
        self.format = f"{self._sound.format} {self._sound.subtype}"
        self.n_samples_held, self.n_samples = self._count_samples(promise)

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
        try:
            while len(
                block := self._sound.read(n_samples, dtype="float32", always_2d=True)
            ):
                yield block
        except soundfile.LibsndfileError as error:
            raise RecordingError(
                f"{self._path} cannot be decoded to its end: {error.error_string.rstrip('.')}; copy or export it again."
            ) from error

    def close(self) -> None:
        """Closes the decoder; the file stays open, for its owner to close."""
        self._sound.close()

    def _count_samples(self, promise: PromisedData | None) -> tuple[int, int | None]:
        n_held = self._sound.frames
        if n_held >= 2**62:  # libsndfile's word for unknown
            return n_held, None
        if promise is None or promise.promised_bytes <= promise.held_bytes:
            return n_held, n_held
        # libsndfile counts what the file holds, not what its header promises.
        return n_held, round(
            n_held * promise.promised_bytes / max(1, promise.held_bytes)
        )


class _StreamedFile(soundfile.SoundFile):
    """Reads straight on: `read` of a seekable file seeks after every block, which DWVW cannot do."""

    def seekable(self) -> bool:
        return False
