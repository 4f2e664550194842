import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import EncodecConfig, EncodecModel

from milonga.compute import processor
from milonga.compute.convolutions.encodec import EncodecDecoder
from milonga.compute.convolutions.kernels.lstm import KINDS
from milonga.compute.convolutions.recurrent import (
    ERRORS,
    Lstm,
    kinds_here,
    output_digits,
    packed_digits,
    rounded,
)
from milonga.runtime.seeding import seeded


@settings(max_examples=30, deadline=None)
@given(
    layers=st.integers(1, 3),
    inputs=st.integers(1, 9),
    size=st.integers(1, 17),
    batch=st.integers(1, 4),
    pieces=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    threads=st.integers(1, 3),
)
def test_it_is_torchs_lstm_whatever_the_pieces(layers, inputs, size, batch, pieces, threads):
    with seeded(0), torch.inference_mode():
        theirs = torch.nn.LSTM(inputs, size, layers).eval()
        x = torch.randn(sum(pieces), batch, inputs)
        expected, (_, cells) = theirs(x)
        lstm = Lstm(theirs, threads, kinds=())
        state = lstm.start(batch)
        found = [lstm.run(piece.numpy(), state) for piece in torch.split(x, pieces)]
    # Float32, sums in another order, 80 steps at most.
    np.testing.assert_allclose(np.concatenate(found), expected, atol=2e-6, rtol=1e-5)
    kept = [cell[:, :size] for _, cell in state]
    np.testing.assert_allclose(kept, cells, atol=2e-6, rtol=1e-5)


DRAWS = {
    "even": lambda shape: torch.rand(shape) * 2 - 1,
    "normal": torch.randn,
    "sharp": lambda shape: torch.distributions.Laplace(0.0, 1.0).sample(shape),
    "heavy": lambda shape: torch.distributions.StudentT(2.0).sample(shape),
    # A number in each 64 that is a thousand times as large as the others.
    "spikes": lambda shape: torch.randn(shape) * (1 + 999 * (torch.arange(shape[1]) % 64 == 0)),
}


def with_weights(lstm, draw):
    """Recurrent weights as loud as those that torch draws, so that steps depend on each other."""
    for index in range(lstm.num_layers):
        weights = getattr(lstm, f"weight_hh_l{index}")
        drawn = DRAWS[draw](weights.shape)
        weights.copy_(drawn / drawn.std() / (3 * weights.shape[1]) ** 0.5)
    return lstm


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("off", [(), ("avx512",)], ids=["all", "AVX2"])
def test_integers_hear_no_difference(draw, off):
    size, steps = 256, 40
    with seeded(1), torch.inference_mode(), processor.without(*off):
        theirs = with_weights(torch.nn.LSTM(size, size, 2).eval(), draw)
        x = torch.randn(steps, 1, size)
        lstm = Lstm(theirs, 2, kinds=["int16"])
        found = lstm.run(x.numpy(), lstm.start(1))
        expected = theirs.double()(x.double())[0].numpy()
    # Half of what a decoder may be off by; this is added to the LSTM's input, and goes through it.
    assert np.abs(found - expected).max() < 5e-5 * np.abs(expected).max()


SETS = {
    "all": (),
    "without AVX-512": ("avx512",),
    "no products of bytes": ("avx512", "avxvnni", "i8mm"),
}


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("off", SETS.values(), ids=SETS)
def test_a_decoder_hears_no_difference(draw, off):
    with seeded(1), torch.inference_mode(), processor.without(*off):
        codec = EncodecModel(EncodecConfig(num_filters=16, hidden_size=16, codebook_size=32)).eval()
        for layer in codec.quantizer.layers:
            layer.codebook.embed.normal_()
        with_weights(codec.decoder.layers[1].lstm, draw)
        codes = torch.randint(0, 32, (1, 4, 60))
        expected = codec.decode(codes[None], [None]).audio_values.numpy()
        found = EncodecDecoder(codec, 2).run(codes.numpy())
    # A tenth of what the issue allows.
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(DRAWS)), st.integers(0, 99), st.floats(-6, 6))
def test_rounding_is_bounded_or_refused(draw, seed, power):
    with seeded(seed):
        weights = DRAWS[draw]((8, 128)).reshape(2, 4, 128).numpy() * np.float32(10**power)
    norm = np.linalg.norm(weights.astype(float), axis=2)
    for wanted in ERRORS:
        kind, numbers, scales = rounded(weights, [wanted])
        if draw == "even":
            assert kind == wanted
        if draw == "spikes":
            assert kind == "float32"
        off = numbers * np.repeat(scales, 64, axis=2).astype(float) - weights
        # A little more for the division in float32.
        allowed = 1.001 * ERRORS[kind] * norm if kind == wanted else 0 * norm
        assert (np.linalg.norm(off, axis=2) <= allowed).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.integers(1, 3))
def test_digits_are_those_of_the_numbers(seed, eights):
    draw = np.random.default_rng(seed)
    numbers = draw.integers(-2047, 2048, (8 * eights, 4, 16), np.int16)
    packed = packed_digits(numbers).astype(int)
    high, low = packed[:, :, :2].astype(np.int8).astype(int), packed[:, :, 2]
    halves = np.stack([16 * high[:, :, 0] + low % 16, 16 * high[:, :, 1] + low // 16], axis=1)
    # [eights, half, gate, unit, input]
    np.testing.assert_array_equal(halves.transpose(0, 1, 4, 2, 3).reshape(numbers.shape), numbers)

    h = draw.uniform(-1, 1, (2, 16)).astype(np.float32)
    h[0, :3] = -1, 0, 1
    upper, lower = output_digits(h).astype(int).swapaxes(0, 1)
    # Half a step of 16 bits, and float32's rounding of the product.
    np.testing.assert_allclose((256 * upper + lower - 32768) / 32767, h, atol=0.51 / 32767, rtol=0)


def test_kinds_are_those_of_the_processor():
    assert set(kinds_here()) < set(KINDS)
    with processor.without("avx512vnni", "avxvnni", "i8mm"):
        assert kinds_here() == ("int16",)


@pytest.mark.parametrize("kind", [{"bidirectional": True}, {"proj_size": 2}, {"bias": False}])
def test_other_kinds_are_refused(kind):
    with pytest.raises(NotImplementedError):
        Lstm(torch.nn.LSTM(4, 4, **kind))


def test_a_part_that_fails_leaves_no_other_waiting():
    with seeded(4):
        lstm = Lstm(torch.nn.LSTM(64, 64), 3)
        x = torch.randn(5, 1, 64).numpy()
    expected, own, begun = lstm.run(x, lstm.start(1)), lstm._product, []

    def failing(*words):
        begun.append(1)
        if len(begun) == 2:
            raise ValueError("here")
        own(*words)

    lstm._product = failing
    with pytest.raises(ValueError, match="here"):
        lstm.run(x, lstm.start(1))
    lstm._product = own
    np.testing.assert_array_equal(lstm.run(x, lstm.start(1)), expected)


def test_callers_do_not_wait_for_each_others_parts(monkeypatch):
    with seeded(5):
        lstm = Lstm(torch.nn.LSTM(64, 64), 3)
        x = torch.randn(5, 1, 64).numpy()
    expected, found, send = lstm.run(x, lstm.start(1)), [], lstm._workers._send

    def slowly(task):
        send(task)
        time.sleep(0.01)

    monkeypatch.setattr(lstm._workers, "_send", slowly)
    callers = [
        threading.Thread(target=lambda: found.append(lstm.run(x, lstm.start(1))), daemon=True)
        for _ in range(3)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert len(found) == 3
    assert all((one == expected).all() for one in found)
