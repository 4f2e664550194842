"""``MusicGen``: the generator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from pydantic import Field

from milonga import weights
from milonga.audio.clip import Clip
from milonga.compute.tokens.sampling import Choice
from milonga.errors import GeneratorError, Problem
from milonga.generators.base import Followed, Request, Role, too_long
from milonga.generators.musicgen import outlook, windows
from milonga.generators.musicgen.engine import MusicGenEngine
from milonga.generators.musicgen.prompts import prompt_of
from milonga.generators.neural.bits import bits_option, key_of_files, source_of_files
from milonga.generators.neural.cancelling import cancellable
from milonga.generators.neural.checkpoint import (
    CheckpointGenerator,
    checkpoint_option,
    checkpoints_of,
)
from milonga.generators.neural.outlook import RenderOutlook
from milonga.runtime.progress import Progress
from milonga.runtime.seeding import seeded
from milonga.weights import LocalWeights

LONGEST_S = 600.0

_MELODY = (
    "{name} is a melody checkpoint. These take a recording as their guide, through a part that "
    "needs torchaudio, which milonga doesn't use; milonga renders from text alone."
)


class MusicGen(CheckpointGenerator[MusicGenEngine]):
    """Instrumental music from style words, tempo and key.

    Clips are 32 kHz, mono or stereo as the checkpoint is, exactly as long as asked. Beyond 30 s
    the model goes on from the last 12 s of its own tokens (arXiv:2306.05284).

    Raises:
        MissingExtraError: the extra 'models' isn't installed.
    """

    name: ClassVar[str] = "musicgen"
    title: ClassVar[str] = "MusicGen"
    like: ClassVar[str] = "musicgen-small"
    roles: ClassVar[frozenset[Role]] = frozenset(("instrumental", "backing"))
    follows: ClassVar[frozenset[Followed]] = frozenset(("time",))
    length: ClassVar[Literal["exact", "natural"]] = "exact"
    less_memory: ClassVar[str] = (
        "Use a smaller checkpoint, close other programs, or set musicgen.device=cpu."
    )

    class Options(CheckpointGenerator.Options):
        """Settings of MusicGen."""

        model: str = checkpoint_option("musicgen", "musicgen-small")
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
        precision: Literal["auto", "float32", "bfloat16", "int8"] = bits_option()

    options: Options

    def prompts(self, request: Request) -> tuple[str, ...]:
        return (prompt_of(request),)

    def refusal(self, name: str) -> GeneratorError | None:
        if "melody" in name.lower() and name not in checkpoints_of(self.name):
            return GeneratorError(_MELODY.format(name=name), step=self._use())
        return super().refusal(name)

    def check(self, local: LocalWeights) -> None:
        kind = weights.load_json(local.folder / "config.json").get("model_type")
        if kind == "musicgen_melody":
            message = _MELODY.format(name=local.source.name)
            raise GeneratorError(message, where=local.folder, step=self._use())
        super().check(local)

    def problems(self, request: Request, local: LocalWeights | None) -> Iterable[Problem]:
        return too_long("MusicGen renders", request.seconds, LONGEST_S)

    def notes(self, request: Request, local: LocalWeights | None) -> Iterable[str]:
        if request.negative.strip():
            yield "MusicGen has no negative prompt; what the segment says of it is not used."
        if request.seconds > windows.WINDOW_S:
            yield (
                f"MusicGen was trained on {windows.WINDOW_S:g} s; the rest goes on from the last "
                f"{windows.KEPT_S:g} s before it."
            )

    def outlook(self, request: Request, local: LocalWeights | None) -> RenderOutlook:
        options = self.options
        return outlook.foresee(
            options.model, local, options.device, options.precision, request.seconds
        )

    def load(self, local: LocalWeights, device: str) -> MusicGenEngine:
        options = self.options
        source = source_of_files(self._hashes)
        return MusicGenEngine.load(local.folder, options.model, device, options.precision, source)

    def make(self, engine: MusicGenEngine, request: Request, progress: Progress) -> Clip:
        options, device = self.options, self.model().device
        engine.settle(key_of_files(self.model().files), progress)
        plan = engine.plan(engine.frames_for(round(request.seconds * engine.rate)))
        steps = engine.steps(plan)
        choice = Choice(options.guidance, options.temperature, options.top_k)
        with (
            cancellable(engine.parts[0], progress),
            cancellable(engine.parts[1], progress),
            seeded(request.seed, device, progress),
            self.learning(outlook.work_of(options.model, engine.dtype), steps),
        ):
            with progress.task(f"MusicGen, {request.seconds:g} s", steps, "tokens") as task:
                tokens = engine.tokens(
                    prompt_of(request), plan, choice, task.advance, progress.check
                )
            sound = engine.audio(tokens, progress)
        return self.exactly(sound, engine.rate, request.seconds)
