"""Stable Audio 3 at the size of its small models, from random weights: a minute of music, its
memory, how fast it stops.

Random weights make noise, at the cost of music: every number is computed all the same. In the form
of diffusers, so that its pipeline computes the same: its autoencoder has the size of the small one,
with a window where that has chunks.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from bench.timing import run_process

MAKE = """
import json, os, sys, warnings
from pathlib import Path
import torch
from diffusers import (
    AutoencoderSAME, FlowMatchEulerDiscreteScheduler, StableAudio3DiTModel,
    StableAudio3DurationEmbedder,
)
from safetensors.torch import save_file
from tokenizers import Tokenizer, models
from transformers import GemmaTokenizer, T5GemmaConfig, T5GemmaEncoderModel

warnings.simplefilter("ignore")
folder, quick = Path(sys.argv[1]), sys.argv[2] == "quick"
sizes = {"embed_dim": 256, "depth": 2, "num_heads": 4} if quick else {
    "embed_dim": 1024, "depth": 20, "num_heads": 16}
torch.manual_seed(0)
# Each on its own, from shapes alone: never two copies of the weights.
for part, kind, config in (
    ("transformer", StableAudio3DiTModel, {**sizes, "use_differential_attention": False}),
    ("vae", AutoencoderSAME, {"encoder_transformer_depths": [2]} if quick else {}),
    ("duration_embedder", StableAudio3DurationEmbedder, {}),
):
    with torch.device("meta"):
        model = kind(**config)
    model.save_config(folder / part)
    tensors = {}
    for name, value in model.state_dict().items():
        centre = 1.0 if name.endswith(("weight_g", "gamma", "alpha", "scale", "std")) else 0.0
        tensors[name] = torch.empty(value.shape).normal_(std=0.02).add_(centre)
    tensors |= {name: kind(**config).freqs for name in tensors if name == "freqs"}
    if part == "transformer":
        tensors["rotary_pos_emb.inv_freq"] = 1 / 10_000 ** (torch.arange(0, 32, 2) / 32)
    save_file(tensors, folder / part / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    del tensors
FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, stochastic_sampling=True).save_config(
    folder / "scheduler")
text = {"vocab_size": 2000 if quick else 256_000, "hidden_size": 768, "intermediate_size": 2048,
        "num_hidden_layers": 2 if quick else 12, "num_attention_heads": 12,
        "num_key_value_heads": 12, "head_dim": 64, "query_pre_attn_scalar": 64}
T5GemmaEncoderModel(
    T5GemmaConfig(encoder=text, decoder=text, is_encoder_decoder=False)
).to(torch.bfloat16).save_pretrained(folder / "text_encoder")
special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{n:02X}>" for n in range(256))]
GemmaTokenizer(vocab={word: at for at, word in enumerate(special)}, merges=[]).save_pretrained(
    folder / "tokenizer")
(folder / "model_index.json").write_text(json.dumps({
    "_class_name": "StableAudio3Pipeline",
    "duration_embedder": ["diffusers", "StableAudio3DurationEmbedder"],
    "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    "text_encoder": ["transformers", "T5GemmaEncoderModel"],
    "tokenizer": ["transformers", "GemmaTokenizer"],
    "transformer": ["diffusers", "StableAudio3DiTModel"],
    "vae": ["diffusers", "AutoencoderSAME"],
}))
# Writing gigabytes goes on for a while and would slow what comes first.
os.sync()
"""

OURS = """
import json, sys, threading, time
from milonga.errors import Cancelled
from milonga.generators.base import Request
from milonga.generators.stable_audio_3 import StableAudio3
from milonga.runtime.progress import Progress

seconds, steps, precision = float(sys.argv[2]), int(sys.argv[3]), sys.argv[5]
generator = StableAudio3(StableAudio3.Options(
    model=sys.argv[1], device="cpu", steps=steps, precision=precision))
request = Request(role="instrumental", section="verse", style="trap beats", seconds=seconds,
                  tempo=120, key="A minor", seed=0)
found = generator.assess(request)
stops, times = [], {"Stable Audio 3": [], "Decoding": []}

def seen(update):
    for label, moments in times.items():
        if update.label.startswith(label):
            moments.append((time.perf_counter(), update.done))

