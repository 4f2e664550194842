"""Decoder and encoder in tiles against the whole."""

import math
import threading
import warnings

import pytest
import torch
from diffusers import AutoencoderOobleck
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.compute import processor
from milonga.errors import Cancelled
from milonga.generators.neural.cancelling import cancellable
from milonga.generators.neural.oobleck import (
    decode,
    encode,
    encoder_margin_of,
    engine_on,
    margin_of,
)
from milonga.runtime.progress import Progress

REAL = (2, 4, 4, 8, 8)


def make(ratios):
    """Every channel and kernel of the real decoder, with few of the former."""
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*weight_norm", category=FutureWarning)
        torch.manual_seed(0)
        vae = AutoencoderOobleck(
            encoder_hidden_size=8, downsampling_ratios=list(ratios),
            channel_multiples=[1] * len(ratios), decoder_channels=4, decoder_input_channels=4,
        )  # fmt: skip
    return vae.eval().requires_grad_(False)


VAES = {ratios: make(ratios) for ratios in [(2, 4), (3, 2), (2, 2, 5), REAL]}


def latents_of(frames, seed=0):
    return torch.randn(1, 4, frames, generator=torch.Generator().manual_seed(seed))


@settings(deadline=None, max_examples=60)
@given(
    ratios=st.sampled_from([(2, 4), (3, 2), (2, 2, 5)]),
    frames=st.integers(1, 150),
    tile=st.integers(1, 80),
    share=st.floats(0, 1),
)
def test_tiles_give_the_samples_of_the_whole(ratios, frames, tile, share):
    vae, latents = VAES[ratios], latents_of(frames)
    whole = vae.decode(latents).sample[0]
    samples = max(1, round(share * whole.shape[-1]))
    found = decode(vae.decoder, latents, samples, ratios, Progress(), tile, "torch")
    assert found.shape == (2, samples)
    # Float32 in another order of sums: 1e-6 of the peak, as wanted of tiled decoding.
    peak = float(whole.abs().max())
    torch.testing.assert_close(found, whole[:, :samples], rtol=0, atol=1e-6 * peak)


@pytest.mark.parametrize(("frames", "samples"), [(1, 2048), (97, 97 * 2048), (140, 3 * 44_100 + 7)])
def test_so_it_is_at_the_real_ratios(frames, samples):
    vae, latents = VAES[REAL], latents_of(frames)
    whole = vae.decode(latents).sample[0]
    found = decode(vae.decoder, latents, samples, REAL, Progress(), 32, "torch")
    peak = float(whole.abs().max())
    torch.testing.assert_close(found, whole[:, :samples], rtol=0, atol=1e-6 * peak)


@pytest.mark.parametrize("ratios", VAES)
def test_the_margin_covers_what_a_sample_depends_on(ratios):
    """Latents beyond it change no bit of a sample; some within it do."""
    decoder, margin, hop = VAES[ratios].decoder, margin_of(ratios), math.prod(ratios)
    middle = 2 * margin
    latents = latents_of(4 * margin + 1)
    before = decoder(latents)[0, :, middle * hop : (middle + 1) * hop]
    for distance, same in ((margin + 1, True), (margin - 3, False)):
        changed = latents.clone()
        changed[..., : middle - distance + 1] += 1
        changed[..., middle + distance :] -= 1
        after = decoder(changed)[0, :, middle * hop : (middle + 1) * hop]
        assert torch.equal(before, after) == same


def test_what_comes_after_the_samples_is_not_computed():
    counted = []
    decoder = VAES[REAL].decoder
    hook = decoder.register_forward_pre_hook(lambda _, given: counted.append(given[0].shape[-1]))
    decode(decoder, latents_of(300), 5 * 2048, REAL, Progress(), engine="torch")
    hook.remove()
    assert counted == [5 + margin_of(REAL)]


def test_cancelling_stops_within_a_tile():
    decoder, progress, calls = VAES[REAL].decoder, Progress(), []

    def count(*_):
        calls.append(threading.get_ident())
        if len(calls) == 3:
            progress.cancel()

    hook = decoder.block[0].res_unit1.register_forward_hook(count)
    unit = decoder.block[-1].res_unit3.register_forward_hook(count)
    kinds = (torch.nn.Conv1d,)
    with pytest.raises(Cancelled), cancellable(decoder, progress, kinds):
        decode(decoder, latents_of(100), 100 * 2048, REAL, progress, 10, "torch")
    hook.remove()
    unit.remove()
    assert len(calls) == 3


