"""``AceStep``: the generator."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from milonga.audio.clip import Clip
from milonga.errors import GeneratorError, MilongaError, Problem
from milonga.generators.ace_step import outlook
from milonga.generators.ace_step.checkpoints import AceStepShape, lone, shape_of, wrong_part
from milonga.generators.ace_step.codes import latents_of
from milonga.generators.ace_step.editing import phases_of
from milonga.generators.ace_step.engine import AceStepEngine, Phase, Settings
from milonga.generators.ace_step.layout import layout_of
from milonga.generators.ace_step.limits import (
    SHORTEST_S,
    edit_notes,
    edit_problems,
    length_problems,
    text_notes,
    text_problems,
)
from milonga.generators.ace_step.lora import Lora, find_lora
from milonga.generators.ace_step.planning import (
    KEY,
    Planning,
    codes_for,
    planned,
    planner_problems,
    planning_work,
    with_planner,
)
from milonga.generators.ace_step.prompts import (
    TRACKS,
    Texts,
    foreign_to,
    planner_texts,
    texts_of,
)
from milonga.generators.base import Followed, Model, Request, Role, Task, problem_of
from milonga.generators.neural.checkpoint import CheckpointGenerator, checkpoint_option
from milonga.generators.neural.outlook import RenderOutlook, offline_problem
from milonga.generators.neural.precision import PrecisionChoice, key_of, precision_option
from milonga.generators.neural.takes import Take, foresee
from milonga.generators.words.language import language_name
from milonga.runtime.progress import Progress
from milonga.weights import LocalWeights

if TYPE_CHECKING:
    import torch

_PEAK_DB = -1.0
"""Level to which diffusers' pipeline scales every output."""


