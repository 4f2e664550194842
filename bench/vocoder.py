"""BigVGAN-v2 at full size against NVIDIA's own package, and Griffin-Lim against librosa's.

The weights are random, at levels that neither vanish nor saturate: no figure here depends on what
a network has learnt. Every implementation runs in its own process, so that its peak memory is its
own; the speeds come from one process in which both take turns.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from milonga.runtime.memory import peak_memory

SECONDS = 4.0
GFLOP_PER_SECOND = 315.0
"""Multiplications and additions of the direct form in a second of audio at full size."""

CONFIG = {
    "resblock": "1", "upsample_rates": [8, 4, 2, 2, 2, 2],
    "upsample_kernel_sizes": [16, 8, 4, 4, 4, 4], "upsample_initial_channel": 1536,
    "resblock_kernel_sizes": [3, 7, 11], "resblock_dilation_sizes": [[1, 3, 5]] * 3,
    "use_tanh_at_final": False, "use_bias_at_final": False, "activation": "snakebeta",
    "snake_logscale": True, "num_mels": 128, "n_fft": 2048, "hop_size": 512, "win_size": 2048,
    "sampling_rate": 44_100, "fmin": 0, "fmax": None,
}  # fmt: skip
CLIPS = ("loop_amen_full", "ambi_choir", "guit_em9", "loop_safari")
SAMPLES = Path("/usr/share/sonic-pi/samples")
NAMES = {
    "reference": "bigvgan 2.4.1 (NVIDIA)",
    "torch": "milonga, engine torch",
    "fast": "milonga, engine fast",
}


def run(quick: bool = False) -> str:
    return f"{_bigvgan(quick)}\n\n{_griffin_lim(quick)}"


def _bigvgan(quick: bool) -> str:
    import torch

    torch.set_num_threads(2)
    runs = 1 if quick else 3
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pt"
        reference = make_reference()
        torch.save(reference.state_dict(), weights)
        runners = {"reference": _runner(reference)}
        for engine in ("torch", "fast"):
            runners[engine] = make_ours(weights, engine)
        mel = make_mel(SECONDS)
        outputs = {name: work(mel) for name, work in runners.items()}
        times: dict[str, list[float]] = {name: [] for name in runners}
        for _ in range(runs):
            for name, work in runners.items():
                times[name].append(_timed(work, mel))
        limit = _matmul_gflops()
        runners.clear()
        memory = {name: _peak_mb(name, weights, SECONDS) for name in NAMES}
        lengths = (5.0, 10.0) if quick else (20.0, 120.0)
        growth = [_peak_mb("fast", weights, seconds) for seconds in lengths]
    expected = outputs["reference"]
    peak = np.abs(expected).max()
    rows = []
    for name, title in NAMES.items():
        per_second = statistics.median(times[name]) / SECONDS
        ratio = statistics.median(
            theirs / ours for theirs, ours in zip(times["reference"], times[name], strict=False)
        )
        share = GFLOP_PER_SECOND / per_second / limit
        difference = np.abs(outputs[name] - expected).max() / peak
        rows.append(
            f"| {title} | {per_second:.2f} | {ratio:.2f} | {100 * share:.0f} % | "
            f"{memory[name]:,.0f} | {difference:.1e} |"
        )
    table = "\n".join(rows)
    return f"""## BigVGAN-v2, 44.1 kHz, 128 bands, hop 512, on two cores

| implementation | seconds per second of audio | times the reference | of the arithmetic limit | \
peak memory, MB | largest difference, of the peak |
| --- | ---: | ---: | ---: | ---: | ---: |
{table}

{SECONDS:g} s of audio, float32, the same random weights and input, {runs} runs of each in turns
within one process, medians;
the peak of the output is {peak:.2f}, its level {expected.std():.3f}.
The arithmetic limit is the {GFLOP_PER_SECOND:g} GFLOP that a second takes when summed directly, at
the {limit:.0f} GFLOP/s of a matrix product on this machine; minimal filtering needs about a third
of them, so more than 100 % is possible. Peak memory is that of a process that loads the model and
renders once; engine fast takes {growth[0]:,.0f} MB for {lengths[0]:g} s and {growth[1]:,.0f} MB
for {lengths[1]:g} s."""


def make_reference() -> Any:
    """NVIDIA's generator with random weights, weight norm folded."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bigvgan.bigvgan import BigVGAN
        from bigvgan.env import AttrDict

        torch.manual_seed(0)
        model = BigVGAN(AttrDict(dict(CONFIG))).eval()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.randn(value.shape, generator=draw)
            if name.endswith("weight_g"):
                value.copy_(0.7 + 0.1 * noise)
            elif name.endswith(("alpha", "beta")):
                value.add_(0.3 * noise)
            elif name.endswith("bias"):
                value.copy_(0.05 * noise)
        before: list[float] = []
        hook = model.conv_post.register_forward_hook(
            lambda _m, _i, out: before.append(float(out.std()))
        )
        model(torch.randn(1, 128, 40, generator=draw) * 2 - 4)
        hook.remove()
        model.conv_post.weight_g.mul_(0.15 / before[0])
        _fold(model)
    return model


def _fold(model: Any) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        model.remove_weight_norm()


