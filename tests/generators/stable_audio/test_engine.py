"""The engine against the library's pipeline."""

import json
import shutil
import warnings

import numpy as np
import pytest
import torch
from diffusers import StableAudioPipeline

from milonga.errors import Cancelled, GeneratorError, MilongaError
from milonga.generators.neural.diffusion import Settings
from milonga.generators.stable_audio.checkpoints import shape_of
from milonga.generators.stable_audio.engine import StableAudioEngine
from milonga.runtime.progress import Progress
from milonga.weights import locate

PROMPT, NEGATIVE = "calm piano, night, 70 BPM", "drums, crowd"


def engine_of(folder):
    return StableAudioEngine(
        folder, "tiny", "cpu", shape_of(locate(str(folder), like="stable-audio"))
    )


@pytest.fixture
def engine(make_stable_audio):
    return engine_of(make_stable_audio())


def draw(engine, *, prompt=PROMPT, negative="", seconds=10.0, seed=0, steps=4, guidance=7.0,
         frames=1024, progress=None):  # fmt: skip
    return engine.latents(prompt, negative, seconds, seed, Settings(steps, guidance, frames),
                          progress or Progress())  # fmt: skip


def pipeline_of(folder):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*weight_norm", category=FutureWarning)
        pipeline = StableAudioPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.mark.parametrize("conditioning", [16, 12], ids=["no projection", "projection"])
@pytest.mark.parametrize("guidance", [7.0, 1.0])
@pytest.mark.parametrize("negative", ["", NEGATIVE])
def test_the_latents_are_those_of_the_library(make_stable_audio, conditioning, guidance, negative):
    folder = make_stable_audio(conditioning)
    # Three steps: each more makes the last bits, which vary with addresses, 13 times larger.
    ours = draw(engine_of(folder), negative=negative, guidance=guidance, steps=3)
    pipeline = pipeline_of(folder)
    # Away from the trap of the last step, which is tested on its own.
    stock = pipeline.scheduler.set_timesteps

    def set_timesteps(*args, **kwargs):
        stock(*args, **kwargs)
        pipeline.scheduler.sigmas[-2] = 0.29999998

    pipeline.scheduler.set_timesteps = set_timesteps
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Should have t")
        theirs = pipeline(
            PROMPT, 10.0, num_inference_steps=3, guidance_scale=guidance,
            negative_prompt=negative if negative and guidance > 1 else None,
            generator=torch.Generator().manual_seed(0), output_type="latent",
        ).audios  # fmt: skip
    assert ours.shape == theirs.shape == (1, 4, 1024)
    # Float32: both transformers are 3e-7 from float64, in other directions; the sampler amplifies
    # that, guidance by 13, so single numbers differ by more than all of them together.
    off = (ours - theirs).double()
    assert float(off.norm() / theirs.double().norm()) < 5e-5
    assert float(off.abs().max() / theirs.abs().max()) < 5e-4


def test_words_seconds_seed_and_settings_each_change_the_samples(engine):
    def sound(**changes):
        return engine.audio(draw(engine, **changes), 8192, Progress())

    first = sound(negative=NEGATIVE)
    assert first.shape == (2, 8192)
    assert first.std() > 1e-3
    assert np.array_equal(first, sound(negative=NEGATIVE))
    for change in [{"prompt": "trap beats"}, {"negative": ""}, {"negative": "calm rain"},
                   {"seconds": 20.0}, {"seed": 1}, {"seed": 2**80}, {"steps": 5},
                   {"guidance": 3.0}, {"guidance": 1.0}, {"frames": 900}]:  # fmt: skip
        other = sound(**{"negative": NEGATIVE} | change)
        # Far more than rounding, and louder than the last bit of a take: -60 dB of the clip.
        assert np.abs(other - first).max() > 1e-3 * np.abs(first).max(), change


def test_seeds_leave_the_global_state_alone(engine):
    before = torch.get_rng_state()
    draw(engine)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_samples_are_those_of_the_library_s_autoencoder(make_stable_audio, engine):
    latents = draw(engine)[..., :240]
    with torch.inference_mode():
        whole = pipeline_of(make_stable_audio()).vae.decode(latents).sample[0].numpy()
    sound = engine.audio(latents, 441_001, Progress())
    # Weight norm is folded and the tiles sum in another order: float32 rounding.
    np.testing.assert_allclose(sound, whole[:, :441_001], atol=2e-6 * np.abs(whole).max())


def test_a_text_is_encoded_once(engine):
    encoded = []
    at_work = engine.parts.at_work

    def counting(part):
        encoded.append(part)
        return at_work(part)

    engine.parts.at_work = counting
    draw(engine, negative=NEGATIVE)
    draw(engine, negative=NEGATIVE, seed=1, seconds=3.0)
    assert encoded.count("text_encoder") == 2
    draw(engine, prompt="trap beats", negative=NEGATIVE)
    assert encoded.count("text_encoder") == 3


