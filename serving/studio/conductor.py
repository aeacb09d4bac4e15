"""Keeps time: lets all performances of a studio make their blocks, in one thread.

Performances whose next blocks are due make them side by side: notes of all are asked together, and frames for the same
voice go into one batch, whoever asked for them. Those whose clock is the studio's come first; those whose clock is the
client's, such as files, get the time that is left, in slices. Small blocks have no time to spare: what notes that sound
will sing in the next one is sung as soon as the one before has gone out.

One thread, because the work is one stream of small steps: threads would wait for each other's Python more than they
would gain. What a client sends is put into its seat's inbox by the event loop; what it gets is handed back to the loop
once a round.
"""

import gc
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from amadeus.errors import AmadeusError, ConfigError
from amadeus.live.bus import Singer
from amadeus.live.performance import Performance
from amadeus.v1 import perform_pb2
from serving.model_server.priority import step_back
from serving.studio.metrics import Metrics
from serving.studio.together import perform_together

# Of performances whose clock is the client's, at a time; more where nobody waits for a small block.
SLICE_SAMPLES, LONG_SLICE_SAMPLES = 4096, 16_384
PATIENT_BLOCK = 2048  # samples: nobody plays live with blocks of this size
MAX_WAITING = (
    4096  # events or frames of a performance, before its client is slowed down
)
MAX_UNREAD_S = 4.0  # of sound that a client has not taken
# A performance that is later than so many blocks begins its clock anew: one gap is better than being late for long.
RESTART_BLOCKS = 4
LOOK_AROUND_S = 1.0  # between looks for new generations
AHEAD_S = 0.010  # blocks up to this length are sung ahead

_SWITCH_INTERVAL_S = 0.0005  # of Python's threads: 5 ms by default, as long as a block
_Kind = perform_pb2.PerformanceNotice

_log = logging.getLogger(__name__)