def _runner(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    import torch

    def work(mel: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.from_numpy(mel)).numpy()

    return work


def make_ours(weights: Path, engine: str) -> Callable[[np.ndarray], np.ndarray]:
    import torch

    from milonga.vocoders.bigvgan.config import BigVGANConfig
    from milonga.vocoders.bigvgan.generator import BigVGANGenerator
    from milonga.vocoders.bigvgan.loading import fold_weight_norm
    from milonga.vocoders.bigvgan.vocoder import BigVGAN

    generator = BigVGANGenerator(BigVGANConfig.from_dict(CONFIG)).eval().requires_grad_(False)
    generator.load_state_dict(
        fold_weight_norm(torch.load(weights, weights_only=True, mmap=True)), strict=True
    )
    return BigVGAN(generator, "cpu", engine=engine, give_up=True).mel_to_waveform


def make_mel(seconds: float) -> np.ndarray:
    values = np.random.default_rng(0).normal(-4, 2, (1, 128, round(seconds * 44_100 / 512)))
    return values.clip(-11.5, 2).astype(np.float32)


def _matmul_gflops() -> float:
    """What a large matrix product reaches here: the best of several, others may be working."""
    import torch

    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    best = min(_timed(lambda x: torch.mm(x, b), a) for _ in range(20))
    return 2 * 1024**3 / best / 1e9


def _timed(work: Callable[[Any], Any], argument: Any) -> float:
    begun = time.perf_counter()
    work(argument)
    return time.perf_counter() - begun


def _peak_mb(name: str, weights: Path, seconds: float) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "bench.vocoder", name, str(weights), str(seconds)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout.split()[-1])


def _griffin_lim(quick: bool) -> str:
    import librosa

    from milonga.audio.clip import Clip
    from milonga.audio.files import read
    from milonga.audio.mel.spec import MelSpec
    from milonga.audio.resampling import resample
    from milonga.vocoders.copy_synthesis import log_mel_distance_db
    from milonga.vocoders.griffin_lim import GriffinLim
    from milonga.vocoders.inversion import MelInversion

    # Centred frames, as librosa has them.
    spec = dataclasses.replace(MelSpec.preset("bigvgan-v2-44khz-128band-512x"), padding="centre")
    clips = [
        resample(read(SAMPLES / f"{name}.flac"), 44_100).with_channels(1)
        for name in (CLIPS[:1] if quick else CLIPS)
    ]

    def ours(steps: int) -> Callable[[np.ndarray], np.ndarray]:
        vocoder = GriffinLim(spec, iterations=steps)
        return lambda mel: vocoder.mel_to_waveform(mel)[0, 0]

    def librosas(steps: int) -> Callable[[np.ndarray], np.ndarray]:
        inversion = MelInversion(spec)
        return lambda mel: librosa.griffinlim(
            inversion(mel[0]), n_iter=steps, hop_length=spec.hop, n_fft=spec.n_fft, random_state=0
        )

    methods = {
        "milonga, 32 steps": ours(32),
        "milonga, 8 steps": ours(8),
        "librosa, 32 steps from random phases": librosas(32),
        "librosa, 100 steps from random phases": librosas(100),
    }
    rows = []
    for title, work in methods.items():
        factors, mels, stfts = [], [], []
        for clip in clips:
            mel = spec.analyse(clip)
            found = work(mel)
            factors.append(
                statistics.median(_timed(work, mel) for _ in range(1 if quick else 3))
                / clip.seconds
            )
            frames = min(len(found), clip.n_samples)
            made = Clip(found[:frames].astype(np.float32), 44_100)
            mels.append(log_mel_distance_db(mel, made, spec))
            stfts.append(_stft_distance(clip.mono[:frames], made.mono))
        rows.append(
            f"| {title} | {np.mean(factors):.3f} | {np.mean(mels):.2f} | {np.mean(stfts):.3f} |"
        )
    table = "\n".join(rows)
    return f"""## Griffin-Lim from a mel, on real recordings

| method | seconds per second of audio | log-mel distance, dB | multi-resolution STFT distance |
| --- | ---: | ---: | ---: |
{table}

{len(clips)} recordings of the sonic-pi samples at 44.1 kHz, means over them. Both start from the
same inverted mel. The STFT distance is the mean of spectral convergence and log-magnitude
difference at 512, 1024 and 2048 samples, against the original recording."""


def _stft_distance(one: np.ndarray, other: np.ndarray) -> float:
    import librosa

    parts = []
    for size in (512, 1024, 2048):
        a, b = (np.abs(librosa.stft(x, n_fft=size, hop_length=size // 4)) for x in (one, other))
        parts.append(np.linalg.norm(a - b) / np.linalg.norm(a))
        parts.append(np.abs(np.log(np.maximum(a, 1e-4) / np.maximum(b, 1e-4))).mean())
    return float(np.mean(parts))


def _main() -> None:
    """One implementation in a process of its own: prints its peak memory in MB."""

    import torch

    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("weights", type=Path)
    parser.add_argument("seconds", type=float)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    if arguments.name == "reference":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from bigvgan.bigvgan import BigVGAN
            from bigvgan.env import AttrDict

            model = BigVGAN(AttrDict(dict(CONFIG))).eval()
        _fold(model)
        model.load_state_dict(torch.load(arguments.weights, weights_only=True, mmap=True))
        work = _runner(model)
    else:
        work = make_ours(arguments.weights, arguments.name)
    work(make_mel(arguments.seconds))
    print((peak_memory() or 0) / 1e6)


if __name__ == "__main__":
    _main()
