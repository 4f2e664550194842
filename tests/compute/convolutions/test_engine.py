"""Networks through the kernels against torch, for any layers, lengths, pieces and threads."""

import threading
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from milonga.compute import processor
from milonga.compute.convolutions.engine import Engine
from milonga.compute.convolutions.network import Conv, Elu, Residual, Snake, Upsample, same

TOLERANCE = 1e-5
"""Of the peak. Minimal filtering is off by 7e-7 of the signal on average, see test_minimal; the
largest of some thousand samples is tenfold. The issue allows 1e-4."""


def in_torch(network, x):
    """The same layers as torch computes them, ``[channels, rows]``."""
    for layer in network:
        if isinstance(layer, Snake):
            bent = torch.sin(layer.alpha[:, None] * x).square()
            x = x + layer.gain[:, None] * bent
        elif isinstance(layer, Elu):
            x = functional.elu(x)
        elif isinstance(layer, Conv):
            mode = {"zeros": "constant"}.get(layer.padding, layer.padding)
            wide = functional.pad(x[None], (layer.left, layer.right), mode=mode)
            x = functional.conv1d(
                wide, layer.weight, layer.bias, layer.stride, dilation=layer.dilation
            )[0]
        elif isinstance(layer, Upsample):
            wide = functional.conv_transpose1d(x[None], layer.weight, layer.bias, layer.rate)[0]
            x = wide[:, layer.left : wide.shape[1] - layer.right]
        else:
            x = in_torch(layer.body, x) + in_torch(layer.shortcut, x)
    return x


def through_engine(network, x, *, threads=1, piece_bytes=1 << 24, wanted=None):
    engine = Engine(network, x.shape[0], threads, piece_bytes)
    pieces = list_of(engine, x, wanted)
    if wanted is None:
        assert len(pieces) == engine.length(x.shape[1])
    return pieces.T


def list_of(engine, x, wanted=None):
    rows, at = [], 0
    for start, stop, piece in engine.run(np.ascontiguousarray(x.numpy().T), wanted):
        assert start == at
        at = stop
        rows.append(piece.copy())
    return np.concatenate(rows)


def agree(found, expected):
    assert found.shape == expected.shape
    assert np.abs(found - expected.numpy()).max() <= TOLERANCE * expected.abs().max() + 1e-7


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def weight(*shape, seed=0):
    return draw(*shape, seed=seed) / (shape[1] * shape[2]) ** 0.5


def activation(kind, channels):
    if kind == "snake":
        # Steep ones would make much of little differences, in whatever computes them.
        return [Snake((0.3 * draw(channels)).exp(), (0.3 * draw(channels, seed=1)).exp())]
    return [Elu()] if kind == "elu" else []


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 300),
    inputs=st.sampled_from([1, 3, 8, 12, 16, 24, 40]),
    outputs=st.sampled_from([1, 2, 8, 12, 32, 48]),
    taps=st.integers(1, 15),
    dilation=st.integers(1, 9),
    before=st.sampled_from(["none", "snake", "elu"]),
    padding=st.sampled_from(["zeros", "reflect"]),
    causal=st.booleans(),
    threads=st.integers(1, 3),
)
def test_a_convolution(rows, inputs, outputs, taps, dilation, before, padding, causal, threads):
    reach = (taps - 1) * dilation
    left = reach if causal else reach // 2
    if padding == "reflect":
        rows += reach
    conv = Conv(
        weight(outputs, inputs, taps), draw(outputs), 1, dilation, left, reach - left, padding
    )
    network = [*activation(before, inputs), conv]
    x = draw(inputs, rows)
    agree(through_engine(network, x, threads=threads), in_torch(network, x))


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 200),
    channels=st.sampled_from([(8, 8), (3, 16), (24, 48), (16, 2)]),
    stride=st.integers(2, 10),
    taps=st.integers(1, 21),
    left=st.integers(0, 5),
    right=st.integers(0, 5),
    before=st.sampled_from(["none", "snake", "elu"]),
)
def test_a_convolution_with_a_stride(rows, channels, stride, taps, left, right, before):
    rows += taps
    inputs, outputs = channels
    network = [
        *activation(before, inputs),
        Conv(weight(outputs, inputs, taps), None, stride, 1, left, right),
    ]
    x = draw(inputs, rows)
    agree(through_engine(network, x), in_torch(network, x))


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(2, 120),
    channels=st.sampled_from([(8, 8), (16, 24), (40, 3), (32, 16)]),
    rate=st.integers(1, 10),
    extra=st.integers(0, 12),
    cut=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    before=st.sampled_from(["none", "snake", "elu"]),
)
def test_a_transposed_convolution(rows, channels, rate, extra, cut, before):
    inputs, outputs = channels
    left = round(cut[0] * extra)
    right = round(cut[1] * (extra - left))
    kernel = draw(inputs, outputs, rate + extra) / inputs**0.5
    network = [*activation(before, inputs), Upsample(kernel, draw(outputs), rate, left, right)]
    x = draw(inputs, rows)
    agree(through_engine(network, x), in_torch(network, x))


