"""Makes MIDI files for the tests: notes and messages placed on a beat, written by mido."""

import mido

TICKS = 480


def at(beat, message):
    """A message at a time in beats."""
    return beat, message


def note(beat, length, pitch, velocity=80, channel=0):
    """Note-on and note-off."""
    return [
        (beat, mido.Message("note_on", note=pitch, velocity=velocity, channel=channel)),
        (beat + length, mido.Message("note_off", note=pitch, channel=channel)),
    ]


def control(beat, number, value, channel=0):
    return (
        beat,
        mido.Message("control_change", control=number, value=value, channel=channel),
    )


def bend(beat, pitch, channel=0):
    return beat, mido.Message("pitchwheel", pitch=pitch, channel=channel)


def tempo(beat, bpm):
    return beat, mido.MetaMessage("set_tempo", tempo=round(60e6 / bpm))


def make_track(events, name=None, end_beat=None):
    """A track of (beat, message) pairs and lists of them, in any order."""
    flat = []
    for event in events:
        flat.extend(event if isinstance(event, list) else [event])
    track = mido.MidiTrack()
    if name:
        track.append(mido.MetaMessage("track_name", name=name))
    tick = 0
    for beat, message in sorted(flat, key=lambda pair: pair[0]):
        then = round(beat * TICKS)
        track.append(message.copy(time=then - tick))
        tick = then
    end = tick if end_beat is None else round(end_beat * TICKS)
    track.append(mido.MetaMessage("end_of_track", time=end - tick))
    return track


def write(path, *tracks, midi_format=1):
    """Writes tracks (lists of events, or made tracks) as a MIDI file at 480 ticks a beat."""
    midi = mido.MidiFile(type=midi_format, ticks_per_beat=TICKS)
    for track in tracks:
        made = track if isinstance(track, mido.MidiTrack) else make_track(track)
        midi.tracks.append(made)
    midi.save(path)
    return path
