"""Plays a studio live: keys go up as they are struck, sound comes back for the sound card.

The sound card's clock leads. Whenever it wants a block, time in the studio goes on by as much, so the two never drift
apart; the studio stays `lead` samples ahead of what is heard, which is the price for a network that takes its time.
"""

import queue
import threading
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import grpc
import numpy as np

from amadeus.play.perform import Performance
from amadeus.v1 import perform_pb2
from amadeus.v1.studio_pb2_grpc import StudioStub
from serving.client.sung import SungLines, make_record

START_TIMEOUT_S = 60.0  # a studio may have to load the voice first


class Played(NamedTuple):
    """How a session went.

    Attributes:
      n_samples: Heard.
      n_missing: Of those, samples that were not there in time.
      n_notes: Played.
      notices: What the ama should know, a sentence each, each once.
      take: All that the studio played, and what each frame was told; None where nobody wanted to keep it.
    """

    n_samples: int
    n_missing: int
    n_notes: int
    notices: list[str]
    take: Performance | None = None


class LiveSession:
    """One performance between keys and loudspeaker. Three threads meet in it: keys, sound card, network."""

    def __init__(
        self,
        channel: grpc.Channel,
        configuration: perform_pb2.PerformConfiguration,
        *,
        lead_samples: int,
        keeps: bool = False,
    ) -> None:
        """Prepares a session.

        Args:
          channel: To the studio.
          configuration: How to play; the mode and the clock are set here.
          lead_samples: How far the studio plays ahead of what is heard.
          keeps: Whether what is played is kept, as a take.
        """
        self._configuration = perform_pb2.PerformConfiguration()
        self._configuration.CopyFrom(configuration)
        self._configuration.mode = perform_pb2.PERFORM_MODE_MIDI
        self._configuration.clock = perform_pb2.PERFORM_CLOCK_CLIENT
        self._configuration.send_controls = keeps
        self._kept: list[np.ndarray] = []
        self._sung = SungLines()
        self._channel, self._lead = channel, lead_samples
        self._requests: queue.SimpleQueue[perform_pb2.PerformRequest | None] = (
            queue.SimpleQueue()
        )
        self._blocks: deque[np.ndarray] = deque()
        self._rest = np.zeros(0, np.float32)
        self._n_asked = self._n_heard = self._n_missing = 0
        self._notices: dict[str, None] = {}
        self._started = threading.Event()
        self._has_ended = False
        self._ended = perform_pb2.PerformanceEnded()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self.started = perform_pb2.PerformanceStarted()

    def start(self) -> perform_pb2.PerformanceStarted:
        """Opens the performance.

        Returns:
          What it is played with.

        Raises:
          RpcError: The studio refused, or cannot be reached.
        """
        self._thread.start()
        self._started.wait(START_TIMEOUT_S)
        self._check()
        self._advance(self._lead)
        return self.started

    def strike(self, data: bytes) -> None:
        """Sends MIDI now. For the thread of the keys."""
        event = perform_pb2.MidiEvent(data=data)
        self._requests.put(perform_pb2.PerformRequest(midi=event))

    def fill(self, block: np.ndarray) -> None:
        """Fills a block with what is to be heard next. For the thread of the sound card; never waits.

        Args:
          block: Float32, shape [n_samples].
        """
        while len(self._rest) < len(block) and self._blocks:
            self._rest = np.concatenate([self._rest, self._blocks.popleft()])
        n_there = min(len(block), len(self._rest))
        block[:n_there] = self._rest[:n_there]
        block[n_there:] = 0.0
        self._rest = self._rest[n_there:]
        self._n_heard += len(block)
        self._n_missing += len(block) - n_there
        self._advance(len(block))

    def finish(self) -> Played:
        """Lets go of all keys and closes the performance.

        Raises:
          RpcError: The studio ended it before.
        """
        self._requests.put(None)
        self._thread.join(START_TIMEOUT_S)
        self._check()
        return Played(
            self._n_heard,
            self._n_missing,
            self._ended.note_count,
            [*self._notices],
            self._take_home() if self._configuration.send_controls else None,
        )

    @property
    def is_over(self) -> bool:
        """Whether the studio has ended it."""
        return self._has_ended

    def _take_home(self) -> Performance:
        audio = np.concatenate([np.zeros(0, np.float32), *self._kept])
        return Performance(
            audio[self.started.latency_samples :],
            self.started.configuration.sample_rate,
            [],
            make_record(self.started, self._sung),
        )

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _advance(self, n_samples: int) -> None:
        self._n_asked += n_samples
        advance = perform_pb2.Advance(sample_offset=self._n_asked)
        self._requests.put(perform_pb2.PerformRequest(advance=advance))

    def _send(self) -> Iterator[perform_pb2.PerformRequest]:
        yield perform_pb2.PerformRequest(configuration=self._configuration)
        while (request := self._requests.get()) is not None:
            yield request

    def _listen(self) -> None:
        try:
            for response in StudioStub(self._channel).Perform(self._send()):
                self._take(response)
        except grpc.RpcError as error:
            self._error = error
        finally:
            self._has_ended = True
            self._started.set()

    def _take(self, response: perform_pb2.PerformResponse) -> None:
        match response.WhichOneof("message"):
            case "started":
                self.started.CopyFrom(response.started)
                self._started.set()
            case "audio":
                block = np.frombuffer(response.audio.samples, "<f4")
                self._blocks.append(block)
                if self._configuration.send_controls:
                    self._kept.append(block)
            case "sung":
                self._sung.add(response.sung)
            case "notice":
                self._notices[response.notice.text] = None
            case "ended":
                self._ended.CopyFrom(response.ended)
