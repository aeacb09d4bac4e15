"""Bundles as someone might make them who means no good: any content, any manifest, any zip."""

import hashlib
import io
import json
import stat
import struct
import zipfile

from amadeus.personality import content

PLAIN = (stat.S_IFREG | 0o644) << 16
INDEX = "variables/variables.index"
DATA = "variables/variables.data-00000-of-00001"
WHO = "assets.extra/personality.json"


def contents(bundle):
    """The files of a bundle by name, the manifest left out."""
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        names = archive.namelist()[1:]
        return {name: archive.read(name) for name in names}


def describe(files):
    """The rows of a true manifest."""
    return [
        {"path": name, "size": len(text), "sha256": hashlib.sha256(text).hexdigest()}
        for name, text in files
    ]


def forge(files, *, rows=None, rights=PLAIN, method=zipfile.ZIP_DEFLATED, **manifest):
    """Writes a bundle of files, by name or in pairs, with a manifest that is true unless told otherwise."""
    pairs = list(files.items() if isinstance(files, dict) else files)
    said = {"format": "amadeus.deu", "version": 1, "entries": rows or describe(pairs)}
    text = json.dumps({**said, **manifest}).encode()
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        for name, payload in [("manifest.json", text), *pairs]:
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.compress_type = method
            info.external_attr = PLAIN if name == "manifest.json" else rights
            archive.writestr(info, payload)
    return output.getvalue()


def patch(bundle, offset, form, *values):
    """Overwrites numbers in a bundle."""
    changed = bytearray(bundle)
    struct.pack_into(form, changed, offset, *values)
    return bytes(changed)


def central(bundle, n=1):
    """The offset of the n-th entry of the directory; the manifest is 0."""
    offset = struct.unpack_from("<L", bundle, len(bundle) - 6)[0]
    for _ in range(n):
        n_name = struct.unpack_from("<H", bundle, offset + 28)[0]
        offset += 46 + n_name
    return offset


def local(bundle, n=1):
    """The offset of what stands before the n-th file."""
    return struct.unpack_from("<L", bundle, central(bundle, n) + 42)[0]


def rewritten(files, change, *, sign=True):
    """The files with another personality.json: `change` is given it as a dict.

    With `sign`, the digest is made true again.
    """
    from google.protobuf import json_format

    from amadeus.v1 import personality_pb2

    who = json.loads(files[WHO])
    change(who)
    if sign:
        parsed = json_format.ParseDict(
            who, personality_pb2.Personality(), ignore_unknown_fields=True
        )
        who["digest"] = content.digest(
            weights_of(files),
            parsed.learner_profile,
            parsed.player_profile,
            parsed.statistics,
        )
    return {**files, WHO: json.dumps(who).encode()}


def weights_of(files):
    """The weights in a bundle's files, as TensorFlow reads them."""
    import tempfile
    from pathlib import Path

    from amadeus.voice.export import read_weights

    with tempfile.TemporaryDirectory() as folder:
        for name in (INDEX, DATA):
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(files[name])
        return read_weights(folder)
