"""The engine against the library's pipeline, at tiny size in float32."""

import math
import shutil

import numpy as np
import pytest
import torch
from ace_step_parity import ask, engine_of, pipeline_of, same, theirs
from safetensors.torch import load_file, save_file

from milonga.compute import processor
from milonga.compute.products.precision import why_slow
from milonga.errors import Cancelled, GeneratorError
from milonga.generators.ace_step.checkpoints import shape_of
from milonga.generators.ace_step.engine import AceStepEngine, Phase, Settings
from milonga.generators.ace_step.prompts import Texts, texts_of
from milonga.generators.neural import parts
from milonga.runtime.progress import Progress
from milonga.weights import locate


@pytest.fixture
def engine(make_ace_step):
    return engine_of(make_ace_step())


def ours(engine, request, settings):
    texts = engine.conditions.encoded(texts_of(request), Progress())
    phase = Phase(texts, engine.context(settings.frames), settings.steps)
    return engine.latents([phase], request.seed, settings, Progress())


@pytest.mark.parametrize(
    ("kind", "seconds", "guidance"),
    [("turbo", 10.0, 1), ("turbo", 12.68, 1), ("base", 10.0, 7.0), ("sft", 13.0, 3.0)],
)
def test_latents_are_those_of_the_pipeline(make_ace_step, kind, seconds, guidance):
    folder, request = make_ace_step(kind), ask(seconds=seconds)
    engine = engine_of(folder)
    shift = 3.0 if kind == "turbo" else 1.0
    settings = Settings(5, guidance, engine.shape.frames_for(seconds), shift)
    found = ours(engine, request, settings)
    same(found, theirs(pipeline_of(folder), request, settings))
    assert found.std() > 0.3


def test_samples_are_those_of_the_pipeline_but_for_its_level(engine, make_ace_step):
    latents = torch.randn((1, 250, 8), generator=torch.Generator().manual_seed(0))
    vae = pipeline_of(make_ace_step()).vae
    with torch.no_grad():
        whole = vae.decode(latents.transpose(1, 2)).sample[0].numpy()
    found = engine.audio(latents, 480_000 - 7, Progress())
    assert found.shape == (2, 480_000 - 7)
    assert np.abs(found - whole[:, :-7]).max() < 1e-5 * np.abs(whole).max()


def test_lengths_that_the_pipeline_fails_at(engine, make_ace_step):
    """In floating point 411 latents at 25 a second take 16.44 s, and 16.44 s take 412 latents."""
    assert math.ceil(411 / 25.0 * 25.0) == 412
    request = ask(seconds=16.43)
    settings = Settings(1, 1, engine.shape.frames_for(request.seconds), 3.0)
    assert settings.frames == 411
    assert ours(engine, request, settings).shape == (1, 411, 8)
    with pytest.raises(RuntimeError, match="Sizes of tensors"):
        pipeline_of(make_ace_step())(
            "tango", "", request.seconds, num_inference_steps=1, guidance_scale=1.0
        )


def test_a_text_is_never_cut(engine):
    fits = Texts("la " * 80, "la " * 80)
    assert engine.conditions.encoded(fits, Progress()).shape[1] > 100
    for texts, word in [(Texts("la " * 200, ""), "256"), (Texts("", "la " * 1100), "2048")]:
        with pytest.raises(GeneratorError, match=f"ACE-Step reads {word}"):
            engine.conditions.encoded(texts, Progress())


def test_a_text_is_encoded_once(engine, monkeypatch):
    asked = []
    at_work = engine.parts.at_work
    monkeypatch.setattr(engine.parts, "at_work", lambda part: asked.append(part) or at_work(part))
    texts = texts_of(ask())
    first = engine.conditions.encoded(texts, Progress())
    assert asked == ["text_encoder", "condition_encoder"]
    assert engine.conditions.encoded(texts, Progress()) is first
    assert len(asked) == 2


def test_parts_take_turns(engine, monkeypatch):
    """Never two in memory at a time, but for what is packed where there is memory in plenty."""
    held = []
    load = engine.parts.load

    def loading(part):
        held.append(part)
        return load(part)

    monkeypatch.setattr(engine.parts, "load", loading)
    settings = Settings(1, 1, 250, 3.0)
    latents = ours(engine, ask(), settings)
    engine.parts._kept.clear()
    for free, kept in ((1e9, set()), (1e11, {"decoder"})):
        monkeypatch.setattr(parts, "available_memory", lambda free=free: free)
        engine.audio(latents, 480_000, Progress())
        assert set(engine.parts._kept) == kept
    assert held == ["text_encoder", "condition_encoder", "transformer", "decoder", "decoder"]


def cancelled_at(label):
    progress = Progress(lambda update: update.label == label and progress.cancel())
    return progress


def test_cancelling_in_each_part(engine):
    for label in ("ACE-Step, 3 steps", "Decoding"):
        progress = cancelled_at(label)
        with pytest.raises(Cancelled):
            engine.audio(ours_with(engine, progress), 480_000, progress)
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        engine.conditions.encoded(Texts("other", "words"), progress)


def ours_with(engine, progress):
    settings = Settings(3, 1, 250, 3.0)
    texts = engine.conditions.encoded(texts_of(ask()), progress)
    phase = Phase(texts, engine.context(250), 3)
    return engine.latents([phase], 0, settings, progress)


@pytest.fixture
def narrow_local(make_ace_step, tmp_path):
    """A model whose files are in bfloat16, as the published ones are."""
    folder = tmp_path / "narrow"
    shutil.copytree(make_ace_step(), folder)
    for path in folder.rglob("*.safetensors"):
        tensors = {key: value.to(torch.bfloat16) for key, value in load_file(path).items()}
        save_file(tensors, path, {"format": "pt"})
    return locate(str(folder), like="ace-step")


def test_words_are_read_in_the_memory_of_16_bits_without_instructions_for_them(narrow_local):
    local, texts = narrow_local, texts_of(ask(), None)
    exact, narrow = (
        AceStepEngine(local.folder, "tiny", "cpu", shape_of(local, "tiny"), "float32")
        for _ in range(2)
    )
    # As beside a transformer in int8.
    narrow.parts.precision = "int8"
    with processor.without("avx512bf16", "amx", "bf16"):
        layer = narrow.parts.load("text_encoder").layers[0].mlp.up_proj
        assert layer._weight.dtype == torch.bfloat16
        found = narrow.conditions.encoded(texts, Progress())
    known = exact.conditions.encoded(texts, Progress())
    # Exact but for the order of sums: float32's rounding, through eight layers.
    assert float((found - known).norm() / known.norm()) < 1e-5


@pytest.mark.skipif(why_slow("bfloat16") is not None, reason="the processor is not quick at it")
def test_the_words_are_read_in_bfloat16_where_the_files_came_so(narrow_local):
    local, texts = narrow_local, texts_of(ask(), None)
    exact, narrow = (
        AceStepEngine(local.folder, "tiny", "cpu", shape_of(local, "tiny"), precision)
        for precision in ("float32", "published")
    )
    assert narrow.dtype == "bfloat16"
    assert type(narrow.parts.load("text_encoder").layers[0].mlp.up_proj) is not torch.nn.Linear
    known, found = (engine.conditions.encoded(texts, Progress()) for engine in (exact, narrow))
    assert found.dtype == torch.float32
    # Three significant digits, through eight layers.
    assert 1e-4 < float((found - known).norm() / known.norm()) < 0.03
