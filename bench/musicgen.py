"""MusicGen at the size of musicgen-small, from random weights: our tokens against the library's.

Random weights make noise, at the cost of music: every number is computed all the same.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.timing import run_process

MAKE = """
import sys
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    EncodecConfig, EncodecFeatureExtractor, MusicgenConfig, MusicgenDecoderConfig,
    MusicgenForConditionalGeneration, PreTrainedTokenizerFast, T5Config,
)

torch.manual_seed(0)
model = MusicgenForConditionalGeneration(MusicgenConfig(
    text_encoder=T5Config(d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12).to_dict(),
    audio_encoder=EncodecConfig(
        sampling_rate=32_000, upsampling_ratios=[8, 5, 4, 4], num_filters=64, hidden_size=128,
        codebook_size=2048, target_bandwidths=[2.2], use_causal_conv=False,
    ).to_dict(),
    decoder=MusicgenDecoderConfig().to_dict(),
))
for layer in model.audio_encoder.quantizer.layers:
    layer.codebook.embed.normal_()
model.save_pretrained(sys.argv[1])
words = Tokenizer(models.Unigram())
words.pre_tokenizer = pre_tokenizers.Metaspace()
words.train_from_iterator(["trap beats. bpm: 120. key: A minor."], trainers.UnigramTrainer(
    vocab_size=60, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>",
    show_progress=False))
PreTrainedTokenizerFast(
    tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
).save_pretrained(sys.argv[1])
EncodecFeatureExtractor(feature_size=1, sampling_rate=32_000).save_pretrained(sys.argv[1])
"""

SIDES = """
import json, sys, time, threading, warnings
from pathlib import Path
import torch
from milonga.errors import Cancelled
from milonga.compute.tokens.divergence import Witness
from milonga.compute.tokens.sampling import Choice
from milonga.generators.musicgen.engine import MusicGenEngine
from milonga.generators.neural.loading import quiet_transformers
from milonga.runtime.progress import Progress
from milonga.runtime.seeding import seeded

folder, result = Path(sys.argv[1]), Path(sys.argv[2])
frames, theirs, rounds = map(int, sys.argv[3:6])
warnings.simplefilter("ignore")
choice, prompt = Choice(3.0, 1.0, 250), "trap beats. bpm: 120. key: A minor."

# What reading memory takes on two threads, at its best: more than the caches hold.
memory = torch.ones(256 << 20, dtype=torch.int8).view(torch.int64)
def read():
    begun = time.perf_counter()
    memory.sum()
    return memory.numel() * 8 / (time.perf_counter() - begun)
bandwidth = max(read() for _ in range(5))

engines = {kind: MusicGenEngine.load(folder, "small", "cpu", kind)
           for kind in ("int8", "bfloat16", "float32")}
with quiet_transformers():
    from transformers import MusicgenForConditionalGeneration
    library = MusicgenForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
text = engines["int8"]._tokenizer([prompt], return_tensors="pt")

def ours(engine, count, check=lambda: None, hear=None):
    with seeded(0):
        return engine.tokens(prompt, engine.plan(count), choice, lambda: None, check, hear)

def step_ms(work, steps):
    begun = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - begun) / steps

class Ended(Exception):
    pass

def generate(tokens):
    # Without the codec: it stops before.
    def over(*_, **__):
        raise Ended
    library.audio_encoder.decode = over
    try:
        with seeded(0), quiet_transformers():
            library.generate(**text, do_sample=True, guidance_scale=3.0, top_k=250,
                             max_new_tokens=tokens)
    except Ended:
        pass

for engine in engines.values():
    ours(engine, 8)
