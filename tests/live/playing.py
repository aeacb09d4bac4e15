"""Performances driven by hand, for tests."""

import numpy as np

from amadeus.live import configuration
from amadeus.live.performance import Performance
from amadeus.v1 import perform_pb2
from tests.live.singers import SineSinger, drive

RATE = 48_000


class Stage:
    """A performance with a singer, and everything it has made."""

    def __init__(self, singer=None, *, octave=None, **settings):
        self.singer = singer or SineSinger()
        asked = perform_pb2.PerformConfiguration(sample_rate=RATE, block_size=240)
        asked.MergeFrom(perform_pb2.PerformConfiguration(**settings))
        if octave is not None:
            asked.octave = octave
        full = configuration.complete(asked, voice_rate=self.singer.spec.sample_rate)
        self.left = []
        self.performance = Performance(full, self.singer, on_leave=self.left.append)
        self.sound = np.zeros(0, np.float32)

    def midi(self, *data, at=None):
        event = perform_pb2.MidiEvent(data=bytes(data))
        if at is not None:
            event.sample_offset = at
        self.performance.obey(perform_pb2.PerformRequest(midi=event))
        return self

    def knobs(self, **fields):
        self.performance.obey(perform_pb2.PerformRequest(player_profile=fields))
        return self

    def advance(self, sample):
        advance = perform_pb2.Advance(sample_offset=sample)
        self.performance.obey(perform_pb2.PerformRequest(advance=advance))
        return self

    def play(self, seconds, block_size=240):
        """Makes sound in blocks, hands out what is new."""
        first, end = len(self.sound), self.performance.sample + round(seconds * RATE)
        while self.performance.sample < end:
            n_samples = min(block_size, end - self.performance.sample)
            block = drive(self.performance.make(n_samples))
            assert block.shape == (n_samples,)
            assert block.dtype == np.float32
            self.sound = np.concatenate([self.sound, block])
        return self.sound[first:]

    def end(self):
        """Plays what still sounds; hands it out."""
        self.performance.end()
        first = len(self.sound)
        while not self.performance.is_over:
            self.play(self.performance.n_ready() // 240 * 240 / RATE)
        return self.sound[first:]

    def notices(self):
        kind = perform_pb2.PerformanceNotice.Kind.Name
        return [kind(notice.kind) for notice in self.performance.notices.take()]


def pitch_hz(sound, rate=RATE):
    """Frequency of the strongest partial, by parabola over the logarithmic spectrum."""
    n_fft = 8 * len(sound)
    spectrum = np.log(np.abs(np.fft.rfft(sound * np.hanning(len(sound)), n_fft)) + 1e-9)
    k = int(np.argmax(spectrum))
    a, b, c = spectrum[k - 1 : k + 2]
    return (k + (a - c) / (2 * (a - 2 * b + c))) * rate / n_fft


def level_db(sound):
    """Level of a sound against a full-scale sine, in dB."""
    return 10 * np.log10(2 * np.mean(np.square(sound, dtype=np.float64)) + 1e-20)


def cents(hz, reference_hz):
    """Distance of two pitches."""
    return 1200 * np.log2(hz / reference_hz)
