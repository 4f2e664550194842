"""The compiled kernels against plain torch, for any length, dilation, width and split."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.compute import processor
from milonga.compute.convolutions.kernels.available import why_no_kernels
from milonga.compute.convolutions.kernels.elementwise import sine_square_terms
from milonga.compute.convolutions.kernels.half_band import HALF_BAND
from milonga.compute.convolutions.kernels.minimal import LARGE, MEDIUM, SMALL, Filtering
from milonga.compute.convolutions.packing import pack_conv
from milonga.compute.convolutions.workers import Workers
from milonga.runtime.health import HealthContext
from milonga.vocoders.bigvgan import fast
from milonga.vocoders.bigvgan.chunks import plan_chunk
from milonga.vocoders.bigvgan.config import BigVGANConfig
from milonga.vocoders.bigvgan.generator import Activation, BigVGANGenerator
from milonga.vocoders.health import vocoder_kernels

CONFIG = BigVGANConfig.from_dict(
    {
        "resblock": "1", "upsample_rates": [2], "upsample_kernel_sizes": [4],
        "upsample_initial_channel": 16, "resblock_kernel_sizes": [3],
        "resblock_dilation_sizes": [[1]], "activation": "snakebeta", "snake_logscale": True,
        "sampling_rate": 16_000, "num_mels": 8, "n_fft": 16, "win_size": 16, "hop_size": 2,
        "fmin": 0, "fmax": None,
    }
)  # fmt: skip
WIDTHS = (8, 16, 24, 32, 48)
FILTERINGS = (
    Filtering(SMALL, 3),
    Filtering(MEDIUM, 7),
    Filtering(MEDIUM, 11),
    Filtering(LARGE, 11),
)
KERNELS = {
    width: fast._compiled(fast._tiling(width), FILTERINGS, processor.target()) for width in WIDTHS
}


@pytest.fixture(scope="module")
def engine():
    torch.manual_seed(0)
    made = fast.FastEngine(BigVGANGenerator(CONFIG))
    made._workers = Workers(2)
    made._zeros = np.zeros(max(WIDTHS), np.float32)
    return made


def test_the_sine_is_exact_to_single_precision():
    w = np.linspace(-0.5, 0.5, 1001)
    s = w * w
    found = s * np.polyval(sine_square_terms()[::-1], s)
    assert np.abs(found - np.sin(np.pi * w) ** 2).max() < 2e-8


def test_the_filter_passes_a_constant_and_is_symmetric():
    assert HALF_BAND.sum() == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_array_equal(HALF_BAND, HALF_BAND[::-1])


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(1, 700),
    width=st.sampled_from(WIDTHS),
    level=st.sampled_from([1e-3, 1.0, 30.0]),
    seed=st.integers(0, 5),
)
def test_activation_equals_the_plain_one(engine, length, width, level, seed):
    torch.manual_seed(seed)
    activation = Activation(width, CONFIG)
    with torch.no_grad():
        activation.act.alpha.normal_(0, 0.5)
        activation.act.beta.normal_(0, 0.5)
        x = torch.randn(length, width) * level
        expected = activation(x.t()[None])[0].t().numpy()
    found = np.empty((length, width), np.float32)
    engine._activate(KERNELS[width], fast.pack_activation(activation), x.numpy(), found)
    # Single precision: the phase alpha x is rounded at its own size.
    scale = np.abs(expected).max()
    assert np.abs(found - expected).max() <= 2e-6 * scale + 2e-6


@settings(max_examples=80, deadline=None)
@given(
    length=st.integers(1, 900),
    width=st.sampled_from(WIDTHS),
    dilation=st.integers(1, 12),
    filtering=st.sampled_from(FILTERINGS),
    add=st.booleans(),
    accumulate=st.booleans(),
    transform=st.booleans(),
)
def test_convolution_equals_the_plain_one(
    engine, length, width, dilation, filtering, add, accumulate, transform
):
    torch.manual_seed(length)
    taps = filtering.taps
    conv = torch.nn.Conv1d(
        width, width, taps, dilation=dilation, padding=dilation * (taps // 2)
    ).requires_grad_(False)
    x, residual, before = (torch.randn(length, width) for _ in range(3))
    expected = conv(x.t()[None])[0].t()
    if add:
        expected = expected + residual
    if accumulate:
        expected = expected + before
    kernels = KERNELS[width]
    found = before.numpy().copy()
    packed = pack_conv(conv, filtering, kernels.tiling, transform=transform)
    assert packed.transformed == transform
    engine._conv(kernels, packed, x.numpy(), found, residual.numpy() if add else None, accumulate)
    # 3e-6 of the signal on average, see test_minimal; the largest of some thousand is tenfold.
    assert np.abs(found - expected.numpy()).max() < 3e-5


def test_an_engine_may_take_the_weights_of_its_generator():
    torch.manual_seed(0)
    kept = BigVGANGenerator(CONFIG)
    given_up = copy.deepcopy(kept)
    mel, plan = np.ones((1, 8, 6), np.float32), plan_chunk(CONFIG, 0, 6, 6)
    expected = fast.FastEngine(kept).chunk(mel, plan)
    found = fast.FastEngine(given_up, give_up=True).chunk(mel, plan)
    np.testing.assert_array_equal(found, expected)
    assert kept.ups[0][0].weight.numel()
    assert not given_up.ups[0][0].weight.numel()


@given(total=st.integers(0, 1000), grain=st.integers(1, 70), count=st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_workers_cover_everything_once(total, grain, count):
    seen = np.zeros(total, int)
    Workers(count).run(total, grain, lambda first, last, worker: seen[first:last].__iadd__(1))
    assert (seen == 1).all()


def test_a_failure_in_a_thread_is_not_lost():
    def fail(first, last, worker):
        if first:
            raise ValueError("here")

    with pytest.raises(ValueError, match="here"):
        Workers(2).run(100, 1, fail)


def test_the_engine_is_chosen_where_it_works():
    assert why_no_kernels() is None
    assert fast.fits(CONFIG)


def test_doctor_tells_which_engine_it_will_be():
    [finding] = vocoder_kernels(HealthContext())
    assert finding.status == "ok"
    assert "compiled kernels for" in finding.message
    assert list(vocoder_kernels(HealthContext(keys=("bark",)))) == []
