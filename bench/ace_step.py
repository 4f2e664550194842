"""ACE-Step 1.5 turbo at its real size, from random weights: a minute of song, memory, stopping.

Random weights make noise, at the cost of music: every number is computed all the same. Each piece
is a process of its own and is kept in ``build/ace_step.json``; after six hours it is measured anew.
``python -m bench.ace_step int8 bfloat16 diffusers stop`` measures pieces, to go on another time.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.models import BUILD, real_model
from bench.timing import run_process

KEPT = BUILD / "ace_step.json"
_FRESH_S = 6 * 3600
PIECES = ("int8", "bfloat16", "diffusers", "stop")
SECONDS, STEPS = 60.0, 8

MAKE = """
import json, sys, warnings
from pathlib import Path
import torch
from diffusers import AceStepTransformer1DModel, AutoencoderOobleck, FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.ace_step import (
    AceStepAudioTokenDetokenizer, AceStepAudioTokenizer, AceStepConditionEncoder,
)
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

warnings.simplefilter("ignore")
folder, quick = Path(sys.argv[1]), sys.argv[2] == "quick"
drawn = torch.randn(1 << 21, generator=torch.Generator().manual_seed(0)) * 0.02


def random(shape):
    count = torch.Size(shape).numel()
    return drawn.repeat(-(-count // len(drawn)))[:count].view(shape)


# Each on its own, from shapes alone: never two copies of the weights.
for part, kind, config in (
    ("transformer", AceStepTransformer1DModel,
     {"is_turbo": True, "model_version": "turbo", **({"num_hidden_layers": 2} if quick else {})}),
    ("condition_encoder", AceStepConditionEncoder,
     {"num_lyric_encoder_hidden_layers": 1} if quick else {}),
    ("audio_tokenizer", AceStepAudioTokenizer, {}),
    ("audio_token_detokenizer", AceStepAudioTokenDetokenizer, {}),
    ("vae", AutoencoderOobleck,
     {"downsampling_ratios": [2, 4, 4, 6, 10], "sampling_rate": 48_000,
      **({"decoder_channels": 32} if quick else {})}),
):
    if quick and part.startswith("audio_token"):
        continue
    with torch.device("meta"):
        model = kind(**config)
    model.save_config(folder / part)
    tensors = {}
    for name, value in model.state_dict().items():
        centre = 1.0 if name.endswith("weight_g") or "norm" in name else 0.0
        tensors[name] = random(value.shape).add(centre).to(torch.bfloat16)
    save_file(tensors, folder / part / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    del tensors
layers = 1 if quick else 28
text = Qwen3Config(vocab_size=151_669, hidden_size=1024, intermediate_size=3072, head_dim=128,
                   num_hidden_layers=layers, num_attention_heads=16, num_key_value_heads=8)
with torch.device("meta"):
    model = Qwen3Model(text)
text.save_pretrained(folder / "text_encoder")
save_file({name: random(value.shape).to(torch.bfloat16)
           for name, value in model.state_dict().items()},
          folder / "text_encoder" / "model.safetensors", {"format": "pt"})
FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0).save_config(folder / "scheduler")
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
words = Tokenizer(models.BPE(
    {sign: at for at, sign in enumerate([*alphabet, "<|endoftext|>"])}, []))
words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
words.add_special_tokens(["<|endoftext|>"])
PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<|endoftext|>").save_pretrained(
    folder / "tokenizer")
parts = {
    "condition_encoder": ["ace_step", "AceStepConditionEncoder"],
    "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    "text_encoder": ["transformers", "Qwen3Model"],
    "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
    "transformer": ["diffusers", "AceStepTransformer1DModel"],
    "vae": ["diffusers", "AutoencoderOobleck"],
    "audio_tokenizer": [None, None], "audio_token_detokenizer": [None, None],
}
(folder / "model_index.json").write_text(json.dumps({"_class_name": "AceStepPipeline", **parts}))
"""

OURS = """
import json, sys, threading, time
from milonga.errors import Cancelled
from milonga.generators.ace_step import AceStep
from milonga.generators.base import LyricLine, Request
from milonga.runtime.progress import Progress

folder, seconds, steps, precision, result = sys.argv[1:6]
seconds, steps = float(seconds), int(steps)


def generator_of(steps):
    return AceStep(AceStep.Options(model=folder, device="cpu", steps=steps, precision=precision))


def ask(seconds, seed=0):
    return Request(role="song", section="verse", style="trap", seconds=seconds, tempo=120,
                   key="A minor", seed=seed, lyrics=(LyricLine(text="We laugh at the chaos"),) * 24)


generator, begun = generator_of(1), time.perf_counter()
generator.render(ask(10.0), Progress())
first = time.perf_counter() - begun
said = generator_of(steps).assess(ask(seconds))
assert not said.problems, said.problems
moments = {"ACE-Step": [], "Decoding": []}


def seen(update):
    for label, times in moments.items():
        if update.label.startswith(label):
            times.append(time.perf_counter())


# The same model, with the words still to be read.
engine = generator._engine
engine.conditions._made.clear()
generator.options = generator.options.model_copy(update={"steps": steps})
begun = time.perf_counter()
clip = generator.render(ask(seconds), Progress(seen))
took = time.perf_counter() - begun
assert (clip.sample_rate, clip.channels, clip.n_samples) == (48_000, 2, round(seconds * 48_000))
stops = []
for label in ("ACE-Step", "Decoding") if sys.argv[6] == "stop" else ():
    asked = []

    def stop():
        asked.append(time.perf_counter())
        progress.cancel()

    def look(update, label=label):
        if update.label.startswith(label) and not asked:
            asked.append(0.0)
            # In the middle of a step, or of a piece.
            threading.Timer(0.3, stop).start()

    progress = Progress(look)
    try:
        generator.render(ask(seconds), progress)
    except Cancelled:
        stops.append(time.perf_counter() - asked[-1])
steps_at, decoding_at = moments["ACE-Step"], moments["Decoding"]
with open(result, "w") as file:
    json.dump({
        "name": f"`ace-step`, {generator.model().dtype}", "first": first, "took": took,
        "before": steps_at[0] - begun, "steps": steps_at[-1] - steps_at[0],
        "decoding": took - (decoding_at[0] - begun), "stops": stops, "guess": said.estimate_s,
        "said": [line for line in said.general if "of memory" in line][0],
    }, file)
"""

THEIRS = """
import json, sys, time, warnings
import torch
from diffusers import AceStepPipeline
warnings.simplefilter("ignore")
folder, seconds, steps, result = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[5]
begun = time.perf_counter()
pipeline = AceStepPipeline.from_pretrained(
    folder, local_files_only=True, torch_dtype=torch.bfloat16)
pipeline.vae.enable_tiling()
moments = []
# The first call is after a step.
pipeline("trap", "[Verse]\\n" + "We laugh at the chaos\\n" * 24, seconds,
         num_inference_steps=steps, guidance_scale=1.0, bpm=120, keyscale="A minor",
         timesignature="4", generator=torch.Generator().manual_seed(0),
         callback=lambda *_: moments.append(time.perf_counter()))
ended = time.perf_counter()
step = (moments[-1] - moments[0]) / max(1, steps - 1)
with open(result, "w") as file:
    json.dump({
        "name": "`AceStepPipeline`, bfloat16", "took": ended - begun,
        "before": moments[0] - step - begun, "steps": moments[-1] - moments[0] + step,
        "decoding": ended - moments[-1],
    }, file)
"""


def measure(piece: str, folder: Path, seconds: float, steps: int) -> dict[str, Any]:
    """Measure a piece in a process of its own; int8 copies of the weights are kept for the next."""
    with tempfile.TemporaryDirectory(prefix="milonga-bench-") as scratch:
        result = Path(scratch, "result.json")
        stop = piece == "stop"
        arguments = [folder, min(seconds, 20.0) if stop else seconds, steps,
                     "int8" if stop else piece, result, "stop" if stop else "run"]  # fmt: skip
        code = THEIRS if piece == "diffusers" else OURS
        home = {"MILONGA_HOME": str(folder.parent / "ace-step-home")}
        done = run_process([sys.executable, "-c", code, *map(str, arguments)], env=home)
        found: dict[str, Any] = json.loads(result.read_text())
    return {**found, "peak_gb": done.peak_mb / 1000, "measured": time.time()}


def kept(pieces: tuple[str, ...] = PIECES) -> dict[str, dict[str, Any]]:
    """The pieces, measured where no fresh figure is kept."""
    try:
        found = json.loads(KEPT.read_text())
    except (OSError, ValueError):
        found = {}
    for piece in pieces:
        if found.get(piece, {}).get("measured", 0) < time.time() - _FRESH_S:
            found[piece] = measure(piece, real_model("ace_step"), SECONDS, STEPS)
            KEPT.parent.mkdir(exist_ok=True)
            KEPT.write_text(json.dumps(found, indent=1))
    return {piece: found[piece] for piece in pieces}


def run(quick: bool = False) -> str:
    if not quick:
        return _page(kept(), SECONDS, STEPS, real_model("ace_step"), quick)
    with tempfile.TemporaryDirectory(prefix="milonga-bench-") as scratch:
        folder = Path(scratch, "model")
        run_process([sys.executable, "-c", MAKE, str(folder), "quick"])
        pieces = {piece: measure(piece, folder, 10.0, 2) for piece in PIECES}
        return _page(pieces, 10.0, 2, folder, quick)


def _page(
    pieces: dict[str, dict[str, Any]], seconds: float, steps: int, folder: Path, quick: bool
) -> str:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    rows = "\n".join(
        f"| {one['name']} | {one['took']:.0f} s | {one['before']:.1f} s | {one['steps']:.1f} s | "
        f"{one['decoding']:.1f} s | {one['peak_gb']:.1f} GB |"
        for one in (pieces[piece] for piece in PIECES[:3])
    )
    ours, theirs, stops = pieces["int8"], pieces["diffusers"], pieces["stop"]["stops"]
    needs = ours["said"].partition("with about ")[2].partition(" of memory")[0]
    what = "A small stand-in" if quick else "The real sizes"
    return f"""## `ace-step`, the size of ACE-Step 1.5 turbo, 2B

| a song of {seconds:g} s | whole | texts and loading | {steps} steps | decoding | peak memory |
| --- | --- | --- | --- | --- | --- |
{rows}

{what} ({size / 1e9:.1f} GB) with random weights on the CPU, one run of each in a process of its
own; in int8 a song is there {theirs["took"] / ours["took"]:.1f} times as soon as by diffusers'
pipeline in its best precision. The words have some 700 tokens, since the stand-in's tokenizer has
no word longer than a letter. The pipeline decodes in its own tiles, which it leaves off unless it
is told; in float32 it would need about 17 GB. A first take of 10 s with one step, which hashes the
files and rounds the weights, took {ours["first"]:.0f} s before; {ours["guess"]:.0f} s were guessed
for the minute, and {needs} of memory announced. A take that was stopped while it sampled or decoded
ended within {max(stops):.2f} s.
"""


if __name__ == "__main__":
    kept(tuple(sys.argv[1:]) or PIECES)
