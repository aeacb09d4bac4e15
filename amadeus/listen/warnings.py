"""What stands in the way of learning from a take, with the numbers behind it."""

from collections.abc import Iterator

from amadeus.listen.report import TakeReport, Warning
from amadeus.v1 import profiles_pb2

# Fitted as the coach's docstring says; on the left of each colon one note or a clean take, on the
# right what the warning is about.
POLYPHONIC_SHARE = (
    0.36  # up to 0.3 (tremolo and flutter up to 0.5) : 0.4 to 0.8, orchestra 0.95
)
UNPITCHED_SHARE = (
    0.25  # of the sounding time, at least 0.74 : 0.11 orchestra, 0.03 rain
)
STEADY_SHARE = 0.6  # at least 0.66 singers, 0.77 instruments : 0.53 speech
SPEECH_PITCHED_SHARE = 0.92  # consonants take the rest
SPEECH_HIGHEST_MIDI = 72.0
SNR_DB = 20.0  # 29 to 66, fluttered saxophone 16 to 24 : as mixed
CLIPPED_SHARE = 1e-4  # 0 : 0.0003 where only the loudest peaks are cut
SILENT_SHARE = 0.5
SHORT_PITCHED_S = 0.5


def find_warnings(
    take: TakeReport, *, profile: profiles_pb2.LearnerProfile
) -> list[Warning]:
    """Judges a take by its numbers.

    Args:
      take: Measured.
      profile: Complete; its learned reverb and sample rate say what is too long and too dull.
    """
    if not take.sounding_s:
        numbers = {"heard_s": take.heard_s, "peak": take.peak}
        text = f"no sound in {take.heard_s:.1f} s (peak {take.peak:.5f} of full scale)"
        return [Warning("silence", text, numbers, take.name)]
    return [
        Warning(kind, text, numbers, take.name)
        for kind, text, numbers in (
            *_about_pitch(take),
            *_about_sound(take),
            *_about_room(take, profile),
        )
    ]


def _about_pitch(take: TakeReport) -> Iterator[tuple]:
    share = take.pitched_s / take.sounding_s
    if share < UNPITCHED_SHARE:
        yield (
            "unpitched",
            f"a steady pitch in only {share:.0%} of {take.sounding_s:.1f} s of sound: noise, or many notes at once",
            {"pitched_share": share, "sounding_s": take.sounding_s},
        )
        return
    is_speech = (
        take.steady_share < STEADY_SHARE
        and share < SPEECH_PITCHED_SHARE
        and take.highest_midi < SPEECH_HIGHEST_MIDI
    )
    if is_speech:
        yield (
            "speech",
            f"pitch rests in only {take.steady_share:.0%} of the pitched time, and {1 - share:.0%} of the sound has "
            "none: this sounds spoken, not sung or played",
            {"steady_share": take.steady_share, "pitched_share": share},
        )
    elif take.polyphonic_share > POLYPHONIC_SHARE:
        yield (
            "polyphony",
            f"partials of more than one note in {take.polyphonic_share:.0%} of the sound: chords, accompaniment or a "
            "long echo",
            {"polyphonic_share": take.polyphonic_share},
        )
    if take.pitched_s < SHORT_PITCHED_S:
        yield (
            "short",
            f"only {take.pitched_s:.2f} s with a pitch",
            {"pitched_s": take.pitched_s},
        )


def _about_sound(take: TakeReport) -> Iterator[tuple]:
    if take.snr_db < SNR_DB:
        yield (
            "noise",
            f"sound lies only {take.snr_db:.0f} dB above the background; {SNR_DB:.0f} dB or more learn well",
            {"snr_db": take.snr_db, "needed_db": SNR_DB},
        )
    if take.clipped_share > CLIPPED_SHARE:
        yield (
            "clipping",
            f"{take.clipped_share:.2%} of the samples are cut flat at {take.peak:.2f} of full scale: record softer",
            {"clipped_share": take.clipped_share, "peak": take.peak},
        )
    if take.silent_s > SILENT_SHARE * take.heard_s:
        yield (
            "silence",
            f"{take.silent_s / take.heard_s:.0%} of {take.heard_s:.1f} s is silence, which is left out",
            {"silent_share": take.silent_s / take.heard_s},
        )


def _about_room(
    take: TakeReport, profile: profiles_pb2.LearnerProfile
) -> Iterator[tuple]:
    longest_s = max(1.0, profile.reverb_duration_s) * 1.5
    if take.decay_60db_s > longest_s:
        yield (
            "reverb",
            f"sound takes {take.decay_60db_s:.1f} s to fall by 60 dB; an echo beyond {longest_s:.1f} s is learned as "
            "if it were the instrument",
            {"decay_60db_s": take.decay_60db_s, "longest_s": longest_s},
        )
    if take.bandwidth_hz > 0:
        nyquist_hz = profile.sample_rate / 2
        yield (
            "bandwidth",
            f"nothing above {take.bandwidth_hz:.0f} Hz where {nyquist_hz:.0f} Hz could be learned: the voice will be "
            "as dull",
            {"bandwidth_hz": take.bandwidth_hz, "nyquist_hz": nyquist_hz},
        )
