"""How large and how late a voice is, from its profile alone: no network has to be made."""

import itertools
from typing import NamedTuple

from amadeus.v1 import profiles_pb2

_N_INPUTS = 2  # pitch and loudness
_BYTES_PER_PARAMETER = 4  # float32
_GATES = 3  # of a gated recurrent unit


class Size(NamedTuple):
    """What a voice takes.

    Attributes:
      n_network: Parameters of the network.
      n_reverb: Samples of the learned reverb.
      latency_s: From a control to the middle of its sound: a block, and half of the noise filter.
    """

    n_network: int
    n_reverb: int
    latency_s: float

    @property
    def n_parameters(self) -> int:
        """All that is learned."""
        return self.n_network + self.n_reverb

    @property
    def megabytes(self) -> float:
        """Of all parameters as a SavedModel keeps them; its graph adds 0.75 MB."""
        return self.n_parameters * _BYTES_PER_PARAMETER / 1e6


def measure(profile: profiles_pb2.LearnerProfile) -> Size:
    """Works out the size of a voice.

    Args:
      profile: Complete.
    """
    hop_s = 1 / profile.frame_rate
    filter_s = (profile.noise_band_count - 1) / profile.sample_rate
    return Size(
        n_network=_count_network(profile),
        n_reverb=round(profile.reverb_duration_s * profile.sample_rate),
        latency_s=hop_s + filter_s,
    )


def _count_network(profile: profiles_pb2.LearnerProfile) -> int:
    n_units = profile.recurrent_unit_count
    dense = [profile.dense_unit_count] * profile.dense_layer_count
    inward = [_N_INPUTS, *dense]
    outward = [n_units + _N_INPUTS, *dense]
    n_outputs = 1 + profile.harmonic_count + profile.noise_band_count
    recurrent = _linear(inward[-1], _GATES * n_units) + _GATES * n_units * n_units
    return sum(
        (
            _stack(inward),
            recurrent,
            _stack(outward),
            _linear(outward[-1], n_outputs),
        )
    )


def _stack(widths: list[int]) -> int:
    """Linear layers, each with the scale and the offset of its norm."""
    return sum(_linear(a, b) + 2 * b for a, b in itertools.pairwise(widths))


def _linear(n_in: int, n_out: int) -> int:
    return n_in * n_out + n_out
