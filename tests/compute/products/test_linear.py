import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.compute import processor
from milonga.compute.products import linear
from milonga.compute.products.linear import IntegerProduct, make_linear
from milonga.compute.products.precision import PRECISIONS, quick_precisions, why_slow
from milonga.compute.products.quantise import ZERO, quantise_rows, quantise_weight
from milonga.compute.products.replacing import quicken

TOLERANCE = {"float32": 2e-6, "bfloat16": 6e-3, "int8": 2.5e-2}
"""Of the norm, against float64. A rounding to bfloat16 is off by 2^-9 at most, and input, weight
and result are rounded; to int8 by half of 1/127 of the largest magnitude, which is three to four
times a normal distribution's deviation: 0.8 % of the norm for each of both factors."""


def drawn(*shape: int, seed: int, heavy: bool = False) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    found = torch.randn(shape, generator=generator)
    if heavy:
        # Student's t with three degrees of freedom: a few values are far beyond all others.
        chi = sum(torch.randn(shape, generator=generator) ** 2 for _ in range(3))
        found = found / (chi / 3).sqrt()
    return found


def error(found: torch.Tensor, x: torch.Tensor, w: torch.Tensor, b: torch.Tensor | None) -> float:
    expected = x.double() @ w.double().T + (0 if b is None else b.double())
    return float((found.double() - expected).norm() / expected.norm())


@settings(max_examples=40, deadline=None)
@given(
    precision=st.sampled_from(PRECISIONS),
    made_for=st.sampled_from(["few", "many"]),
    rows=st.integers(1, 40),
    inputs=st.integers(16, 200),
    outputs=st.integers(1, 130),
    biased=st.booleans(),
    kind=st.sampled_from([torch.float32, torch.bfloat16]),
    seed=st.integers(0, 99),
)
def test_any_shape_is_the_plain_product_within_the_rounding(
    precision, made_for, rows, inputs, outputs, biased, kind, seed
):
    w, x = drawn(outputs, inputs, seed=seed), drawn(rows, inputs, seed=seed + 1).to(kind)
    b = drawn(outputs, seed=seed + 2) if biased else None
    found = make_linear(w, b, precision, made_for)(x)
    assert found.shape == (rows, outputs)
    assert found.dtype == kind
    limit = TOLERANCE[precision] + (4e-3 if kind == torch.bfloat16 else 0)
    # One output alone can cancel to almost nothing.
    assert outputs * rows < 30 or error(found, x, w, b) < limit


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), heavy=st.booleans(), outputs=st.integers(1, 40))
def test_a_weight_in_int8_is_off_by_at_most_half_a_scale(seed, heavy, outputs):
    w = drawn(outputs, 64, seed=seed, heavy=heavy)
    whole, scale = quantise_weight(w)
    assert whole.dtype == torch.int8
    assert int(whole.min()) >= -127
    off = (whole.float() * scale[:, None] - w).abs()
    assert bool((off <= scale[:, None] * 0.5001).all())
    assert torch.allclose(scale, w.abs().amax(1) / 127)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), heavy=st.booleans(), rows=st.integers(1, 40))
def test_an_activation_in_int8_is_off_by_at_most_half_a_scale(seed, heavy, rows):
    x = drawn(rows, 64, seed=seed, heavy=heavy)
    whole, scale = quantise_rows(x)
    assert whole.dtype == torch.uint8
    off = ((whole.float() - ZERO) * scale - x).abs()
    assert bool((off <= scale * 0.5001).all())


@pytest.mark.parametrize("made_for", ["few", "many"])
def test_heavy_tails_cost_int8_at_most_as_much_as_their_spread(made_for):
    w, x = drawn(96, 512, seed=3, heavy=True), drawn(64, 512, seed=4)
    found = make_linear(w, None, "int8", made_for)(x)
    whole, scale = quantise_weight(w)
    # What rounding the weights alone costs, and 1 % for the activations.
    alone = error(x @ (whole.float() * scale[:, None]).T, x, w, None)
    assert error(found, x, w, None) < alone + 1e-2


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("made_for", ["few", "many"])
def test_zeros_stay_zero_and_no_row_is_no_row(precision, made_for):
    layer = make_linear(torch.zeros(5, 32), None, precision, made_for)
    assert not layer(torch.zeros(3, 32)).any()
    assert not layer(drawn(20, 32, seed=0)).any()
    assert layer(torch.zeros(0, 32)).shape == (0, 5)
    assert layer(torch.zeros(2, 3, 32)).shape == (2, 3, 5)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("made_for", ["few", "many"])
