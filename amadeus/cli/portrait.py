"""A deu described in lines of text."""

from collections.abc import Iterator

from amadeus.errors import AmadeusError
from amadeus.home import Deu
from amadeus.listen.text import note_name
from amadeus.report.session import read_session
from amadeus.report.wording import (
    HIGH_SHARE,
    LOW_SHARE,
    duration,
    metric_label,
    metric_value,
    outcome,
    player_settings,
    quantile,
    sorted_metrics,
)
from amadeus.v1.personality_pb2 import Personality, Statistics


def describe(deu: Deu) -> Iterator[str]:
    """Describes a deu: its voice, what it learned from, and its practices."""
    yield deu.name
    yield f"  created     {deu.created_at}"
    yield f"  folder      {deu.path}"
    yield from _describe_voice(deu)
    practices = deu.practices()
    yield f"  practices   {len(practices) or 'none yet'}"
    for path in practices:
        yield f"    {path.name}  {outcome(read_session(path))}"


def _describe_voice(deu: Deu) -> Iterator[str]:
    generations = deu.generations()
    if not generations:
        yield f"  voice       none yet: amadeus practice imitate {deu.name} RECORDINGS"
        return
    current = deu.current_generation()
    others = ", ".join(str(number) for number in generations if number != current)
    kept = f" (kept: {others})" if others else ""
    yield f"  voice       generation {current}{kept}"
    if notice := deu.pointer_notice():
        yield f"  notice      {notice}"
    from amadeus.personality.content import read_personality  # needs numpy

    try:
        yield from _describe_personality(read_personality(deu.voice_path()))
    except AmadeusError as error:
        yield f"  damaged     {error}"


def _describe_personality(personality: Personality) -> Iterator[str]:
    yield f"  digest      {personality.digest}"
    if personality.parent_digest:
        yield f"  parent      {personality.parent_digest}"
    profile = personality.learner_profile
    yield f"  clock       {profile.sample_rate} Hz, {profile.frame_rate} frames a second"
    turned = [
        s for s in player_settings(personality.player_profile) if not s.is_default
    ]
    if turned:
        yield f"  plays with  {', '.join(f'{s.name}={s.value}' for s in turned)}"
    yield from _describe_statistics(personality.statistics)
    metrics = personality.metrics
    for name in sorted_metrics(metrics):
        yield f"  {metric_label(name):<17} {metric_value(name, metrics[name])}"


def _describe_statistics(statistics: Statistics) -> Iterator[str]:
    heard = duration(statistics.sounding_duration_s)
    yield f"  heard       {heard}, {duration(statistics.voiced_duration_s)} of it with pitch"
    pitches = statistics.pitch_quantiles_midi
    if pitches:
        low, high = (quantile(pitches, share) for share in (LOW_SHARE, HIGH_SHARE))
        yield f"  pitch       {note_name(low)} to {note_name(high)}"
    levels_db = statistics.loudness_quantiles_db
    if levels_db:
        low, high = (quantile(levels_db, share) for share in (LOW_SHARE, HIGH_SHARE))
        yield f"  loudness    {low:.0f} to {high:.0f} dB"
