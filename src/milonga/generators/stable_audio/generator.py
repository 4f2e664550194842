"""``StableAudio``: the generator."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from milonga.audio.clip import Clip
from milonga.errors import Problem
from milonga.generators.base import Followed, Request, Role, too_long
from milonga.generators.neural.checkpoint import CheckpointGenerator, checkpoint_option
from milonga.generators.neural.diffusion import Settings
from milonga.generators.neural.outlook import RenderOutlook
from milonga.generators.neural.precision import PrecisionChoice, key_of, precision_option
from milonga.generators.neural.takes import Take, foresee
from milonga.generators.stable_audio import outlook
from milonga.generators.stable_audio.checkpoints import StableAudioShape, shape_of, wrong_part
from milonga.generators.stable_audio.engine import StableAudioEngine
from milonga.generators.words.tags import tags_of
from milonga.runtime.progress import Progress
from milonga.weights import LocalWeights


class StableAudio(CheckpointGenerator[StableAudioEngine]):
    """Instrumental music, backing tracks and textures from style words, tempo and key.

    Clips are 44.1 kHz stereo, exactly as long as asked, up to 47 s (arXiv:2407.14358).

    Raises:
        MissingExtraError: the extra 'models' isn't installed.
    """

    name: ClassVar[str] = "stable-audio"
    title: ClassVar[str] = "Stable Audio Open"
    like: ClassVar[str] = "stable-audio"
    use: ClassVar[str] = (
        "Use stable-audio, or a repository or folder that diffusers saved a StableAudioPipeline to."
    )
    roles: ClassVar[frozenset[Role]] = frozenset(("instrumental", "backing", "texture"))
    follows: ClassVar[frozenset[Followed]] = frozenset(("time",))
    length: ClassVar[Literal["exact", "natural"]] = "exact"
    less_memory: ClassVar[str] = "Close other programs, or set stable-audio.device=cpu."
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers", "diffusers", "torchsde")
    loading: ClassVar[str] = "Preparing"
    tokenizer: ClassVar[str] = "tokenizer/tokenizer.json"

    class Options(CheckpointGenerator.Options):
        """Settings of Stable Audio Open."""

        model: str = checkpoint_option("stable-audio", "stable-audio")
        steps: int = Field(
            default=100,
            ge=2,
            le=1000,
            description="Steps from noise to music, 2 to 1000. The time grows with them; "
            "too few make the sound coarse.",
        )
        guidance: float = Field(
            default=7.0,
            ge=1,
            le=30,
            description="How closely the music keeps to the words, 1 to 30; at 1 there is no "
            "such guidance and no negative prompt, and each step computes half as much.",
        )
        precision: PrecisionChoice = precision_option()
        window: Literal["full", "short"] = Field(
            default="full",
            description="full: compute the 47 s that the model was trained on and keep what was "
            "asked for. short: compute only that, several times faster for short clips; the model "
            "was not trained so, the take is another one and may be worse.",
        )

    options: Options

    def prompts(self, request: Request) -> tuple[str, ...]:
        """The text of a request, and the negative one below it."""
        negative = request.negative.strip() if self.options.guidance > 1 else ""
        return (tags_of(request) + (f"\nnegative: {negative}" if negative else ""),)

    def check(self, local: LocalWeights) -> None:
        if (wrong := wrong_part(local)) is not None:
            raise self.refused(local, wrong)
        shape_of(local)

    def problems(self, request: Request, local: LocalWeights | None) -> Iterable[Problem]:
        longest = math.floor(shape_of(local).longest_s * 10) / 10
        parts = math.ceil(request.seconds / longest)
        each = f"{request.seconds / parts:.4g} s"
        step = f"Split the segment, for example into {parts} parts of {each}."
        return too_long("Stable Audio renders", request.seconds, longest, step)

    def notes(self, request: Request, local: LocalWeights | None) -> Iterable[str]:
        if request.negative.strip() and self.options.guidance <= 1:
            yield (
                "without guidance there is no negative prompt; what the segment says of it is not "
                "used."
            )

    def outlook(self, request: Request, local: LocalWeights | None) -> RenderOutlook:
        chosen, take = self.options, self._take(local, shape_of(local), request)
        seen = foresee(chosen.model, local, chosen.device, chosen.precision, take)
        if self.options.window == "short":
            note = (
                "stable-audio.window=short: the model was trained on windows of 47 s; a shorter "
                "one is faster, but the music may be worse."
            )
            seen = replace(seen, notes=(*seen.notes, note))
        return seen

    def load(self, local: LocalWeights, device: str) -> StableAudioEngine:
        engine = StableAudioEngine(
            local.folder, self.options.model, device, shape_of(local), self.options.precision,
            key_of(self.options.model, local),
        )  # fmt: skip
        engine.parts.source = self.digest_of("transformer")
        return engine

    def make(self, engine: StableAudioEngine, request: Request, progress: Progress) -> Clip:
        shape, name = engine.shape, self.options.model
        settings, take = self._settings(request, shape), self._take(self._local, shape, request)
        latents = engine.latents(
            tags_of(request), request.negative, request.seconds, request.seed, settings,
            progress,
        )  # fmt: skip
        self.learn(take.step_work(name, engine.dtype), take.steps * take.tera, engine.sampling_s)
        sound = engine.audio(latents, round(request.seconds * shape.rate), progress)
        self.learn(take.decoding_work(name), take.decoding, engine.decoding_s)
        return self.exactly(sound, shape.rate, request.seconds)

    def _take(self, local: LocalWeights | None, shape: StableAudioShape, request: Request) -> Take:
        settings = self._settings(request, shape)
        return outlook.take_of(local, shape, self.options.device, settings, request.seconds)

    def _settings(self, request: Request, shape: StableAudioShape) -> Settings:
        short = self.options.window == "short"
        frames = shape.frames_for(request.seconds) if short else shape.frames
        return Settings(self.options.steps, self.options.guidance, frames)
