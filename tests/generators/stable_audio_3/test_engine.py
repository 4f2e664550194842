"""The engine against the library's pipelines, for the same noise."""

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from diffusers import (
    StableAudio3AudioToAudioPipeline,
    StableAudio3InpaintPipeline,
    StableAudio3Pipeline,
)
from diffusers.pipelines.stable_audio_3 import pipeline_stable_audio_3_audio2audio as variations
from safetensors.torch import load_file, save_file

from milonga.compute.products.precision import why_slow
from milonga.errors import Cancelled, GeneratorError
from milonga.generators.neural.diffusion import Settings
from milonga.generators.stable_audio_3.engine import Conditions, Source
from milonga.generators.stable_audio_3.sampling import levels
from milonga.runtime.progress import Progress

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
PROMPT, NEGATIVE = "calm piano, night, 70 BPM", "drums, crowd"
SECONDS, FRAMES = 3.0, 33
"""Frames that cover the seconds."""


def draw(engine, *, prompt=PROMPT, negative="", seconds=SECONDS, seed=0, steps=4, guidance=1.0,
         frames=FRAMES, progress=None, source=None):  # fmt: skip
    settings = Settings(steps, guidance, frames)
    progress = progress or Progress()
    return engine.latents(prompt, negative, seconds, seed, settings, progress, source)


def pipeline_of(folder, kind=StableAudio3Pipeline):
    pipeline = kind.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def theirs(pipeline, steps=4, **more):
    return pipeline(
        PROMPT, SECONDS, num_inference_steps=steps, output_type="latent",
        generator=torch.Generator().manual_seed(0), **more,
    ).audios  # fmt: skip


def close(found, expected):
    """Float32 in another order of sums, magnified by the steps."""
    assert found.shape == expected.shape
    scale = float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * scale)


def silenced(transformer):
    """Without the sign for nothing given, as right after it was made."""
    for block in transformer.transformer_blocks:
        block.to_local_embed.register_forward_hook(lambda module, given, made: made * 0)


@pytest.mark.parametrize("distilled", [True, False], ids=["distilled", "base"])
@pytest.mark.parametrize("differential", [True, False], ids=["medium", "small"])
def test_latents_are_those_of_a_range_that_is_everything(
    make_engine, make_stable_audio_3, distilled, differential
):
    folder = make_stable_audio_3(distilled, differential)
    pipeline = pipeline_of(folder, StableAudio3InpaintPipeline)
    expected = theirs(pipeline, audio=torch.zeros(1, 2, 4096), mask=torch.zeros(1, 1, FRAMES))
    close(draw(make_engine(folder)), expected)


def test_the_library_leaves_out_the_sign_for_nothing_given(make_engine, make_stable_audio_3):
    folder = make_stable_audio_3()
    engine, pipeline = make_engine(folder), pipeline_of(folder)
    told = engine.conditions(PROMPT, "", SECONDS, False, Progress())
    with torch.inference_mode(), engine.parts.at_work("transformer") as model:
        ours = engine.sampled(model, told, 0, Settings(4, 1.0, FRAMES), Progress())
        assert (ours - theirs(pipeline)).abs().max() > 0.01 * ours.abs().max()
        silenced(model)
        silenced(pipeline.transformer)
        ours = engine.sampled(model, told, 0, Settings(4, 1.0, FRAMES), Progress())
    close(ours, theirs(pipeline))


@pytest.mark.parametrize("negative", ["", NEGATIVE])
def test_plain_guidance_is_the_library_s(make_engine, make_stable_audio_3, negative):
    folder = make_stable_audio_3(distilled=False)
    engine, pipeline = make_engine(folder), pipeline_of(folder)
    told, plain = (
        engine.conditions(text, "", SECONDS, False, Progress()) for text in (PROMPT, negative)
    )
    pairs = [(getattr(plain, part), getattr(told, part)) for part in ("crossed", "mask", "whole")]
    both = Conditions(*(torch.cat(pair) for pair in pairs))
    with torch.inference_mode(), engine.parts.at_work("transformer") as model:
        silenced(model)
        ours = engine.sampled(model, both, 0, Settings(4, 7.0, FRAMES), Progress(), projected=False)
    silenced(pipeline.transformer)
    close(ours, theirs(pipeline, guidance_scale=7.0, negative_prompt=negative))


