"""The attention of ACE-Step's transformer, for one take after the other.

Imports torch and diffusers; only the engine imports it, when it is needed. The library's own
computes every position against every other and then hides most of them, makes the keys and values
of the texts anew in each step, and leaves the fast kernels of processors unused, since it shares
keys between heads.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.embeddings import apply_rotary_emb
from torch.nn.functional import pad, scaled_dot_product_attention

_BLOCK = 128
"""Positions that are computed against one stretch of neighbours."""


class TakeAttention:
    """What a module of attention computes, by a way of its own.

    One for each module: what the texts give it is kept until other texts come.
    """

    def __init__(self) -> None:
        self._texts: torch.Tensor | None = None
        self._kept: tuple[torch.Tensor, torch.Tensor] | None = None

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        image_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Compute the attention.

        Args:
            attn: the module.
            hidden_states: ``[batch, positions, width]``.
            encoder_hidden_states: of the texts, ``[batch, tokens, width]``; in a module that
                looks at those.
            attention_mask: unused; a module knows its window.
            image_rotary_emb: cosines and sines of the positions.

        Returns:
            ``[batch, positions, width]``.
        """
        query = attn.norm_q(attn.to_q(hidden_states).unflatten(-1, (attn.heads, attn.head_dim)))
        if attn.is_cross_attention and encoder_hidden_states is not None:
            key, value = self._of_texts(attn, encoder_hidden_states)
            window = None
        else:
            assert image_rotary_emb is not None
            query = _turned(query, image_rotary_emb)
            key, value = _keys(attn, hidden_states, image_rotary_emb)
            window = attn.sliding_window
        query = query.transpose(1, 2)
        if window is not None and query.shape[2] > _BLOCK + 2 * window:
            found = _within(query, key, value, window, attn.scaling)
        else:
            mask = None
            if window is not None and query.shape[2] > window:
                mask = _near(query.shape[2], window, query.device)
            found = scaled_dot_product_attention(query, key, value, mask, scale=attn.scaling)
        found = found.transpose(1, 2).flatten(2)
        shown: torch.Tensor = attn.to_out[1](attn.to_out[0](found))
        return shown

    def _of_texts(self, attn: Any, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self._kept is None or self._texts is not states:
            self._texts, self._kept = states, _keys(attn, states, None)
        return self._kept

    def forget(self) -> None:
        """Let go of what was kept."""
        self._texts = self._kept = None


def take_over(model: torch.nn.Module) -> list[TakeAttention]:
    """Let each attention of a transformer compute by ``TakeAttention``; returns them."""
    found = []
    module: Any
    for module in model.modules():
        if hasattr(module, "is_cross_attention"):
            found.append(TakeAttention())
            module.processor = found[-1]
    return found


def _turned(states: torch.Tensor, rotary: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    # The library's function carries no types.
    turn: Any = apply_rotary_emb
    found: torch.Tensor = turn(
        states, rotary, use_real=True, use_real_unbind_dim=-2, sequence_dim=1
    )
    return found


def _keys(
    attn: Any, states: torch.Tensor, rotary: tuple[torch.Tensor, torch.Tensor] | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values, ``[batch, heads, positions, head]``, once for each head that shares them."""
    size = (attn.kv_heads, attn.head_dim)
    key = attn.norm_k(attn.to_k(states).unflatten(-1, size))
    if rotary is not None:
        key = _turned(key, rotary)
    value = attn.to_v(states).unflatten(-1, size)
    each = attn.heads // attn.kv_heads
    shared = (part.transpose(1, 2).repeat_interleave(each, dim=1) for part in (key, value))
    return next(shared), next(shared)


def _near(positions: int, window: int, device: torch.device) -> torch.Tensor:
    at = torch.arange(positions, device=device)
    return (at[:, None] - at).abs() <= window


def _within(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int, scale: float
) -> torch.Tensor:
    """Attention of each position to those at most ``window`` away, block by block."""
    batch, heads, positions, size = query.shape
    blocks = -(-positions // _BLOCK)
    beyond = blocks * _BLOCK - positions
    seen = _BLOCK + 2 * window
    queries = pad(query, (0, 0, 0, beyond)).view(batch, heads, blocks, _BLOCK, size)

    def stretches(states: torch.Tensor) -> torch.Tensor:
        padded = pad(states, (0, 0, window, window + beyond))
        # [batch, heads, blocks, size, seen]
        return padded.unfold(2, seen, _BLOCK).transpose(3, 4)

    device = query.device
    first = torch.arange(blocks, device=device)[:, None, None] * _BLOCK
    at = first + torch.arange(_BLOCK, device=device)[:, None]
    of = first + torch.arange(seen, device=device) - window
    mask = ((at - of).abs() <= window) & (of >= 0) & (of < positions)
    # A row behind the end sees nothing; it is cut off, but must stay a number.
    mask |= at >= positions

    def folded(states: torch.Tensor) -> torch.Tensor:
        return states.transpose(1, 2).reshape(batch * blocks, heads, -1, size)

    found = scaled_dot_product_attention(
        folded(queries), folded(stretches(key)), folded(stretches(value)),
        mask.repeat(batch, 1, 1)[:, None], scale=scale,
    )  # fmt: skip
    found = found.view(batch, blocks, heads, _BLOCK, size).transpose(1, 2)
    return found.reshape(batch, heads, -1, size)[:, :, :positions]