generate(8)
times = {kind: [] for kind in (*engines, "library")}
for _ in range(rounds):
    times["library"].append(step_ms(lambda: generate(theirs), theirs))
    for kind, engine in engines.items():
        count = frames if kind != "float32" else max(8, frames // 4)
        times[kind].append(step_ms(lambda: ours(engine, count), count + 3))

first = Witness()
same = ours(engines["float32"], 24, hear=first)
errors = {}
for kind in ("int8", "bfloat16"):
    other = Witness(first)
    ours(engines[kind], 24, hear=other)
    errors[kind] = other.divergence()
stops = []
for after in (0.05, 0.4):
    progress, asked = Progress(), []
    def stop():
        asked.append(time.perf_counter())
        progress.cancel()
    threading.Timer(after, stop).start()
    try:
        ours(engines["float32"], 1500, progress.check)
    except Cancelled:
        stops.append(time.perf_counter() - asked[0])
middle = lambda found: sorted(found)[len(found) // 2]
result.write_text(json.dumps({
    "bandwidth": bandwidth, "times": {kind: middle(found) for kind, found in times.items()},
    "read": {kind: engine.network.decoder.description.bytes for kind, engine in engines.items()},
    "errors": errors, "stop": max(stops)}))
"""

ALONE = """
import sys
from pathlib import Path
import torch

folder, kind = Path(sys.argv[1]), sys.argv[2]
if kind == "library":
    from transformers import AutoTokenizer, MusicgenForConditionalGeneration
    model = MusicgenForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    text = AutoTokenizer.from_pretrained(folder)(["trap beats."], return_tensors="pt")
    model.generate(**text, do_sample=True, guidance_scale=3.0, max_new_tokens=20)
else:
    from milonga.compute.tokens.sampling import Choice
    from milonga.generators.musicgen.engine import MusicGenEngine
    from milonga.runtime.progress import Progress
    engine = MusicGenEngine.load(folder, "small", "cpu", kind)
    # As the generator does: the library's modules go.
    engine.settle("", Progress())
    tokens = engine.tokens("trap beats.", engine.plan(17), Choice(3.0), lambda: None, lambda: None)
    engine.audio(tokens, Progress())
"""


def measure(folder: Path, scratch: Path, frames: int, theirs: int, rounds: int) -> dict[str, Any]:
    """Time of a step in each precision and in the library, with errors and the memory's speed."""
    result = scratch / "sides.json"
    sizes = [str(number) for number in (frames, theirs, rounds)]
    run_process([sys.executable, "-c", SIDES, str(folder), str(result), *sizes])
    found: dict[str, Any] = json.loads(result.read_text())
    return found


def peaks(folder: Path) -> dict[str, str]:
    """The most memory of a process that loads the model and makes 20 steps, for the table."""
    found = {}
    for kind in ("library", "float32", "bfloat16", "int8"):
        done = run_process([sys.executable, "-c", ALONE, str(folder), kind])
        found[kind] = f"{done.peak_mb / 1000:.1f} GB | {done.own_mb / 1000:.1f} GB"
    return found


def run(quick: bool = False) -> str:
    frames, theirs, rounds = (40, 12, 1) if quick else (250, 16, 2)
    with tempfile.TemporaryDirectory(prefix="milonga-bench-") as scratch:
        folder = Path(scratch, "small")
        run_process([sys.executable, "-c", MAKE, str(folder)])
        size = sum(path.stat().st_size for path in folder.iterdir())
        found = measure(folder, Path(scratch), frames, theirs, rounds)
        most = peaks(folder)
    times, speed = found["times"], found["bandwidth"]
    lines = [
        f"| `MusicgenForConditionalGeneration.generate`, float32 | {times['library']:.0f} ms | 1 "
        f"| | | {most['library']} |"
    ]
    for kind in ("float32", "bfloat16", "int8"):
        share = 1e3 * found["read"][kind] / speed / times[kind]
        error = f"{found['errors'][kind]:.1g} nats" if kind in found["errors"] else ""
        lines.append(
            f"| milonga, {kind} | {times[kind]:.1f} ms | {times['library'] / times[kind]:.1f} "
            f"| {share:.0%} | {error} | {most[kind]} |"
        )
    table = "\n".join(lines)
    return f"""## `musicgen`, the size of musicgen-small

| tokens of 10 s | a step | times as fast | of the memory's limit | error | peak memory \
| without mapped files |
| --- | --- | --- | --- | --- | --- | --- |
{table}

Real time is 20 ms a step. Random weights of the real sizes (files {size / 1e9:.1f} GB), one
process, {rounds} rounds in turns, medians. A step makes a token of each of 4 codebooks, with and
without the text. int8 and bfloat16 made {frames} frames each time, float32 a quarter of that and
the library {theirs} steps: its steps take longer late than early. The limit is reading the
decoder's weights once a step at {speed / 1e9:.0f} GB/s, the best of a sum over memory. The error is
the Kullback-Leibler divergence of the odds, with guidance, from float32's; odds of random weights
are flatter than those of music. Peak memory is that of a process of its own that loads and makes 20
steps and decodes them; what is mapped from files counts, though the system can take it back.
Cancelled within {found["stop"]:.2f} s.
"""
