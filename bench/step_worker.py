"""One process of the benchmarks of transformers: ``python -m bench.step_worker MODEL WHAT ...``.

Weights are random, of the published sizes: every number is computed all the same.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch

SMALL = {"ace": {"num_hidden_layers": 2}, "sao": {"num_layers": 2}}


def empty(model: str, quick: bool) -> Any:
    from diffusers import AceStepTransformer1DModel, StableAudioDiTModel

    kind = AceStepTransformer1DModel if model == "ace" else StableAudioDiTModel
    with torch.device("meta"):
        return kind(**(SMALL[model] if quick else {}))


def tensors(model: Any, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The same numbers in each process, rounded to bfloat16, so that every dtype holds them."""
    drawn = torch.randn(1 << 21, generator=torch.Generator().manual_seed(0)) * 0.02
    found = {}
    for at, (name, value) in enumerate(model.state_dict().items()):
        numbers = torch.roll(drawn, 7919 * at).repeat(-(-value.numel() // len(drawn)))
        numbers = numbers[: value.numel()].view(value.shape)
        centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        found[name] = (numbers + centre).to(torch.bfloat16).to(dtype)
    return found


def filled(name: str, quick: bool, dtype: torch.dtype) -> Any:
    model = empty(name, quick)
    model.load_state_dict(tensors(model, dtype), assign=True)
    return model.requires_grad_(False).eval()


def ours(name: str, quick: bool, dtype: torch.dtype, precision: str) -> Any:
    from milonga.compute.diffusion.ace_step import AceStepTransformer
    from milonga.compute.diffusion.stable_audio import StableAudioTransformer
    from milonga.compute.products.making import LayerMaker

    kind = AceStepTransformer if name == "ace" else StableAudioTransformer
    return kind(filled(name, quick, dtype), LayerMaker(precision))


def inputs(name: str, config: Any, dtype: torch.dtype) -> dict[str, Any]:
    """A minute of ACE-Step with a text of 512 tokens; the whole window of Stable Audio Open, a row
    with and one without the text."""
    from diffusers.models.embeddings import get_1d_rotary_pos_embed

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)

    if name == "ace":
        return {
            "hidden_states": drawn(1, 1500, 64),
            "timestep": torch.tensor([0.7], dtype=dtype),
            "timestep_r": torch.tensor([0.7], dtype=dtype),
            "encoder_hidden_states": drawn(1, 512, config.hidden_size),
            "context_latents": drawn(1, 1500, 128),
            "return_dict": False,
        }
    text = drawn(2, 130, 768)
    text[0] = 0
    return {
        "hidden_states": drawn(1, 64, 1024).repeat(2, 1, 1),
        "timestep": torch.tensor([0.5]),
        "encoder_hidden_states": text,
        "global_hidden_states": drawn(1, 1, 1536).repeat(2, 1, 1),
        "rotary_embedding": get_1d_rotary_pos_embed(
            32, 1025, use_real=True, repeat_interleave_real=False
        ),
        "return_dict": False,
    }


def timed(model: Any, given: dict[str, Any]) -> tuple[float, torch.Tensor]:
    begun = time.perf_counter()
    found = model(**given)[0]
    return time.perf_counter() - begun, found


def speeds() -> dict[str, float]:
    """Operations per second of the largest product alone: the limit of a step."""
    from milonga.compute.products.linear import make_linear

    found = {}
    for precision in ("float32", "bfloat16", "int8"):
        layer, x, times = (
            make_linear(torch.ones(6144, 2048), None, precision),
            torch.ones(750, 2048),
            [],
        )
        for _ in range(8):
            begun = time.perf_counter()
            layer(x)
            times.append(time.perf_counter() - begun)
        found[precision] = 2 * 750 * 2048 * 6144 / min(times)
    return found


def main() -> None:
    name, what, quick, result = sys.argv[1], sys.argv[2], sys.argv[3] == "quick", Path(sys.argv[4])
    found: dict[str, Any] = {}
    with torch.inference_mode():
        if what == "theirs":
            dtype, runs, output = getattr(torch, sys.argv[5]), int(sys.argv[6]), sys.argv[7]
            model = filled(name, quick, dtype)
            given = inputs(name, model.config, dtype)
            times = []
            for _ in range(runs):
                took, value = timed(model, given)
                times.append(took)
            torch.save(value.float(), output)
            found = {"seconds": min(times)}
        elif what == "turns":
            # Theirs stays, ours comes one precision after the other.
            dtype, reference = getattr(torch, sys.argv[5]), torch.load(sys.argv[6])
            theirs, runs = filled(name, quick, dtype), int(sys.argv[7])
            given, own = (
                inputs(name, theirs.config, dtype),
                inputs(name, theirs.config, torch.float32),
            )
            found = {"speeds": speeds(), "ours": {}, "theirs": []}
            for precision in sys.argv[8:]:
                model = ours(
                    name, quick, torch.bfloat16 if dtype == torch.bfloat16 else dtype, precision
                )
                timed(model, own)
                pairs = []
                for _ in range(runs):
                    mine, value = timed(model, own)
                    pairs.append((mine, timed(theirs, given)[0]))
                off = (value.float() - reference).norm() / reference.norm()
                found["ours"][precision] = {
                    "seconds": statistics.median(a for a, _ in pairs),
                    "ratio": statistics.median(b / a for a, b in pairs),
                    "error": float(off),
                }
                found["theirs"] += [b for _, b in pairs]
                del model
        elif what == "write":
            from safetensors.torch import save_file

            folder = Path(sys.argv[5], "transformer")
            folder.mkdir(parents=True, exist_ok=True)
            model = empty(name, quick)
            model.save_config(folder)
            kind = torch.bfloat16 if name == "ace" else torch.float32
            save_file(tensors(model, kind), folder / "diffusion_pytorch_model.safetensors")
        else:
            found = alone(name, what, Path(sys.argv[5]))
    result.write_text(json.dumps(found))


def alone(name: str, precision: str, folder: Path) -> dict[str, Any]:
    """Load as the generators do, from the file, and compute two steps."""
    from milonga.generators.ace_step.parts import AceStepParts
    from milonga.generators.stable_audio.parts import ModelParts

    if name == "ace":
        parts: Any = AceStepParts(folder, "bench", "cpu", "published")
    else:
        parts = ModelParts(folder, "bench", "cpu")
    parts.precision, parts.source = precision, "0" * 64
    begun = time.perf_counter()
    with parts.at_work("transformer") as model:
        loading = time.perf_counter() - begun
        given = inputs(name, model.config, torch.float32)
        times = [timed(model, given)[0] for _ in range(2)]
        status = Path("/proc/self/status").read_text()
    held = re.search(r"RssAnon:\s+(\d+)", status)
    return {"loading": loading, "seconds": min(times), "held": int(held[1]) * 1024 if held else 0}


if __name__ == "__main__":
    main()
