"""Decoders against transformers' own modules, and the compiled one against its twin in torch."""

import gc
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_decoders import described, divergence, nothing

from milonga.compute import processor
from milonga.compute.tokens.decoder import decoder_of
from milonga.compute.tokens.fast import FastDecoder, unfit
from milonga.compute.tokens.plain import PlainDecoder, by_blocks
from milonga.errors import Cancelled
from milonga.generators.musicgen.network import Network

needs_kernels = pytest.mark.skipif(
    "fma" not in str(processor.features()) and processor.machine() != "arm64",
    reason="no kernels for this processor",
)


def in_steps(decoder, embedded, text, seen, keep, begin, stop):
    """All odds of a prompt and the steps after it; from the middle on for some rows alone."""
    with torch.inference_mode():
        rows = len(embedded)
        memory = decoder.memory(rows, embedded.shape[1], nothing, text=text, seen=seen)
        found = [decoder.odds(embedded[:, :begin], memory)]
        for place in range(begin, embedded.shape[1]):
            if place == stop and keep is not None:
                memory.keep(keep)
                embedded = embedded[keep]
            found.append(decoder.odds(embedded[:, place : place + 1], memory, 3, 45))
    return found


@needs_kernels
@given(data=st.data(), rows=st.integers(1, 9), begin=st.integers(1, 40), more=st.integers(1, 20),
       shape=st.sampled_from([(16, 2), (32, 4), (48, 3), (64, 1), (128, 2)]),
       precision=st.sampled_from(["float32", "bfloat16", "int8"]), cross=st.booleans(),
       bias=st.booleans(), lacking=st.sampled_from([(), ("avx512",)]),
       threads=st.integers(1, 3))  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_the_compiled_decoder_computes_what_its_twin_does(
    data, rows, begin, more, shape, precision, cross, bias, lacking, threads
):
    known = described(*shape, cross=cross, bias=bias, precision=precision)
    source = torch.Generator().manual_seed(rows)
    embedded = torch.randn(rows, begin + more, known.width, generator=source)
    text = torch.randn(rows, 5, known.width, generator=source) if cross else None
    seen = data.draw(st.lists(st.integers(0, 5), min_size=rows, max_size=rows)) if cross else None
    kept = data.draw(st.lists(st.integers(0, rows - 1), min_size=1, unique=True))
    given_ = embedded, text, seen, torch.tensor(kept), begin, begin + more // 2
    with processor.without(*lacking):
        ours = in_steps(FastDecoder(known, threads), *given_)
    theirs = in_steps(PlainDecoder(known), *given_)
    # Float32 sums in another order. In 16 and 8 bits the twin rounds activations or memories that
    # the kernels leave alone: as much as a few roundings of bfloat16 (2**-9 each) add up to.
    tolerance = 3e-5 if precision == "float32" else 0.12
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance)


@pytest.mark.parametrize("cross", [True, False])
def test_a_memory_goes_with_its_last_name(cross):
    known = described(16, 2, cross=cross)
    decoder, text = decoder_of(known), torch.randn(1, 3, known.width) if cross else None
    gc.disable()
    try:
        with torch.inference_mode():
            memory = decoder.memory(1, 4, nothing, text=text)
            decoder.odds(torch.randn(1, 2, known.width), memory)
            decoder.odds(torch.randn(1, 1, known.width), memory)
        held = weakref.ref(memory)
        del memory
        # Windows follow each other, and the keys and values of a window are the most that a take
        # needs: in a circle of references they would pile up.
        assert held() is None
    finally:
        gc.enable()


@given(rows=st.integers(1, 4), places=st.integers(2, 30), words=st.integers(1, 9),
       channels=st.integers(1, 2), codebooks=st.integers(1, 4), data=st.data())  # fmt: skip
