"""The autoencoder (SAME) in tiles: any length in the memory of one tile.

A latent frame stands for 4096 samples: a group of tokens, one for the latent and 16 for patches of
256 samples. Layers look only at groups near by, through a window (the large autoencoder) or within
chunks that the second half of the layers shifts (the small one, which diffusers' class doesn't
know). So a tile with a margin gives what the whole gives. The library computes a mask of all tokens
by all tokens instead, which for six minutes alone takes 19 GB.

The authors add noise of training when they decode (0.001 and 0.01 of the signal); it is left out,
as in diffusers: a decoder shouldn't draw lots.

Imports torch; only the engine imports it, when it is needed. Source: arXiv:2605.17991.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from milonga.generators.stable_audio_3.layout import Layout, Stack
from milonga.runtime.devices import device_of, in_chunks
from milonga.runtime.progress import Progress

TILE = 128
"""Latent frames that a tile adds: 12 s."""
_SMALLEST = 8
"""Frames of a tile that is not divided further; even, as chunks are."""
_BLOCK = 8
"""Groups whose queries are one product with the keys around them."""
_ROTATION_BASE = 10_000


class Coder(torch.nn.Module):
    """Encoder or decoder, with the scale of the latents.

    Args:
        coder: diffusers' ``SAMEEncoder`` or ``SAMEDecoder``.
        bottleneck: its ``SoftNormBottleneck``.
    """

    def __init__(self, coder: Any, bottleneck: torch.nn.Module) -> None:
        super().__init__()
        self.coder, self.bottleneck = coder, bottleneck
        for layer in coder.blocks[0].transformers:
            # Its angles are computed here, and no file holds them.
            layer.attn.rope = torch.nn.Identity()


def encode(
    model: Any, sound: torch.Tensor, frames: int, layout: Layout, progress: Progress
) -> torch.Tensor:
    """The latents of a sound.

    Args:
        model: a ``Coder`` with the encoder.
        sound: ``[channels, samples]`` at the layout's rate.
        frames: wanted; what the sound doesn't fill is silence.
        layout: of the model.
        progress: shows the seconds done.

    Returns:
        ``[1, dimensions, frames]`` float32 on the processor.

    Raises:
        Cancelled: the user stopped it.
    """
    stack, hop = layout.encoder, layout.hop
    padded = functional.pad(sound, (0, max(0, frames * hop - sound.shape[-1])))

    def compute(low: int, high: int) -> torch.Tensor:
        patches = padded[:, low * hop : high * hop].to(next(model.parameters()).device)
        patches = torch.unflatten(patches, 1, (-1, layout.patch)).transpose(1, 2).flatten(0, 1)
        groups = -(high - low) % max(1, stack.chunk)
        patches = functional.pad(patches, (0, groups * layout.stride))
        block = model.coder.blocks[0]
        tokens = block.mapping(patches[None])[0].T.unflatten(0, (-1, layout.stride))
        new = block.new_tokens[0].expand(len(tokens), 1, -1)
        tokens = _through(block.transformers, torch.cat([tokens, new], dim=1), stack)
        latents = model.coder.proj(tokens[: high - low, -1]).T
        found: torch.Tensor = model.bottleneck.encode(latents[None])[0]
        return found

    return _in_tiles(model, frames, frames, stack, compute, layout, progress, "Encoding")[None]


def decode(
    model: Any, latents: torch.Tensor, samples: int, layout: Layout, progress: Progress,
    tile: int = TILE,
) -> torch.Tensor:  # fmt: skip
    """The first samples of what latents decode to; what comes after them isn't computed.

    Args:
        model: a ``Coder`` with the decoder.
        latents: ``[1, dimensions, frames]``.
        samples: how many are wanted, at most ``frames * hop``.
        layout: of the model.
        progress: shows the seconds done.
        tile: frames at a time.

    Returns:
        ``[channels, samples]`` float32 on the processor, not limited to 1: within rounding what
        the whole decoder gives.

    Raises:
        Cancelled: the user stopped it.
    """
    stack, wanted = layout.decoder, math.ceil(samples / layout.hop)
    frames = min(latents.shape[-1], wanted + stack.margin)

    def compute(low: int, high: int) -> torch.Tensor:
        piece = latents[0, :, low:high].to(next(model.parameters()).device)
        tokens = model.coder.proj(model.bottleneck.decode(piece[None])[0].T)
        tokens = functional.pad(tokens, (0, 0, 0, -(high - low) % max(1, stack.chunk)))
        block = model.coder.blocks[0]
        new = block.new_tokens.expand(len(tokens), layout.stride, -1)
        tokens = _through(block.transformers, torch.cat([tokens[:, None], new], dim=1), stack)
        tokens = tokens[: high - low, 1:].flatten(0, 1)
        patches = block.mapping(tokens.T[None])[0]
        found: torch.Tensor = patches.unflatten(0, (-1, layout.patch)).transpose(1, 2).flatten(1)
        return found

    sound = _in_tiles(model, wanted, frames, stack, compute, layout, progress, "Decoding", tile)
    return sound[:, :samples]


def _in_tiles(
    model: Any, wanted: int, frames: int, stack: Stack, compute: Callable[[int, int], torch.Tensor],
    layout: Layout, progress: Progress, label: str, tile: int = TILE,
) -> torch.Tensor:  # fmt: skip
    """Join what ``compute`` makes of frames, tile by tile; the last dimension is time."""
    even = max(1, stack.chunk)

    def piece(start: int, stop: int) -> torch.Tensor:
        low = max(0, start - stack.margin) // even * even
        high = min(frames, -(-(stop + stack.margin) // even) * even)
        found = compute(low, high)
        each = found.shape[-1] // (high - low)
        return found[..., (start - low) * each : (stop - low) * each].float().cpu()

    pieces, second = [], layout.hop / layout.rate
    with (
        torch.inference_mode(),
        progress.task(label, round(wanted * second, 1), "s") as task,
    ):
        for start, stop, found in in_chunks(
            wanted, tile, _SMALLEST, piece, lambda: device_of(model), lambda: model.to("cpu"),
            progress,
        ):  # fmt: skip
            pieces.append(found)
            task.advance((stop - start) * second)
    return torch.cat(pieces, dim=-1)


def _through(layers: Any, groups: torch.Tensor, stack: Stack) -> torch.Tensor:
    """Groups of tokens ``[groups, tokens, width]`` after all layers, in the same shape."""
    each = groups.shape[1]
    if not stack.chunk:
        tokens = groups.flatten(0, 1)[None]
        for layer in layers:
            tokens = _layer(layer, tokens, stack.window * each)
        return torch.unflatten(tokens[0], 0, (-1, each))
    half = len(layers) // 2 if stack.shifted else len(layers)
    groups = _chunked(layers[:half], groups, stack.chunk)
    if stack.shifted:
        # Chunks half a chunk later; at both ends a repetition fills them.
        by = stack.chunk // 2
        groups = torch.cat([groups[:by], groups, groups[-by:]])
        groups = _chunked(layers[half:], groups, stack.chunk)[by:-by]
    return groups


def _chunked(layers: Any, groups: torch.Tensor, chunk: int) -> torch.Tensor:
    shape = groups.shape
    tokens = groups.reshape(-1, chunk * shape[1], shape[2])
    for layer in layers:
        tokens = _layer(layer, tokens, 0)
    return tokens.reshape(shape)


def _layer(layer: Any, tokens: torch.Tensor, window: int) -> torch.Tensor:
    tokens = tokens + _attention(layer.attn, layer.norm_attn(tokens), window)
    found: torch.Tensor = tokens + layer.ff(layer.norm_ff(tokens))
    return found


def _attention(attention: Any, tokens: torch.Tensor, window: int) -> torch.Tensor:
    """Attention of tokens ``[rows, tokens, width]`` to those of their row, at most ``window``
    away where that isn't 0. A differential one is the difference of two with the same values."""
    pairs = 2 if attention.use_differential else 1
    heads, size = attention.heads, attention.dim_heads
    # [rows, tokens, queries + keys + values, heads, size] to one attention per pair and head.
    parts = attention.to_qkv(tokens).unflatten(-1, (-1, heads, size))
    query, key, value = parts.split([pairs, pairs, 1], dim=2)
    angles = _angles(tokens.shape[1], size // 2, tokens.device)
    query = _rotated(attention.q_norm(query), angles).flatten(2, 3).transpose(1, 2)
    key = _rotated(attention.k_norm(key), angles).flatten(2, 3).transpose(1, 2)
    value = value.expand(-1, -1, pairs, -1, -1).flatten(2, 3).transpose(1, 2)
    if window:
        found = _banded(query, key, value, window)
    else:
        found = functional.scaled_dot_product_attention(query, key, value)
    found = torch.unflatten(found, 1, (pairs, heads))
    found = found[:, 0] - found[:, 1] if pairs == 2 else found[:, 0]
    out: torch.Tensor = attention.to_out(found.transpose(1, 2).flatten(2))
    return out


def _banded(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int
) -> torch.Tensor:
    """Attention ``[1, heads, tokens, size]`` to the tokens at most ``window`` away: blocks of
    queries, each with the keys of its block and a window on both sides."""
    total, block = query.shape[2], _BLOCK * window
    padding = -total % block
    query = functional.pad(query[0], (0, 0, 0, padding))
    query = torch.unflatten(query, 1, (-1, block)).transpose(0, 1)
    key, value = (
        functional.pad(one[0], (0, 0, window, window + padding))
        .unfold(1, block + 2 * window, block)
        .permute(1, 0, 3, 2)
        for one in (key, value)
    )
    place = torch.arange(block + 2 * window, device=query.device)
    asking = place[:block, None] + window
    # Places of the keys in the whole; those of padding see themselves, so that no row is empty.
    whole = torch.arange(len(query), device=query.device)[:, None, None] * block - window + place
    mask = ((place - asking).abs() <= window) & (whole >= 0)
    mask &= (whole < total) | (place == asking)
    found = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None])
    return found.transpose(0, 1).flatten(1, 2)[None, :, :total]


def _angles(tokens: int, size: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and sine ``[tokens, 1, 1, size]`` of rotary embedding."""
    place = torch.arange(tokens, device=device, dtype=torch.float32)
    angles = torch.outer(place, frequencies(size).to(device))
    angles = torch.cat([angles, angles], dim=-1)[:, None, None]
    return angles.cos(), angles.sin()


def frequencies(size: int) -> torch.Tensor:
    """Rotary frequencies ``[size // 2]`` in radians a token."""
    return 1.0 / _ROTATION_BASE ** (torch.arange(0, size, 2).float() / size)


def _rotated(part: torch.Tensor, angles: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Rotary embedding of the first channels of ``[..., size]``; the others pass."""
    cosine, sine = angles
    turned, rest = part[..., : cosine.shape[-1]], part[..., cosine.shape[-1] :]
    first, second = turned.chunk(2, dim=-1)
    turned = turned * cosine + torch.cat([-second, first], dim=-1) * sine
    return torch.cat([turned, rest], dim=-1)
