"""Decoders at their published sizes through the compiled kernels, against the library's modules.

The weights are random, drawn as the libraries draw them: no figure here depends on what a network
has learnt. Speeds come from one process in which both take turns, peaks of memory from a process
for each.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.timing import Run, run_process
from bench.vocoder import _matmul_gflops
from milonga.runtime.progress import Progress

SECONDS = 4.0
OOBLECK_48 = {"downsampling_ratios": [2, 4, 4, 6, 10], "sampling_rate": 48_000}
"""ACE-Step 1.5."""
OOBLECK_44 = {"downsampling_ratios": [2, 4, 4, 8, 8], "sampling_rate": 44_100}
"""Stable Audio Open."""
ENCODEC_32 = {
    "sampling_rate": 32_000, "num_filters": 64, "upsampling_ratios": [8, 5, 4, 4],
    "use_causal_conv": False, "use_conv_shortcut": False, "codebook_size": 2048,
    "target_bandwidths": [2.2],
}  # fmt: skip
"""MusicGen."""
ENCODEC_24: dict[str, Any] = {}
"""Bark."""


@dataclass(frozen=True)
class Work:
    """One decoder or encoder.

    Attributes:
        gflop: of the direct form, for a second of sound.
        library: computes it as the library does.
        ours: computes it as milonga does, all that it takes to prepare the kernels included.
    """

    gflop: float
    library: Callable[[], np.ndarray]
    ours: Callable[[], np.ndarray]


def _oobleck(settings: dict[str, Any], seconds: float, *, encodes: bool = False) -> Work:
    import torch
    from diffusers import AutoencoderOobleck

    from milonga.generators.neural import oobleck

    torch.manual_seed(0)
    vae = AutoencoderOobleck(**settings).eval().requires_grad_(False)
    # One of the two halves is never in memory in milonga, so neither is it here.
    vae.decoder, vae.encoder = (None, vae.encoder) if encodes else (vae.decoder, None)
    ratios, hop = settings["downsampling_ratios"], int(np.prod(settings["downsampling_ratios"]))
    frames = round(seconds * settings["sampling_rate"] / hop)
    if encodes:
        samples = 0.3 * torch.randn(2, frames * hop)
        count = _gflop(vae.encoder, torch.zeros(1, 2, 8 * hop)) / 8 * frames / seconds
        return Work(
            count,
            lambda: vae.encoder(samples[None]).numpy(),
            lambda: oobleck.encode(vae.encoder, samples, ratios, Progress()).numpy(),
        )
    latents = torch.randn(1, 64, frames)
    count = _gflop(vae.decoder, torch.zeros(1, 64, 16)) / 16 * frames / seconds
    return Work(
        count,
        lambda: vae.decode(latents).sample[0].numpy(),
        lambda: oobleck.decode(vae.decoder, latents, frames * hop, ratios, Progress()).numpy(),
    )


def _encodec(settings: dict[str, Any], seconds: float) -> Work:
    import torch
    from transformers import EncodecConfig, EncodecModel

    from milonga.generators.neural import codec

    torch.manual_seed(0)
    model = EncodecModel(EncodecConfig(**settings)).eval().requires_grad_(False)
    for layer in model.quantizer.layers:
        layer.codebook.embed.normal_()
    config = model.config
    frames = round(seconds * config.sampling_rate / config.hop_length)
    codes = torch.randint(0, config.codebook_size, (1, 4, frames))
    count = _gflop(model.decoder, torch.zeros(1, config.hidden_size, 16)) / 16 * frames / seconds
    return Work(
        count,
        lambda: model.decode(codes[None], [None]).audio_values[0].numpy(),
        lambda: codec.decode(model, codes, Progress())[0].numpy(),
    )


def _gflop(module: Any, x: Any) -> float:
    """Multiplications and additions of the direct form, in thousand millions."""
    import torch

    found = 0.0

    def count(layer: Any, given: Any, made: Any) -> None:
        nonlocal found
        if isinstance(layer, torch.nn.LSTM):
            found += 2 * sum(w.numel() for w in layer.parameters() if w.ndim > 1) * len(given[0])
        elif isinstance(layer, torch.nn.ConvTranspose1d):
            found += 2 * layer.weight.numel() * given[0].shape[2]
        else:
            found += 2 * layer.weight.numel() * made.shape[2]

    kinds = (torch.nn.Conv1d, torch.nn.ConvTranspose1d, torch.nn.LSTM)
    hooks = [m.register_forward_hook(count) for m in module.modules() if isinstance(m, kinds)]
    with torch.inference_mode():
        module(x)
    for hook in hooks:
        hook.remove()
    return found / 1e9


WORKS: dict[str, tuple[str, Callable[[float], Work]]] = {
    "oobleck-48": ("Oobleck, 48 kHz stereo (ACE-Step 1.5)", lambda s: _oobleck(OOBLECK_48, s)),
    "oobleck-44": (
        "Oobleck, 44.1 kHz stereo (Stable Audio Open)", lambda s: _oobleck(OOBLECK_44, s),
    ),
    "encoder-48": (
        "Oobleck's encoder, 48 kHz stereo", lambda s: _oobleck(OOBLECK_48, s, encodes=True),
    ),
    "encodec-32": ("EnCodec, 32 kHz (MusicGen)", lambda s: _encodec(ENCODEC_32, s)),
    "encodec-24": ("EnCodec, 24 kHz, causal (Bark)", lambda s: _encodec(ENCODEC_24, s)),
}  # fmt: skip


_SHORT, _OFTEN = 20, 5
"""GFLOP a second of sound under which there are more runs, and how many times as many."""
MEASURED = ("oobleck-48", "encodec-32")
"""Those whose memory is measured: processes take long to begin."""


def run(quick: bool = False) -> str:
    import torch

    torch.set_num_threads(2)
    seconds, runs = (2.0, 1) if quick else (SECONDS, 2)
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="milonga-bench-") as scratch,
        warnings.catch_warnings(), torch.inference_mode(),
    ):  # fmt: skip
        warnings.simplefilter("ignore")
        for name, (title, make) in WORKS.items():
            work = make(seconds)
            found, expected = work.ours(), work.library()
            error = np.abs(found - expected).max() / np.abs(expected).max()
            times: dict[str, list[float]] = {"ours": [], "library": []}
            for _ in range(runs * (_OFTEN if work.gflop < _SHORT else 1)):
                times["ours"].append(_timed(work.ours) / seconds)
                times["library"].append(_timed(work.library) / seconds)
            limit = _matmul_gflops()
            ours, library = (statistics.median(t) for t in times.values())
            ratio = statistics.median(
                b / a for a, b in zip(times["ours"], times["library"], strict=True)
            )
            gflop = work.gflop
            del work
            memory = ["", ""]
            if name in MEASURED:
                folder = _saved(name, Path(scratch))
                peaks = [_peak(folder, name, e, seconds) for e in ("ours", "library")]
                memory = [f"{peak.peak_mb:,.0f} ({peak.own_mb:,.0f})" for peak in peaks]
            print(
                f"bench: {name}: {ours:.3f} {library:.3f} {ratio:.1f}", file=sys.stderr, flush=True
            )
            rows.append(
                f"| {title} | {ours:.3f} | {library:.3f} | {ratio:.1f} | "
                f"{gflop:.0f} | {100 * gflop / ours / limit:.0f} % | {error:.1e} | "
                f"{memory[0]} | {memory[1]} |"
            )
        lengths = (5.0, 10.0) if quick else (10.0, 40.0)
        folder = _saved("oobleck-48", Path(scratch))
        growth = [_peak(folder, "oobleck-48", "ours", length).peak_mb for length in lengths]
    table = "\n".join(rows)
    return f"""## Decoders of sound on two cores

