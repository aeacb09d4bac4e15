"""The voices of one personality in a performance: frames in, sound at the output rate out.

Every note is a stream of its own with its own frames, which begin at the very sample the note begins at: nothing waits
for a common grid. Streams whose next frames are due go into one batch. What they sing is summed, gets the learned
reverb, and is brought to the output rate.

A bus neither says what is sung nor sings itself. `play` is a generator that yields `Question`s, `Request`s and what its
strip is to be `Fed`, and is sent the answers, so that whoever drives it can put those of many performances into one.
"""

from collections.abc import Generator, Hashable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.errors import VoiceError
from amadeus.live import strip
from amadeus.live.notes import Frames
from amadeus.live.strip import Fed
from amadeus.live.tape import Stretch, Tape
from amadeus.v1 import personality_pb2

MAX_FRAMES = 32  # of a stream in one request: bounds what is sung ahead


class Singer(Protocol):
    """A voice that can be asked for frames, wherever it lives."""

    @property
    def personality(self) -> personality_pb2.Personality:
        """Who sings."""
        ...

    @property
    def identity(self) -> Hashable:
        """Equal for singers whose frames may go into one batch."""
        ...

    @property
    def spec(self) -> AudioSpec:
        """Its clock."""
        ...

    @property
    def state_size(self) -> int:
        """Floats in a stream's state."""
        ...

    @property
    def impulse_response(self) -> np.ndarray:
        """Its learned reverb. Shape [n_taps], none for no reverb."""
        ...

    def sing(self, frames: Frames, state: np.ndarray) -> "Sung":
        """Sings the next frames of some streams; see `Request`."""
        ...


class Request(NamedTuple):
    """Frames to be sung.

    Attributes:
      singer: By whom.
      frames: Shapes [n_streams, n_frames].
      state: Of the streams. Float32, shape [n_streams, state_size].
    """

    singer: Singer
    frames: Frames
    state: np.ndarray


class Sung(NamedTuple):
    """What was sung.

    Attributes:
      audio: Float32, shape [n_streams, n_frames * hop_size].
      state: To go on from. Float32, shape [n_streams, state_size].
    """

    audio: np.ndarray
    state: np.ndarray


class Question(NamedTuple):
    """Asks what streams are to sing.

    Attributes:
      source: Who knows; questions to the same one may be asked as one.
      slots: Which streams. Shape [n_streams].
      times_s: At which times. Shape [n_streams, n_frames].
    """

    source: "Source"
    slots: np.ndarray
    times_s: np.ndarray


# What a performance asks for while it makes sound: frames, what they sound like, and how their sum is heard.
Wish = Question | Request | Fed
Answer = Frames | Sung | np.ndarray


class Source(Protocol):
    """Who knows what streams sing."""

    def frames(self, slots: np.ndarray, times_s: np.ndarray) -> Frames:
        """Says what streams sing at `times_s` [n_streams, n_frames]."""
        ...


class Part(Protocol):
    """What the streams of a bus sing."""

    @property
    def source(self) -> Source:
        """Who knows."""
        ...

    def is_over(self, slot: int) -> bool:
        """Whether a stream will sing no more."""
        ...

    def free(self, slot: int) -> None:
        """Is told that a stream has been closed."""
        ...


@dataclass
class _Stream:
    slot: int
    number: int  # in the order they began
    n_sung: int  # samples of the bus it is known up to
    state: np.ndarray  # [state_size]


