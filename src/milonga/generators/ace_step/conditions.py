"""Texts, timbre and recordings as ACE-Step's transformer gets them.

Source: diffusers' ``AceStepPipeline``; ACE-Step 1.5 (arXiv:2602.00744).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from milonga.errors import GeneratorError
from milonga.generators.ace_step.limits import DESCRIPTION_TOKENS, LYRIC_TOKENS
from milonga.generators.ace_step.prompts import Texts
from milonga.generators.neural.cancelling import cancellable
from milonga.generators.neural.loading import quiet_transformers
from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    import torch

    from milonga.generators.ace_step.parts import AceStepParts

_TIMBRE_S = 30
"""Seconds of a recording that the timbre is taken from."""
_KEPT = 4
"""Conditions that are kept for further takes of the same words."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Tensors of the condition encoder that every take needs.

    Attributes:
        silence: latents of silence, ``[1, frames, channels]``.
        nothing: what stands for no texts at all, ``[1, 1, width]``.
    """

    silence: torch.Tensor
    nothing: torch.Tensor


class Conditions:
    """Encodes texts, with the timbre of a recording; texts that came before only once.

    Args:
        parts: of the model.
        rate: of latent frames, a second.
    """

    def __init__(self, parts: AceStepParts, rate: float) -> None:
        self._parts, self._frames = parts, math.ceil(_TIMBRE_S * rate)
        self._fixed: Fixed | None = None
        self._made: dict[Texts, torch.Tensor] = {}

    def fixed(self) -> Fixed:
        """The tensors that are the same for all takes."""
        if self._fixed is None:
            with self._parts.at_work("condition_encoder") as model:
                self._keep(model)
        assert self._fixed is not None
        return self._fixed

    def silence(self, frames: int) -> torch.Tensor:
        """Latents of silence, ``[1, frames, channels]``."""
        silence = self.fixed().silence
        times = math.ceil(frames / silence.shape[1])
        return silence.repeat(1, times, 1)[:, :frames]

    def encoded(
        self, texts: Texts, progress: Progress, timbre: torch.Tensor | None = None
    ) -> torch.Tensor:
        """What the transformer attends to, ``[1, tokens, width]`` float32.

        Args:
            texts: for the model.
            progress: asked in every product of matrices whether to stop.
            timbre: latents of a recording, ``[1, frames, channels]``; of silence if None.

        Raises:
            GeneratorError: a text is longer than the model reads.
            Cancelled: the user stopped it.
        """
        if timbre is None and texts in self._made:
            return self._made[texts]
        import torch

        with torch.inference_mode():
            read = self._read(texts, progress)
            with (
                self._parts.at_work("condition_encoder") as model,
                cancellable(model, progress, (torch.nn.Linear,)),
            ):
                self._keep(model)
                found = self._encode(model, *read, timbre)
        if timbre is None:
            self._made = dict([*self._made.items(), (texts, found)][-_KEPT:])
        return found

    def _read(self, texts: Texts, progress: Progress) -> tuple[torch.Tensor, torch.Tensor]:
        """The description through the text encoder, and the lyrics as its embeddings."""
        import torch

        tokenizer = self._parts.tokenizer()
        ids = [
            _ids(tokenizer, texts.description, DESCRIPTION_TOKENS, "description"),
            _ids(tokenizer, texts.lyrics, LYRIC_TOKENS, "lyrics"),
        ]
        with (
            self._parts.at_work("text_encoder") as model,
            cancellable(model, progress, (torch.nn.Linear,)),
        ):
            description, lyrics = (one.to(model.device) for one in ids)
            states = model(input_ids=description).last_hidden_state
            return states.clone(), model.get_input_embeddings()(lyrics).clone()

    def _encode(
        self, model: Any, states: torch.Tensor, lyrics: torch.Tensor, timbre: torch.Tensor | None
    ) -> torch.Tensor:
        import torch

        device = model.device
        if timbre is None:
            timbre = self.silence(self._frames)
        found: torch.Tensor = model(
            text_hidden_states=states.to(device),
            text_attention_mask=torch.ones(states.shape[:2], dtype=torch.bool, device=device),
            lyric_hidden_states=lyrics.to(device),
            lyric_attention_mask=torch.ones(lyrics.shape[:2], dtype=torch.bool, device=device),
            refer_audio_acoustic_hidden_states_packed=timbre.to(device),
            refer_audio_order_mask=torch.zeros(1, dtype=torch.long, device=device),
        )[0]
        return found.clone()

    def _keep(self, model: Any) -> None:
        if self._fixed is None:
            silence, nothing = model.silence_latent, model.null_condition_emb
            self._fixed = Fixed(silence.detach().clone(), nothing.detach().clone())


def _ids(tokenizer: Any, text: str, limit: int, what: str) -> torch.Tensor:
    with quiet_transformers():
        found: torch.Tensor = tokenizer([text], return_tensors="pt").input_ids
    if found.shape[1] > limit:
        # Found in the plan already where the model was here.
        raise GeneratorError(
            f"The {what} has {found.shape[1]} tokens, and ACE-Step reads {limit}.",
            step="Shorten it, or render the song in segments.",
        )
    return found
