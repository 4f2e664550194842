"""Stable Audio 3 itself: text, a length and perhaps a recording to latents to samples.

What the authors' program computes. diffusers' pipelines differ in this: they tell the transformer
nothing where there is no recording to keep, though it was taught with a mask of zeros there; and
they make no latents beyond the end, though it was taught with some. The parts take turns, and the
samples are decoded here, in tiles and without limiting them to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from milonga.generators.neural.cancelling import cancellable
from milonga.generators.neural.diffusion import DiffusionEngine, Settings
from milonga.generators.neural.loading import quiet_transformers
from milonga.generators.neural.precision import PrecisionChoice
from milonga.generators.neural.trials import TRIAL_S, TRIAL_STEPS
from milonga.generators.stable_audio_3.layout import Layout
from milonga.generators.stable_audio_3.parts import ModelParts
from milonga.runtime.progress import Progress
from milonga.runtime.seeding import fold

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Source:
    """A recording that latents are made from.

    Attributes:
        latents: ``[1, dimensions, frames]`` of it.
        keep: frames to keep as they are; None for a variation of all.
        level: of the noise that a variation begins with, above 0 to 1.
    """

    latents: torch.Tensor
    keep: NDArray[np.bool_] | None = None
    level: float = 1.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the transformer attends to; with guidance two rows, that without the words first.

    Attributes:
        crossed: ``[rows, tokens, dimensions]``.
        mask: ``[rows, tokens]``, 0 where the transformer puts its own sign for no token.
        whole: ``[rows, dimensions]`` of the length.
    """

    crossed: torch.Tensor
    mask: torch.Tensor
    whole: torch.Tensor


