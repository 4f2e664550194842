"""Many places at once: compiled kernels against plain torch."""

import pytest
import torch
from emulated import emulate_bfloat16_pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from random_decoders import described, divergence, nothing

from milonga.compute import processor
from milonga.compute.convolutions.workers import Workers
from milonga.compute.tokens import many as many_rows
from milonga.compute.tokens.description import Norm
from milonga.compute.tokens.many import ManyRows, fits
from milonga.compute.tokens.matrix import stored
from milonga.compute.tokens.memory import FastMemory
from milonga.compute.tokens.plain import normed, seen_whole
from milonga.errors import Cancelled

SHAPE = (64, 4)
needs_kernels = pytest.mark.skipif(
    not fits(described(*SHAPE, cross=False)), reason="no kernels for this processor"
)
needs_integers = pytest.mark.skipif(
    not processor.has("avx512vnni"), reason="the processor has no products of 8 bits"
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def whole(known, embedded, begin=0, threads=2):
    with torch.inference_mode():
        return ManyRows(known, Workers(threads)).seen_whole(embedded, nothing, begin)


@needs_kernels
@given(rows=st.integers(1, 3), places=st.integers(1, 70), threads=st.integers(1, 3),
       head=st.sampled_from([16, 80]), bias=st.booleans(), data=st.data())  # fmt: skip
@settings(max_examples=15, deadline=None)
def test_where_all_see_all_it_is_the_plain_one(rows, places, threads, head, bias, data):
    known = described(2 * head, 2, cross=False, bias=bias)
    embedded = torch.randn(rows, places, 2 * head, generator=seeded(places))
    begin = data.draw(st.integers(0, places - 1))
    ours = whole(known, embedded, begin, threads)
    # Float32 in another order of sums.
    torch.testing.assert_close(ours, seen_whole(known, embedded, nothing, begin), rtol=0, atol=3e-5)


@needs_integers
@needs_kernels
@given(rows=st.integers(1, 20), inner=st.sampled_from([64, 192, 1088]),
       outer=st.sampled_from([32, 96]), normed_first=st.booleans(), active=st.booleans(),
       bias=st.booleans(), onto=st.booleans(), threads=st.integers(1, 3),
       far=st.sampled_from([1.0, 1e3]))  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_products_in_int8_are_exact_but_for_rounding_the_activations(
    rows, inner, outer, normed_first, active, bias, onto, threads, far
):
    source = seeded(rows)
    x, before = (torch.randn(rows, size, generator=source) for size in (inner, outer))
    x[:, 3] *= far
    drawn = torch.randn(outer, inner, generator=source)
    matrix = stored([drawn], torch.randn(outer, generator=source) if bias else None, "int8")
    norm = Norm(1 + torch.rand(inner, generator=source), None) if normed_first else None
    many = ManyRows(described(*SHAPE, cross=False, precision="int8"), Workers(threads))
    out = before.clone()
    many.multiply(matrix, x, out, norm=norm, activate=active and norm is None, onto=onto)

    true = x if norm is None else normed(x, norm, 1e-5)
    true = torch.nn.functional.gelu(true) if active and norm is None else true
    groups = true.view(rows, -1, 64)
    scale = groups.abs().amax(-1, keepdim=True).clamp_min(1e-30) / 127
    rounded = ((groups / scale).round() * scale).view(rows, inner).double()
    found = rounded @ (matrix.weight.double() * matrix.scale.double()[:, None]).T
    found = found + (0 if matrix.bias is None else matrix.bias) + (before if onto else 0)
    # What lies between two steps may be rounded up by one and down by the other: one step of 64
    # activations' scale, times a weight of at most 5, for a few of them.
    slack = 5 * float(scale.max()) * 3 + 1e-4
    assert float((out - found).abs().max()) < slack
    assert float((out - found).norm()) < 1e-3 * float(found.norm()) + 1e-4


def attention(joined, heads, begin, causal, threads=1):
    """Ours of the places from ``begin`` on, and the exact one, in numbers rounded to a kind."""
    rows, places, width = joined.shape
    head = width // 3 // heads
    known = described(heads * head, heads, cross=False, precision="int8")
    memory = FastMemory(known, rows, places, torch.bfloat16, nothing)
    ours = torch.empty(rows, places - begin, heads * head)
    kept = (memory.keys[0], memory.values[0]) if causal else None
    ManyRows(known, Workers(threads)).attended(joined, begin, kept, ours)
    query, key, value = joined.view(rows, places, 3, heads, head).permute(2, 0, 3, 1, 4)

    def exact(kind):
        found = torch.nn.functional.scaled_dot_product_attention(
            *(one.to(kind).double() for one in (query, key, value)), is_causal=causal
        )
        return found.transpose(1, 2).flatten(2)[:, begin:]

    return ours, exact


@needs_integers
@needs_kernels
@given(rows=st.integers(1, 2), places=st.integers(1, 200), head=st.sampled_from([16, 64, 80, 128]),
       threads=st.integers(1, 2), causal=st.booleans(), far=st.sampled_from([1.0, 100.0]),
       data=st.data())  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_attention_in_whole_numbers_is_closer_than_in_bfloat16(
    rows, places, head, threads, causal, far, data
):
    begin = data.draw(st.integers(0, places - 1))
    joined = torch.randn(rows, places, 6 * head, generator=seeded(places))
    joined[:, 0] *= far  # as the first place of trained models may be
    with processor.without("avx512bf16", "amx-bf16"):
        ours, exact = attention(joined, 2, begin, causal, threads)
    true = exact(torch.float64)
    assert float((ours - true).norm()) < max(
        float((exact(torch.bfloat16) - true).norm()), 2e-3 * float(true.norm())
    )


@needs_kernels
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("places", "head"), [(1, 64), (31, 16), (32, 80), (77, 128), (200, 64)])
def test_attention_in_bfloat16_errs_by_its_rounding(monkeypatch, places, head, causal):
    """On processors without it, too, whose kernels write its one instruction in others."""
    if not processor.has("avx512bf16"):
        emulated = emulate_bfloat16_pairs(monkeypatch)
    monkeypatch.setattr(many_rows, "why_slow", lambda precision: None)
    many_rows._compiled.cache_clear()
    joined = torch.randn(2, places, 6 * head, generator=seeded(places))
    ours, exact = attention(joined, 2, places // 3, causal)
    many_rows._compiled.cache_clear()
    assert processor.has("avx512bf16") or len(emulated) == 1
    # Rounding queries, keys and values to 8 bits errs by 0.0015 to 0.003 of the norm; shares add to
    # it, by less than the step of a number.
    true = exact(torch.float64)
    assert 0 < float((ours - true).norm()) < 2**-8 * float(true.norm())


@needs_kernels
@pytest.mark.parametrize("tails", [0.0, 0.01])
@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_windows_in_fewer_bits_change_the_odds_little(precision, tails):
    embedded = torch.randn(2, 90, 128, generator=seeded())
    embedded[:, :, 5] *= 30  # as trained models have some channels that are far from the others
    size = {"width": 128, "heads": 8, "layers": 4, "tokens": 200, "tails": tails, "cross": False}
    found = []
    for kind in ("float32", precision):
        known = described(precision=kind, **size)
        found.append(known.odds.times(whole(known, embedded)))
    assert 0 < divergence(*found) < 0.01


@needs_kernels
@given(rows=st.integers(1, 3), places=st.integers(2, 90), alike=st.integers(0, 90),
       precision=st.sampled_from(["float32", "int8"]), threads=st.integers(1, 2))  # fmt: skip
@settings(max_examples=20, deadline=None)
def test_what_is_alike_in_all_rows_changes_nothing(rows, places, alike, precision, threads):
    known = described(128, 8, cross=False, precision=precision)
    embedded = torch.randn(rows, places, 128, generator=seeded(places))
    embedded[:, :alike] = embedded[:1, :alike]
    kind = torch.float32 if precision == "float32" else torch.bfloat16
    many = ManyRows(known, Workers(threads), str(kind).removeprefix("torch."))

    def once(some):
        memory = FastMemory(known, len(some), places, kind, nothing)
        with torch.inference_mode():
            hidden = many.read(some, memory)
        keys = memory.keys.transpose(4, 5).flatten(3, 4)[:, :, :, :places]
        return hidden, keys, memory.values[:, :, :, :places]

    apart = zip(*map(once, embedded[:, None]), strict=True)
    alone = [torch.cat(parts, dim) for parts, dim in zip(apart, (0, 1, 1), strict=True)]
    for ours, theirs in zip(once(embedded), alone, strict=True):
        # Float32 in another order of sums; in fewer bits, steps of rounding follow the largest
        # number of a row.
        slack = 1e-5 if precision == "float32" else 1e-2
        ours, theirs = ours.float(), theirs.float()
        assert float((ours - theirs).norm()) < slack * float(theirs.norm())


@needs_kernels
def test_alike_places_are_multiplied_once(monkeypatch):
    counted = []
    known = described(*SHAPE, cross=False)
    many = ManyRows(known, Workers(1))
    multiply = many.multiply
    monkeypatch.setattr(many, "multiply", lambda matrix, x, out, **how: (
        counted.append(x.numel() // matrix.inner), multiply(matrix, x, out, **how)
    ))  # fmt: skip
    embedded = torch.randn(3, 40, 64, generator=seeded())
    embedded[:, :25] = embedded[:1, :25]
    with torch.inference_mode():
        many.read(embedded, FastMemory(known, 3, 40, torch.float32, nothing))
    assert counted[0] == 25 + 3 * 15


@needs_kernels
def test_a_long_read_can_be_cancelled_between_its_blocks():
    calls = []

    def check():
        calls.append(None)
        if len(calls) == 3:
            raise Cancelled

    known = described(*SHAPE, cross=False)
    many = ManyRows(known, Workers(1))
    embedded = torch.randn(1, 20, 64, generator=seeded())
    with torch.inference_mode():
        again = embedded.clone()
        with pytest.raises(Cancelled):
            many.seen_whole(embedded, check)
    assert torch.equal(embedded, again)
