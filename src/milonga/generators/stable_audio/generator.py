"""``StableAudio``: the generator."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from importlib.metadata import version
from importlib.util import find_spec
from typing import ClassVar, Literal

from pydantic import BaseModel, Field

from milonga import weights
from milonga.audio.clip import Clip
from milonga.errors import GeneratorError, MilongaError, MissingExtraError, Problem
from milonga.generators.base import Assessment, Generator, Model, Request, Role
from milonga.generators.neural.calibration import learn_speed
from milonga.generators.neural.loading import hashes_of, licence_of, memory_explained
from milonga.generators.neural.outlook import access_problem, offline_problem
from milonga.generators.stable_audio import checkpoints, outlook
from milonga.generators.stable_audio.checkpoints import Shape
from milonga.generators.stable_audio.engine import Engine, Settings
from milonga.generators.stable_audio.prompts import prompt_of
from milonga.runtime.devices import pick_device
from milonga.runtime.progress import Progress
from milonga.weights import LocalWeights

LIBRARIES = ("torch", "transformers", "diffusers", "torchsde")

_LESS_MEMORY = "Close other programs, or set stable-audio.device=cpu."


class StableAudio(Generator):
    """Instrumental music, backing tracks and textures from style words, tempo and key.

    Clips are 44.1 kHz stereo, exactly as long as asked, up to 47 s (arXiv:2407.14358).

    Raises:
        MissingExtraError: the extra 'models' isn't installed.
    """

    name: ClassVar[str] = "stable-audio"
    roles: ClassVar[frozenset[Role]] = frozenset(("instrumental", "backing", "texture"))
    length: ClassVar[Literal["exact", "natural"]] = "exact"

    class Options(Generator.Options):
        """What can be set of Stable Audio Open."""

        model: str = Field(
            default=checkpoints.LIKE,
            min_length=1,
            description=f"The checkpoint: {checkpoints.LIKE}; or a repository (owner/name) or "
            "folder with one of the same kind.",
        )
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
        window: Literal["full", "short"] = Field(
            default="full",
            description="full: compute the 47 s that the model was trained on and keep what was "
            "asked for. short: compute only that, several times faster for short clips; the model "
            "was not trained so, the take is another one and may be worse.",
        )
        device: str = Field(
            default="auto",
            description="Where to compute: auto (the best that works), cpu, cuda, cuda:1, mps.",
        )

    options: Options

    def __init__(self, options: BaseModel | None = None) -> None:
        super().__init__(options)
        if not all(find_spec(library) for library in LIBRARIES):
            raise MissingExtraError("The generator 'stable-audio'", "models")
        self._engine: Engine | None = None
        self._model: Model | None = None
        self._access: tuple[Problem | None, str | None] | None = None

    def assess(self, request: Request) -> Assessment:
        """Problems: a length out of range; a checkpoint of another kind, damaged, or not here
        while the network is switched off or the hub refuses it. Loads nothing; asks the hub once
        where the checkpoint isn't here."""
        name = self.options.model
        try:
            local = checkpoints.find(name)
            shape = checkpoints.shape_of(local)
        except MilongaError as error:
            where = "model" if error.where is None else f"model, {error.where}"
            problem = Problem(error.message, where, step=error.step or "")
            return Assessment(problems=(*_length_problems(request, Shape()), problem))
        problems, general = list(_length_problems(request, shape)), []
        if local is None:
            problem_there, note = self._reachable()
            problems += [problem_there] if problem_there else []
            general += [note] if note else []
        if problems:
            return Assessment(problems=tuple(problems))
        settings = self._settings(request, shape)
        seen = outlook.Outlook(
            name, local, shape, self.options.device, steps=settings.steps,
            guided=settings.guided, frames=settings.frames, seconds=request.seconds,
        )  # fmt: skip
        return Assessment(
            notes=tuple(self._request_notes(request)),
            general=(*seen.notes(), *general, *self._general_notes()),
            estimate_s=seen.estimate_s,
        )

    def render(self, request: Request, progress: Progress) -> Clip:
        with memory_explained(self.options.model, _LESS_MEMORY):
            return self._render(request, progress)

    def model(self) -> Model:
        return self._model or Model(name=self.options.model)

    def prompts(self, request: Request) -> tuple[str, ...]:
        """The text of a request, and the negative one below it."""
        negative = request.negative.strip() if self.options.guidance > 1 else ""
        return (prompt_of(request) + (f"\nnegative: {negative}" if negative else ""),)

    def _reachable(self) -> tuple[Problem | None, str | None]:
        name = self.options.model
        if problem := offline_problem(name):
            return problem, None
        if self._access is None:
            self._access = access_problem(name, checkpoints.LIKE)
        return self._access

    def _settings(self, request: Request, shape: Shape) -> Settings:
        options = self.options
        frames = shape.frames
        if options.window == "short":
            frames = shape.frames_for(request.seconds)
        return Settings(options.steps, options.guidance, frames)

    def _render(self, request: Request, progress: Progress) -> Clip:
        engine = self._engine or self._load(progress)
        shape, name, device = engine.shape, self.options.model, self.model().device
        for problem in _length_problems(request, shape):
            raise GeneratorError(problem.message, where=problem.where, step=problem.step)
        settings = self._settings(request, shape)
        begun = time.perf_counter()
        latents = engine.latents(
            prompt_of(request), request.negative, request.seconds, request.seed, settings, progress
        )
        sampled = time.perf_counter()
        samples = round(request.seconds * shape.rate)
        sound = engine.audio(latents, samples, progress)
        decoded = time.perf_counter()
        tera = settings.steps * shape.step_operations(settings.frames, settings.guided) / 1e12
        learn_speed(f"{outlook.step_work(name)}, {device}", tera, sampled - begun)
        learn_speed(f"{outlook.decoding_work(name)}, {device}", request.seconds, decoded - sampled)
        if sound.shape[1] != samples:
            raise GeneratorError(
                f"Stable Audio made {sound.shape[1] / shape.rate:g} s in place of "
                f"{request.seconds:g} s."
            )
        return Clip(sound, shape.rate)

    def _load(self, progress: Progress) -> Engine:
        name = self.options.model
        if (error := checkpoints.refusal(name)) is not None:
            raise error
        local = weights.ensure(name, like=checkpoints.LIKE, progress=progress)
        shape = checkpoints.shape_of(local)
        device = pick_device(self.options.device)
        hashes = hashes_of(local, progress)
        progress.check()
        with progress.task(f"Preparing {name}"):
            engine = Engine(local.folder, name, device, shape)
        self._engine, self._model = engine, _model_of(name, local, hashes, engine)
        return engine

    def _request_notes(self, request: Request) -> Iterable[str]:
        if request.negative.strip() and self.options.guidance <= 1:
            yield (
                "without guidance there is no negative prompt; what the segment says of it is not "
                "used."
            )

    def _general_notes(self) -> Iterable[str]:
        if self.options.window == "short":
            yield (
                "stable-audio.window=short: the model was trained on windows of 47 s; a shorter "
                "one is faster, but the music may be worse."
            )


def _model_of(name: str, local: LocalWeights, hashes: dict[str, str], engine: Engine) -> Model:
    return Model(
        name=name,
        repo=local.repo,
        revision=local.commit,
        files=hashes,
        libraries={library: version(library) for library in (*LIBRARIES, "tokenizers")},
        device=engine.parts.device,
        dtype=str(engine.parts.dtype).removeprefix("torch."),
        licences=(licence_of(local, name, checkpoints.LIKE),),
    )


def _length_problems(request: Request, shape: Shape) -> Iterable[Problem]:
    longest = math.floor(shape.longest_s * 10) / 10
    if request.seconds > longest:
        parts = math.ceil(request.seconds / longest)
        yield Problem(
            f"Stable Audio renders at most {longest:g} s at once, not {request.seconds:g} s.",
            "seconds",
            step=f"Split the segment, for example into {parts} parts of "
            f"{request.seconds / parts:.4g} s.",
        )
