"""From a bucket of recordings to a studio that plays: nothing is on the machine but what was named by URL."""

import secrets
import wave
from pathlib import Path

import numpy as np
import pytest

from amadeus.stores import list_voices
from amadeus.stores.opening import open_store
from tests.e2e.sounds import write_takes
from tests.e2e.test_first_lesson import TINY, amadeus
from tests.serving.studio.test_process import Process
from tests.stores import emulators

TUNE = Path(__file__).parents[2] / "examples" / "ode.mid"

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


@pytest.mark.parametrize("scheme", ["gs"])
def test_a_voice_is_taught_from_a_bucket_and_played_from_a_bucket(
    reach, scheme, tmp_path
):
    environment = reach(scheme)
    bucket = f"amadeus-{secrets.token_hex(6)}"
    emulators.make_bucket(scheme, environment, bucket)
    takes = write_takes(tmp_path / "takes", np.random.default_rng(440))
    store = open_store(f"{scheme}://{bucket}/cello")
    for path in takes.iterdir():
        store.write(path.name, path.read_bytes())
    url = f"{scheme}://{bucket}/voices"

    def run(home, *words):
        ran = amadeus(tmp_path / home, *words)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    settings = [part for setting in TINY for part in ("--learner", setting)]
    run("musician", "deu", "create", "cello")
    run("musician", "practice", "imitate", "cello", f"{scheme}://{bucket}/cello",
        "--steps", 4, "--seed", 7, *settings)  # fmt: skip
    assert "take 0.wav" in run("musician", "lineage", "show", "cello@1")
    assert f"{url}/cello/1" in run("musician", "deu", "push", "cello", url)
    (voice,) = list_voices(url)
    (tmp_path / "studio").mkdir()
    studio = Process(_Home(tmp_path / "studio"), AMADEUS_PERSONALITIES=url)
    try:
        address = studio.wait_ready().address("studio")
        out = tmp_path / "ode.wav"
        run("listener", "perform", "cello", TUNE, "-o", out, "--studio", address)
        with wave.open(str(out)) as sound:
            samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
        assert np.abs(samples).max() > 100
        held = tmp_path / "studio" / "deus" / "cello" / "voices" / "1"
        assert voice.digest in (held / "assets.extra" / "personality.json").read_text()
    finally:
        studio.kill()


class _Home:
    def __init__(self, path):
        self.path = path