begun = time.perf_counter()
clip = generator.render(request, Progress(seen))
took = time.perf_counter() - begun
assert (clip.sample_rate, clip.channels, clip.n_samples) == (44_100, 2, round(seconds * 44_100))
for label in ("Stable Audio 3", "Decoding") if sys.argv[6] == "stop" else ():
    asked = []
    def started(update):
        if update.label.startswith(label) and not asked:
            asked.append(None)
            threading.Timer(0.3, stop).start()
    def stop():
        asked.append(time.perf_counter())
        progress.cancel()
    progress = Progress(started)
    try:
        generator.render(request, progress)
    except Cancelled:
        stops.append(time.perf_counter() - asked[1])
moments = [moment for moment, _ in times["Stable Audio 3"]]
with open(sys.argv[4], "w") as result:
    json.dump({
        "guess": found.estimate_s, "took": took, "stops": stops,
        "step": (moments[-1] - moments[0]) / steps,
        "decoding": times["Decoding"][-1][0] - times["Decoding"][0][0],
        "said": [line for line in found.general if "of memory" in line][0],
    }, result)
"""

THEIRS = """
import json, sys, time, warnings
import torch
from diffusers import StableAudio3Pipeline
warnings.simplefilter("ignore")
seconds, steps = float(sys.argv[2]), int(sys.argv[3])
begun = time.perf_counter()
pipeline = StableAudio3Pipeline.from_pretrained(
    sys.argv[1], local_files_only=True, torch_dtype=torch.float32)
moments = []
def seen(pipeline, step, level, values):
    moments.append(time.perf_counter())
    return values
# The same number of latents as ours, which makes 6 s more.
pipeline("trap beats, verse, instrumental, 120 BPM, A minor", seconds, num_inference_steps=steps,
         silence_padding_duration=6.0, generator=torch.Generator().manual_seed(0),
         callback_on_step_end=seen)
ended = time.perf_counter()
with open(sys.argv[4], "w") as result:
    json.dump({"step": (moments[-1] - moments[0]) / max(1, steps - 1), "took": ended - begun,
               "decoding": ended - moments[-1]}, result)
"""


def run(quick: bool = False) -> str:
    seconds, steps = (4.0, 2) if quick else (60.0, 8)
    with tempfile.TemporaryDirectory(prefix="milonga-bench-") as scratch:
        folder, result = Path(scratch, "model"), Path(scratch, "result.json")
        run_process([sys.executable, "-c", MAKE, str(folder), "quick" if quick else "real"])
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        home = {"MILONGA_HOME": str(Path(scratch, "home"))}

        def measure(code: str, *more: str) -> dict:
            command = [sys.executable, "-c", code, str(folder), str(seconds), str(steps)]
            done = run_process([*command, str(result), *more], env=home)
            return json.loads(result.read_text()) | {"peak": done.peak_mb / 1000}

        ours = {one: measure(OURS, one, "run") for one in ("float32", "bfloat16", "int8")}
        theirs = measure(THEIRS)
        stopped = measure(OURS, "int8", "stop")
    rows = {f"`stable-audio-3`, {one}": found for one, found in ours.items()}
    rows["`StableAudio3Pipeline`, float32"] = theirs
    lines = "\n".join(
        f"| {name} | {found['took']:.0f} s | {found['step']:.2f} s | {found['decoding']:.1f} s | "
        f"{found['peak']:.1f} GB |"
        for name, found in rows.items()
    )
    announced = ours["float32"]["said"].partition("with about ")[2].partition(" of memory")[0]
    what = "A small stand-in" if quick else "The real sizes"
    return f"""## `stable-audio-3`, the size of Stable Audio 3 small

| {seconds:g} s of music, {steps} steps | in all | a step | decoding | peak memory |
| --- | --- | --- | --- | --- |
{lines}

{what} ({size / 1e9:.1f} GB) with random weights on the CPU, one run of each in a process of its
own. All in all is with loading, ours with the hashes of the files, too. For float32
{ours["float32"]["guess"]:.0f} s were guessed, and {announced} of memory announced. A take that was
stopped ended within {max(stopped["stops"]):.2f} s, while it sampled and while it decoded.
"""
