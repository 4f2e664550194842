"""Stable Audio Open itself: text to latents to samples.

What the library's pipeline computes, in the same order, but for its ends: the parts of the model
take turns, and the samples are decoded and cropped here.

Source: Stable Audio Open (arXiv:2407.14358); guidance: arXiv:2207.12598.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from milonga.generators.neural import oobleck
from milonga.generators.neural.cancelling import cancellable
from milonga.generators.neural.diffusion import DiffusionEngine, Settings
from milonga.generators.neural.loading import quiet_transformers
from milonga.generators.neural.precision import PrecisionChoice
from milonga.generators.neural.trials import TRIAL_S, TRIAL_STEPS
from milonga.generators.stable_audio.checkpoints import StableAudioShape
from milonga.generators.stable_audio.parts import ModelParts
from milonga.runtime.progress import Progress
from milonga.runtime.seeding import fold

if TYPE_CHECKING:
    import torch

_TEXT_TOKENS = 128
"""Limit of the text encoder, where the tokenizer gives none."""


@dataclass(frozen=True, slots=True)
class _Text:
    states: torch.Tensor
    mask: torch.Tensor


class StableAudioEngine(DiffusionEngine[ModelParts]):
    """Stable Audio Open on this machine.

    Attributes:
        shape: its sizes.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        device: str,
        shape: StableAudioShape,
        precision: PrecisionChoice = "published",
        key: str = "",
    ) -> None:
        parts = ModelParts(folder, name, device)
        super().__init__(parts, folder / "transformer", precision, key or name)
        self.shape = shape
        self._texts: dict[str, _Text] = {}

    def latents(
        self,
        prompt: str,
        negative: str,
        seconds: float,
        seed: int,
        settings: Settings,
        progress: Progress,
    ) -> torch.Tensor:
        """Samples latents, ``[1, channels, frames]`` float32 on the device.

        Args:
            prompt: what to play.
            negative: what to keep away from, empty for nothing; unused without guidance.
            seconds: what the model is told of the length.
            seed: 0 or more.
            settings: how.
            progress: shows the steps; asked at least in every product of matrices whether to stop.

        Raises:
            GeneratorError: the files are damaged.
            Cancelled: the user stopped it.
        """
        import torch

        negative = negative.strip() if settings.guided else ""
        with torch.inference_mode():
            texts = [self._encoded(text, progress) for text in (negative, prompt) if text]
            crossed, whole = self._conditions(texts, seconds, settings.guided)
            short = replace(settings, steps=TRIAL_STEPS, frames=self.shape.frames_for(TRIAL_S))
            self.settle(
                lambda model: self._sampled(model, crossed, whole, 0, short, progress),
                lambda latents: self.audio(latents, round(TRIAL_S * self.shape.rate), progress),
                self.shape.rate, progress,
            )  # fmt: skip
            with self.parts.at_work("transformer") as model:
                return self._sampled(model, crossed, whole, seed, settings, progress)

    def _encoded(self, text: str, progress: Progress) -> _Text:
        """The text encoder's output; a text that came before isn't encoded again."""
        if text in self._texts:
            return self._texts[text]
        found = self._tokens(text, progress)
        with self.parts.at_work("text_encoder") as model, cancellable(model, progress):
            ids, mask = (found[key].to(model.device) for key in ("input_ids", "attention_mask"))
            states = model(ids, attention_mask=mask)[0]
        self._texts[text] = _Text(states.clone(), mask.clone())
        return self._texts[text]

    def _tokens(self, text: str, progress: Progress) -> Any:
        tokenizer = self.parts.tokenizer()
        limit = tokenizer.model_max_length
        limit = limit if 0 < limit <= 4096 else _TEXT_TOKENS
        with quiet_transformers():
            whole = tokenizer(text).input_ids
            found = tokenizer(
                [text], padding="max_length", max_length=limit, truncation=True, return_tensors="pt"
            )
        if len(whole) > limit:
            kept = tokenizer.decode(found.input_ids[0], skip_special_tokens=True)
            progress.message(
                f"The description is longer than the model reads; it ends at: {kept[-60:]!r}"
            )
        return found

    def _conditions(
        self, texts: list[_Text], seconds: float, guided: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute what the transformer attends to, and what is put before its frames.

        With a negative prompt the first row of both is for that. Without one the first row of
        what it attends to is zero.
        """
        import torch

        states, masks = [text.states for text in texts], [text.mask for text in texts]
        if len(texts) > 1:
            # The library leaves out the padding of the negative text alone, before the projection.
            states[0] = torch.where(masks[0].bool()[..., None], states[0], 0.0)
        with self.parts.at_work("projection_model") as model:
            text = model(text_hidden_states=torch.cat(states)).text_hidden_states
            device = text.device
            found = model(
                start_seconds=torch.tensor([0.0], device=device),
                end_seconds=torch.tensor([float(seconds)], device=device),
            )
        text = text * torch.cat(masks)[..., None].to(text.dtype)
        start, end = found.seconds_start_hidden_states, found.seconds_end_hidden_states
        rows = len(text)
        crossed = torch.cat([text, start.expand(rows, -1, -1), end.expand(rows, -1, -1)], dim=1)
        whole = torch.cat([start, end], dim=2)
        if guided:
            if rows == 1:
                crossed = torch.cat([torch.zeros_like(crossed), crossed])
            whole = torch.cat([whole, whole])
        return crossed, whole

    def _sampled(
        self,
        model: Any,
        crossed: torch.Tensor,
        whole: torch.Tensor,
        seed: int,
        settings: Settings,
        progress: Progress,
    ) -> torch.Tensor:
        import torch
        from diffusers.models.embeddings import get_1d_rotary_pos_embed

        dtype = self.parts.dtype
        sampler = self.parts.sampler()
        sampler.set_timesteps(settings.steps)
        generator = torch.Generator().manual_seed(fold(seed))
        size = (1, int(model.config.in_channels), settings.frames)
        latents: torch.Tensor = torch.randn(size, generator=generator)
        latents = (latents * sampler.init_noise_sigma).to(crossed.device)
        make_rotary: Any = get_1d_rotary_pos_embed
        rotary = make_rotary(
            int(model.config.attention_head_dim) // 2,
            settings.frames + 1,
            use_real=True,
            repeat_interleave_real=False,
        )
        rotary = tuple(part.to(latents.device) for part in rotary)
        crossed, whole = crossed.to(dtype), whole.to(dtype)
        kinds = (torch.nn.Linear,)
        with self.sampling(model, "Stable Audio", settings.steps, progress, kinds) as task:
            for level in sampler.timesteps:
                noisy = torch.cat([latents] * 2) if settings.guided else latents
                noisy = sampler.scale_model_input(noisy, level).to(dtype)
                found = model(
                    noisy,
                    level[None].to(latents.device),
                    encoder_hidden_states=crossed,
                    global_hidden_states=whole,
                    rotary_embedding=rotary,
                    return_dict=False,
                )[0].float()
                if settings.guided:
                    plain, told = found.chunk(2)
                    found = plain + settings.guidance * (told - plain)
                latents = sampler.step(found, level, latents, generator).prev_sample
                task.advance()
        return latents

    def audio(self, latents: torch.Tensor, samples: int, progress: Progress) -> NDArray[np.float32]:
        """The first samples of what latents decode to, ``[channels, samples]``."""
        import torch

        kinds = (torch.nn.Conv1d, torch.nn.ConvTranspose1d)
        with self.parts.at_work("decoder") as model, self.decoding(model, progress, kinds):
            sound = oobleck.decode(model, latents, samples, self.shape.ratios, progress)
        found: NDArray[np.float32] = sound.numpy()
        return found
