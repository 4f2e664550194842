"""``MusicGen``: the generator."""

from __future__ import annotations

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
from milonga.generators.musicgen import checkpoints, outlook, windows
from milonga.generators.musicgen.engine import Engine, Sampling
from milonga.generators.musicgen.prompts import prompt_of
from milonga.generators.neural.calibration import learn_speed
from milonga.generators.neural.cancelling import cancellable
from milonga.generators.neural.loading import hashes_of, licence_of, memory_explained
from milonga.generators.neural.outlook import offline_problem
from milonga.runtime.devices import pick_device
from milonga.runtime.progress import Progress
from milonga.runtime.seeding import seeded
from milonga.weights import LocalWeights

LONGEST_S = 600.0

_LESS_MEMORY = "Use a smaller checkpoint, close other programs, or set musicgen.device=cpu."


class MusicGen(Generator):
    """Instrumental music from style words, tempo and key.

    Clips are 32 kHz, mono or stereo as the checkpoint is, exactly as long as asked. Beyond 30 s
    the model goes on from the last 12 s of its own tokens (arXiv:2306.05284).

    Raises:
        MissingExtraError: the extra 'models' isn't installed.
    """

    name: ClassVar[str] = "musicgen"
    roles: ClassVar[frozenset[Role]] = frozenset(("instrumental", "backing"))
    length: ClassVar[Literal["exact", "natural"]] = "exact"

    class Options(Generator.Options):
        """What can be set of MusicGen."""

        model: str = Field(
            default=checkpoints.LIKE,
            min_length=1,
            description="The checkpoint: "
            + ", ".join(checkpoints.KEYS)
            + "; or a repository (owner/name) or folder with one of the same kind.",
        )
        guidance: float = Field(
            default=3.0,
            ge=1,
            le=20,
            description="How closely the music keeps to the words, 1 to 20; at 1 there is no "
            "such guidance, and each step computes half as much.",
        )
        temperature: float = Field(
            default=1.0,
            gt=0,
            le=5,
            description="How adventurous it is: lower is safer and soon repeats itself.",
        )
        top_k: int = Field(
            default=250,
            ge=0,
            le=2048,
            description="From how many of the likeliest tokens each is drawn; 0 for all.",
        )
        device: str = Field(
            default="auto",
            description="Where to compute: auto (the best that works), cpu, cuda, cuda:1, mps.",
        )

    options: Options

    def __init__(self, options: BaseModel | None = None) -> None:
        super().__init__(options)
        if not all(find_spec(library) for library in ("torch", "transformers")):
            raise MissingExtraError("The generator 'musicgen'", "models")
        self._engine: Engine | None = None
        self._model: Model | None = None

    def assess(self, request: Request) -> Assessment:
        """Problems: a length out of range; a checkpoint that isn't MusicGen's, is damaged, or
        isn't here while the network is switched off. Loads nothing."""
        problems = list(_length_problems(request))
        name = self.options.model
        try:
            local = checkpoints.find(name)
        except MilongaError as error:
            where = "model" if error.where is None else f"model, {error.where}"
            return Assessment(
                problems=(*problems, Problem(error.message, where, step=error.step or ""))
            )
        if local is None and (problem := offline_problem(name)):
            problems.append(problem)
        if problems:
            return Assessment(problems=tuple(problems))
        seen = outlook.Outlook(name, local, self.options.device, request.seconds)
        return Assessment(
            notes=tuple(_request_notes(request)),
            general=tuple(seen.notes()),
            estimate_s=seen.estimate_s,
        )

    def prompts(self, request: Request) -> tuple[str, ...]:
        return (prompt_of(request),)

    def render(self, request: Request, progress: Progress) -> Clip:
        for problem in _length_problems(request):
            raise GeneratorError(problem.message, where=problem.where, step=problem.step)
        with memory_explained(self.options.model, _LESS_MEMORY):
            return self._render(request, progress)

    def model(self) -> Model:
        return self._model or Model(name=self.options.model)

    def _render(self, request: Request, progress: Progress) -> Clip:
        engine = self._engine or self._load(progress)
        device = self.model().device
        samples = round(request.seconds * engine.rate)
        plan = engine.plan(engine.frames_for(samples))
        steps, begun = engine.steps(plan), time.perf_counter()
        sampling = Sampling(self.options.guidance, self.options.temperature, self.options.top_k)
        with cancellable(engine.model, progress), seeded(request.seed, device, progress):
            with progress.task(f"MusicGen, {request.seconds:g} s", steps, "tokens") as task:
                tokens = engine.tokens(prompt_of(request), plan, sampling, task)
            sound = engine.audio(tokens, progress)
        work = f"{outlook.work_of(self.options.model)}, {device}"
        learn_speed(work, steps, time.perf_counter() - begun)
        if sound.shape[1] < samples:
            raise GeneratorError(
                f"MusicGen made {sound.shape[1] / engine.rate:g} s in place of "
                f"{request.seconds:g} s."
            )
        return Clip(sound[:, :samples], engine.rate)

    def _load(self, progress: Progress) -> Engine:
        name = self.options.model
        if (error := checkpoints.refusal(name)) is not None:
            raise error
        local = weights.ensure(name, like=checkpoints.LIKE, progress=progress)
        checkpoints.check(local)
        device = pick_device(self.options.device)
        hashes = hashes_of(local, progress)
        progress.check()
        with progress.task(f"Loading {name}"):
            engine = Engine.load(local.folder, name, device)
        progress.check()
        self._engine, self._model = engine, _model_of(name, local, hashes, device)
        return engine


def _model_of(name: str, local: LocalWeights, hashes: dict[str, str], device: str) -> Model:
    return Model(
        name=name,
        repo=local.repo,
        revision=local.commit,
        files=hashes,
        libraries={lib: version(lib) for lib in ("torch", "transformers", "tokenizers")},
        device=device,
        dtype="float32",
        licences=(licence_of(local, name, checkpoints.LIKE),),
    )


def _length_problems(request: Request) -> Iterable[Problem]:
    if request.seconds > LONGEST_S:
        yield Problem(
            f"MusicGen renders at most {LONGEST_S:g} s at once, not {request.seconds:g} s.",
            "seconds",
            step="Split the segment.",
        )


def _request_notes(request: Request) -> Iterable[str]:
    if request.negative.strip():
        yield "MusicGen has no negative prompt; what the segment says of it is not used."
    if request.seconds > windows.WINDOW_S:
        yield (
            f"MusicGen was trained on {windows.WINDOW_S:g} s; the rest goes on from the last "
            f"{windows.KEPT_S:g} s before it."
        )
