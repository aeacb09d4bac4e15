"""A performance: what somebody sends on one side, blocks of sound on the other.

Nothing here knows of clocks on walls, threads or networks. Whoever drives a performance hands it requests as they come
(`obey`), asks how far it may go (`n_ready`), and lets it make samples (`make`).

Conventions: offsets count samples at the output rate. What an event causes comes out `latency_samples` after its
offset, always. By the client's clock it is as late as the client has said; what comes without an offset belongs there,
however much has been made.
"""

import heapq
import itertools
from collections.abc import Callable, Generator
from typing import Any, Protocol

import numpy as np

from amadeus.errors import ConfigError
from amadeus.live.bus import Answer, Singer, Wish
from amadeus.live.configuration import MAX_MIDI_BYTES
from amadeus.live.ensemble import Ensemble
from amadeus.live.line_player import LinePlayer, TransferPlayer
from amadeus.live.midi_player import MidiPlayer
from amadeus.live.notes import NoteBank
from amadeus.live.notices import Notices
from amadeus.live.tape import Tape
from amadeus.personality.profiles import complete_player_profile
from amadeus.v1 import perform_pb2, profiles_pb2

MAX_TAIL_S = 60.0  # of what still sounds when all has been sent
MAX_AHEAD_S = 600.0  # an event may lie this far in the future
MAX_SAMPLE = 2**48

_KNEE = 0.8  # of full scale: louder peaks are rounded off
_Kind = perform_pb2.PerformanceNotice
_Deed = Callable[[], None]


class Player(Protocol):
    """What the three modes have in common."""

    ensemble: Ensemble[Any]
    profile: profiles_pb2.PlayerProfile
    n_notes: int

    @property
    def latency_samples(self) -> int:
        """See `Performance`."""
        ...

    @property
    def lookahead_samples(self) -> int:
        """See `Performance`."""
        ...

    def n_ready(self) -> int:
        """Samples that may be made now."""
        ...

    def n_waiting(self) -> int:
        """Frames or events that wait."""
        ...

    def turn_knobs(self, given: profiles_pb2.PlayerProfile) -> None:
        """Changes the fields that are set."""
        ...

    def end(self) -> None:
        """Is told that nothing more will come."""
        ...