def test_a_text_that_is_too_long_is_not_cut_silently(engine, capsys):
    said = []

    class Heard(Progress):
        def message(self, text):
            said.append(text)

    draw(engine, prompt="calm " * 20 + "piano", progress=Heard())
    assert said == []
    draw(engine, prompt="tango-trap fusion, " * 40, progress=Heard())
    (text,) = said
    assert "longer than the model reads" in text
    assert "Token indices" not in capsys.readouterr().err


def test_cancelling_stops_within_a_step(engine):
    progress, calls = Progress(), []
    at_work = engine.parts.at_work
    whole = draw(engine)

    class Watched:
        def __init__(self, part):
            self._context, self._part = at_work(part), part

        def __enter__(self):
            model = self._context.__enter__()
            if self._part == "transformer":
                model.transformer_blocks[0].register_forward_hook(self.count)
            return model

        def __exit__(self, *error):
            return self._context.__exit__(*error)

        def count(self, *_):
            calls.append(1)
            if len(calls) == 3:
                # After the first block of the second step, of the row without the text.
                progress.cancel()

    engine.parts.at_work = Watched
    with pytest.raises(Cancelled):
        draw(engine, progress=progress)
    assert len(calls) == 3
    engine.parts.at_work = at_work
    assert torch.equal(whole, draw(engine))


def test_progress_counts_the_steps(engine):
    seen = []
    draw(engine, steps=5, progress=Progress(seen.append))
    steps = [update.done for update in seen if update.unit == "steps"]
    assert steps[0] == 0
    assert steps[-1] == seen[-1].total == 5


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("transformer/diffusion_pytorch_model.safetensors", "transformer_blocks.1.ff.net.2.weight"),
        ("transformer/diffusion_pytorch_model.safetensors", "time_proj.weight"),
        ("vae/diffusion_pytorch_model.safetensors", "decoder.block.4.res_unit3.conv2.weight_g"),
        ("projection_model/diffusion_pytorch_model.safetensors",
         "end_number_conditioner.time_positional_embedding.0.weights"),
        ("text_encoder/model.safetensors", "encoder.block.1.layer.0.SelfAttention.q.weight"),
    ],
)  # fmt: skip
def test_what_the_files_lack_is_not_filled_with_noise(make_stable_audio, tmp_path, file, key):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "mine"
    shutil.copytree(make_stable_audio(), folder)
    tensors = load_file(folder / file)
    kept = tensors.pop(key)
    save_file(tensors, folder / file, {"format": "pt"})
    with pytest.raises(GeneratorError, match="lacks parts of the model"):
        run(folder)
    save_file(tensors | {key: torch.zeros(*kept.shape, 2)}, folder / file, {"format": "pt"})
    with pytest.raises(GeneratorError, match=r"can't be loaded|lacks parts"):
        run(folder)
    (folder / file).write_bytes(b"broken")
    with pytest.raises(MilongaError, match=r"can't be loaded|no whole safetensors"):
        run(folder)


def run(folder):
    engine = engine_of(folder)
    engine.audio(draw(engine, steps=2), 100, Progress())


def test_weights_in_several_files_and_in_half_precision(make_stable_audio, engine, tmp_path):
    from safetensors.torch import load_file, save_file

    expected = draw(engine)
    folder = tmp_path / "mine"
    shutil.copytree(make_stable_audio(), folder)
    stem = folder / "transformer/diffusion_pytorch_model"
    tensors = load_file(f"{stem}.safetensors")
    stem.with_suffix(".safetensors").unlink()
    names = sorted(tensors)
    files = {f"{stem.name}-00001-of-00002.safetensors": names[:20],
             f"{stem.name}-00002-of-00002.safetensors": names[20:]}  # fmt: skip
    for file, keys in files.items():
        save_file({key: tensors[key] for key in keys}, stem.parent / file, {"format": "pt"})
    index = {"weight_map": {key: file for file, keys in files.items() for key in keys}}
    stem.with_suffix(".safetensors.index.json").write_text(json.dumps(index))
    # Tensors lie elsewhere in these files, and products of matrices round by where they lie.
    torch.testing.assert_close(draw(engine_of(folder)), expected, rtol=0, atol=1e-3)
    for file, keys in files.items():
        half = {key: tensors[key].half() for key in keys}
        save_file(half, stem.parent / file, {"format": "pt"})
    latents = draw(engine_of(folder))
    assert latents.dtype == torch.float32
    assert torch.isfinite(latents).all()


def test_half_precision_as_on_a_graphics_card(engine):
    """The transformer in float16, all else in float32; the processor can do that, too."""
    expected = draw(engine, steps=3, guidance=1.0)
    engine.parts.dtype = torch.float16
    latents = draw(engine, steps=3, guidance=1.0)
    assert latents.dtype == torch.float32
    # Three decimal digits, through three steps of a network with large weights.
    assert float((latents - expected).std()) < 0.2 * float(expected.std())
