"""Bark at the size of bark-small, from random weights: our batches against the library's calls.

Random weights never say that a part has ended, so both sides get the same number of semantic tokens
for every part, and so the same number of coarse and fine ones.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from bench.timing import run_process

MAKE = """
import sys
import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    BarkConfig, BarkModel, EncodecConfig, GenerationConfig, PreTrainedTokenizerFast,
)

torch.manual_seed(0)
size = {"num_layers": 12, "num_heads": 12, "hidden_size": 768, "block_size": 1024, "bias": False}
model = BarkModel(BarkConfig(
    semantic_config={**size, "input_vocab_size": 129_600, "output_vocab_size": 10_048},
    coarse_acoustics_config={**size, "input_vocab_size": 12_096, "output_vocab_size": 12_096},
    fine_acoustics_config={**size, "input_vocab_size": 1056, "output_vocab_size": 1056},
    codec_config=EncodecConfig(
        sampling_rate=24_000, upsampling_ratios=[8, 5, 4, 2], num_filters=32, hidden_size=128,
        codebook_size=1024, target_bandwidths=[1.5, 3.0, 6.0, 12.0, 24.0],
    ).to_dict(),
))
for layer in model.codec_model.quantizer.layers:
    layer.codebook.embed.normal_()
drawn = {"do_sample": True, "temperature": 0.7, "top_k": 50}
model.generation_config = GenerationConfig.from_dict({
    "semantic_config": {**drawn, "eos_token_id": 10_000}, "coarse_acoustics_config": drawn,
    "fine_acoustics_config": {"temperature": 0.5}, "codebook_size": 1024,
})
model.save_pretrained(sys.argv[1])
words = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1}, unk_token="[UNK]"))
words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
PreTrainedTokenizerFast(
    tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]"
).save_pretrained(sys.argv[1])
voice = np.random.default_rng(0)
coarse = voice.integers(0, 1024, (2, 1000))
np.savez(
    f"{sys.argv[1]}/voice.npz", semantic_prompt=voice.integers(0, 10_000, 660),
    coarse_prompt=coarse,
    fine_prompt=np.concatenate([coarse, voice.integers(0, 1024, (6, 1000))]),
)
"""

SIDES = """
import json, statistics, sys, time, warnings
from pathlib import Path
import torch
from milonga.compute.tokens.divergence import Witness
from milonga.generators.bark import stages
from milonga.generators.bark.engine import BarkEngine, Sampling
from milonga.generators.bark.voices import read_voice
from milonga.runtime.progress import Progress

folder, result = Path(sys.argv[1]), Path(sys.argv[5])
tokens, parts, rounds = map(int, sys.argv[2:5])
warnings.simplefilter("ignore")
begun = time.perf_counter()
engine = BarkEngine.load(folder, "bark-small", "cpu", precision="float32")
loading = time.perf_counter() - begun
narrow = BarkEngine.load(folder, "bark-small", "cpu", precision="int8")
voice = read_voice(folder / "voice.npz")
prompts = [f"\\u266a la la la, part {number} of the song, la la \\u266a" for number in range(parts)]
sampling = Sampling(least=tokens, most=tokens)
lengths = set()

def timed(work):
    begun, used = time.perf_counter(), time.process_time()
    sounds = work()
    took, used = time.perf_counter() - begun, time.process_time() - used
    lengths.update(len(sound) for sound in sounds)
    seconds = sum(len(sound) for sound in sounds) / 24_000
    return took / seconds, used / seconds

def ours(prompts, engine, sampling=sampling):
    return [part.samples for part in engine.together(
        prompts, voice, sampling, 0, Progress(), batch=len(prompts),
        expected_s=[1.0] * len(prompts))]

def plain(prompt, tokens=tokens):
    texts, (length,) = engine.encode([prompt])
    mask = (torch.arange(texts.shape[1])[None] < length).long()
    history = {"semantic_prompt": voice.semantic, "coarse_prompt": voice.coarse,
               "fine_prompt": voice.fine}
    with torch.inference_mode():
        return list(engine._model.generate(
            texts, history_prompt=history, attention_mask=mask, min_eos_p=0.2,
            semantic_min_new_tokens=tokens, semantic_max_new_tokens=tokens).numpy())

# What each does once a process, such as compiling, isn't a part's.
short = Sampling(least=10, most=10)
plain(prompts[0], 10)
for some, kind in ((prompts[:1], engine), (prompts[:1], narrow), (prompts, narrow)):
    ours(some, kind, short)
ways = {"plain": plain, "single": lambda prompt: ours([prompt], engine),
        "few": lambda prompt: ours([prompt], narrow), "batched": lambda _: ours(prompts, narrow)}
found = {name: [] for name in ways}
for turn in range(rounds):
    for name, work in ways.items():
        found[name].append(timed(lambda: work(prompts[turn % parts])))
first = engine._tried([Witness() for _ in range(3)], Progress())
heard = narrow._tried([Witness(one) for one in first], Progress())

def best(work, times=8):
    def once():
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun
    return min(once() for _ in range(times))

