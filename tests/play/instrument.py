"""A real instrument made of numpy: a sine whose level is its loudness, with one echo as reverb.

Of a timbre it plays the gain of the harmonic part, and remembers the rest.

It obeys the protocol of a voice, so what `amadeus.play` makes can be heard and measured without a
network: a control of -20 dB sounds at an amplitude of -20 dBFS.
"""

from dataclasses import dataclass, field

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.v1 import personality_pb2

SPEC = AudioSpec(sample_rate=16_000, frame_rate=100)
ECHO_S = 0.25
ECHO_GAIN = 0.5


def learned(**shape):
    """Statistics of a well-practised bowed instrument; `shape` overrides its notes."""
    usual = {
        "note_count": 200,
        "attack_duration_s": 0.08,
        "attack_depth_db": 24.0,
        "decay_duration_s": 0.15,
        "decay_depth_db": 3.0,
        "sustain_slope_db_per_s": -1.0,
        "release_duration_s": 0.3,
        "soft_loudness_db": -42.0,
        "loud_loudness_db": -22.0,
        "vibrato_rate_hz": 5.0,
        "vibrato_depth_cents": 20.0,
        "vibrato_delay_s": 0.3,
        "legato_duration_s": 0.06,
    }
    return personality_pb2.Statistics(
        sounding_duration_s=600,
        voiced_duration_s=500,
        pitch_quantiles_midi=np.linspace(36, 84, 49),
        loudness_quantiles_db=np.linspace(-60, -20, 41),
        silence_loudness_db=-80,
        note_shape=personality_pb2.NoteShape(**(usual | shape)),
    )


def make_personality(statistics=None, **player):
    """A personality without a network."""
    personality = personality_pb2.Personality(
        deu="sine", generation=1, statistics=statistics or learned()
    )
    personality.learner_profile.sample_rate = SPEC.sample_rate
    personality.learner_profile.frame_rate = SPEC.frame_rate
    personality.learner_profile.reverb_duration_s = ECHO_S
    for name, value in player.items():
        setattr(personality.player_profile, name, value)
    return personality


@dataclass
class SineVoice:
    """Plays controls as a sine; control i is reached at the end of block i."""

    personality: personality_pb2.Personality = field(default_factory=make_personality)
    spec: AudioSpec = SPEC
    rendered_frames: int = 0
    can_bend: bool = True
    timbres: list = field(default_factory=list)

    def render(self, f0_hz, loudness_db, reverb_mix=1.0, timbre=None):
        self.rendered_frames += len(f0_hz)
        amplitude = np.where(f0_hz > 0, 10 ** (np.asarray(loudness_db) / 20), 0.0)
        self.timbres.append(timbre)
        if timbre is not None:
            amplitude = amplitude * 10 ** (timbre.harmonic_gain_db / 20)
        pitch_hz = np.abs(f0_hz).astype(np.float64)
        phase = 2 * np.pi * np.cumsum(self._ramp(pitch_hz, pitch_hz[0]))
        dry = np.sin(phase / self.spec.sample_rate) * self._ramp(amplitude, 0.0)
        delay = round(ECHO_S * self.spec.sample_rate)
        wet = np.zeros_like(dry)
        wet[delay:] = ECHO_GAIN * dry[:-delay]
        return (dry + reverb_mix * wet).astype(np.float32)

    def _ramp(self, controls, previous):
        hop = self.spec.hop_size
        knots = np.concatenate([[previous], controls])
        samples = np.arange(1, len(controls) * hop + 1) / hop
        return np.interp(samples, np.arange(len(knots)), knots)


def measure_pitch_hz(audio, sample_rate):
    """Frequency of the strongest partial, by a parabola through the windowed spectrum."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 8 * len(audio)))
    peak = int(spectrum[1:-1].argmax()) + 1
    below, at, above = np.log(spectrum[peak - 1 : peak + 2] + 1e-30)
    offset = 0.5 * (below - above) / (below - 2 * at + above)
    return (peak + offset) * sample_rate / (8 * len(audio))


def measure_level_db(audio):
    """Amplitude in dBFS of a sine."""
    return 20 * np.log10(np.sqrt(2 * np.mean(np.square(audio))) + 1e-12)
