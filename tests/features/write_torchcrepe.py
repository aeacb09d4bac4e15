"""Writes tests/data/torchcrepe.npz: what torchcrepe 0.0.24 answers about a sound made here.

Needs torch and torchcrepe with all they import, none of which Amadeus needs, so it runs elsewhere:

    python write_torchcrepe.py torchcrepe.npz

torchcrepe adds random noise of up to 20 cents to every pitch ("dither"); that alone is taken out here.
"""

import sys

import numpy as np
import torch
import torchcrepe

SAMPLE_RATE = 16_000
DECODERS = ("argmax", "weighted_argmax", "viterbi")


def reed(f0_hz):
    phase = 2 * np.pi * np.cumsum(f0_hz) / SAMPLE_RATE
    partials = (np.sin(k * phase) / k * (k * f0_hz < 7_680) for k in range(1, 20))
    return 0.2 * sum(partials)


def sound():
    """A sweep, noise, and a vibrato that swells and fades."""
    rng = np.random.default_rng(440)
    time = np.arange(round(0.8 * SAMPLE_RATE)) / SAMPLE_RATE
    sweep = reed(np.geomspace(80, 1_200, len(time)))
    vibrato = reed(330 * 2 ** (0.5 * np.sin(2 * np.pi * 5.5 * time) / 12))
    hiss = rng.normal(0, 0.05, SAMPLE_RATE // 5)
    audio = np.concatenate([sweep, hiss, vibrato * np.hanning(len(time))])
    audio += rng.normal(0, 0.003, len(audio))
    return np.clip(np.round(audio * 32_767), -32_768, 32_767).astype(np.int16)


def main():
    torchcrepe.convert.dither = lambda cents: cents
    answers = {"audio": sound()}
    audio = torch.tensor(answers["audio"].astype(np.float32) / 32_768)[None]
    for size in ("tiny", "full"):
        frames = next(torchcrepe.preprocess(audio, SAMPLE_RATE, 160))
        with torch.no_grad():
            activation = torchcrepe.infer(frames, size)
        answers[f"{size}_activation"] = activation.numpy()[::8]
        for decoder in DECODERS:
            f0_hz = torchcrepe.predict(
                audio,
                SAMPLE_RATE,
                160,
                fmin=50.0,
                fmax=1_900.0,
                model=size,
                decoder=getattr(torchcrepe.decode, decoder),
            )
            answers[f"{size}_{decoder}_hz"] = f0_hz[0].numpy()
    np.savez_compressed(sys.argv[1], **answers)


if __name__ == "__main__":
    main()