class StableAudio3Engine(DiffusionEngine[ModelParts]):
    """Stable Audio 3 on this machine.

    Attributes:
        layout: of its files.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        device: str,
        layout: Layout,
        precision: PrecisionChoice = "published",
        key: str = "",
    ) -> None:
        parts = ModelParts(folder, name, device, precision, layout)
        super().__init__(parts, layout.weights_in(folder), precision, key or name)
        self.layout = layout
        self._texts: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def latents(
        self,
        prompt: str,
        negative: str,
        seconds: float,
        seed: int,
        settings: Settings,
        progress: Progress,
        source: Source | None = None,
    ) -> torch.Tensor:
        """Samples latents, ``[1, dimensions, frames]`` float32 on the device.

        Args:
            prompt: what to play.
            negative: what to keep away from, empty for nothing; unused without guidance.
            seconds: what the model is told of the length.
            seed: 0 or more.
            settings: how.
            progress: shows the steps; asked at least in every product of matrices whether to stop.
            source: a recording to keep parts of, or to vary.

        Raises:
            GeneratorError: the files are damaged.
            Cancelled: the user stopped it.
        """
        import torch

        self.parts.progress = progress
        with torch.inference_mode():
            told = self.conditions(prompt, negative, seconds, settings.guided, progress)
            hop, rate = self.layout.hop, self.layout.rate
            frames = min(settings.frames, math.ceil(TRIAL_S * rate / hop))
            short = replace(settings, steps=TRIAL_STEPS, frames=frames)
            self.settle(
                lambda model: self.sampled(model, told, 0, short, progress),
                lambda latents: self.audio(latents, frames * hop, progress),
                rate, progress,
            )  # fmt: skip
            with self.parts.at_work("transformer") as model:
                return self.sampled(model, told, seed, settings, progress, source)

    def audio(self, latents: torch.Tensor, samples: int, progress: Progress) -> NDArray[np.float32]:
        """The first samples of what latents decode to, ``[channels, samples]``."""
        import torch

        from milonga.compute.products.linear import Product
        from milonga.generators.stable_audio_3.autoencoder import decode

        self.parts.progress, kinds = progress, (torch.nn.Linear, Product)
        with self.parts.at_work("decoder") as model, self.decoding(model, progress, kinds):
            sound: NDArray[np.float32] = decode(
                model, latents, samples, self.layout, progress
            ).numpy()
        return sound

    def heard(self, sound: NDArray[np.float32], frames: int, progress: Progress) -> torch.Tensor:
        """The latents of a sound ``[channels, samples]`` at the model's rate."""
        import torch

        from milonga.compute.products.linear import Product
        from milonga.generators.stable_audio_3.autoencoder import encode

        self.parts.progress, kinds = progress, (torch.nn.Linear, Product)
        with self.parts.at_work("encoder") as model, cancellable(model, progress, kinds):
            return encode(model, torch.from_numpy(sound), frames, self.layout, progress)

    def conditions(
        self, prompt: str, negative: str, seconds: float, guided: bool, progress: Progress
    ) -> Conditions:
        """What the transformer attends to.

        Nothing said is zeros, the length too; of a text to keep away from the padding is zeros.
        So the model was taught.
        """
        import torch

        negative = negative.strip() if guided else ""
        texts = (negative, prompt) if negative else (prompt,)
        found = [self._encoded(text, progress) for text in texts]
        with self.parts.at_work("duration_embedder") as model:
            device = next(model.parameters()).device
            length = model(torch.tensor([float(seconds)], device=device)).float()
        states, mask = found[-1]
        crossed = torch.cat([states, length[:, None]], dim=1)
        mask = torch.cat([mask, mask.new_ones(1, 1)], dim=1)
        if guided:
            plain = torch.zeros_like(crossed)
            if negative:
                avoided, there = found[0]
                avoided = torch.where(there.bool()[..., None], avoided, 0.0)
                plain = torch.cat([avoided, length[:, None]], dim=1)
            crossed = torch.cat([plain, crossed])
            mask = torch.cat([torch.ones_like(mask), mask])
            length = torch.cat([length, length])
        return Conditions(crossed, mask, length)

    def sampled(
        self,
        model: Any,
        told: Conditions,
        seed: int,
        settings: Settings,
        progress: Progress,
        source: Source | None = None,
        projected: bool = True,
    ) -> torch.Tensor:
        """Samples latents under conditions; see ``latents``, and ``sampling.guided``."""
        import torch

        from milonga.compute.products.linear import Product
        from milonga.generators.stable_audio_3 import sampling

        dtype, device = self.parts.dtype, told.crossed.device
        generator = torch.Generator().manual_seed(fold(seed))
        size = (1, int(model.config.io_channels), settings.frames)
        latents = torch.randn(size, generator=generator).to(device)
        level = 1.0
        # The same for every frame, so one frame tells it all.
        local = torch.zeros(1, size[1] + 1, 1, device=device)
        if source is not None:
            given = source.latents.to(device)
            if source.keep is None:
                level = source.level
                latents = (1 - level) * given + level * latents
            else:
                keep = torch.from_numpy(source.keep).to(device).float()
                local = torch.cat([keep.expand(1, 1, -1), given * keep], dim=1)
        rows = len(told.crossed)
        crossed, whole = told.crossed.to(dtype), told.whole.to(dtype)
        local = local.to(dtype).expand(rows, -1, -1)
        kinds = (torch.nn.Linear, Product)
        with self.sampling(model, "Stable Audio 3", settings.steps, progress, kinds) as task:

            def velocity(noisy: torch.Tensor, now: float) -> torch.Tensor:
                found: torch.Tensor = model(
                    noisy.to(dtype).expand(rows, -1, -1),
                    torch.full((rows,), now, device=device),
                    encoder_hidden_states=crossed,
                    global_hidden_states=whole,
                    encoder_attention_mask=told.mask,
                    local_add_cond=local,
                    return_dict=False,
                )[0].float()
                if rows > 1:
                    plain, wanted = found.chunk(2)
                    found = sampling.guided(plain, wanted, noisy, now, settings.guidance, projected)
                task.advance()
                return found

            return sampling.sample(
                velocity,
                latents,
                sampling.levels(settings.steps, level),
                generator if self.layout.distilled else None,
            )

    def _encoded(self, text: str, progress: Progress) -> tuple[torch.Tensor, torch.Tensor]:
        """The text encoder's output and mask; a text that came before isn't encoded again."""
        import torch

        if text in self._texts:
            return self._texts[text]
        with quiet_transformers():
            found = self.parts.tokenizer()(
                [text], padding="max_length", max_length=self.layout.text_tokens, truncation=True,
                return_tensors="pt",
            )  # fmt: skip
        kinds = (torch.nn.Linear,)
        with self.parts.at_work("text_encoder") as model, cancellable(model, progress, kinds):
            ids, mask = (found[key].to(model.device) for key in ("input_ids", "attention_mask"))
            states = model(ids, attention_mask=mask)[0]
        self._texts[text] = states.float().clone(), mask.clone()
        return self._texts[text]
