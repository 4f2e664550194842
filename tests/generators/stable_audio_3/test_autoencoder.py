"""The autoencoder in tiles, against the library's class and against the authors' definition."""

import threading

import pytest
import torch
from diffusers import AutoencoderSAME, StableAudio3Pipeline
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milonga.compute.products.linear import Product
from milonga.errors import Cancelled
from milonga.generators.neural.cancelling import cancellable
from milonga.generators.stable_audio_3.autoencoder import decode, encode
from milonga.runtime.progress import Progress

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
FIXTURE = [HealthCheck.function_scoped_fixture]


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def vae(make_stable_audio_3):
    return AutoencoderSAME.from_pretrained(make_stable_audio_3(), subfolder="vae").eval()


def close(found, whole):
    """Float32 in another order of sums: 1e-5 of the peak, below what 16 bits can hold."""
    peak = float(whole.abs().max())
    torch.testing.assert_close(found, whole, rtol=0, atol=1e-5 * peak)


@settings(deadline=None, max_examples=25, suppress_health_check=FIXTURE)
@given(frames=st.integers(1, 60), tile=st.integers(1, 40), share=st.floats(0, 1))
def test_tiles_decode_to_the_samples_of_the_library(
    vae, make_engine, make_stable_audio_3, frames, tile, share
):
    engine = make_engine(make_stable_audio_3())
    latents = noise(1, 16, frames)
    with torch.inference_mode():
        whole = vae.decode(latents).sample[0]
    samples = max(1, round(share * whole.shape[-1]))
    with engine.parts.at_work("decoder") as model:
        found = decode(model, latents, samples, engine.layout, Progress(), tile)
    assert found.shape == (2, samples)
    close(found, whole[:, :samples])


