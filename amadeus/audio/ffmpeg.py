"""Sound that libsndfile does not read, decoded by ffmpeg in a process of its own.

ffmpeg hands over a Sun/NeXT AU stream of 32-bit floats: it names its rate and channels, so nothing
is guessed. A recording may come from a stranger: the demuxer is named by us from the file's first
bytes, so a playlist is never opened as one, and no protocol but a local file is allowed.
"""

import re
import shutil
import signal
import struct
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import numpy as np

from amadeus.errors import RecordingError

INSTALL_HINT = "install ffmpeg, or `pip install 'amadeus[formats]'` which brings one"

_AU_HEADER = struct.Struct(">4sIIIII")
_DURATION = re.compile(r"Duration: (\d+):(\d\d):(\d\d\.\d+)")
_CODEC = re.compile(r"Audio: (\w+)")


def find_ffmpeg() -> str | None:
    """Finds ffmpeg on the PATH, else in the `imageio-ffmpeg` package; None if there is none."""
    on_path = shutil.which("ffmpeg")
    if on_path:
        return on_path
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        return None


class FfmpegDecoder:
    """Decodes the first audio stream of a file; use as a context manager.

    Attributes:
      sample_rate: In Hz.
      n_channels: Channels of the stream.
      n_samples: Samples per channel ffmpeg expects; None if it does not know.
      format: Container and codec.
    """

    def __init__(self, path: Path, *, container: str, offset_s: float = 0.0) -> None:
        program = find_ffmpeg()
        if program is None:
            raise RecordingError(
                f"{path} is {container} audio that needs ffmpeg, and there is none: {INSTALL_HINT}."
            )
        self._path = path
        self._process = subprocess.Popen(
            _command(program, path, container, offset_s),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._sound = cast(IO[bytes], self._process.stdout)
        self._words = cast(IO[bytes], self._process.stderr)
        self._head: list[str] = []  # where ffmpeg describes the input
        self._errors: deque[str] = deque(maxlen=5)
        self._described = threading.Event()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        try:
            self.sample_rate, self.n_channels = self._read_header()
        except BaseException:
            self.close()
            raise
        self.format = f"{container} ({self._find(_CODEC, 'unknown')})"
        self.n_samples = self._count_samples(container)

    def __enter__(self) -> "FfmpegDecoder":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def blocks(self, n_samples: int) -> Iterator[np.ndarray]:
        """Yields float32 blocks [<= n_samples, n_channels] until the stream ends.

        Raises:
          RecordingError: ffmpeg gave up.
        """
        frame_bytes = 4 * self.n_channels
        while chunk := self._sound.read(n_samples * frame_bytes):
            whole = len(chunk) - len(chunk) % frame_bytes
            samples = np.frombuffer(chunk[:whole], dtype=">f4").astype(np.float32)
            yield samples.reshape(-1, self.n_channels)
        if self._process.wait() != 0:
            self._listener.join()
            raise self._failure()

    def close(self) -> None:
        """Ends the process, whether it has finished or not, and waits for it."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        self._sound.close()
        self._words.close()

    def _listen(self) -> None:
        for raw in self._words:
            line = raw.decode(errors="replace").strip()
            if len(self._head) < 200:
                self._head.append(line)
            if "Stream mapping:" in line:  # what follows the description of the input
                self._described.set()
            if "[error]" in line or "[fatal]" in line:
                self._errors.append(line)
        self._described.set()

    def _read_header(self) -> tuple[int, int]:
        header = self._sound.read(_AU_HEADER.size)
        if len(header) < _AU_HEADER.size:
            self._process.wait()
            self._listener.join()
            raise self._failure()
        _, start, _, _, sample_rate, n_channels = _AU_HEADER.unpack(header)
        self._sound.read(start - _AU_HEADER.size)
        self._described.wait()
        return sample_rate, n_channels

    def _failure(self) -> RecordingError:
        if self._process.returncode == -signal.SIGKILL:  # no fault of the recording
            return RecordingError(
                f"ffmpeg was killed while it decoded {self._path}, as happens where memory runs out: free some, then "
                "try again."
            )
        words = [re.sub(r"\[[^\]]*\]\s*", "", line) for line in self._errors]
        reason = words[0] if words else "it gave no reason"
        reason = reason.replace(f"file:{self._path}: ", "")
        return RecordingError(
            f"{self._path} is cut off, damaged or of an unknown kind: ffmpeg says {reason!r}; export it again.",
            fault="undecodable",
        )

    def _count_samples(self, container: str) -> int | None:
        # Raw AAC has no length: ffmpeg guesses it from the bit rate. Beside a video, the
        # container's length may be the video's.
        text = "\n".join(self._head)
        found = _DURATION.search(text)
        if container in ("aac", "mp3", "ac3") or "Video:" in text or not found:
            return None
        hours, minutes, seconds = (float(number) for number in found.groups())
        return round((hours * 3600 + minutes * 60 + seconds) * self.sample_rate)

    def _find(self, pattern: re.Pattern[str], otherwise: str) -> str:
        found = pattern.search("\n".join(self._head))
        return found.group(1) if found else otherwise


def _command(program: str, path: Path, container: str, offset_s: float) -> list[str]:
    reading = ["-protocol_whitelist", "file,pipe", "-f", container]
    if offset_s:
        reading += ["-ss", f"{offset_s:.3f}"]
    return [
        *(program, "-nostdin", "-hide_banner", "-nostats", "-v", "level+info"),
        *(*reading, "-i", f"file:{path}"),
        *("-map", "0:a:0", "-vn", "-sn", "-dn", "-map_metadata", "-1"),
        *("-c:a", "pcm_f32be", "-f", "au", "pipe:1"),
    ]
