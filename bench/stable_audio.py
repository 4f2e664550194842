"""Stable Audio Open at its real size, from random weights: a take, its memory, its decoder.

Random weights make noise, at the cost of music: every number is computed all the same.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

from bench.timing import run_process

MAKE = """
import json, sys, warnings
from pathlib import Path
import torch
from diffusers import (
    AutoencoderOobleck, CosineDPMSolverMultistepScheduler, StableAudioDiTModel,
    StableAudioProjectionModel,
)
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

warnings.simplefilter("ignore")
folder, quick = Path(sys.argv[1]), sys.argv[2] == "quick"
transformer = {"num_layers": 2} if quick else {}
vae = {"decoder_channels": 32, "encoder_hidden_size": 128} if quick else {}
torch.manual_seed(0)


def random(shape):
    return torch.empty(shape).normal_(std=0.02)


# Each on its own, from shapes alone: never two copies of the weights.
for part, kind, config in (
    ("transformer", StableAudioDiTModel, transformer),
    ("vae", AutoencoderOobleck, vae),
    ("projection_model", StableAudioProjectionModel,
     {"text_encoder_dim": 768, "conditioning_dim": 768, "min_value": 0, "max_value": 512}),
):
    with torch.device("meta"):
        model = kind(**config)
    model.save_config(folder / part)
    tensors = {}
    for name, value in model.state_dict().items():
        centre = 1.0 if name.endswith(("weight_g", "norm1.weight", "norm2.weight")) else 0.0
        tensors[name] = random(value.shape).add_(centre)
    save_file(tensors, folder / part / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    del tensors
T5EncoderModel(
    T5Config(d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12)
).save_pretrained(folder / "text_encoder")
CosineDPMSolverMultistepScheduler().save_config(folder / "scheduler")
words = Tokenizer(models.Unigram())
words.pre_tokenizer = pre_tokenizers.Metaspace()
words.train_from_iterator(["trap beats, 120 BPM, A minor"], trainers.UnigramTrainer(
    vocab_size=40, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>",
    show_progress=False))
PreTrainedTokenizerFast(
    tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>",
    model_max_length=128,
).save_pretrained(folder / "tokenizer")
(folder / "model_index.json").write_text(json.dumps({
    "_class_name": "StableAudioPipeline",
    "projection_model": ["stable_audio", "StableAudioProjectionModel"],
    "scheduler": ["diffusers", "CosineDPMSolverMultistepScheduler"],
    "text_encoder": ["transformers", "T5EncoderModel"],
    "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
    "transformer": ["diffusers", "StableAudioDiTModel"],
    "vae": ["diffusers", "AutoencoderOobleck"],
}))
"""

OURS = """
import json, sys, threading, time
from milonga.errors import Cancelled
from milonga.generators.base import Request
from milonga.generators.stable_audio import StableAudio
from milonga.runtime.progress import Progress

seconds, steps = float(sys.argv[2]), int(sys.argv[3])
generator = StableAudio(StableAudio.Options(model=sys.argv[1], device="cpu", steps=steps))
request = Request(role="instrumental", section="verse", style="trap beats", seconds=seconds,
                  tempo=120, key="A minor", seed=0)
found = generator.assess(request)
stops = []
times = {"Stable Audio": [], "Decoding": [], "Loading": []}

def seen(update):
    for label, moments in times.items():
        if update.label.startswith(label):
            moments.append((time.perf_counter(), update.done))

begun = time.perf_counter()
clip = generator.render(request, Progress(seen))
took = time.perf_counter() - begun
assert (clip.sample_rate, clip.channels, clip.n_samples) == (44_100, 2, round(seconds * 44_100))
for after in (1.0, 4.0) if sys.argv[5] == "stop" else ():
    progress, asked = Progress(), []
    def stop():
        asked.append(time.perf_counter())
        progress.cancel()
    threading.Timer(after, stop).start()
    try:
        generator.render(request, progress)
    except Cancelled:
        stops.append(time.perf_counter() - asked[0])
step = [moment for moment, _ in times["Stable Audio"]]
with open(sys.argv[4], "w") as result:
    json.dump({
        "guess": found.estimate_s, "took": took, "stops": stops,
        "step": (step[-1] - step[0]) / steps,
        "decoding": times["Decoding"][-1][0] - times["Decoding"][0][0],
        "said": [line for line in found.general if "of memory" in line][0],
    }, result)
"""

THEIRS = """
import json, sys, time, warnings
import torch
from diffusers import StableAudioPipeline
warnings.simplefilter("ignore")
seconds, steps = float(sys.argv[2]), int(sys.argv[3])
pipeline = StableAudioPipeline.from_pretrained(sys.argv[1], local_files_only=True)
moments = []
# A step can be seen only from the second on: the first call is after a step.
begun = time.perf_counter()
# The trap of the last step: this level is the one a rounding away.
stock = pipeline.scheduler.set_timesteps
def set_timesteps(*args, **kwargs):
    stock(*args, **kwargs)
    pipeline.scheduler.sigmas[-2] = 0.29999998
pipeline.scheduler.set_timesteps = set_timesteps
text = "trap beats, verse, instrumental, 120 BPM, A minor"
pipeline(text, seconds, num_inference_steps=steps, generator=torch.Generator().manual_seed(0),
         callback=lambda *_: moments.append(time.perf_counter()))
ended = time.perf_counter()
with open(sys.argv[4], "w") as result:
    json.dump({"step": (moments[-1] - moments[0]) / max(1, steps - 1),
               "decoding": ended - moments[-1]}, result)
"""

DECODE = """
import json, sys, time
from pathlib import Path
import torch
from milonga.generators.neural.oobleck import decode
from milonga.generators.stable_audio.parts import ModelParts
from milonga.runtime.progress import Progress

how, seconds = sys.argv[2], float(sys.argv[3])
latents = torch.randn(1, 64, 1024, generator=torch.Generator().manual_seed(0))
frames, samples = -(-round(seconds * 44_100) // 2048), round(seconds * 44_100)
parts = ModelParts(Path(sys.argv[1]), "random", "cpu")
with parts.at_work("decoder") as decoder, torch.inference_mode():
    begun = time.perf_counter()
    if how == "tiles":
        sound = decode(decoder, latents[..., :frames], samples, (2, 4, 4, 8, 8), Progress())
    else:
        sound = decoder(latents[..., :frames])[0, :, :samples]
    took = time.perf_counter() - begun
assert sound.shape == (2, samples)
with open(sys.argv[4], "w") as result:
    json.dump({"took": took}, result)
"""


def run(quick: bool = False) -> str:
    seconds, steps, rounds = (2.0, 2, 1) if quick else (10.0, 2, 1)
    with tempfile.TemporaryDirectory(prefix="milonga-bench-") as scratch:
        folder, result = Path(scratch, "model"), Path(scratch, "result.json")
        run_process([sys.executable, "-c", MAKE, str(folder), "quick" if quick else "real"])
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        home = {"MILONGA_HOME": str(Path(scratch, "home"))}

        def measure(code: str, *args: object) -> tuple[dict, float]:
            command = [sys.executable, "-c", code, str(folder), *map(str, args)]
            done = run_process(command, env=home)
            return json.loads(result.read_text()), done.peak_mb / 1000

        ours, ours_gb = measure(OURS, seconds, steps, result, "run")
        theirs, theirs_gb = measure(THEIRS, seconds, steps, result)
        stopped, _ = measure(OURS, 1.0, steps, result, "stop")
        decoded: dict[str, list[tuple[dict, float]]] = {"tiles": [], "whole": []}
        for _ in range(rounds):
            for how, runs in decoded.items():
                runs.append(measure(DECODE, how, seconds, result))
    needs = ours["said"].partition("with about ")[2].partition(" of memory")[0]
    rows = []
    for how, runs in decoded.items():
        each = statistics.median(found["took"] for found, _ in runs) / seconds
        peak = statistics.median(peak for _, peak in runs)
        rows.append(f"| {how} | {each:.2f} s | {peak:.1f} GB |")
    lines = "\n".join(rows)
    what = "A small stand-in" if quick else "The real sizes"
    return f"""## `stable-audio`, the size of Stable Audio Open 1.0

| | a guided step | decoding {seconds:g} s | peak memory |
| --- | --- | --- | --- |
| `stable-audio` | {ours["step"]:.1f} s | {ours["decoding"]:.1f} s | {ours_gb:.1f} GB |
| `StableAudioPipeline` | {theirs["step"]:.1f} s | {theirs["decoding"]:.1f} s | {theirs_gb:.1f} GB |

| decoder | per second of audio | peak memory |
| --- | --- | --- |
{lines}

{what} ({size / 1e9:.1f} GB) with random weights, float32 on the CPU, {steps} steps, one run of each
in a process of its own. A take of {seconds:g} s took {ours["took"]:.0f} s with the hashes of the
files, {ours["guess"]:.0f} s were guessed; {needs} of memory were announced. A take that was
stopped ended within {max(stopped["stops"]):.2f} s. The pipeline decodes all 47 s, whatever was
asked for.
"""
