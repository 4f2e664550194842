"""``StableAudio3``: the generator."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from milonga.audio.clip import Clip
from milonga.audio.resampling import resample
from milonga.errors import GeneratorError, MilongaError, Problem
from milonga.generators.base import Followed, Request, Role, Task, too_long
from milonga.generators.neural.checkpoint import CheckpointGenerator, checkpoint_option
from milonga.generators.neural.diffusion import Settings
from milonga.generators.neural.outlook import RenderOutlook
from milonga.generators.neural.precision import PrecisionChoice, key_of, precision_option
from milonga.generators.neural.reading import cut_note
from milonga.generators.neural.takes import Take, foresee
from milonga.generators.stable_audio_3 import outlook
from milonga.generators.stable_audio_3.engine import Source, StableAudio3Engine
from milonga.generators.stable_audio_3.layout import (
    Layout,
    expected_layout,
    layout_of,
    wrong_part,
)
from milonga.generators.stable_audio_3.window import SHARE, range_of, window_of
from milonga.generators.words.tags import tags_of
from milonga.runtime.progress import Progress
from milonga.weights import LocalWeights

_HEADROOM_S = 6.0
"""Seconds that the model makes beyond the end, as the authors do; they aren't decoded."""
_STEPS = {True: 8, False: 100}
_GUIDANCE = {True: 1.0, False: 7.0}
"""Of distilled models, and of the others."""
_FAINTEST = 0.1
"""Noise of the cover that keeps most of its source."""


