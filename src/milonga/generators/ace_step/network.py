"""ACE-Step's transformer over the steps of one take: what stays the same is computed once.

Imports torch and diffusers; only the engine imports it, when it is needed.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from torch.nn.functional import pad

from milonga.generators.ace_step.attention import take_over


class Velocity:
    """Where the latents move at a level of noise.

    The library's modules in the library's order, without its masks of all positions against all.

    Args:
        model: an ``AceStepTransformer1DModel``.
        frames: of the latents.
    """

    def __init__(self, model: Any, frames: int) -> None:
        self.model, self.frames = model, frames
        self._attention = take_over(model)
        weight = model.proj_in_conv.weight
        self.device, self.dtype = weight.device, weight.dtype
        self._beyond = -frames % model.patch_size
        positions = torch.arange((frames + self._beyond) // model.patch_size).float()
        # The library's function carries no types.
        make: Any = get_1d_rotary_pos_embed
        rotary = make(
            model.head_dim, positions, theta=model.rope_theta, use_real=True,
            repeat_interleave_real=False,
        )  # fmt: skip
        self._rotary = tuple(part.to(self.device, self.dtype) for part in rotary)

    def texts(self, states: torch.Tensor) -> torch.Tensor:
        """What the layers attend to, of ``[rows, tokens, width]`` from the condition encoder.

        Give a step the same tensor as the one before, and its keys are not computed again.
        """
        found: torch.Tensor = self.model.condition_embedder(states.to(self.device, self.dtype))
        return found

    def __call__(
        self, noisy: torch.Tensor, level: float, texts: torch.Tensor, context: torch.Tensor
    ) -> torch.Tensor:
        """Compute the velocity.

        Args:
            noisy: the latents, ``[rows, frames, channels]``.
            level: of the noise, 1 to 0.
            texts: from ``texts``.
            context: what is there, and where to make something, ``[rows, frames, 2 * channels]``.

        Returns:
            ``[rows, frames, channels]`` float32.
        """
        model = self.model
        at = torch.full((len(noisy),), level, device=self.device, dtype=self.dtype)
        shown, change = (
            sum(pair)
            for pair in zip(model.time_embed(at), model.time_embed_r(at - at), strict=True)
        )
        states = torch.cat([context, noisy], dim=-1).to(self.dtype)
        states = pad(states, (0, 0, 0, self._beyond)).transpose(1, 2)
        states = model.proj_in_conv(states).transpose(1, 2)
        for layer in model.layers:
            states = layer(
                hidden_states=states,
                position_embeddings=self._rotary,
                temb=change,
                encoder_hidden_states=texts,
            )
        shift, scale = (model.scale_shift_table + shown[:, None]).chunk(2, dim=1)
        states = (model.norm_out(states) * (1 + scale) + shift).type_as(states)
        found: torch.Tensor = model.proj_out_conv(states.transpose(1, 2)).transpose(1, 2)
        return found[:, : self.frames].float()

    def close(self) -> None:
        """Let go of what the layers keep of the texts."""
        for attention in self._attention:
            attention.forget()