@pytest.mark.parametrize(("limit", "left"), [(65_536, "mps"), (30_000, "cpu")])
def test_a_mac_that_refuses_long_convolutions_decodes_all_the_same(
    mac, messages, monkeypatch, limit, left
):
    vae, latents = VAES[REAL], latents_of(60)
    mac.on = False
    whole = decode(vae.decoder, latents, 60 * 2048, REAL, Progress(), engine="torch")
    mac.on, mac.limit = True, limit
    monkeypatch.setattr("milonga.generators.neural.oobleck.device_of", mac.device_of)
    found = decode(vae.decoder, latents, 60 * 2048, REAL, messages, engine="torch")
    assert mac.device_of() == left
    torch.testing.assert_close(found, whole, rtol=0, atol=1e-6 * float(whole.abs().max()))
    assert "going on in chunks of 30 frames" in messages.texts[0]
    assert (left == "cpu") == messages.texts[-1].endswith("going on on the CPU.")


@settings(deadline=None, max_examples=40)
@given(
    ratios=st.sampled_from([(2, 4), (3, 2), (2, 2, 5)]),
    frames=st.integers(1, 100),
    tile=st.integers(1, 60),
)
def test_tiles_encode_to_the_latents_of_the_whole(ratios, frames, tile):
    vae, hop = VAES[ratios], math.prod(ratios)
    samples = torch.randn(2, frames * hop, generator=torch.Generator().manual_seed(frames))
    # An odd stride pads one sample more on its left than its output needs.
    whole = vae.encoder(samples[None])[..., :frames]
    found = encode(vae.encoder, samples, ratios, Progress(), tile, "torch")
    assert found.shape == (1, 8, frames)
    torch.testing.assert_close(found, whole, rtol=0, atol=1e-6 * float(whole.abs().max()))


@pytest.mark.parametrize("ratios", VAES)
def test_the_margin_covers_what_a_latent_depends_on(ratios):
    encoder, margin, hop = VAES[ratios].encoder, encoder_margin_of(ratios), math.prod(ratios)
    middle = 2 * margin
    samples = torch.randn(1, 2, (4 * margin + 1) * hop, generator=torch.Generator().manual_seed(1))
    before = encoder(samples)[0, :, middle]
    for distance, same in ((margin + 1, True), (0, False)):
        changed = samples.clone()
        changed[..., : (middle - distance + 1) * hop] += 1
        changed[..., (middle + distance) * hop :] -= 1
        assert torch.equal(before, encoder(changed)[0, :, middle]) == same


@settings(deadline=None, max_examples=20)
@given(
    ratios=st.sampled_from([(2, 4), (3, 2), (2, 2, 5), REAL]),
    frames=st.integers(1, 60),
    share=st.floats(0, 1),
)
def test_kernels_give_the_samples_and_latents_of_the_library(ratios, frames, share):
    vae, latents, hop = VAES[ratios], latents_of(frames), math.prod(ratios)
    whole = vae.decode(latents).sample[0]
    samples = max(1, round(share * whole.shape[-1]))
    found = decode(vae.decoder, latents, samples, ratios, Progress(), engine="fast")
    # Minimal filtering: 1e-5 of the peak, see compute/convolutions; wanted are 1e-4.
    torch.testing.assert_close(
        found, whole[:, :samples], rtol=0, atol=1e-5 * float(whole.abs().max())
    )
    sound = torch.randn(2, frames * hop, generator=torch.Generator().manual_seed(frames))
    expected = vae.encoder(sound[None])[..., :frames]
    found = encode(vae.encoder, sound, ratios, Progress(), engine="fast")
    assert found.shape == (1, 8, frames)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_kernels_stop_between_steps():
    progress, seen = Progress(), []

    def check():
        seen.append(None)
        if len(seen) == 9:
            progress.cancel()
        Progress.check(progress)

    progress.check = check
    with pytest.raises(Cancelled):
        decode(VAES[REAL].decoder, latents_of(50), 50 * 2048, REAL, progress, engine="fast")
    assert len(seen) == 9


def test_the_engine_is_the_fast_one_where_it_works():
    assert engine_on("cpu") == "fast"
    assert engine_on("cuda:0") == "torch"
    with processor.without("fma"):
        assert engine_on("cpu") == ("torch" if processor.machine() == "x86_64" else "fast")


def test_a_decoder_is_packed_once(monkeypatch):
    from milonga.compute.convolutions import engine

    ratios = (2, 4)
    decoder, latents = make(ratios).decoder, latents_of(6)
    calls, own = [], engine.compile_network
    monkeypatch.setattr(engine, "compile_network", lambda *given: calls.append(1) or own(*given))

    def decoded():
        return decode(decoder, latents, 48, ratios, Progress(), engine="fast")

    assert torch.equal(decoded(), decoded())
    assert len(calls) == 1
    with processor.without("avx512"):
        decoded()
    assert len(calls) == 2