class StableAudio3(CheckpointGenerator[StableAudio3Engine]):
    """Instrumental music, backing tracks and textures of minutes, and edits of recordings.

    Clips are 44.1 kHz stereo, exactly as long as asked: up to 120 s from the small models, up to
    380 s from the medium one (arXiv:2605.17991).

    Raises:
        MissingExtraError: the extra 'models' isn't installed.
    """

    name: ClassVar[str] = "stable-audio-3"
    title: ClassVar[str] = "Stable Audio 3"
    like: ClassVar[str] = "stable-audio-3-small-music"
    roles: ClassVar[frozenset[Role]] = frozenset(("instrumental", "backing", "texture"))
    follows: ClassVar[frozenset[Followed]] = frozenset(("time",))
    tasks: ClassVar[frozenset[Task]] = frozenset(("repaint", "extend", "cover"))
    length: ClassVar[Literal["exact", "natural"]] = "exact"
    less_memory: ClassVar[str] = (
        "Close other programs, or set stable-audio-3.model=stable-audio-3-small-music."
    )
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers", "diffusers")
    loading: ClassVar[str] = "Preparing"
    multilingual: ClassVar[bool] = True

    class Options(CheckpointGenerator.Options):
        """Settings of Stable Audio 3."""

        model: str = checkpoint_option("stable-audio-3", "stable-audio-3-small-music")
        steps: int | None = Field(
            default=None,
            ge=1,
            le=1000,
            description="Steps from noise to music, 1 to 1000. By default what the model was made "
            "for: 8 for the distilled ones, which more steps don't make better, 100 for the "
            "base ones.",
        )
        guidance: float | None = Field(
            default=None,
            ge=1,
            le=30,
            description="How closely the music keeps to the words, 1 to 30; at 1 there is no "
            "such guidance and no negative prompt, and each step computes half as much. By "
            "default 1 for the distilled models, which have it built in, 7 for the base ones.",
        )
        precision: PrecisionChoice = precision_option()

    options: Options

    def prompts(self, request: Request) -> tuple[str, ...]:
        """The text of a request, and the negative one below it."""
        try:
            local = self.find()
        except MilongaError:
            local = None
        guided = self._settings(request, self._layout(local)).guided
        negative = request.negative.strip() if guided else ""
        return (tags_of(request) + (f"\nnegative: {negative}" if negative else ""),)

    def check(self, local: LocalWeights) -> None:
        if (wrong := wrong_part(local.folder)) is not None:
            raise self.refused(local, wrong)
        layout_of(local.folder, local.source.name)

    def problems(self, request: Request, local: LocalWeights | None) -> Iterable[Problem]:
        longest = self._layout(local).longest_s
        if request.seconds > longest and window_of(request, longest).request is not request:
            if (new := range_of(request)) > SHARE * longest:
                yield Problem(
                    f"{self.options.model} makes a range of at most {SHARE * longest:g} s in a "
                    f"recording of more than {longest:g} s, not {new:g} s.",
                    "end",
                    step="Make it in parts, one edit after the other.",
                )
            request = window_of(request, longest).request
        parts = math.ceil(request.seconds / longest)
        each = f"{request.seconds / parts:.4g} s"
        step = f"Split the segment, for example into {parts} parts of {each}."
        if longest < request.seconds <= expected_layout("-medium").longest_s:
            step += " Or use stable-audio-3.model=stable-audio-3-medium."
        yield from too_long(f"{self.options.model} renders", request.seconds, longest, step)
        if request.edit is not None:
            if request.edit.task not in self.tasks:
                yield Problem(
                    f"Stable Audio 3 can't {request.edit.task}.", "edit",
                    step="Use ace-step with a base model.",
                )  # fmt: skip
            if request.edit.reference or request.edit.reference_file:
                yield Problem(
                    "Stable Audio 3 takes no recording as a reference of timbre.", "reference",
                    step="Leave it out, and describe the timbre in words.",
                )  # fmt: skip

    def notes(self, request: Request, local: LocalWeights | None) -> Iterable[str]:
        longest = self._layout(local).longest_s
        if request.edit is not None and window_of(request, longest).request is not request:
            yield (
                f"the recording is longer than the {longest:g} s that the model hears at once; it "
                "hears as much around the range."
            )
        if request.negative.strip() and not self._settings(request, self._layout(local)).guided:
            yield (
                "without guidance there is no negative prompt; what the segment says of it is not "
                "used."
            )

    def outlook(self, request: Request, local: LocalWeights | None) -> RenderOutlook:
        chosen, take = self.options, self._take(local, self._layout(local), request)
        return foresee(chosen.model, local, chosen.device, chosen.precision, take)

    def load(self, local: LocalWeights, device: str) -> StableAudio3Engine:
        layout = layout_of(local.folder, local.source.name)
        chosen = self.options
        if chosen.precision == "int8" and device != "cpu":
            raise GeneratorError(
                f"stable-audio-3.precision=int8 is for the processor, not for {device}.",
                step="Use bfloat16, or set stable-audio-3.device=cpu.",
            )
        return StableAudio3Engine(
            local.folder, chosen.model, device, layout, chosen.precision,
            key_of(chosen.model, local),
        )  # fmt: skip

    def make(self, engine: StableAudio3Engine, request: Request, progress: Progress) -> Clip:
        return self._sampled(engine, request, progress, None)

    def remake(
        self,
        engine: StableAudio3Engine,
        request: Request,
        source: Clip,
        reference: Clip | None,
        progress: Progress,
    ) -> Clip:
        if request.edit is None:
            raise GeneratorError("There is no edit in this request.")
        layout = engine.layout
        window = window_of(request, layout.longest_s)
        made = self._edited(
            engine, window.request, window.of(source, request.edit.offset), progress
        )
        return window.within(made, request.seconds)

    def _edited(
        self, engine: StableAudio3Engine, request: Request, source: Clip, progress: Progress
    ) -> Clip:
        edit, layout = request.edit, engine.layout
        assert edit is not None
        rate = layout.rate
        settings = self._settings(request, layout)
        clip = resample(source.with_channels(int(layout.vae["audio_channels"])), rate)
        # The source where it lies in the result; silence around it.
        wanted = round(request.seconds * rate)
        before = min(wanted, round(edit.offset * rate))
        stop = min(wanted, before + clip.n_samples)
        placed = np.zeros((clip.channels, wanted), np.float32)
        placed[:, before:stop] = clip.samples[:, : stop - before]
        latents = engine.heard(placed, settings.frames, progress)
        if edit.task == "cover":
            level = 1 - (1 - _FAINTEST) * edit.strength
            return self._sampled(engine, request, progress, Source(latents, level=level))
        end = request.seconds if edit.end is None else min(edit.end, request.seconds)
        keep = np.ones(settings.frames, bool)
        # A frame stays if all of it is of the source and none of it in the range.
        keep[: math.ceil(before / layout.hop)] = False
        keep[stop // layout.hop :] = False
        low, high = edit.start * rate / layout.hop, end * rate / layout.hop
        keep[math.floor(low) : math.ceil(high)] = False
        return self._sampled(engine, request, progress, Source(latents, keep))

    def _sampled(
        self,
        engine: StableAudio3Engine,
        request: Request,
        progress: Progress,
        source: Source | None,
    ) -> Clip:
        layout, name = engine.layout, self.options.model
        settings, take = self._settings(request, layout), self._take(self._local, layout, request)
        latents = engine.latents(
            tags_of(request), request.negative, request.seconds, request.seed, settings,
            progress, source,
        )  # fmt: skip
        self.learn(take.step_work(name, engine.dtype), take.steps * take.tera, engine.sampling_s)
        samples = round(request.seconds * layout.rate)
        sound = engine.audio(latents, samples, progress)
        self.learn(take.decoding_work(name), take.decoding, engine.decoding_s)
        return self.exactly(sound, layout.rate, request.seconds)

    def _take(self, local: LocalWeights | None, layout: Layout, request: Request) -> Take:
        request = window_of(request, layout.longest_s).request
        settings, precision = self._settings(request, layout), self.options.precision
        return outlook.take_of(local, layout, precision, settings, request.seconds)

    def _layout(self, local: LocalWeights | None) -> Layout:
        if local is None:
            return expected_layout(self.options.model)
        return layout_of(local.folder, local.source.name)

    def _settings(self, request: Request, layout: Layout) -> Settings:
        steps, guidance = self.options.steps, self.options.guidance
        samples = (request.seconds + _HEADROOM_S) * layout.rate
        return Settings(
            _STEPS[layout.distilled] if steps is None else steps,
            _GUIDANCE[layout.distilled] if guidance is None else guidance,
            min(layout.frames, math.ceil(samples / layout.hop)),
        )

    def _tokenizer(self, local: LocalWeights) -> Path:
        layout = layout_of(local.folder, local.source.name)
        return local.folder / layout.tokenizer_folder / "tokenizer.json"

    def _unread(self, request: Request, local: LocalWeights | None) -> tuple[str, ...]:
        if local is None:
            return ()
        limit = layout_of(local.folder, local.source.name).text_tokens
        texts = [tags_of(request)]
        if self._settings(request, self._layout(local)).guided:
            texts.append(request.negative.strip())
        cut = (cut_note(self.title, self._tokenizer(local), text, limit) for text in texts)
        return (*super()._unread(request, local), *(note for note in cut if note))
