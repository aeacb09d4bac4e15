"""What a feedback heard and concluded, for the page of its practice."""

import base64
from pathlib import Path
from typing import Any, NamedTuple

from amadeus.feedback.history import read_feedback
from amadeus.feedback.replay import FOLDER_NAME, OF_NOTES
from amadeus.feedback.traits import TITLES, TRAITS


class Heard(NamedTuple):
    """A marked region, to be heard before and after; both are data of mp3."""

    name: str
    before: str
    after: str


def gather(practice_path: Path) -> dict[str, Any] | None:
    """Reads a feedback for the page; None for another practice."""
    written = read_feedback(practice_path)
    if not written:
        return None
    findings = [f for f in written.get("findings", []) if f.get("trait") in TITLES]
    turns = [f["turn"] for f in findings if f.get("turn")]
    return {
        "note": str(written.get("note", "")),
        "text": [str(line) for line in written.get("text", [])],
        "rows": [_row(finding) for finding in findings],
        "sounds": _sounds(practice_path, written.get("regions", [])),
        "not_heard": [t["knob"] for t in turns if t["knob"] in OF_NOTES],
    }


def _row(finding: dict[str, Any]) -> dict[str, str]:
    trait = TRAITS[finding["trait"]]
    turn = finding.get("turn")
    is_turned = turn and turn["after"] != turn["before"]
    return {
        "title": TITLES[finding["trait"]],
        "shift": f"{finding['shift']:+.3g} {trait.unit}",
        "error": f"{finding['error']:.2g}",
        "confidence": f"{min(100 * finding['confidence'], 99.9):.3g} %",
        "outcome": (
            f"{turn['knob']} {turn['before']:.4g} to {turn['after']:.4g}"
            if is_turned
            else finding["outcome"]
        ),
    }


def _sounds(practice_path: Path, regions: list[dict[str, Any]]) -> list[Heard]:
    heard = []
    for number, region in enumerate(regions, 1):
        paths = [
            practice_path / FOLDER_NAME / f"{number}-{name}.wav"
            for name in ("before", "after")
        ]
        if not all(path.is_file() for path in paths):
            continue
        kind = "good" if region["is_good"] else "bad"
        name = f"{kind}, {region['start_s']:g} to {region['end_s']:g} s of take {region['take'] + 1}"
        heard.append(Heard(name, *(_encode(path) for path in paths)))
    return heard


def _encode(path: Path) -> str:
    import soundfile

    from amadeus.audio.write import encode_mp3

    audio, sample_rate = soundfile.read(path)
    content = base64.b64encode(encode_mp3(audio, sample_rate=sample_rate)).decode()
    return f"data:audio/mpeg;base64,{content}"
