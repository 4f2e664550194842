"""A small vocoder trained from nothing on ten recordings, and what it is worth after minutes.

It runs in a process of its own, so that its peak memory is its own. Recordings, not their ends, are
held out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

SAMPLES = Path("/usr/share/sonic-pi/samples")
TRAIN = ("ambi_choir", "ambi_drone", "ambi_glass_hum", "ambi_lunar_land", "ambi_piano",
         "ambi_soft_buzz", "guit_e_fifths", "guit_em9", "loop_garzul", "loop_safari")  # fmt: skip
HELD_OUT = ("ambi_haunted_hum", "guit_harmonics", "loop_industrial")
SIZE = "tiny"
CRITICS_AFTER = 2 / 3
"""Of the time."""


def run(quick: bool = False) -> str:
    seconds = 20.0 if quick else 180.0
    command = [sys.executable, "-m", "bench.own_vocoder", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return _section(found)


def _section(found: dict[str, Any]) -> str:
    rows = "\n".join(
        f"| {label} | {found[key]['log_mel']:.3f} | {found[key]['stft']:.3f} |"
        for label, key in (
            ("before training", "before"),
            ("after training", "after"),
            ("griffin-lim", "griffin_lim"),
        )
    )
    verdict = "better" if found["better"] else "not better"
    return f"""## A vocoder of one's own, after minutes

| held-out recordings, from their own mels | log-mel distance, nats | STFT distance |
| --- | --- | --- |
{rows}

By both distances it is {verdict} than griffin-lim, so `sound play` would {
        "" if found["better"] else "not "
    }take it.

| training | |
| --- | --- |
| parameters | {found["parameters"] / 1e6:.2f} million |
| steps in {found["seconds"]:.0f} s | {found["steps"]} |
| steps a second, mel distance alone | {found["mel_rate"]:.2f} |
| steps a second, with critics | {found["critics_rate"]:.2f} |
| mel loss, first {found["window"]} steps | {found["loss_before"]:.2f} |
| mel loss, last {found["window"]} steps | {found["loss_after"]:.2f} |
| peak memory | {found["peak_mb"]:.0f} MB (foreseen: {found["foreseen_mb"]:.0f} MB) |
| rendering, fast engine | {found["real_time"]:.1f} times real time |

Size `{SIZE}`, {found["threads"]} threads, batches of 4 pairs of 32 frames, {
        found["train_s"]:.0f} s of
sound from {len(TRAIN)} recordings of sonic-pi, {found["held_out_s"]:.0f} s of {
        len(HELD_OUT)
    } others held
out. One run: what a network learns in a given time depends on the machine's speed on the day."""


def measure(seconds: float) -> dict[str, Any]:
    """Trains and compares; everything in figures."""
    import time

    import torch

    from milonga.audio import read, resample
    from milonga.audio.mel.spec import MelSpec
    from milonga.runtime.memory import peak_memory
    from milonga.vocoders import get_vocoder
    from milonga.vocoders.bigvgan.config import BigVGANConfig
    from milonga.vocoders.bigvgan.generator import BigVGANGenerator
    from milonga.vocoders.bigvgan.vocoder import BigVGAN
    from milonga.vocoders.training.evaluation import measure
    from milonga.vocoders.training.fresh import fresh_generator
    from milonga.vocoders.training.outlook import foresee
    from milonga.vocoders.training.pairs import Pairs
    from milonga.vocoders.training.settings import VocoderSettings
    from milonga.vocoders.training.sizes import config_of
    from milonga.vocoders.training.trainer import VocoderTraining

    spec = MelSpec.preset("bigvgan-v2-44khz-128band-512x")

    def load(names: tuple[str, ...]) -> Pairs:
        clips = [resample(read(SAMPLES / f"{name}.flac"), spec.sample_rate) for name in names]
        return Pairs([clip.mono for clip in clips], spec)

    def vocoder(weights: dict[str, torch.Tensor]) -> BigVGAN:
        generator = BigVGANGenerator(config)
        generator.load_state_dict(weights)
        return BigVGAN(generator.eval().requires_grad_(False), "cpu")

    train, held_out = load(TRAIN), load(HELD_OUT)
    config = BigVGANConfig.from_dict(config_of(SIZE, spec))
    generator = fresh_generator(config, train, 0)
    settings = VocoderSettings(minutes=seconds / 60, critics_from=10**9, remade=0.0)
    outlook = foresee(generator, settings)
    training = VocoderTraining(generator, train, settings)
    before = training.result()
    mel: list[float] = []
    while training.seconds < CRITICS_AFTER * seconds:
        mel.append(training.train_step().mel)
    alone, alone_s = training.step, training.seconds
    training.settings = VocoderSettings(
        minutes=seconds / 60, critics_from=training.step, remade=0.0
    )
    while not training.done:
        mel.append(training.train_step().mel)
    peak = peak_memory() or 0
    after = vocoder(training.result())
    vocoders = {
        "before": vocoder(before),
        "after": after,
        "griffin_lim": get_vocoder("griffin-lim"),
    }
    excerpts = held_out.excerpts_of(30.0, remade=False)
    found = {name: measure(vocoder, excerpts, spec) for name, vocoder in vocoders.items()}
    values = np.full((1, spec.n_mels, 860), -6, np.float32)
    after.mel_to_waveform(values[:, :, :86])
    begun = time.perf_counter()
    after.mel_to_waveform(values)
    real_time = 860 / spec.frame_rate / (time.perf_counter() - begun)
    window = max(1, min(20, len(mel) // 4))
    return {
        **{name: {"log_mel": d.log_mel, "stft": d.stft} for name, d in found.items()},
        "better": found["after"].better_than(found["griffin_lim"]),
        "parameters": outlook.parameters,
        "seconds": training.seconds,
        "steps": training.step,
        "mel_rate": alone / alone_s,
        "critics_rate": (training.step - alone) / max(1e-9, training.seconds - alone_s),
        "window": window,
        "loss_before": float(np.mean(mel[:window])),
        "loss_after": float(np.mean(mel[-window:])),
        "peak_mb": peak / 1e6,
        "foreseen_mb": outlook.memory / 1e6,
        "real_time": real_time,
        "threads": torch.get_num_threads(),
        "train_s": train.seconds,
        "held_out_s": held_out.seconds,
    }


if __name__ == "__main__":
    print(json.dumps(measure(float(sys.argv[1]))))
