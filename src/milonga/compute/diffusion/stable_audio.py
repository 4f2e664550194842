"""The transformer of Stable Audio Open on a processor.

The same function as diffusers' ``StableAudioDiTModel``, of which it takes the weights: query, key
and value are one product, keys and values of the text are computed once, and so are the tables of
turns. A row that is told nothing (its text is all zeros, which has no part in any sum) skips what
attends to the text. Rows of guidance are computed one after the other: a row has a thousand
frames, and more of them at once are no quicker but leave the cache. Sums, norms, softmax and what
the layers add to are float32 in every precision.

Source: Stable Audio Open (arXiv:2407.14358); diffusers 0.42, ``stable_audio_transformer.py``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import layer_norm, silu

from milonga.compute.diffusion.attention import attend, rotate
from milonga.compute.diffusion.rows import WatchedBlock, by_head, small_type, vector
from milonga.compute.products.making import LayerMaker

_KEPT = 4
"""Texts whose keys and values are kept."""

_Text = tuple[torch.Tensor, torch.Tensor] | None


class StableAudioTransformer(torch.nn.Module):
    """Computes the noise of latents.

    Args:
        model: diffusers', on the processor; it gives its weights up.
        maker: of the layers.

    Attributes:
        config: the model's.
    """

    def __init__(self, model: Any, maker: LayerMaker) -> None:
        super().__init__()
        self.config = model.config
        small = small_type(maker.precision)
        self._noise = model.time_proj
        self._time = [maker.keep(model.timestep_proj[at]) for at in (0, 2)]
        self._whole = [maker.keep(model.global_proj[at]) for at in (0, 2)]
        self._text = [maker.keep(model.cross_attention_proj[at], "many") for at in (0, 2)]
        self._before, self._after = (
            vector(conv.weight)[..., 0] for conv in (model.preprocess_conv, model.postprocess_conv)
        )
        self._into, self._out_of = (
            maker.keep(layer, "many") for layer in (model.proj_in, model.proj_out)
        )
        self._blocks = [
            _Block(block, maker, f"layers.{index}", small)
            for index, block in enumerate(model.transformer_blocks)
        ]
        self.transformer_blocks = torch.nn.ModuleList(self._blocks)
        self._known: list[tuple[torch.Tensor, list[list[_Text]]]] = []

    @torch.inference_mode()
    def forward(
        self,
        hidden_states: torch.Tensor,
        timestep: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        global_hidden_states: torch.Tensor,
        rotary_embedding: tuple[torch.Tensor, torch.Tensor],
        return_dict: bool = False,
    ) -> tuple[torch.Tensor]:
        """Compute as diffusers' model does, with ``return_dict=False``.

        Args:
            hidden_states: ``[B, C, T]``.
            timestep: ``[1]``.
            encoder_hidden_states: ``[B, E, width]``; of the same object the keys and values are
                computed once.
            global_hidden_states: ``[B, 1, width]``.
            rotary_embedding: cosines and sines, ``[T + 1, R]`` each.

        Returns:
            ``[B, C, T]`` of the type that came in.
        """
        cosines, sines = (table.float()[:, None] for table in rotary_embedding)
        half = sines.shape[-1] // 2
        turns = cosines, torch.cat([-sines[..., :half], sines[..., half:]], -1)
        time = _two(self._time, self._noise(timestep.to(self._noise.weight.dtype)).float())
        found = [
            self._row(row.T.float(), time + _two(self._whole, whole.float()), turns, text)
            for row, whole, text in zip(
                hidden_states,
                global_hidden_states,
                self._texts(encoder_hidden_states),
                strict=True,
            )
        ]
        return (torch.stack(found).to(hidden_states.dtype),)

    def _row(
        self,
        latents: torch.Tensor,
        first: torch.Tensor,
        turns: tuple[torch.Tensor, torch.Tensor],
        text: list[_Text],
    ) -> torch.Tensor:
        latents = torch.addmm(latents, latents, self._before.T)
        hidden = torch.cat([first, self._into(latents)])
        for block, known in zip(self._blocks, text, strict=True):
            block(hidden, turns, known)
        found = self._out_of(hidden)[1:]
        return torch.addmm(found, found, self._after.T).T

    def _texts(self, states: torch.Tensor) -> list[list[_Text]]:
        for known, kept in self._known:
            if known is states:
                return kept
        made = []
        for row in states.float():
            told = _two(self._text, row)
            silent = not bool(told.any())
            made.append([None if silent else block.text(told) for block in self._blocks])
        self._known = [*self._known[1 - _KEPT :], (states, made)]
        return made


class _Block(WatchedBlock):
    def __init__(self, block: Any, maker: LayerMaker, name: str, small: torch.dtype) -> None:
        super().__init__()
        own, cross, middle = block.attn1, block.attn2, block.ff.net
        self._small, self._heads = small, int(own.heads)
        self._norms = [
            (vector(norm.weight), vector(norm.bias), float(norm.eps))
            for norm in (block.norm1, block.norm2, block.norm3)
        ]
        self._size = own.to_q.out_features // self._heads
        self._groups = cross.to_k.out_features // self._size
        self.own_in = maker.make(f"{name}.own_in", own.to_q, own.to_k, own.to_v)
        self.own_out = maker.make(f"{name}.own_out", own.to_out[0])
        self.cross_in = maker.make(f"{name}.cross_in", cross.to_q)
        self.cross_text = maker.make(f"{name}.cross_text", cross.to_k, cross.to_v)
        self.cross_out = maker.make(f"{name}.cross_out", cross.to_out[0])
        self.wide = maker.make(f"{name}.wide", middle[0].proj)
        self.narrow = maker.make(f"{name}.narrow", middle[2])

    def text(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of a text, ``[G, E, D]``."""
        found = self.cross_text.rows(states).view(len(states), 2 * self._groups, self._size)
        key, value = found.chunk(2, dim=1)
        return by_head(key, self._small), by_head(value, self._small)

    def forward(
        self, hidden: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor], text: _Text
    ) -> None:
        """Add to ``hidden``, ``[M, width]``, in place."""
        hidden.add_(self.own_out.rows(self._attended(self._normed(hidden, 0), turns)))
        if text is not None:
            query = self.cross_in.rows(self._normed(hidden, 1)).view(-1, self._heads, self._size)
            query = by_head(query * self._size**-0.5, self._small)
            hidden.add_(self.cross_out.rows(attend(query, *text)))
        normed = self._normed(hidden, 2)
        for part in self.chunks(len(hidden)):
            values, gates = self.wide.rows(normed[part]).chunk(2, dim=-1)
            hidden[part].add_(self.narrow.rows(silu(gates).mul_(values)))

    def _attended(
        self, normed: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        found = self.own_in.rows(normed).view(len(normed), 3 * self._heads, self._size)
        query, key, value = found.chunk(3, dim=1)
        query, key = (rotate(one, *turns, self._small) for one in (query * self._size**-0.5, key))
        return attend(query, key, by_head(value, self._small))

    def _normed(self, hidden: torch.Tensor, which: int) -> torch.Tensor:
        weight, bias, eps = self._norms[which]
        return layer_norm(hidden, weight.shape, weight, bias, eps)


def _two(layers: list[Any], x: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = layers[1](silu(layers[0](x)))
    return found