# What one part can't do without: reading the weights once a token, and the products of what is read
# or filled at once.
numbers, width = engine.numbers, 768
weights, frames = 12 * 12 * width**2, engine.numbers.frames(tokens)
coarse = numbers.coarse
windows = -(-2 * frames // int(coarse.sliding_window_len))
window = int(coarse.max_coarse_input_length) + 1 + int(coarse.max_coarse_history)
filled = 6 * len(stages.fine_windows(numbers, frames, 512)) * 1024
places = 257 + windows * window + filled
steps = tokens + 2 * frames
memory = torch.ones(1 << 27)
bandwidth = memory.nbytes / best(memory.sum)
del memory

def limit(kind, size, rows):
    x, w = torch.ones(1024, width, dtype=kind), torch.ones(width, 4 * width, dtype=kind)
    product = torch._int_mm if kind == torch.int8 else torch.matmul
    speed = 2 * 1024 * width * 4 * width / best(lambda: product(x, w), 40)
    return (steps * weights * size / bandwidth / rows + 2 * weights * places / speed) / (
        frames / float(coarse.coarse_rate_hz))

(length,) = lengths
result.write_text(json.dumps({
    "loading": loading, "seconds": length / 24_000,
    **{name: [statistics.median(one) for one in zip(*runs)] for name, runs in found.items()},
    "bandwidth": bandwidth, "divergence": max(one.divergence() for one in heard),
    "limits": {"single": limit(torch.float32, 4, 1), "few": limit(torch.int8, 1, 1),
               "batched": limit(torch.int8, 1, parts)}}))
"""

ALONE = """
import sys, warnings
from pathlib import Path
import torch

folder, kind, tokens = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
warnings.simplefilter("ignore")
prompts = [f"\\u266a la la la, part {number} of the song \\u266a" for number in range(8)]
if kind == "library":
    from transformers import AutoTokenizer, BarkModel
    model = BarkModel.from_pretrained(folder, dtype=torch.float32).eval()
    words = AutoTokenizer.from_pretrained(folder)(
        prompts[:1], max_length=256, padding="max_length", add_special_tokens=False,
        return_tensors="pt", return_attention_mask=True)
    with torch.inference_mode():
        model.generate(words["input_ids"], attention_mask=words["attention_mask"],
                       semantic_min_new_tokens=tokens, semantic_max_new_tokens=tokens)
else:
    from milonga.generators.bark.engine import BarkEngine, Sampling
    from milonga.runtime.progress import Progress
    parts = int(sys.argv[4])
    engine = BarkEngine.load(folder, "bark-small", "cpu", precision=kind)
    engine.settle("", Progress())
    list(engine.together(prompts[:parts], None, Sampling(least=tokens, most=tokens), 0, Progress(),
                         batch=parts, expected_s=[1.0] * parts))
"""


def _peak(folder: Path, *args: object) -> str:
    """The most memory of a process with nothing else, for the table."""
    done = run_process([sys.executable, "-c", ALONE, str(folder), *map(str, args)])
    return f"{done.peak_mb / 1000:.1f} GB | {done.own_mb / 1000:.1f} GB"


def run(quick: bool = False) -> str:
    tokens, parts, rounds = (10, 2, 1) if quick else (150, 8, 3)
    with tempfile.TemporaryDirectory(prefix="milonga-bench-") as scratch:
        folder, result = Path(scratch, "small"), Path(scratch, "result.json")
        run_process([sys.executable, "-c", MAKE, str(folder)])
        size = sum(path.stat().st_size for path in folder.iterdir())
        sizes = [str(number) for number in (tokens, parts, rounds)]
        run_process([sys.executable, "-c", SIDES, str(folder), *sizes, str(result)])
        found = json.loads(result.read_text())
        rows = [
            ("`BarkModel.generate`, one call a part", "plain", _peak(folder, "library", tokens)),
            ("milonga, float32, one part alone", "single", _peak(folder, "float32", tokens, 1)),
            ("milonga, int8, one part alone", "few", _peak(folder, "int8", tokens, 1)),
            (f"milonga, int8, {parts} parts in a batch", "batched",
             _peak(folder, "int8", tokens, parts)),
        ]  # fmt: skip
    wall, used = found["plain"]
    lines = []
    for name, kind, memory in rows:
        a, b = found[kind]
        share = f"{found['limits'][kind] / a:.0%}" if kind in found["limits"] else ""
        error = f"{found['divergence']:.1g} nats" if "int8" in name else ""
        lines.append(
            f"| {name} | {a:.1f} s | {wall / a:.1f} | {b:.1f} s | {used / b:.1f} | {share} | "
            f"{error} | {memory} |"
        )
    table = "\n".join(lines)
    return f"""## `bark`, the size of bark-small

| a second of audio | time | times as fast | of processors | times as little | of the limit \
| error | peak memory | without mapped files |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
{table}

Files {size / 1e9:.1f} GB, loaded in {found["loading"]:.1f} s; memory is that of processes of
their own that load, make the parts and decode them, without a voice. Random weights of the real
sizes, in the history of a voice, {parts} parts of {found["seconds"]:.1f} s. Random weights don't
say when a part has ended, so both sides were held to {tokens} semantic tokens a part, and made as
many samples. One process, medians of
{rounds} turns, each after a short call of every kind: a call of the library, a part alone in either
precision, a batch of all.
The limit is reading the weights once a token, for all parts of a batch together, at
{found["bandwidth"] / 1e9:.0f} GB/s, and the products of what is read or filled at once, at the
speed of one such product alone, in int8 where the weights are. The error is the
Kullback-Leibler divergence of the odds from float32's, of the stage where it is largest.
"""