| what | milonga, seconds per second of sound | library | times the library | GFLOP of the direct \
form | of the arithmetic limit | largest difference, of the peak | peak memory, MB | library |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
{table}

{seconds:g} s of sound, float32, published sizes, the same random weights and input, {runs} runs of
each in turns within one process ({_OFTEN} times as many of EnCodec, which is short), medians.
Libraries: diffusers' `AutoencoderOobleck.decode` and
`encoder`, and transformers' `EncodecModel.decode`, in one piece. Weights
are packed for the kernels once, before the turns, as in a program that makes several takes.
The arithmetic limit is the direct form at the speed of a float32 matrix product, {limit:.0f}
GFLOP/s in the last row's turn; minimal filtering needs about a third of the direct form in long
kernels, so more than 100 % is possible. Peak memory is that of a process that loads the model from
its files and decodes once, in brackets without mapped files, which the system can take back;
Oobleck at 48 kHz takes {growth[0]:,.0f} MB for {lengths[0]:g} s
and {growth[1]:,.0f} MB for {lengths[1]:g} s."""


def _timed(work: Callable[[], Any]) -> float:
    # The threads of torch's last product look out for more work for some milliseconds.
    time.sleep(0.05)
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _peak(folder: Path, name: str, engine: str, seconds: float) -> Run:
    command = [sys.executable, "-m", "bench.decoders", name, engine, str(seconds), str(folder)]
    return run_process(command)


def _saved(name: str, folder: Path) -> Path:
    """The folder of a model in the library's own files."""
    from diffusers import AutoencoderOobleck
    from transformers import EncodecConfig, EncodecModel

    target = folder / name
    if not target.is_dir():
        if name.startswith("oobleck"):
            AutoencoderOobleck(**OOBLECK_48).save_pretrained(target / "vae")
        else:
            EncodecModel(EncodecConfig(**ENCODEC_32)).save_pretrained(target)
    return target


def _from_file(name: str, engine: str, seconds: float, folder: Path) -> None:
    """Load a decoder from its files, as the library or as milonga does, and decode once."""
    import torch

    from milonga.runtime.progress import Progress

    if name.startswith("oobleck"):
        ratios, rate = OOBLECK_48["downsampling_ratios"], OOBLECK_48["sampling_rate"]
        hop = int(np.prod(ratios))
        latents = torch.randn(1, 64, round(seconds * rate / hop))
        if engine == "library":
            from diffusers import AutoencoderOobleck

            vae = AutoencoderOobleck.from_pretrained(folder / "vae").eval()
            vae.decode(latents)
            return
        from milonga.generators.neural import oobleck
        from milonga.generators.neural.parts import TakingTurns

        class Parts(TakingTurns):
            def load(self, part: str) -> Any:
                return oobleck.load(self, part)

        with Parts(folder, "bench", "cpu", torch.float32).at_work("decoder") as decoder:
            oobleck.decode(decoder, latents, latents.shape[-1] * hop, ratios, Progress())
        return
    from transformers import EncodecModel

    from milonga.generators.neural import codec
    from milonga.generators.neural.loading import load_pretrained

    codes = torch.randint(0, 2048, (1, 4, round(seconds * 50)))
    if engine == "library":
        EncodecModel.from_pretrained(folder).eval().decode(codes[None], [None])
    else:
        codec.decode(load_pretrained(EncodecModel, folder, "bench"), codes, Progress())


def _main() -> None:
    """One engine in a process of its own, whose memory is watched."""
    import torch

    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("engine", choices=["ours", "library"])
    parser.add_argument("seconds", type=float)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    warnings.simplefilter("ignore")
    with torch.inference_mode():
        _from_file(arguments.name, arguments.engine, arguments.seconds, arguments.folder)


if __name__ == "__main__":
    _main()