def test_what_is_not_said_is_zeros_as_the_model_was_taught(make_engine, make_stable_audio_3):
    engine = make_engine(make_stable_audio_3(distilled=False))
    found = engine.conditions(PROMPT, "", SECONDS, True, Progress())
    assert found.crossed.shape == (2, 257, 32)
    assert found.crossed[0].abs().max() == 0
    assert found.mask[0].min() == 1
    assert torch.equal(found.whole[0], found.whole[1])
    told = engine.conditions(PROMPT, NEGATIVE, SECONDS, True, Progress())
    avoided = engine.conditions(NEGATIVE, "", SECONDS, False, Progress())
    there = avoided.mask[0].bool()
    assert torch.equal(told.crossed[0][there], avoided.crossed[0][there])
    assert told.crossed[0][~there].abs().max() == 0
    # Without guidance nothing is kept away from.
    alone = engine.conditions(PROMPT, NEGATIVE, SECONDS, False, Progress())
    assert torch.equal(alone.crossed[0], told.crossed[1])


def test_a_range_anew_is_the_library_s(make_engine, make_stable_audio_3):
    folder = make_stable_audio_3()
    engine, pipeline = make_engine(folder), pipeline_of(folder, StableAudio3InpaintPipeline)
    sound = 0.2 * torch.randn(2, FRAMES * 4096, generator=torch.Generator().manual_seed(9))
    keep = np.ones(FRAMES, bool)
    keep[10:20] = False
    latents = engine.heard(sound.numpy(), FRAMES, Progress())
    ours = draw(engine, source=Source(latents, keep))
    close(
        ours, theirs(pipeline, audio=sound[None], mask=torch.from_numpy(keep).float()[None, None])
    )
    assert (ours - draw(engine)).abs().max() > 0.1 * ours.abs().max()


@pytest.mark.parametrize("level", [0.3, 1.0])
def test_a_variation_is_the_library_s(make_engine, make_stable_audio_3, monkeypatch, level):
    folder = make_stable_audio_3()
    engine, pipeline = make_engine(folder), pipeline_of(folder, StableAudio3AudioToAudioPipeline)
    # Its ladder from less than pure noise rises at first; the authors have mended theirs.
    monkeypatch.setattr(
        variations, "logsnr_sigma_schedule",
        lambda steps, low, high, sigma_max: levels(steps, sigma_max)[:-1],
    )  # fmt: skip
    silenced(pipeline.transformer)
    sound = 0.2 * torch.randn(2, FRAMES * 4096, generator=torch.Generator().manual_seed(9))
    source = Source(engine.heard(sound.numpy(), FRAMES, Progress()), level=level)
    told = engine.conditions(PROMPT, "", SECONDS, False, Progress())
    with torch.inference_mode(), engine.parts.at_work("transformer") as model:
        silenced(model)
        ours = engine.sampled(model, told, 0, Settings(4, 1.0, FRAMES), Progress(), source)
    close(ours, theirs(pipeline, audio=sound[None], init_noise_level=level))


def test_words_seconds_seed_and_settings_each_change_the_samples(make_engine, make_stable_audio_3):
    engine = make_engine(make_stable_audio_3())

    def sound(**changes):
        return engine.audio(draw(engine, **{"guidance": 3.0, "negative": NEGATIVE} | changes),
                            8192, Progress())  # fmt: skip

    first = sound()
    assert first.shape == (2, 8192)
    assert np.array_equal(first, sound())
    for change in [{"prompt": "trap beats"}, {"negative": ""}, {"negative": "calm rain"},
                   {"seconds": 20.0}, {"seed": 1}, {"seed": 2**80}, {"steps": 5},
                   {"guidance": 7.0}, {"guidance": 1.0}, {"frames": 30}]:  # fmt: skip
        other = sound(**change)
        # Far more than rounding, and louder than the last bit of a take: -60 dB of the clip.
        assert np.abs(other - first).max() > 1e-3 * np.abs(first).max(), change


def test_seeds_are_explicit_and_threads_do_not_mix(make_engine, make_stable_audio_3):
    engine = make_engine(make_stable_audio_3())
    expected = [draw(engine, seed=seed) for seed in range(4)]
    before = torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda seed: draw(engine, seed=seed), range(4)))
    assert torch.equal(torch.get_rng_state(), before)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


