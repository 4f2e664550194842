"""The transformer of ACE-Step 1.5 on a processor.

The same function as diffusers' ``AceStepTransformer1DModel``, of which it takes the weights: query,
key and value are one product, gate and up another; norms and the modulation by the time are one
pass; keys and values of the text are computed once; attention within a window computes the window
alone. Sums, norms, softmax and what the layers add to are float32 in every precision.

Source: ACE-Step 1.5 (arXiv:2602.00744); diffusers 0.42, ``ace_step_transformer.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import pad, silu

from milonga.compute.diffusion.attention import attend, attend_near, rotate
from milonga.compute.diffusion.rows import WatchedBlock, by_head, rms_norm, small_type, vector
from milonga.compute.products.linear import Product, make_linear
from milonga.compute.products.making import LayerMaker

_KEPT = 4
"""Texts whose keys and values are kept: with guidance and without, of two takes."""


@dataclass(frozen=True, slots=True)
class _Turns:
    """Cosines and sines of the places, ``[M, 1, D]`` each."""

    cosines: torch.Tensor
    sines: torch.Tensor


class AceStepTransformer(torch.nn.Module):
    """Computes the velocity of latents.

    Args:
        model: diffusers', on the processor; it gives its weights up.
        maker: of the layers.

    Attributes:
        config: the model's.
        dtype: float32, the type of what goes in and out.
    """

    def __init__(self, model: Any, maker: LayerMaker) -> None:
        super().__init__()
        self.config, self.dtype = model.config, torch.float32
        self.device = torch.device("cpu")
        self._patch, self._theta = int(model.patch_size), float(model.rope_theta)
        small = small_type(maker.precision)
        self._times = [_TimeEmbedding(one, maker) for one in (model.time_embed, model.time_embed_r)]
        self._into = _from_patches(model.proj_in_conv, small)
        self._out_of = _to_patches(model.proj_out_conv, small)
        self._text = maker.keep(model.condition_embedder, "many")
        self._norm, self._eps = vector(model.norm_out.weight), float(model.norm_out.eps)
        self._table = model.scale_shift_table.detach().float()[0]
        self._blocks = [
            _Block(block, maker, f"layers.{index}", small)
            for index, block in enumerate(model.layers)
        ]
        # Registered under diffusers' name, so that whoever looks for blocks finds them.
        self.layers = torch.nn.ModuleList(self._blocks)
        self._turns: dict[int, _Turns] = {}
        self._known: list[tuple[torch.Tensor, list[Any]]] = []

    @torch.inference_mode()
    def forward(
        self,
        hidden_states: torch.Tensor,
        timestep: torch.Tensor,
        timestep_r: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        context_latents: torch.Tensor,
        attention_kwargs: dict[str, Any] | None = None,
        return_dict: bool = False,
    ) -> tuple[torch.Tensor]:
        """Compute as diffusers' model does, with ``return_dict=False``.

        Args:
            hidden_states: ``[B, T, C]``.
            timestep, timestep_r: ``[B]``.
            encoder_hidden_states: ``[B, E, width]``; of the same object the keys and values are
                computed once.
            context_latents: ``[B, T, C']``.

        Returns:
            ``[B, T, C]`` of the type that came in.
        """
        kind = hidden_states.dtype
        texts = self._texts(encoder_hidden_states)
        found = [
            self._row(one, t.float()[None], r.float()[None], text)
            for one, t, r, text in zip(
                torch.cat([context_latents, hidden_states], -1).float(),
                timestep.expand(len(hidden_states)),
                timestep_r.expand(len(hidden_states)),
                texts,
                strict=True,
            )
        ]
        return (torch.stack(found).to(kind),)

    def forget(self) -> None:
        """Let the keys and values of texts go."""
        self._known.clear()

    def _texts(self, states: torch.Tensor) -> list[Any]:
        for known, kept in self._known:
            if known is states:
                return kept
        made = [[block.text(row) for block in self._blocks] for row in self._text(states.float())]
        self._known = [*self._known[1 - _KEPT :], (states, made)]
        return made

    def _row(
        self, latents: torch.Tensor, time: torch.Tensor, until: torch.Tensor, text: list[Any]
    ) -> torch.Tensor:
        (first, changes), (second, more) = self._times[0](time), self._times[1](time - until)
        length = len(latents)
        latents = pad(latents, (0, 0, 0, -length % self._patch))
        hidden = self._into(latents.reshape(len(latents) // self._patch, -1)).float()
        turns = self._places(len(hidden))
        for block, known in zip(self._blocks, text, strict=True):
            block(hidden, changes + more, turns, known)
        shift, scale = self._table + first + second
        normed = rms_norm(hidden, self._norm * (1 + scale), shift, self._eps)
        found: torch.Tensor = self._out_of(normed).view(len(hidden) * self._patch, -1)
        return found[:length]

    def _places(self, count: int) -> _Turns:
        if count not in self._turns:
            size = int(self.config.head_dim)
            speeds = 1.0 / self._theta ** (torch.arange(0, size, 2, dtype=torch.float32) / size)
            angles = torch.outer(torch.arange(count, dtype=torch.float32), speeds)[:, None]
            cosines, sines = angles.cos(), angles.sin()
            self._turns = {
                count: _Turns(torch.cat([cosines] * 2, -1), torch.cat([-sines, sines], -1))
            }
        return self._turns[count]


class _Block(WatchedBlock):
    def __init__(self, block: Any, maker: LayerMaker, name: str, small: torch.dtype) -> None:
        super().__init__()
        own, cross, middle = block.self_attn, block.cross_attn, block.mlp
        self._small = small
        self._heads, self._groups, self._size = own.heads, own.kv_heads, own.head_dim
        self._reach = own.sliding_window
        self._eps = float(block.self_attn_norm.eps)
        self._table = block.scale_shift_table.detach().float()[0]
        self._norms = [
            vector(norm.weight)
            for norm in (block.self_attn_norm, block.cross_attn_norm, block.mlp_norm)
        ]
        # Scores are divided by the root of a head's size: the query's norm does it.
        self._own = vector(own.norm_q.weight) * own.scaling, vector(own.norm_k.weight)
        self._cross = vector(cross.norm_q.weight) * cross.scaling, vector(cross.norm_k.weight)
        self.own_in = maker.make(f"{name}.own_in", own.to_q, own.to_k, own.to_v)
        self.own_out = maker.make(f"{name}.own_out", own.to_out[0])
        self.cross_in = maker.make(f"{name}.cross_in", cross.to_q)
        self.cross_text = maker.make(f"{name}.cross_text", cross.to_k, cross.to_v)
        self.cross_out = maker.make(f"{name}.cross_out", cross.to_out[0])
        self.wide = maker.make(f"{name}.wide", middle.gate_proj, middle.up_proj)
        self.narrow = maker.make(f"{name}.narrow", middle.down_proj)

    def text(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of a text, ``[G, E, D]``."""
        found = self.cross_text.rows(states).view(len(states), 2 * self._groups, self._size)
        key = rms_norm(found[:, : self._groups].float(), self._cross[1], None, self._eps)
        return by_head(key, self._small), by_head(found[:, self._groups :], self._small)

    def forward(
        self,
        hidden: torch.Tensor,
        changes: torch.Tensor,
        turns: _Turns,
        text: tuple[torch.Tensor, torch.Tensor],
    ) -> None:
        """Add to ``hidden``, ``[M, width]``, in place."""
        shift, scale, gate, late_shift, late_scale, late_gate = self._table + changes[0]
        normed = rms_norm(hidden, self._norms[0] * (1 + scale), shift, self._eps)
        hidden.addcmul_(self.own_out.rows(self._attended(normed, turns)).float(), gate)
        normed = rms_norm(hidden, self._norms[1], None, self._eps)
        hidden.add_(self.cross_out.rows(self._told(normed, text)))
        normed = rms_norm(hidden, self._norms[2] * (1 + late_scale), late_shift, self._eps)
        for part in self.chunks(len(hidden)):
            wide = self.wide.rows(normed[part])
            gates, values = wide.chunk(2, dim=-1)
            found = self.narrow.rows(silu(gates).mul_(values))
            hidden[part].addcmul_(found.float(), late_gate)

    def _attended(self, normed: torch.Tensor, turns: _Turns) -> torch.Tensor:
        heads, groups = self._heads, self._groups
        found = self.own_in.rows(normed).view(len(normed), heads + 2 * groups, self._size)
        query = rms_norm(found[:, :heads].float(), self._own[0], None, self._eps)
        key = rms_norm(found[:, heads : heads + groups].float(), self._own[1], None, self._eps)
        query, key = (rotate(one, turns.cosines, turns.sines, self._small) for one in (query, key))
        value = by_head(found[:, heads + groups :], self._small)
        if self._reach is None:
            return attend(query, key, value)
        return attend_near(query, key, value, self._reach)

    def _told(self, normed: torch.Tensor, text: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        query = self.cross_in.rows(normed).view(len(normed), self._heads, self._size)
        query = rms_norm(query.float(), self._cross[0], None, self._eps)
        return attend(by_head(query, self._small), *text)


class _TimeEmbedding:
    """The time as vectors: one for the end, six for each layer."""

    def __init__(self, embedding: Any, maker: LayerMaker) -> None:
        self._channels, self._scale = int(embedding.in_channels), float(embedding.scale)
        self._first = maker.keep(embedding.linear_1)
        self._second = maker.keep(embedding.linear_2)
        self._last = maker.keep(embedding.time_proj)

    def __call__(self, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        half = self._channels // 2
        # Angles go up to a thousand, where the last bit of a speed counts: rounded as there.
        speeds = torch.exp(-math.log(10_000) * torch.arange(half, dtype=torch.float32) / half)
        angles = time[:, None] * self._scale * speeds
        found = self._second(silu(self._first(torch.cat([angles.cos(), angles.sin()], -1))))
        return found, self._last(silu(found)).unflatten(1, (6, -1))


def _from_patches(conv: Any, small: torch.dtype) -> Product:
    """A convolution whose stride is its kernel, as a product of patches."""
    weight = conv.weight.detach().permute(0, 2, 1).reshape(conv.out_channels, -1)
    return make_linear(weight, conv.bias, _named(small))


def _to_patches(conv: Any, small: torch.dtype) -> Product:
    patch = conv.kernel_size[0]
    weight = conv.weight.detach().permute(2, 1, 0).reshape(patch * conv.out_channels, -1)
    bias = None if conv.bias is None else conv.bias.detach().repeat(patch)
    return make_linear(weight, bias, _named(small))


def _named(small: torch.dtype) -> Any:
    return str(small).removeprefix("torch.")