def test_a_row_alone_is_the_row_among_others(precision, made_for):
    layer = make_linear(drawn(48, 96, seed=0), drawn(48, seed=1), precision, made_for)
    x = drawn(30, 96, seed=2)
    whole = layer(x)
    alone = torch.cat([layer(row[None]) for row in x])
    # Few rows in int8 keep bfloat16 activations, many don't.
    limit = TOLERANCE[precision] if precision == "int8" else 4e-3
    assert float((whole - alone).norm() / whole.norm()) < limit


@pytest.mark.parametrize("made_for", ["few", "many"])
def test_a_processor_without_the_instructions_computes_the_same(made_for):
    w, x = drawn(40, 128, seed=0), drawn(30, 128, seed=1)
    with processor.without("avx", "amx", "bf16", "dotprod", "i8mm"):
        assert quick_precisions() == ("float32",)
        assert "no int8 products" in str(why_slow("int8"))
        found = make_linear(w, None, "int8", made_for)(x)
    whole, scale = quantise_weight(w)
    expected = x @ (whole.float() * scale[:, None]).T
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_processors_for_which_onednn_has_no_bfloat16_compute_it_all_the_same():
    # oneDNN looks once in a process: here, for a processor of before AVX-512, as in most laptops.
    script = """
import torch
from milonga.compute import processor
from milonga.compute.products.linear import make_linear
torch.manual_seed(0)
x, w = torch.randn(30, 128), torch.randn(40, 128)
with processor.without("avx512", "avxvnni", "amx"):
    for precision in ("float32", "bfloat16", "int8"):
        for made_for in ("few", "many"):
            found = make_linear(w, None, precision, made_for)(x)
            assert (found - x @ w.T).norm() / (x @ w.T).norm() < 2e-2, (precision, made_for)
"""
    env = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@settings(max_examples=20, deadline=None)
@given(
    rows=st.integers(1, 40),
    inputs=st.integers(1, 200),
    outputs=st.integers(1, 130),
    at_once=st.integers(1, 5000),
    biased=st.booleans(),
    seed=st.integers(0, 99),
)
def test_bfloat16_without_its_instructions_is_exact_and_no_copy(
    rows, inputs, outputs, at_once, biased, seed
):
    w, x = drawn(outputs, inputs, seed=seed).bfloat16(), drawn(rows, inputs, seed=seed + 1)
    b = drawn(outputs, seed=seed + 2) if biased else None
    with processor.without("avx512bf16", "amx", "bf16"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear, "_AT_ONCE", at_once)
        layer = make_linear(w, b, "bfloat16")
        found = layer(x)
    assert layer._weight.data_ptr() == w.data_ptr()
    # Sums of up to 200 products in another order, as float32's.
    whole = x @ w.float().T + (0 if b is None else b)
    torch.testing.assert_close(found, whole, rtol=1e-5, atol=1e-4)


def test_without_onednn_plain_products_compute_the_same(monkeypatch):
    w, x = drawn(40, 128, seed=0), drawn(30, 128, seed=1)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    for precision in PRECISIONS:
        for made_for in ("few", "many"):
            found = make_linear(w, None, precision, made_for)(x)
            assert error(found, x, w, None) < TOLERANCE[precision]


def test_the_number_of_threads_decides_nothing():
    x, threads = drawn(64, 96, seed=2), torch.get_num_threads()
    layers = [make_linear(drawn(48, 96, seed=0), None, one) for one in PRECISIONS]
    try:
        torch.set_num_threads(2)
        both = [layer(x) for layer in layers]
        torch.set_num_threads(1)
        alone = [layer(x) for layer in layers]
    finally:
        torch.set_num_threads(threads)
    for one, other in zip(both, alone, strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-5)


def test_layers_of_a_model_are_replaced_where_asked():
    model = torch.nn.Sequential(
        torch.nn.Linear(32, 64), torch.nn.SiLU(), torch.nn.Sequential(torch.nn.Linear(64, 16))
    )
    x = drawn(20, 32, seed=0)
    expected = model(x).detach()
    quicken(model, "int8", only=lambda name: name == "2.0")
    assert isinstance(model[0], torch.nn.Linear)
    assert isinstance(model[2][0], IntegerProduct)
    assert float((model(x).detach() - expected).norm() / expected.norm()) < TOLERANCE["int8"]