class Performance:
    """One performance from its first sample to its last."""

    def __init__(
        self,
        configuration: perform_pb2.PerformConfiguration,
        singer: Singer,
        *,
        on_leave: Callable[[Singer], None],
        bank: NoteBank | None = None,
    ) -> None:
        """Begins in silence.

        Args:
          configuration: Complete; see `configuration.complete`.
          singer: Who sings first.
          bank: Where notes live; None: in one of its own.
          on_leave: Told of a singer who is not needed any more, from whichever thread makes sound.

        Raises:
          ConfigError: The player profile has a field out of range.
        """
        self.configuration = configuration
        self.notices = Notices()
        self._player = _make_player(
            configuration, singer, self.notices, bank or NoteBank(), on_leave
        )
        self._events: list[tuple[int, int, _Deed]] = []  # a heap of what is to come
        self._numbers = itertools.count()
        self._advanced_to = 0
        self._has_ended = self._has_let_go = False
        self._n_tail = int(MAX_TAIL_S * configuration.sample_rate)
        self._gain: float | None = None
        self.tape: Tape | None = None
        if configuration.send_controls:
            self.tape = self._player.ensemble.bus.tape = Tape()

    @property
    def singer(self) -> Singer:
        """Who sings new notes."""
        return self._player.ensemble.bus.singer

    @property
    def sample(self) -> int:
        """Samples made so far."""
        return self._player.ensemble.sample

    @property
    def latency_samples(self) -> int:
        """Samples by which sound lies later than the event that causes it."""
        return self._player.latency_samples

    @property
    def lookahead_samples(self) -> int:
        """Samples that must have come beyond a moment before its sound can be made."""
        return self._player.lookahead_samples

    @property
    def n_notes(self) -> int:
        """Notes played so far."""
        return self._player.n_notes

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come and nothing sounds any more."""
        if not self._has_ended or self._events or self.sample < self._advanced_to:
            return False
        return self._player.ensemble.is_silent or self._n_tail <= 0

    @property
    def can_change(self) -> bool:
        """Whether another may take over: lines have no notes, and keep who began them; so does a take to be judged."""
        return isinstance(self._player, MidiPlayer) and self.tape is None

    def full_configuration(self) -> perform_pb2.PerformConfiguration:
        """Says what is played with, the player profile as it stands now included."""
        full = perform_pb2.PerformConfiguration()
        full.CopyFrom(self.configuration)
        full.player_profile.CopyFrom(self._player.profile)
        return full

    def take_over(self, singer: Singer) -> None:
        """Lets another personality sing from the next note on; only where there are notes, see `can_change`."""
        assert isinstance(self._player, MidiPlayer)
        self._player.take_over(singer)
        who = singer.personality
        self.notices.add(
            _Kind.KIND_PERSONALITY_CHANGED,
            self.sample,
            f"{who.deu} plays as generation {who.generation} from the next note on.",
        )

    def obey(self, request: perform_pb2.PerformRequest) -> None:
        """Takes a message.

        Raises:
          ConfigError: It is none that this performance can take; nothing has changed.
        """
        kind = request.WhichOneof("message")
        if kind == "player_profile":
            self._turn_knobs(request.player_profile)
        elif kind == "advance":
            self._advance(request.advance.sample_offset)
        elif kind == "midi" and isinstance(self._player, MidiPlayer):
            self._hear(request.midi)
        elif kind == "controls" and isinstance(self._player, LinePlayer):
            self._player.take_controls(request.controls)
        elif kind == "audio" and isinstance(self._player, TransferPlayer):
            self._player.hear(request.audio.samples)
        else:
            raise ConfigError(_say_misplaced(kind, self.configuration))

    def end(self) -> None:
        """Nothing more will come: what sounds is played to its end."""
        self._has_ended = True
        self._let_go_if_due()

    def n_ready(self) -> int:
        """Samples that may be made now, by what has been sent.

        What rings on behind that is made block by block: how long it is must not depend on who drives.
        """
        if self._has_ended:
            is_over, n_block = self.is_over, self.configuration.block_size
            return 0 if is_over else max(self._n_sent(), n_block)
        return max(0, self._n_sent())

    def _n_sent(self) -> int:
        """Samples from here to the end of what has been sent."""
        if not isinstance(self._player, MidiPlayer):
            return self._player.n_ready()
        planned = [place for place, _, _ in self._events] if self._has_ended else []
        return max([self._advanced_to, *planned]) - self.sample

    def n_waiting(self) -> int:
        """Events or frames that wait: whoever sends more than enough is to be slowed down by it."""
        return len(self._events) + self._player.n_waiting()

    def make(self, n_samples: int) -> Generator[Wish, Answer, np.ndarray]:
        """Makes the next samples; see `Bus.play`.

        Returns:
          Float32 in [-1, 1], shape [n_samples].
        """
        end, parts = self.sample + n_samples, []
        while self.sample < end:
            self._play_due()
            stop = self._next_change(end)
            mix = self._player.profile.reverb_mix
            part = yield from self._player.ensemble.play(stop - self.sample, mix=mix)
            parts.append(part)
        self._tell_missing()
        if self._has_let_go:
            self._n_tail -= n_samples
        return self._finish(np.concatenate(parts))

    def sing_ahead(self, n_samples: int) -> Generator[Wish, Answer, None]:
        """Lets notes that sound sing what the next samples will need, as far as no event is known to lie before.

        For whoever has time left before the samples are due. See `Bus.sing_ahead`; lines wait for their frames.
        """
        if isinstance(self._player, MidiPlayer):
            n_samples = self._next_change(self.sample + n_samples) - self.sample
            if n_samples > 0:
                yield from self._player.ensemble.sing_ahead(n_samples)

    def close(self) -> None:
        """Lets all singers go."""
        self._player.ensemble.close()

    def _tell_missing(self) -> None:
        if not isinstance(self._player, LinePlayer):
            return
        n_missing = self._player.take_missing()
        if n_missing:
            self.notices.add(
                _Kind.KIND_UNDERRUN,
                self.sample,
                f"{n_missing} frames were due and had not come, so the line is silent there: send them earlier, or "
                "choose the client's clock.",
            )

    def _advance(self, sample: int) -> None:
        if not self._advanced_to <= sample <= MAX_SAMPLE:
            raise ConfigError(
                f"advance to sample {sample} after {self._advanced_to}: time only goes on; send the same or more."
            )
        self._advanced_to = sample

    def _hear(self, event: perform_pb2.MidiEvent) -> None:
        if len(event.data) > MAX_MIDI_BYTES:
            raise ConfigError(
                f"a MIDI event has {len(event.data)} bytes and at most {MAX_MIDI_BYTES} are taken: send it in parts."
            )
        if not event.HasField("sample_offset"):
            self._do_now(lambda: self._play(event.data))
            return
        place = event.sample_offset
        n_ahead = place - max(self.sample, self._advanced_to)
        if place < 0 or n_ahead > MAX_AHEAD_S * self.configuration.sample_rate:
            raise ConfigError(
                f"a MIDI event at sample {place} lies out of reach at {self.sample}: send it within {MAX_AHEAD_S:g} s "
                "of its time."
            )
        if place < self.sample:
            late_ms = 1000 * (self.sample - place) / self.configuration.sample_rate
            self.notices.add(
                _Kind.KIND_LATE_EVENT,
                self.sample,
                f"an event for sample {place} came {late_ms:.1f} ms late and is played now: send it earlier, or with a "
                "later offset.",
            )
        self._do_at(max(place, self.sample), lambda: self._play(event.data))

    def _turn_knobs(self, given: profiles_pb2.PlayerProfile) -> None:
        complete_player_profile(given)  # raises now, not when its time has come
        self._do_now(lambda: self._player.turn_knobs(given))

    @property
    def _now(self) -> int:
        """Where what has no offset belongs: lines and the studio's clock have made all that is past."""
        is_clients = self.configuration.clock == perform_pb2.PERFORM_CLOCK_CLIENT
        if is_clients and isinstance(self._player, MidiPlayer):
            return max(self.sample, self._advanced_to)
        return self.sample

    def _do_now(self, deed: _Deed) -> None:
        if self._now > self.sample:
            self._do_at(self._now, deed)
        else:
            deed()

    def _do_at(self, place: int, deed: _Deed) -> None:
        heapq.heappush(self._events, (place, next(self._numbers), deed))

    def _play_due(self) -> None:
        while self._events and self._events[0][0] <= self.sample:
            heapq.heappop(self._events)[2]()
        self._let_go_if_due()

    def _let_go_if_due(self) -> None:
        is_due = self._has_ended and not self._events and self._now <= self.sample
        if is_due and not self._has_let_go:
            self._has_let_go = True
            self._player.end()

    def _next_change(self, end: int) -> int:
        """How far sound can be made at one go."""
        if self._events:
            return min(end, self._events[0][0])
        if self._has_ended and self._now > self.sample:
            return min(end, self._now)
        return end

    def _play(self, data: bytes) -> None:
        assert isinstance(self._player, MidiPlayer)
        self._player.hear(data)

    def _finish(self, sound: np.ndarray) -> np.ndarray:
        gain = 10 ** (self._player.profile.output_gain_db / 20)
        before, self._gain = gain if self._gain is None else self._gain, gain
        if before != gain:  # a knob that is turned goes there over the block
            sound = sound * np.linspace(before, gain, len(sound) + 1)[1:]
        elif gain != 1.0:
            sound = sound * gain
        return _round_off(sound).astype(np.float32, copy=False)


