"""MusicGen at the size of musicgen-small, from random weights: loading, a take, cancelling.

Random weights make noise, at the cost of music: every number is computed all the same.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

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

TAKE = """
import json, sys, threading, time
from milonga.errors import Cancelled
from milonga.generators.base import Request
from milonga.generators.musicgen import MusicGen
from milonga.runtime.progress import Progress

seconds = float(sys.argv[2])
generator = MusicGen(MusicGen.Options(model=sys.argv[1], device="cpu"))
request = Request(role="instrumental", section="verse", style="trap beats", seconds=seconds,
                  tempo=120, key="A minor", seed=0)
guess = generator.assess(request).estimate_s
said = [line for line in generator.assess(request).general if "memory" in line][0]
begun = time.perf_counter()
generator.render(request.model_copy(update={"seconds": 0.1}), Progress())
loading = time.perf_counter() - begun
begun = time.perf_counter()
clip = generator.render(request, Progress())
took = time.perf_counter() - begun
assert (clip.sample_rate, clip.n_samples) == (32_000, round(seconds * 32_000))

stops = []
for after in (0.05, 0.4, 0.9):
    progress = Progress()
    asked = []
    def stop():
        asked.append(time.perf_counter())
        progress.cancel()
    threading.Timer(after, stop).start()
    try:
        generator.render(request.model_copy(update={"seconds": 30}), progress)
    except Cancelled:
        stops.append(time.perf_counter() - asked[0])
with open(sys.argv[3], "w") as result:
    json.dump(
        {"guess": guess, "said": said, "loading": loading, "took": took, "stops": stops}, result
    )
"""


def run(quick: bool = False) -> str:
    seconds = 1.0 if quick else 3.0
    with tempfile.TemporaryDirectory(prefix="milonga-bench-") as scratch:
        folder = Path(scratch, "small")
        run_process([sys.executable, "-c", MAKE, str(folder)])
        size = sum(path.stat().st_size for path in folder.iterdir())
        home = {"MILONGA_HOME": str(Path(scratch, "home"))}
        result = Path(scratch, "result.json")
        take = [sys.executable, "-c", TAKE, str(folder), str(seconds), str(result)]
        done = run_process(take, env=home)
        found = json.loads(result.read_text())
    needs = found["said"].partition("with about ")[2].partition(" of memory")[0]
    figures = (
        f"| {size / 1e9:.1f} GB | {found['loading']:.1f} s | {found['took']:.0f} s "
        f"| {found['guess']:.0f} s | {done.peak_mb / 1000:.1f} GB | {needs} "
        f"| {max(found['stops']):.2f} s |"
    )
    return f"""## `musicgen`, the size of musicgen-small

| files | loading | {seconds:g} s of music | guessed | peak memory | announced | cancelled after |
| --- | --- | --- | --- | --- | --- | --- |
{figures}

Random weights of the real sizes, float32 on the CPU. One run: loading holds the hashes of the files
and a take of 0.1 s; cancelled is the longest of three waits for a take of 30 s to stop.
"""