def test_a_text_is_encoded_once(make_engine, make_stable_audio_3):
    engine, worked = make_engine(make_stable_audio_3()), []
    at_work = engine.parts.at_work
    engine.parts.at_work = lambda part: (worked.append(part), at_work(part))[1]
    draw(engine, negative=NEGATIVE, guidance=3.0)
    draw(engine, negative=NEGATIVE, guidance=3.0, seed=1, seconds=2.0)
    assert worked.count("text_encoder") == 2
    draw(engine, prompt="trap beats")
    assert worked.count("text_encoder") == 3


def test_cancelling_stops_within_a_block(make_engine, make_stable_audio_3):
    engine, progress, calls = make_engine(make_stable_audio_3()), Progress(), []
    whole, told = draw(engine), engine.conditions(PROMPT, "", SECONDS, False, Progress())

    def count(*_):
        calls.append(threading.get_ident())
        if len(calls) == 3:
            # Within the first block of the second step.
            progress.cancel()

    with torch.inference_mode(), engine.parts.at_work("transformer") as model:
        model.transformer_blocks[0].self_attn.to_qkv.register_forward_hook(count)
        model.transformer_blocks[0].ff.proj_in.register_forward_hook(count)
        with pytest.raises(Cancelled):
            engine.sampled(model, told, 0, Settings(4, 1.0, FRAMES), progress)
    assert len(calls) == 3
    assert torch.equal(whole, draw(engine))


def test_cancelling_stops_while_a_part_is_loaded(make_engine, make_stable_audio_3):
    engine, progress = make_engine(make_stable_audio_3()), Progress()
    draw(engine)
    progress.cancel()
    # The text is known, so the first to ask is the loading of the transformer.
    with pytest.raises(Cancelled) as caught:
        draw(engine, progress=progress)
    assert "quicken" in [entry.name for entry in caught.traceback]


def test_progress_counts_the_steps(make_engine, make_stable_audio_3):
    seen = []
    draw(make_engine(make_stable_audio_3()), steps=5, progress=Progress(seen.append))
    steps = [update.done for update in seen if update.unit == "steps"]
    assert steps[0] == 0
    assert steps[-1] == seen[-1].total == 5


@pytest.mark.parametrize(("precision", "most"), [("bfloat16", 0.3), ("int8", 0.5)])
def test_narrower_numbers_make_another_take_of_the_same(
    make_engine, make_stable_audio_3, precision, most
):
    folder = make_stable_audio_3()
    engine = make_engine(folder, precision)
    if why_slow(precision) is not None:
        assert engine.dtype == "float32"
        return
    assert engine.dtype == precision
    exact, rough = draw(make_engine(folder)), draw(engine)
    assert rough.dtype == torch.float32
    assert torch.equal(rough, draw(engine))
    # Two or three decimal digits, magnified by the steps.
    assert 1e-4 < float((rough - exact).norm() / exact.norm()) < most


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("transformer/diffusion_pytorch_model.safetensors",
         "transformer_blocks.1.ff.proj_out.weight"),
        ("duration_embedder/diffusion_pytorch_model.safetensors", "linear.bias"),
        ("vae/diffusion_pytorch_model.safetensors", "decoder.blocks.0.mapping.weight_g"),
        ("text_encoder/model.safetensors", "encoder.layers.1.mlp.up_proj.weight"),
    ],
)  # fmt: skip
def test_what_the_files_lack_is_not_filled_with_noise(
    make_engine, make_stable_audio_3, tmp_path, file, key
):
    folder = tmp_path / "mine"
    shutil.copytree(make_stable_audio_3(), folder)
    tensors = load_file(folder / file)
    tensors.pop(key)
    save_file(tensors, folder / file, {"format": "pt"})
    engine = make_engine(folder)
    latents = torch.zeros(1, 16, 2)
    with pytest.raises(GeneratorError, match="lacks parts of the model"):
        engine.audio(latents, 100, Progress()) if "vae" in file else draw(engine)


def test_a_ladder_that_milonga_does_not_know_is_refused(make_engine, make_stable_audio_3, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(make_stable_audio_3(), folder)
    path = folder / "scheduler/scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"shift": 3.0}))
    with pytest.raises(GeneratorError, match=r"shift in scheduler is 3\.0"):
        make_engine(folder)
