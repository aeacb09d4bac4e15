"""The one clock: sample rate, frame rate and the whole number between them."""

from dataclasses import dataclass

from amadeus.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class AudioSpec:
    """The clock every part of Amadeus shares.

    Attributes:
      sample_rate: Samples per second.
      frame_rate: Control frames per second; divides `sample_rate`.
    """

    sample_rate: int
    frame_rate: int

    def __post_init__(self) -> None:
        for name in ("sample_rate", "frame_rate"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"{name}={getattr(self, name)} is not a rate: give a whole number of at least 1."
                )
        if self.frame_rate > self.sample_rate:
            raise ConfigError(
                f"frame_rate={self.frame_rate} is above sample_rate={self.sample_rate}: a frame needs at least one "
                "sample, so lower frame_rate."
            )
        if self.sample_rate % self.frame_rate:
            lower, upper = _neighbouring_divisors(self.sample_rate, self.frame_rate)
            raise ConfigError(
                f"frame_rate={self.frame_rate} does not divide sample_rate={self.sample_rate}: a frame would last "
                f"{self.sample_rate / self.frame_rate:.1f} samples and features would drift from the audio. "
                f"Use frame_rate={lower} or {upper}."
            )

    @property
    def hop_size(self) -> int:
        """Samples per frame."""
        return self.sample_rate // self.frame_rate

    def n_frames(self, n_samples: int) -> int:
        """Frames centred on every hop of `n_samples`, both ends included."""
        return n_samples // self.hop_size + 1


def _neighbouring_divisors(number: int, near: int) -> tuple[int, int]:
    lower = next(d for d in range(near, 0, -1) if number % d == 0)
    upper = next(d for d in range(near, number + 1) if number % d == 0)
    return lower, upper