class Bus:
    """Voices, reverb and rate of one personality."""

    def __init__(
        self, singer: Singer, part: Part, *, sample_rate: int, first_sample: int
    ) -> None:
        """Begins in silence.

        Args:
          singer: Who sings.
          part: What is sung.
          sample_rate: Of the output, in Hz.
          first_sample: Of the performance, at the output rate, where this bus begins.
        """
        self.singer, self.part = singer, part
        self.first_sample = first_sample
        self._sample_rate = sample_rate
        self._voice_rate = singer.spec.sample_rate
        self._hop = singer.spec.hop_size
        self._strip = strip.make(
            singer.impulse_response, from_rate=self._voice_rate, to_rate=sample_rate
        )
        self._streams: list[_Stream] = []
        self._n_opened = 0
        self.tape: Tape | None = None  # where what is told is kept, if anybody asks
        self._mix = np.zeros(0, np.float32)  # from `_n_taken` on
        self._n_taken = 0
        self._ready = np.zeros(self.latency_samples, np.float32)  # at the output rate
        # output samples made since all fell silent; before the first sound all has long been silent
        self._n_quiet = self._n_to_empty + 1

    @property
    def latency_samples(self) -> int:
        """Output samples by which sound comes after its event."""
        return self._strip.latency_samples

    @property
    def _n_to_empty(self) -> int:
        """Output samples in which what the resampler holds has gone out."""
        return 2 * self.latency_samples

    @property
    def slots(self) -> list[int]:
        """Slots of the streams that sound, the oldest first."""
        return [stream.slot for stream in self._streams]

    @property
    def is_silent(self) -> bool:
        """Whether nothing sounds, rings or is on its way out."""
        is_still = not self._streams and self._strip.is_silent
        return is_still and self._n_quiet > self._n_to_empty

    def time_s(self, sample: int) -> float:
        """When a sample of the performance is, in seconds."""
        return sample / self._sample_rate

    def open(self, slot: int, sample: int) -> None:
        """Begins a stream at a sample of the performance that is not made yet."""
        place = (sample - self.first_sample) * self._voice_rate // self._sample_rate
        state = np.zeros(self.singer.state_size, np.float32)
        number, self._n_opened = self._n_opened, self._n_opened + 1
        self._streams.append(_Stream(slot, number, max(place, self._n_taken), state))

    def drop(self, slot: int) -> None:
        """Ends a stream where it stands."""
        self._streams = [s for s in self._streams if s.slot != slot]
        self.part.free(slot)

    def play(
        self, n_samples: int, *, mix: float
    ) -> Generator[Wish, Answer, np.ndarray]:
        """Makes the next samples.

        Args:
          n_samples: At the output rate.
          mix: Share of the reverb.

        Returns:
          Float32, shape [n_samples].
        """
        if self.is_silent:
            self._skip(n_samples)
            return np.zeros(n_samples, np.float32)
        n_missing = n_samples - len(self._ready)
        if n_missing > 0:
            n_needed = self._strip.needed(n_missing)
            yield from self._sing(self._n_taken + n_needed)
            sound = yield Fed(self._strip, self._take(n_needed), mix)
            assert isinstance(sound, np.ndarray)
            self._ready = np.concatenate([self._ready, sound])
        is_still = not self._streams and self._strip.is_silent
        self._n_quiet = self._n_quiet + n_samples if is_still else 0
        sound, self._ready = self._ready[:n_samples], self._ready[n_samples:]
        return sound

    def sing_ahead(self, n_samples: int) -> Generator[Wish, Answer, None]:
        """Lets streams that sound sing what the next samples take of them, so that `play` has less to do then.

        What is sung is told already: a bend or a release that comes now is heard when that has sounded.
        """
        if self._streams:
            n_missing = max(0, n_samples - len(self._ready))
            yield from self._sing(self._n_taken + self._strip.needed(n_missing))

    def _skip(self, n_samples: int) -> None:
        """Lets silence go by without making it: everything inside is zeros."""
        n_missing = n_samples - len(self._ready)
        self._ready = self._ready[n_samples:]
        if n_missing > 0:
            n_needed = self._strip.needed(n_missing)
            self._take(n_needed)
            silence = np.zeros(n_needed, np.float32)
            self._ready = self._strip.feed(silence, 0.0)[n_missing:]

    def _sing(self, until: int) -> Generator[Wish, Answer, None]:
        """Lets all streams sing at least as far as `until`, in samples of the bus."""
        while due := [s for s in self._streams if s.n_sung < until]:
            furthest = max(s.n_sung for s in due)
            n_frames = min(-((furthest - until) // self._hop), MAX_FRAMES)
            ends = np.array([[s.n_sung] for s in due]) + self._hop * np.arange(
                1, n_frames + 1
            )
            times_s = self.time_s(self.first_sample) + ends / self._voice_rate
            slots = np.array([s.slot for s in due])
            frames = yield Question(self.part.source, slots, times_s)
            assert isinstance(frames, Frames)
            if self.tape is not None:
                self._lay(self.tape, due, frames)
            sung = yield Request(self.singer, frames, np.stack([s.state for s in due]))
            assert isinstance(sung, Sung)
            self._add(due, sung)
            self._close()

    def _lay(self, tape: Tape, streams: list[_Stream], frames: Frames) -> None:
        first = self.first_sample * self._voice_rate // self._sample_rate
        places = [first + stream.n_sung for stream in streams]
        tape.lay(Stretch([stream.number for stream in streams], places, frames))

    def _add(self, streams: list[_Stream], sung: Sung) -> None:
        if not np.isfinite(sung.audio.sum()):
            who = self.singer.personality
            raise VoiceError(
                f"generation {who.generation} of {who.deu} gave sound that is no number: it is damaged, play another "
                "generation, or practise again."
            )
        n_audio = sung.audio.shape[1]
        self._reach(max(s.n_sung for s in streams) + n_audio)
        for stream, audio, state in zip(streams, sung.audio, sung.state, strict=True):
            first = stream.n_sung - self._n_taken
            self._mix[first : first + n_audio] += audio
            stream.n_sung += n_audio
            stream.state = state

    def _close(self) -> None:
        for stream in [s for s in self._streams if self.part.is_over(s.slot)]:
            self._streams.remove(stream)
            self.part.free(stream.slot)

    def _reach(self, end: int) -> None:
        n_more = end - self._n_taken - len(self._mix)
        if n_more > 0:
            self._mix = np.concatenate([self._mix, np.zeros(n_more, np.float32)])

    def _take(self, n_samples: int) -> np.ndarray:
        self._reach(self._n_taken + n_samples)
        taken, self._mix = self._mix[:n_samples], self._mix[n_samples:]
        self._n_taken += n_samples
        return taken