class AceStep(CheckpointGenerator[AceStepEngine]):
    """Songs, sung and played in one; also instrumental music, backing tracks and textures.

    Clips are 48 kHz stereo, exactly as long as asked, from 10 s to 10 minutes (arXiv:2602.00744).

    Raises:
        MissingExtraError: the extra 'models' isn't installed.
    """

    name: ClassVar[str] = "ace-step"
    title: ClassVar[str] = "ACE-Step"
    like: ClassVar[str] = "ace-step"
    use: ClassVar[str] = (
        "Use ace-step, or a repository or folder that diffusers saved an AceStepPipeline to."
    )
    roles: ClassVar[frozenset[Role]] = frozenset(("song", "instrumental", "backing", "texture"))
    follows: ClassVar[frozenset[Followed]] = frozenset(("time",))
    tasks: ClassVar[frozenset[Task]] = frozenset(
        ("repaint", "extend", "cover", "extract", "lego", "complete")
    )
    tracks: ClassVar[tuple[str, ...]] = TRACKS[::-1]
    length: ClassVar[Literal["exact", "natural"]] = "exact"
    less_memory: ClassVar[str] = (
        "Close other programs, set ace-step.device=cpu, or use the smaller ace-step.model=ace-step."
    )
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers", "diffusers")
    loading: ClassVar[str] = "Preparing"
    multilingual: ClassVar[bool] = True

    class Options(CheckpointGenerator.Options):
        """Settings of ACE-Step."""

        model: str = checkpoint_option("ace-step", "ace-step")
        steps: int | None = Field(
            default=None,
            ge=1,
            le=200,
            description="Steps from noise to music, 1 to 200. Without it, as many as the "
            "checkpoint was made for: 8 for turbo, 50 for base and sft.",
        )
        guidance: float | None = Field(
            default=None,
            ge=1,
            le=30,
            description="How closely the music keeps to the words, 1 to 30, for base and sft "
            "(7 without it); turbo has its guidance built in.",
        )
        shift: float | None = Field(
            default=None,
            gt=0,
            le=10,
            description="How much of the steps goes to the rough shape of the music: 3 for turbo, "
            "1 for base and sft.",
        )
        precision: PrecisionChoice = precision_option()

        lora: str = Field(
            default="",
            description="A LoRA to add to the checkpoint: a safetensors file, a folder with one, "
            "or a repository (owner/name).",
        )
        lora_scale: float = Field(
            default=1.0,
            ge=-4,
            le=4,
            description="How much of the LoRA is added: 1 as it was made, 0 nothing.",
        )

        planner: bool = Field(
            default=False,
            description="Let ACE-Step's language model plan the take first: five codes a second, "
            "which the transformer follows. It keeps the song together, and takes time.",
        )
        planner_model: str = Field(
            default=KEY,
            min_length=1,
            description=f"The language model that plans: {KEY} (0.6B); or a repository "
            "(owner/name) or folder with a larger one of the same kind.",
        )

    options: Options
    _levels: tuple[str, ...] = ()
    _lora: Lora | None = None
    _planning: Planning | None = None

    def prompts(self, request: Request) -> tuple[str, ...]:
        """The description and the lyrics, each as the model gets it; then that for the planner."""
        texts = self._texts(request)
        plan = planner_texts(request)[:1] if planned(request, self.options.planner) else ()
        return (texts.description, texts.lyrics, *plan)

    def refusal(self, name: str) -> GeneratorError | None:
        return super().refusal(name) or lone(name)

    def check(self, local: LocalWeights) -> None:
        if (wrong := wrong_part(local)) is not None:
            raise self.refused(local, wrong)
        shape_of(local, self.options.model)

    def problems(self, request: Request, local: LocalWeights | None) -> Iterable[Problem]:
        yield from length_problems(_computed(request).seconds, bool(request.parts))
        yield from text_problems(self._texts(request), self._tokens(local))
        if request.edit is not None:
            yield from edit_problems(request.edit, shape_of(local, self.options.model))
        yield from self._lora_problems()
        if planned(request, self.options.planner):
            yield from self._planner_problems(local)

    def notes(self, request: Request, local: LocalWeights | None) -> Iterable[str]:
        yield from edit_notes(request)
        yield from text_notes(self._texts(request), self._tokens(local))
        if foreign := foreign_to(request):
            names = ", ".join(map(language_name, foreign))
            yield f"ACE-Step wasn't taught to sing in {names}; it may sing that wrong."
        shape = shape_of(local, self.options.model)
        if shape.kind == "turbo" and (self.options.guidance or 1) > 1:
            yield "this checkpoint has its guidance built in; ace-step.guidance is not used."
        if self.options.planner and request.edit is not None:
            yield "an edit follows its recording; ace-step.planner is not used."

    def outlook(self, request: Request, local: LocalWeights | None) -> RenderOutlook:
        chosen = self.options
        take = self._take(local, shape_of(local, chosen.model), request)
        seen = foresee(chosen.model, local, chosen.device, chosen.precision, take)
        if not planned(request, chosen.planner):
            return seen
        shape = shape_of(local, chosen.model)
        count = codes_for(shape, shape.frames_for(request.seconds))
        return with_planner(seen, chosen.planner_model, chosen.device, chosen.precision, count)

    def bring(self, progress: Progress) -> None:
        if self.options.lora:
            self._lora = find_lora(self.options.lora, self.options.lora_scale, progress)
        if self.options.planner:
            self._planning = Planning.bring(self.options.planner_model, progress)

    def load(self, local: LocalWeights, device: str) -> AceStepEngine:
        name = self.options.model
        key = key_of(name, local)
        if self._lora is not None:
            key += f" with {self.options.lora} at {self.options.lora_scale:g}"
        engine = AceStepEngine(
            local.folder, name, device, shape_of(local, name), self.options.precision, self._lora,
            key,
        )  # fmt: skip
        if self._lora is None:
            own = engine.parts.layout.transformer.relative_to(local.folder)
            engine.parts.source = self.digest_of(own.as_posix())
        return engine

    def make(self, engine: AceStepEngine, request: Request, progress: Progress) -> Clip:
        settings = self._settings(request, engine.shape)
        texts = engine.conditions.encoded(self._texts(request), progress)
        there = None
        if planned(request, self.options.planner):
            there = self._planned(engine, request, settings.frames, progress)
        phase = Phase(texts, engine.context(settings.frames, there), settings.steps)
        return self._sampled(engine, [phase], request, settings, progress)

    def remake(
        self,
        engine: AceStepEngine,
        request: Request,
        source: Clip,
        reference: Clip | None,
        progress: Progress,
    ) -> Clip:
        asked, edit = _computed(request), request.edit
        assert edit is not None
        if self._planning is not None:
            self._planning.said = ""
        settings = self._settings(asked, engine.shape)
        phases = phases_of(engine, asked, edit, source, reference, settings, progress)
        return self._sampled(engine, phases, request, settings, progress)

    def model(self) -> Model:
        model, lora, planning = super().model(), self._lora, self._planning
        said, files, licences = [], dict(model.files), list(model.licences)
        if lora is not None:
            said.append(f"LoRA {lora.name}, scale {lora.scale:g}.")
            files |= {f"lora/{name}": sha256 for name, sha256 in lora.hashes.items()}
            licences.append(lora.licence)
        if planning is not None and planning.said:
            said.append(planning.said)
            files |= {f"planner/{name}": sha256 for name, sha256 in planning.hashes.items()}
            licences += planning.licences
        return model.model_copy(
            update={
                "notes": (*said, *model.notes, *self._levels),
                "files": files,
                "licences": tuple(licences),
            }
        )

    def _sampled(
        self,
        engine: AceStepEngine,
        phases: list[Phase],
        request: Request,
        settings: Settings,
        progress: Progress,
    ) -> Clip:
        shape, name = engine.shape, self.options.model
        take = self._take(self._local, shape, request)
        latents = engine.latents(phases, request.seed, settings, progress)
        self.learn(take.step_work(name, engine.dtype), take.steps * take.tera, engine.sampling_s)
        sound = engine.audio(latents, round(request.seconds * shape.rate), progress)
        self.learn(take.decoding_work(name), take.decoding, engine.decoding_s)
        clip = self.exactly(sound, shape.rate, request.seconds)
        if clip.peak > 0:
            gain = _PEAK_DB - 20 * np.log10(clip.peak)
            self._levels = (
                f"The level is the model's own; diffusers' pipeline would change it by "
                f"{gain:+.1f} dB.",
            )
        return clip

    def _planned(
        self, engine: AceStepEngine, request: Request, frames: int, progress: Progress
    ) -> torch.Tensor:
        """What the plan of a take sounds like, as latents."""
        planning, chosen = self._planning, self.options
        assert planning is not None
        count = codes_for(engine.shape, frames)
        with self.learning(planning_work(planning.name), count):
            codes = planning.codes(
                request, engine.shape, count, engine.parts.device, chosen.precision, progress
            )
        return latents_of(engine, codes, frames, progress)

    def _planner_problems(self, local: LocalWeights | None) -> Iterable[Problem]:
        chosen = self.options
        try:
            yield from planner_problems(chosen.planner_model, shape_of(local, chosen.model))
        except MilongaError as error:
            yield problem_of(error, "planner_model")

    def _lora_problems(self) -> Iterable[Problem]:
        name = self.options.lora
        try:
            if name and find_lora(name, 1.0) is None and (problem := offline_problem(name)):
                yield problem
        except MilongaError as error:
            yield problem_of(error, "lora")

    def _texts(self, request: Request) -> Texts:
        task = request.edit.task if request.edit else None
        # A plan is followed as a cover follows its source.
        task = "cover" if planned(request, self.options.planner) else task
        return texts_of(_computed(request), task)

    def _tokens(self, local: LocalWeights | None) -> Path | None:
        return None if local is None else self._tokenizer(local)

    def _tokenizer(self, local: LocalWeights) -> Path:
        return layout_of(local.folder).tokenizer / "tokenizer.json"

    def _take(self, local: LocalWeights | None, shape: AceStepShape, request: Request) -> Take:
        settings = self._settings(_computed(request), shape)
        chosen = self.options
        return outlook.take_of(
            local, shape, chosen.device, chosen.precision, settings, request.seconds
        )

    def _settings(self, request: Request, shape: AceStepShape) -> Settings:
        steps, guidance, shift = shape.usual
        chosen = self.options
        return Settings(
            chosen.steps or steps,
            guidance if chosen.guidance is None or shape.kind == "turbo" else chosen.guidance,
            shape.frames_for(request.seconds),
            chosen.shift or shift,
        )


def _computed(request: Request) -> Request:
    """The request as the model gets it: a recording that is too short for it gets silence."""
    if request.edit is None or request.seconds >= SHORTEST_S:
        return request
    return request.model_copy(update={"seconds": SHORTEST_S})
