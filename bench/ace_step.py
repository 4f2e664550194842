"""ACE-Step 1.5 turbo at its real size, from random weights: a minute of song, memory, stopping.

Random weights make noise, at the cost of music: every number is computed all the same.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from bench.timing import run_process

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

seconds, steps = float(sys.argv[2]), int(sys.argv[3])
generator = AceStep(AceStep.Options(
    model=sys.argv[1], device="cpu", steps=steps, precision=sys.argv[6]))
request = Request(role="song", section="verse", style="trap", seconds=seconds, tempo=120,
                  key="A minor", seed=0, lyrics=(LyricLine(text="We laugh at the chaos"),) * 24)
found = generator.assess(request)
assert not found.problems, found.problems
times = {"ACE-Step": [], "Decoding": []}

def seen(update):
    for label, moments in times.items():
        if update.label.startswith(label):
            moments.append(time.perf_counter())

begun = time.perf_counter()
clip = generator.render(request, Progress(seen))
took = time.perf_counter() - begun
assert (clip.sample_rate, clip.channels, clip.n_samples) == (48_000, 2, round(seconds * 48_000))
stops = []
for label in ("ACE-Step", "Decoding") if sys.argv[5] == "stop" else ():
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
        generator.render(request, progress)
    except Cancelled:
        stops.append(time.perf_counter() - asked[-1])
with open(sys.argv[4], "w") as result:
    json.dump({
        "guess": found.estimate_s, "took": took, "stops": stops, "dtype": generator.model().dtype,
        "step": (times["ACE-Step"][-1] - times["ACE-Step"][0]) / steps,
        "decoding": times["Decoding"][-1] - times["Decoding"][0],
        "said": [line for line in found.general if "of memory" in line][0],
    }, result)
"""

THEIRS = """
import json, sys, time, warnings
import torch
from diffusers import AceStepPipeline
warnings.simplefilter("ignore")
seconds, steps = float(sys.argv[2]), int(sys.argv[3])
pipeline = AceStepPipeline.from_pretrained(
    sys.argv[1], local_files_only=True, torch_dtype=getattr(torch, sys.argv[5]))
pipeline.vae.enable_tiling()
moments = []
# The first call is after a step, so one step more is made.
pipeline("trap", "[Verse]\\n" + "We laugh at the chaos\\n" * 24, seconds,
         num_inference_steps=steps + 1, guidance_scale=1.0, bpm=120, keyscale="A minor",
         timesignature="4", generator=torch.Generator().manual_seed(0),
         callback=lambda *_: moments.append(time.perf_counter()))
ended = time.perf_counter()
with open(sys.argv[4], "w") as result:
    json.dump({"step": (moments[-1] - moments[0]) / steps, "decoding": ended - moments[-1]}, result)
"""


def run(quick: bool = False) -> str:
    seconds, steps = (10.0, 2) if quick else (60.0, 2)
    precisions = ("float32", "bfloat16", "int8")
    with tempfile.TemporaryDirectory(prefix="milonga-bench-") as scratch:
        folder, result = Path(scratch, "model"), Path(scratch, "result.json")
        run_process([sys.executable, "-c", MAKE, str(folder), "quick" if quick else "real"])
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        home = {"MILONGA_HOME": str(Path(scratch, "home"))}

        def measure(code: str, *args: object) -> tuple[dict, float]:
            command = [sys.executable, "-c", code, str(folder), *map(str, args)]
            done = run_process(command, env=home)
            return json.loads(result.read_text()), done.peak_mb / 1000

        rows, ours = [], {}
        for precision in precisions:
            ours, peak = measure(OURS, seconds, steps, result, "run", precision)
            rows.append(_row(f"`ace-step`, {ours['dtype']}", ours, peak))
            if precision != "int8":
                theirs, peak = measure(THEIRS, seconds, steps, result, precision)
                rows.append(_row(f"`AceStepPipeline`, {precision}", theirs, peak))
        stopped, _ = measure(OURS, 10.0, steps, result, "stop", precisions[-1])
    needs = ours["said"].partition("with about ")[2].partition(" of memory")[0]
    lines = "\n".join(rows)
    what = "A small stand-in" if quick else "The real sizes"
    return f"""## `ace-step`, the size of ACE-Step 1.5 turbo, 2B

| a song of {seconds:g} s | a step | decoding | 8 steps and decoding | peak memory |
| --- | --- | --- | --- | --- |
{lines}

{what} ({size / 1e9:.1f} GB) with random weights on the CPU, {steps} steps
measured, one run of each in a process of its own, in turns; the pipeline decodes in its own
tiles, which it leaves off unless it is told. The last take of `ace-step` took {ours["took"]:.0f} s
with texts, loading and the hashes of the files; {ours["guess"]:.0f} s were guessed and {needs} of
memory announced. A take that was stopped while it sampled or decoded ended within
{max(stopped["stops"]):.2f} s.
"""


def _row(name: str, found: dict, peak: float) -> str:
    step, decoding = found["step"], found["decoding"]
    whole = 8 * step + decoding
    return f"| {name} | {step:.1f} s | {decoding:.1f} s | {whole:.0f} s | {peak:.1f} GB |"
