"""Attention on a processor, head by head: the scores of a head fit its cache.

torch's own attention multiplies small blocks one by one; whole heads through oneDNN in bfloat16
took a third of its time (docs/decisions/products.md). In float32 torch's own is as quick.
"""

from __future__ import annotations

import functools

import torch
from torch.nn.functional import pad, scaled_dot_product_attention


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Let each query attend to all keys.

    Args:
        query: ``[H, M, D]``, float32 or bfloat16, scaled already.
        key, value: ``[G, E, D]`` of the same type; each serves ``H / G`` heads in turn.

    Returns:
        ``[M, H * D]`` of the same type. Softmax is computed in float32.
    """
    heads, count, size = query.shape
    groups = len(key)
    if query.dtype == torch.float32:
        found = scaled_dot_product_attention(
            query[None], key[None], value[None], scale=1.0, enable_gqa=heads != groups
        )[0]
        return found.transpose(0, 1).reshape(count, heads * size)
    out = query.new_empty(count, heads, size)
    each = heads // groups
    for group in range(groups):
        first = group * each
        rows = query[first : first + each].reshape(each * count, size)
        weights = torch.softmax(rows @ key[group].T, dim=-1)
        found = (weights @ value[group]).view(each, count, size)
        out[:, first : first + each] = found.transpose(0, 1)
    return out.view(count, heads * size)


def attend_near(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, reach: int
) -> torch.Tensor:
    """Let each query attend to the keys at most ``reach`` places away, block by block.

    Args:
        query: ``[H, M, D]``, scaled already.
        key, value: ``[G, M, D]`` of the same type; each serves ``H / G`` heads in turn.
        reach: 1 or more.

    Returns:
        ``[M, H * D]``.
    """
    heads, count, size = query.shape
    groups = len(key)
    if count <= 2 * reach:
        return _attend_masked(query, key, value, reach)
    each, blocks = heads // groups, -(-count // reach)
    padded = blocks * reach
    # A block of queries sees its own block of keys, and those before and after it.
    query = pad(query, (0, 0, 0, padded - count)).view(groups, each, blocks, reach, size)
    key, value = (pad(part, (0, 0, reach, padded + reach - count)) for part in (key, value))
    out = query.new_empty(padded, heads, size)
    for block in range(blocks):
        rows = query[:, :, block].reshape(groups, each * reach, size)
        span = slice(block * reach, (block + 3) * reach)
        scores = torch.bmm(rows, key[:, span].transpose(1, 2)).view(groups, each, reach, -1)
        scores = scores.add_(_band(reach, block, count, query.dtype))
        found = torch.bmm(torch.softmax(scores, -1).view(groups, each * reach, -1), value[:, span])
        place = out[block * reach : (block + 1) * reach]
        place.copy_(found.view(heads, reach, size).transpose(0, 1))
    return out[:count].reshape(count, heads * size)


def _attend_masked(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, reach: int
) -> torch.Tensor:
    heads, count, size = query.shape
    places = torch.arange(count)
    seen = (places[:, None] - places).abs() <= reach
    found = scaled_dot_product_attention(
        query[None], key[None], value[None], seen, scale=1.0, enable_gqa=heads != len(key)
    )[0]
    return found.transpose(0, 1).reshape(count, heads * size)


@functools.lru_cache(256)
def _band(reach: int, block: int, count: int, dtype: torch.dtype) -> torch.Tensor:
    """Zero where a query of a block sees a key, else minus infinity, ``[reach, 3 * reach]``."""
    queries = torch.arange(reach)[:, None] + block * reach
    keys = torch.arange(3 * reach) + (block - 1) * reach
    seen = ((queries - keys).abs() <= reach) & (keys >= 0) & (keys < count)
    # Queries beyond the end are cut off; without a key their softmax would be no number.
    seen |= queries >= count
    return torch.zeros(reach, 3 * reach, dtype=dtype).masked_fill_(~seen, float("-inf"))


def rotate(
    heads: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor, out: torch.dtype
) -> torch.Tensor:
    """Turn pairs of numbers of each head by the angle of their place; the pair of a number of the
    first half is in the second half.

    Args:
        heads: ``[M, H, D]`` float32 or bfloat16.
        cosines: ``[M, 1, R]`` float32; the numbers from ``R`` on stay as they are.
        sines: the same, its first half negated.
        out: type of the result.

    Returns:
        ``[H, M, D]`` of that type, contiguous.

    Source: RoFormer (arXiv:2104.09864), in the layout of GPT-NeoX.
    """
    turned = cosines.shape[-1]
    half = turned // 2
    part = heads[..., :turned]
    found = heads.new_empty(heads.shape, dtype=torch.float32)
    torch.mul(part, cosines, out=found[..., :turned])
    found[..., :half].addcmul_(part[..., half:].float(), sines[..., :half])
    found[..., half:turned].addcmul_(part[..., :half].float(), sines[..., half:])
    if turned < heads.shape[-1]:
        found[..., turned:] = heads[..., turned:]
    return found.transpose(0, 1).to(out, memory_format=torch.contiguous_format).contiguous()