def decoder(channels=16, shortcut=False, padding="zeros"):
    """A small one with all kinds of layers."""
    half = channels // 2

    def residual(seed, dilation):
        conv = same(weight(half, channels, 3, seed=seed), draw(half), dilation=dilation)
        if padding == "reflect":
            conv = Conv(conv.weight, conv.bias, 1, dilation, conv.left, conv.right, padding)
        body = (
            *activation("snake", channels), conv,
            Elu(), Conv(weight(channels, half, 1), draw(channels)),
        )  # fmt: skip
        return Residual(body, (Conv(weight(channels, channels, 1), None),) if shortcut else ())

    return [
        same(weight(24, 5, 7), draw(24)),
        *activation("snake", 24),
        Upsample(weight(24, channels, 6), draw(channels), 3, 2, 1),
        residual(1, 1), residual(2, 3),
        Elu(), Upsample(weight(channels, channels, 4), draw(channels), 2, 1, 1),
        residual(3, 9),
        *activation("snake", channels), same(weight(2, channels, 7), None),
    ]  # fmt: skip


def encoder(channels=16):
    return [
        same(weight(channels, 2, 7), draw(channels)),
        Residual((Elu(), same(weight(channels, channels, 7), None, dilation=9))),
        *activation("snake", channels),
        Conv(weight(24, channels, 6), draw(24), 3, 1, 2, 2),
        Residual((Elu(), same(weight(24, 24, 5), draw(24), dilation=3))),
        Elu(), Conv(weight(32, 24, 8), None, 4, 1, 2, 2),
        Elu(), same(weight(10, 32, 3), None),
    ]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(8, 120),
    shortcut=st.booleans(),
    padding=st.sampled_from(["zeros", "reflect"]),
    piece_bytes=st.sampled_from([64, 2_000, 20_000]),
    threads=st.integers(1, 3),
    share=st.floats(0.01, 1.0),
)
def test_pieces_and_threads_make_no_difference(
    rows, shortcut, padding, piece_bytes, threads, share
):
    network, x = decoder(shortcut=shortcut, padding=padding), draw(5, rows)
    whole = in_torch(network, x)
    wanted = max(1, round(share * whole.shape[1]))
    found = through_engine(network, x, threads=threads, piece_bytes=piece_bytes, wanted=wanted)
    agree(found, whole[:, :wanted])


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(24, 3000),
    piece_bytes=st.sampled_from([64, 3_000, 40_000]),
    threads=st.integers(1, 3),
)
def test_an_encoder_in_pieces(rows, piece_bytes, threads):
    network, x = encoder(), draw(2, rows)
    agree(
        through_engine(network, x, threads=threads, piece_bytes=piece_bytes), in_torch(network, x)
    )


@pytest.mark.parametrize("lacks", [(), ("avx512",)], ids=["all features", "AVX2"])
@pytest.mark.parametrize("channels", [4, 8, 16, 24, 32, 48])
def test_it_works_on_a_processor_with_fewer_features(lacks, channels):
    network, x = decoder(channels), draw(5, 90)
    with processor.without(*lacks):
        found = through_engine(network, x)
    agree(found, in_torch(network, x))


def test_an_engine_computes_again_and_in_turns_with_others():
    """Nothing of a longer signal stays, and two calls at once don't mix."""
    network = decoder()
    engine = Engine(network, 5, 2, 20_000)
    signals = [draw(5, rows) for rows in (100, 7, 60, 33)]
    found = {}

    def work(index):
        found[index] = list_of(engine, signals[index]).T

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, x in enumerate(signals):
        agree(found[index], in_torch(network, x))


def test_it_stops_when_it_is_asked_to():
    engine, calls = Engine(decoder(), 5, 1, 2_000), []

    def check():
        calls.append(None)
        if len(calls) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        for _ in engine.run(np.zeros((200, 5), np.float32), check=check):
            pass
    x = draw(5, 20)
    agree(list_of(engine, x).T, in_torch(decoder(), x))


@pytest.mark.parametrize(("make", "inputs"), [(decoder, 5), (encoder, 2)])
def test_memory_stays_the_same_for_any_length(make, inputs):
    def peak(rows):
        # A new one: an engine keeps memory for its next call.
        engine, x = Engine(make(), inputs, 1, 50_000), np.zeros((rows, inputs), np.float32)
        tracemalloc.start()
        for _ in engine.run(x):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(100)
    assert peak(40_000) < 1.1 * peak(8_000)


def test_what_has_no_kernel_is_refused():
    for network in (
        [Conv(weight(8, 8, 40), None, 1, 2)],
        [Conv(weight(8, 8, 3), None, 2, 2)],
        [Elu()],
        [Residual((Elu(),))],
        [],
    ):
        with pytest.raises(NotImplementedError):
            Engine(network, 8, 1)