@settings(max_examples=10, deadline=None)
@pytest.mark.parametrize("plain", [True, False], ids=["torch", "fast"])
def test_odds_are_those_of_the_library(plain, rows, places, words, channels, codebooks, data):
    from transformers import MusicgenDecoderConfig, MusicgenForCausalLM

    books = channels * codebooks
    with torch.random.fork_rng():
        torch.manual_seed(places)
        model = MusicgenForCausalLM(MusicgenDecoderConfig(
            vocab_size=20, num_hidden_layers=2, ffn_dim=32, num_attention_heads=2, hidden_size=32,
            num_codebooks=books, audio_channels=channels, pad_token_id=20, bos_token_id=None,
        )).eval()  # fmt: skip
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.data.normal_(std=0.4)
        codes = torch.randint(0, 21, (1, books, places))
        text = torch.randn(rows, words, 32)
    seen = data.draw(st.lists(st.integers(1, words), min_size=rows, max_size=rows))
    mask = (torch.arange(words) < torch.tensor(seen)[:, None]).long()
    with torch.inference_mode():
        theirs = model(
            codes.expand(rows, -1, -1).reshape(rows * books, places),
            encoder_hidden_states=text, encoder_attention_mask=mask,
        ).logits.view(rows, books, places, 20)  # fmt: skip
        network = Network(model, "float32")
        decoder = PlainDecoder(network.decoder.description) if plain else network.decoder
        memory = decoder.memory(rows, places, nothing, text=text, seen=seen)
        first = data.draw(st.integers(1, places))
        for last in range(first, places + 1):
            begin = 0 if last == first else last - 1
            embedded = network.embed(codes[0, :, begin:last], begin).expand(rows, -1, -1)
            ours = decoder.odds(embedded, memory).view(rows, books, 20)
            # Float32 in another order of sums; the odds are about 5.
            torch.testing.assert_close(ours, theirs[:, :, last - 1], rtol=0, atol=2e-4)


@pytest.mark.parametrize("tails", [0.0, 0.01])
@pytest.mark.parametrize(("precision", "most"), [("bfloat16", 1e-3), ("int8", 1e-2)])
def test_fewer_bits_change_the_odds_little(precision, most, tails):
    size = {"width": 128, "heads": 2, "layers": 4, "tokens": 200, "tails": tails}
    source = torch.Generator().manual_seed(0)
    embedded = torch.randn(4, 30, 128, generator=source)
    text = torch.randn(4, 5, 128, generator=source)
    given_ = embedded, text, [5, 5, 0, 0], None, 12, 99
    true, other = (in_steps(decoder_of(described(precision=one, **size)), *given_)[1:]
                   for one in ("float32", precision))  # fmt: skip
    assert 0 < divergence(torch.cat(true), torch.cat(other)) < most


def test_odd_sizes_and_processors_without_kernels_use_torch():
    assert unfit(described(24, 3))  # heads of 8, products of 24
    assert unfit(described(32, 8))  # heads of 4
    with processor.without("fma"):
        assert processor.machine() != "x86_64" or isinstance(decoder_of(described()), PlainDecoder)


@needs_kernels
def test_a_step_can_be_cancelled_and_the_decoder_used_again():
    decoder = FastDecoder(described(cross=False))
    embedded, calls = torch.randn(2, 1, 32, generator=torch.Generator().manual_seed(0)), []

    def check():
        calls.append(None)
        if len(calls) == 5:
            raise Cancelled

    with torch.inference_mode():
        memory = decoder.memory(2, 20, check)
        for _ in range(4):
            decoder.odds(embedded, memory)
        with pytest.raises(Cancelled):
            decoder.odds(embedded, memory)
        assert memory.length == 4
        again, other = decoder.odds(embedded, memory), decoder.memory(2, 20, nothing)
        for _ in range(5):
            fresh = decoder.odds(embedded, other)
    assert torch.equal(again, fresh)


@given(rows=st.integers(1, 2), places=st.integers(1, 600), causal=st.booleans())
@settings(max_examples=10, deadline=None)
def test_attention_by_blocks_is_attention(rows, places, causal):
    source = torch.Generator().manual_seed(places)
    drawn = (torch.randn(rows, 2, places, 8, generator=source) for _ in range(3))
    query, keys, values = (part.to(torch.bfloat16).float() for part in drawn)
    found = by_blocks(query, keys.bfloat16(), values.bfloat16(), causal=causal)
    true = torch.nn.functional.scaled_dot_product_attention(query, keys, values, is_causal=causal)
    # Query, scores and shares are rounded to bfloat16 (2**-9 each); values reach 4.
    torch.testing.assert_close(found, true.transpose(1, 2).flatten(2), rtol=0, atol=0.08)