def _make_player(
    configuration: perform_pb2.PerformConfiguration,
    singer: Singer,
    notices: Notices,
    bank: NoteBank,
    on_leave: Callable[[Singer], None],
) -> Player:
    given, rate = configuration.player_profile, configuration.sample_rate
    if configuration.mode == perform_pb2.PERFORM_MODE_CONTROLS:
        return LinePlayer(singer, given, sample_rate=rate, on_leave=on_leave)
    if configuration.mode == perform_pb2.PERFORM_MODE_TRANSFER:
        octave = configuration.octave if configuration.HasField("octave") else None
        return TransferPlayer(
            singer,
            given,
            sample_rate=rate,
            input_sample_rate=configuration.input_sample_rate,
            octave=octave,
            on_leave=on_leave,
        )
    return MidiPlayer(
        singer,
        given,
        bank=bank,
        sample_rate=rate,
        seed=configuration.seed,
        notices=notices,
        on_leave=on_leave,
    )


def _say_misplaced(
    kind: str | None, configuration: perform_pb2.PerformConfiguration
) -> str:
    mode = perform_pb2.PerformMode.Name(configuration.mode)
    if kind is None:
        return "an empty message: send MIDI, controls, audio, an advance or knobs."
    if kind == "configuration":
        return "a second configuration: it is the first message, and only that; open another performance."
    return f"{kind} in a performance of {mode}: choose the mode for it, or send what this one plays."


def _round_off(sound: np.ndarray) -> np.ndarray:
    """Bends peaks beyond the knee below full scale; what stays under it is untouched."""
    size = np.abs(sound)
    if size.max(initial=0.0) <= _KNEE:
        return sound
    room = 1 - _KNEE
    bent = _KNEE + room * np.tanh((size - _KNEE) / room)
    return np.where(size > _KNEE, np.sign(sound) * bent, sound)
