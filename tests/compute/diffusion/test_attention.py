import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from milonga.compute.diffusion.attention import attend, attend_near, rotate


def drawn(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def plain(query, key, value, seen=None):
    each = len(query) // len(key)
    key, value = (part.float().repeat_interleave(each, 0) for part in (key, value))
    found = scaled_dot_product_attention(query.float(), key, value, seen, scale=1.0)
    return found.transpose(0, 1).flatten(1)


@settings(max_examples=30, deadline=None)
@given(
    groups=st.integers(1, 3),
    each=st.integers(1, 3),
    queries=st.integers(1, 40),
    keys=st.integers(1, 40),
    half=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_query_attends_to_all_keys(groups, each, queries, keys, half, seed):
    kind = torch.bfloat16 if half else torch.float32
    query = drawn(groups * each, queries, 16, seed=seed).to(kind)
    key, value = (drawn(groups, keys, 16, seed=seed + n).to(kind) for n in (1, 2))
    found, expected = attend(query, key, value), plain(query, key, value)
    # bfloat16 keeps 8 bits of the scores, the weights and the result.
    limit = 2e-2 if half else 1e-5
    assert float((found.float() - expected).norm() / expected.norm()) < limit


@settings(max_examples=30, deadline=None)
@given(
    groups=st.integers(1, 2),
    each=st.integers(1, 2),
    count=st.integers(1, 70),
    reach=st.integers(1, 12),
    seed=st.integers(0, 99),
)
def test_near_attention_sees_its_window_alone(groups, each, count, reach, seed):
    query = drawn(groups * each, count, 8, seed=seed)
    key, value = (drawn(groups, count, 8, seed=seed + n) for n in (1, 2))
    places = torch.arange(count)
    seen = (places[:, None] - places).abs() <= reach
    found = attend_near(query, key, value, reach)
    assert torch.allclose(found, plain(query, key, value, seen), rtol=1e-4, atol=1e-5)


def test_turning_keeps_lengths_and_what_is_beyond_the_turned_part():
    heads, angles = drawn(5, 3, 12, seed=0), drawn(5, 1, 4, seed=1)
    cosines, sines = angles.cos().repeat(1, 1, 2), angles.sin()
    found = rotate(heads, cosines, torch.cat([-sines, sines], -1), torch.float32)
    assert found.shape == (3, 5, 12)
    assert torch.allclose(found.norm(dim=-1), heads.transpose(0, 1).norm(dim=-1), rtol=1e-5)
    assert torch.equal(found[..., 8:], heads.transpose(0, 1)[..., 8:])
    pair = torch.complex(heads[..., :4], heads[..., 4:8]) * torch.polar(torch.ones(()), angles)
    turned = torch.cat([pair.real, pair.imag], -1).transpose(0, 1)
    assert torch.allclose(found[..., :8], turned, atol=1e-5)