@settings(deadline=None, max_examples=15, suppress_health_check=FIXTURE)
@given(samples=st.integers(1, 300_000), more=st.integers(0, 3))
def test_tiles_encode_to_the_latents_of_the_library(
    vae, make_engine, make_stable_audio_3, samples, more
):
    engine = make_engine(make_stable_audio_3())
    sound = 0.2 * noise(2, samples)
    frames = -(-samples // 4096) + more
    padded = torch.nn.functional.pad(sound, (0, frames * 4096 - samples))
    with torch.inference_mode():
        whole = vae.encode(padded[None]).latents
    with engine.parts.at_work("encoder") as model:
        found = encode(model, sound, frames, engine.layout, Progress())
    assert found.shape == (1, 16, frames)
    close(found, whole)


def chunked(block, sequence):
    """The authors' definition: chunks of two frames, for the second half of the layers a frame
    later, with repetitions at both ends."""
    width = sequence.shape[-1]
    half = len(block.transformers) // 2
    rows = sequence.reshape(-1, 34, width)
    for layer in block.transformers[:half]:
        rows = layer(rows)
    sequence = rows.reshape(-1, width)
    sequence = torch.cat([sequence[:17], sequence, sequence[-17:]])
    rows = sequence.reshape(-1, 34, width)
    for layer in block.transformers[half:]:
        rows = layer(rows)
    return rows.reshape(-1, width)[17:-17]


@pytest.fixture(scope="module")
def small_vae(make_published, make_engine_once):
    """The library's layers with the small model's weights, to run by that definition."""
    engine = make_engine_once(make_published(small=True))
    # With the weights where the library has them.
    engine.parts._quicken = lambda part, model: None
    vae = AutoencoderSAME(**engine.layout.vae)
    for part in ("encoder", "decoder"):
        with engine.parts.at_work(part) as model:
            block = getattr(vae, part).blocks[0]
            mapping = model.coder.blocks[0].mapping
            block.mapping = torch.nn.Conv1d(mapping.in_channels, mapping.out_channels,
                                      mapping.kernel_size, padding="same")  # fmt: skip
            lacking, unknown = getattr(vae, part).load_state_dict(
                model.coder.state_dict(), strict=False
            )
            assert not lacking
            assert not unknown
            vae.bottleneck.load_state_dict(model.bottleneck.state_dict())
    return vae.eval()


@pytest.fixture(scope="module")
def make_engine_once():
    from milonga.generators.stable_audio_3.engine import StableAudio3Engine
    from milonga.generators.stable_audio_3.layout import layout_of

    return lambda folder: StableAudio3Engine(
        folder, "tiny", "cpu", layout_of(folder, "tiny"), "float32"
    )


@settings(deadline=None, max_examples=25, suppress_health_check=FIXTURE)
@given(pairs=st.integers(1, 25), tile=st.integers(1, 30), share=st.floats(0, 1))
def test_the_small_decoder_is_the_authors(
    small_vae, make_engine, make_published, pairs, tile, share
):
    engine = make_engine(make_published(small=True))
    frames, decoder = 2 * pairs, small_vae.decoder
    block = decoder.blocks[0]
    latents = noise(1, 16, frames)
    with torch.inference_mode():
        tokens = decoder.proj(small_vae.bottleneck.decode(latents)[0].T)
        new = block.new_tokens.expand(frames, 16, -1)
        sequence = torch.cat([tokens[:, None], new], dim=1).flatten(0, 1)
        tokens = chunked(block, sequence).reshape(frames, 17, -1)[:, 1:].flatten(0, 1)
        whole = small_vae.patch_embed.decode(block.mapping(tokens.T[None]))[0]
    samples = max(1, round(share * whole.shape[-1]))
    with engine.parts.at_work("decoder") as model:
        found = decode(model, latents, samples, engine.layout, Progress(), tile)
    close(found, whole[:, :samples])


@settings(deadline=None, max_examples=10, suppress_health_check=FIXTURE)
@given(pairs=st.integers(1, 90))
def test_the_small_encoder_is_the_authors(small_vae, make_engine, make_published, pairs):
    engine = make_engine(make_published(small=True))
    frames, encoder = 2 * pairs, small_vae.encoder
    block = encoder.blocks[0]
    sound = 0.2 * noise(2, frames * 4096)
    with torch.inference_mode():
        patches = block.mapping(small_vae.patch_embed.encode(sound[None]))[0].T
        new = block.new_tokens[0].expand(frames, 1, -1)
        sequence = torch.cat([patches.reshape(frames, 16, -1), new], dim=1).flatten(0, 1)
        tokens = chunked(block, sequence).reshape(frames, 17, -1)[:, -1]
        whole = small_vae.bottleneck.encode(encoder.proj(tokens).T[None])
    with engine.parts.at_work("encoder") as model:
        found = encode(model, sound, frames, engine.layout, Progress())
    close(found, whole)


def test_what_comes_after_the_samples_is_not_computed(make_engine, make_stable_audio_3):
    engine, counted = make_engine(make_stable_audio_3()), []
    with engine.parts.at_work("decoder") as model:
        model.coder.proj.register_forward_pre_hook(lambda _, given: counted.append(len(given[0])))
        decode(model, noise(1, 16, 300), 5 * 4096, engine.layout, Progress())
    assert counted == [5 + engine.layout.decoder.margin]


def test_progress_counts_seconds(make_engine, make_stable_audio_3):
    engine, seen = make_engine(make_stable_audio_3()), []
    engine.audio(noise(1, 16, 150), 140 * 4096, Progress(seen.append))
    assert {update.unit for update in seen} == {"s"}
    assert seen[-1].done == pytest.approx(140 * 4096 / 44_100, abs=0.1)
    assert seen[-1].total == pytest.approx(seen[-1].done, abs=0.1)
    assert len(seen) == 4


def test_cancelling_stops_within_a_layer(make_engine, make_stable_audio_3):
    engine, progress, calls = make_engine(make_stable_audio_3()), Progress(), []

    def count(*_):
        calls.append(threading.get_ident())
        if len(calls) == 3:
            progress.cancel()

    latents, kinds = noise(1, 16, 100), (torch.nn.Linear, Product)
    with engine.parts.at_work("decoder") as model:
        for layer in model.coder.blocks[0].transformers:
            layer.ff.proj_in.register_forward_hook(count)
        with pytest.raises(Cancelled), cancellable(model, progress, kinds):
            decode(model, latents, 100 * 4096, engine.layout, progress, tile=10)
    assert len(calls) == 3


@pytest.mark.parametrize(("limit", "left"), [(100_000, "mps"), (1000, "cpu")])
def test_a_device_that_refuses_much_at_once_decodes_all_the_same(
    vae, make_engine, make_stable_audio_3, messages, limit, left
):
    engine, device = make_engine(make_stable_audio_3()), ["mps"]
    latents = noise(1, 16, 40)
    with torch.inference_mode():
        whole = vae.decode(latents).sample[0]
    with engine.parts.at_work("decoder") as model, pytest.MonkeyPatch.context() as patch:
        stock, to = model.coder.proj.forward, model.to

        def forward(tokens):
            if device[0] == "mps" and len(tokens) * 4096 > limit:
                raise RuntimeError("MPS: not so much at once")
            return stock(tokens)

        def moved(place):
            device[0] = place
            return to(place)

        patch.setattr(model.coder.proj, "forward", forward)
        patch.setattr(model, "to", moved)
        patch.setattr(
            "milonga.generators.stable_audio_3.autoencoder.device_of", lambda _: device[0]
        )
        found = decode(model, latents, 40 * 4096, engine.layout, messages)
    assert device[0] == left
    close(found, whole)
    assert "going on in chunks" in messages.texts[0]


def test_peaks_above_1_stay(make_stable_audio_3, make_engine):
    engine = make_engine(make_stable_audio_3())
    latents = 4 * noise(1, 16, 12)
    sound = engine.audio(latents, 12 * 4096, Progress())
    pipeline = StableAudio3Pipeline.from_pretrained(make_stable_audio_3())
    with torch.inference_mode():
        theirs = pipeline.vae.decode(latents).sample[0].numpy()
    assert abs(theirs).max() == pytest.approx(abs(sound).max(), rel=1e-4)
    assert abs(sound).max() > 1 or abs(4 * sound).max() > 1