class Seat:
    """A performance among others. Methods not named otherwise are called by the conductor's thread."""

    def __init__(
        self,
        performance: Performance,
        deliver: Callable[[list[Any]], None],
        *,
        follows: str,
    ) -> None:
        """Takes a seat.

        Args:
          performance: What is played.
          deliver: Given what goes to the client, in order: messages, and at last None or an exception. Called from the
            conductor's thread.
          follows: Deu whose current generation is to take over; empty: none.
        """
        configuration = performance.configuration
        self.performance, self.deliver, self.follows = performance, deliver, follows
        self.block_size = configuration.block_size
        self.rate = configuration.sample_rate
        self.is_paced = configuration.clock == perform_pb2.PERFORM_CLOCK_STUDIO
        self.block_s = self.block_size / self.rate
        self.due_s = 0.0  # when the next block is, by the monotonic clock
        self.is_leaving = False
        self.is_ahead = False  # whether the next block has been sung already
        self._inbox: deque[perform_pb2.PerformRequest | None] = deque()
        self._n_made = self._n_read = 0
        self._is_over = False

    def push(self, request: perform_pb2.PerformRequest | None) -> None:
        """Hands in a message; None says that no more will come. For any thread."""
        self._inbox.append(request)

    def read(self, n_samples: int) -> None:
        """Notes that the client has taken sound. For any one thread."""
        self._n_read += n_samples

    @property
    def is_full(self) -> bool:
        """Whether the client should wait with what it sends. For any thread."""
        return len(self._inbox) + self.performance.n_waiting() > MAX_WAITING

    @property
    def is_over(self) -> bool:
        """Whether all has been said."""
        return self._is_over

    def listen(self) -> None:
        """Takes in what has come."""
        while self._inbox:
            request = self._inbox.popleft()
            if request is None:
                self.performance.end()
            else:
                self.performance.obey(request)

    @property
    def is_patient(self) -> bool:
        """Whether nobody listens while it is made."""
        return not self.is_paced and self.block_size >= PATIENT_BLOCK

    @property
    def may_sing_ahead(self) -> bool:
        """Whether the next block is small, and not sung yet."""
        is_small = self.is_paced and self.block_s <= AHEAD_S
        return is_small and not (self.is_ahead or self._is_over)

    def n_to_make(self, n_slice: int) -> int:
        """Samples to make in this round, at most about `n_slice`, by what the client has sent and taken."""
        if self._is_over or self._n_unread > MAX_UNREAD_S * self.rate:
            return 0
        n_blocks = self.performance.n_ready() // self.block_size
        return min(n_blocks, max(1, n_slice // self.block_size)) * self.block_size

    def check_reading(self) -> None:
        """Makes sure that a client that cannot be slowed down reads.

        Raises:
          ConfigError: It does not.
        """
        if self._n_unread > MAX_UNREAD_S * self.rate:
            raise ConfigError(
                f"{MAX_UNREAD_S:g} s of sound were not taken: read the stream as fast as it plays, or choose the "
                "client's clock."
            )

    def give(self, sound: np.ndarray) -> list[Any]:
        """Cuts sound into messages."""
        first = self.performance.sample - len(sound)
        n_channels = self.performance.configuration.channel_count
        messages: list[Any] = [
            perform_pb2.PerformResponse(notice=notice)
            for notice in self.performance.notices.take()
        ]
        for begin in range(0, len(sound), self.block_size):
            block = sound[begin : begin + self.block_size]
            samples = block if n_channels == 1 else np.repeat(block, n_channels)
            audio = perform_pb2.AudioBlock(
                sample_offset=first + begin, samples=samples.astype("<f4").tobytes()
            )
            messages.append(perform_pb2.PerformResponse(audio=audio))
        self._n_made += len(sound)
        if self.performance.is_over:
            messages += self._last_words()
        return messages

    def finish(self, error: Exception | None = None) -> list[Any]:
        """Ends it where it stands."""
        self._is_over = True
        return [error]

    def _last_words(self) -> list[Any]:
        performance = self.performance
        ended = perform_pb2.PerformanceEnded(
            sample_count=performance.sample,
            note_count=performance.n_notes,
            notice_counts=performance.notices.counts,
        )
        notices = [
            perform_pb2.PerformResponse(notice=notice)
            for notice in performance.notices.take()
        ]
        return [
            *notices,
            perform_pb2.PerformResponse(ended=ended),
            *self.finish(),
        ]

    @property
    def _n_unread(self) -> int:
        return self._n_made - self._n_read


class Conductor:
    """The thread that makes all sound of a studio."""

    def __init__(
        self,
        *,
        newer: Callable[[Seat], Singer | None],
        release: Callable[[Singer], None],
        hand_out: Callable[[], None],
        metrics: Metrics | None = None,
    ) -> None:
        """Prepares it.

        Args:
          newer: Finds who is to take over from the singer of a seat that follows a deu; None: nobody new. Called from
            a thread of its own, for a voice may take seconds to load.
          release: Told of a singer found by `newer` who came too late.
          hand_out: Told after each round that what was delivered may be handed out. To wake the event loop for each
            performance would cost more than to make its sound: the loop asks for Python's lock at once.
          metrics: Where blocks are counted.
        """
        self._newer, self._release, self._metrics = newer, release, metrics
        self._hand_out = hand_out
        self._seats: list[Seat] = []
        self._successors: dict[Seat, Singer] = {}
        self._complaints: dict[str, str] = {}  # by deu
        self._changed = threading.Condition()
        self._has_news = False  # since the last round began
        self._is_stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begins."""
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        # What has been loaded stays: looking through all of TensorFlow for garbage takes a tenth of a second.
        gc.collect()
        gc.freeze()
        for target in (self._run, self._look_around):
            thread = threading.Thread(target=target, name=target.__name__, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Ends; performances that are open are ended where they stand."""
        self._is_stopping.set()
        self.wake()
        for thread in self._threads:
            thread.join()
        while self._successors:
            self._release(self._successors.popitem()[1])

    def add(self, seat: Seat) -> None:
        """Lets a performance begin."""
        # on a beat that all with blocks of this size share, so that their frames go into one batch
        seat.due_s = (time.monotonic() // seat.block_s + 1) * seat.block_s
        with self._changed:
            self._seats.append(seat)
        self.wake()

    def wake(self) -> None:
        """Says that something has come for a performance that does not wait for a time."""
        with self._changed:
            self._has_news = True
            self._changed.notify_all()

    def leave(self, seat: Seat) -> None:
        """Lets go of a performance whose client has gone."""
        seat.is_leaving = True
        self.wake()

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            with self._changed:
                self._has_news = False
                seats = list(self._seats)
            self._sweep(seats)
            has_played = self._play_round(seats)
            self._hand_out()
            if not has_played:
                self._rest(seats)
        for seat in self._seats:
            seat.performance.close()

    def _play_round(self, seats: Sequence[Seat]) -> bool:
        """Lets those make sound who have reason to; says whether there were any."""
        now_s = time.monotonic()
        for seat in seats:
            self._try(seat, self._prepare)
        paced = [s for s in seats if s.is_paced and not s.is_over and s.due_s <= now_s]
        if paced:
            self._make([(seat, seat.block_size) for seat in paced])
            return True
        ahead = [seat for seat in seats if seat.may_sing_ahead]
        if ahead:
            self._sing_ahead(ahead)
            return True
        n_slice = _slice(seats)
        free = [
            (s, s.n_to_make(n_slice)) for s in seats if not (s.is_paced or s.is_over)
        ]
        free = [(seat, n_samples) for seat, n_samples in free if n_samples]
        if free:
            self._make(free)
        return bool(free)

    def _prepare(self, seat: Seat) -> None:
        seat.listen()
        successor = self._successors.pop(seat, None)
        if successor is not None:
            seat.performance.take_over(successor)
        if seat.is_paced:
            seat.check_reading()
        if seat.performance.is_over and not seat.is_over:
            seat.deliver(seat.give(np.zeros(0, np.float32)))

    def _make(self, work: Sequence[tuple[Seat, int]]) -> None:
        began_s = time.perf_counter()
        for seat, sound in perform_together(
            [(seat, seat.performance.make(n_samples)) for seat, n_samples in work]
        ):
            if not isinstance(sound, np.ndarray):
                seat.deliver(seat.finish(sound))
                continue
            if seat.is_paced:
                self._keep_time(seat)
            seat.deliver(seat.give(sound))
            if self._metrics is not None:
                self._metrics.blocks.inc(-(-len(sound) // seat.block_size))
        if self._metrics is not None:
            self._metrics.block_s.observe(time.perf_counter() - began_s)

    def _sing_ahead(self, seats: Sequence[Seat]) -> None:
        for seat in seats:
            seat.is_ahead = True
        for seat, end in perform_together(
            [(seat, seat.performance.sing_ahead(seat.block_size)) for seat in seats]
        ):
            if isinstance(end, Exception):
                seat.deliver(seat.finish(end))

    def _keep_time(self, seat: Seat) -> None:
        seat.is_ahead = False
        late_s = time.monotonic() - seat.due_s - seat.block_s
        seat.due_s += seat.block_s
        if late_s <= 0:
            return
        if self._metrics is not None:
            self._metrics.late_blocks.inc()
        seat.performance.notices.add(
            _Kind.KIND_UNDERRUN,
            seat.performance.sample - seat.block_size,
            f"a block came {1000 * late_s:.1f} ms later than its time: choose larger blocks, fewer voices, or a studio "
            "with less to do.",
        )
        if late_s > RESTART_BLOCKS * seat.block_s:
            seat.due_s = (time.monotonic() // seat.block_s + 1) * seat.block_s

    def _try(self, seat: Seat, action: Callable[[Seat], None]) -> None:
        if seat.is_over:
            return
        try:
            action(seat)
        except Exception as error:
            if not isinstance(error, AmadeusError):
                _log.exception("a performance failed")
            seat.deliver(seat.finish(error))

    def _sweep(self, seats: list[Seat]) -> None:
        """Lets go of those who are gone."""
        for seat in [seat for seat in seats if seat.is_leaving]:
            seats.remove(seat)
            seat.performance.close()
            with self._changed:
                self._seats.remove(seat)
                successor = self._successors.pop(seat, None)
            if successor is not None:
                self._release(successor)

    def _rest(self, seats: Sequence[Seat]) -> None:
        due_s = [s.due_s for s in seats if s.is_paced and not s.is_over]
        timeout_s = min(due_s, default=float("inf")) - time.monotonic()
        with self._changed:
            if timeout_s > 0 and not self._has_news:
                self._changed.wait(min(timeout_s, LOOK_AROUND_S))

    def _look_around(self) -> None:
        """Looks for new generations, and loads them before they take over."""
        step_back()
        while not self._is_stopping.wait(LOOK_AROUND_S):
            with self._changed:
                seats = [seat for seat in self._seats if seat.follows]
            for seat in seats:
                if seat.is_leaving or seat.is_over or seat in self._successors:
                    continue
                try:
                    singer = self._newer(seat)
                except Exception as error:  # the old one plays on
                    self._complain(seat, str(error))
                    continue
                if singer is not None:
                    self._welcome(seat, singer)

    def _complain(self, seat: Seat, text: str) -> None:
        """Says once what would be said at every look, and of a seat that is just being left nothing."""
        if not seat.is_leaving and self._complaints.get(seat.follows) != text:
            self._complaints[seat.follows] = text
            _log.warning("no new generation of %s: %s", seat.follows, text)

    def _welcome(self, seat: Seat, singer: Singer) -> None:
        """Lets a singer take over, unless the seat has been left while the voice was loaded."""
        with self._changed:
            is_taken = seat in self._seats
            if is_taken:
                self._successors[seat] = singer
        if not is_taken:
            self._release(singer)


def _slice(seats: Sequence[Seat]) -> int:
    """How much to make at a time of what is not due, so that nobody who plays waits for it."""
    if any(seat.is_paced for seat in seats):
        return 1  # a block
    if all(seat.is_patient for seat in seats):
        return LONG_SLICE_SAMPLES
    return SLICE_SAMPLES
