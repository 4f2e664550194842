"""``Bark``: the generator."""

from __future__ import annotations

import time
from collections.abc import Iterable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field

from milonga import weights
from milonga.audio.clip import Clip
from milonga.errors import GeneratorError, MilongaError, MissingExtraError, Problem
from milonga.generators.bark import checkpoints, outlook, voices
from milonga.generators.bark.engine import Engine, Part, Sampling, batch_sizes
from milonga.generators.bark.joining import join
from milonga.generators.bark.parts import PART_S
from milonga.generators.bark.script import Script, script_of
from milonga.generators.bark.stages import Tokens
from milonga.generators.base import Assessment, Generator, Model, Request, Role
from milonga.generators.neural.calibration import learn_speed
from milonga.generators.neural.loading import hashes_of, licence_of, memory_explained, size_of
from milonga.generators.neural.outlook import offline_problem
from milonga.runtime.devices import pick_device
from milonga.runtime.memory import total_memory
from milonga.runtime.progress import Progress
from milonga.weights import LocalWeights

LONGEST_S = 600.0
"""Of a layer's words, as estimated."""

_LESS_MEMORY = (
    "Set bark.batch=1, use bark-small, or set bark.device=cpu; on a graphics card, "
    "bark.offload=true."
)


class Bark(Generator):
    """Sung and spoken words.

    Clips are 24 kHz, mono, as long as the words take (arXiv has no paper of it; the model and its
    notation are described in the README of suno-ai/bark). Lyrics beyond about 13 s are rendered
    in parts, all in one voice.

    Raises:
        MissingExtraError: the extra 'models' isn't installed.
    """

    name: ClassVar[str] = "bark"
    roles: ClassVar[frozenset[Role]] = frozenset(("vocals", "backing"))
    length: ClassVar[Literal["exact", "natural"]] = "natural"

    class Options(Generator.Options):
        """What can be set of Bark."""

        model: str = Field(
            default=checkpoints.LIKE,
            min_length=1,
            description="The checkpoint: "
            + ", ".join(checkpoints.KEYS)
            + "; or a repository (owner/name) or folder with one of the same kind.",
        )
        voice: str = Field(
            default=voices.AUTO,
            min_length=1,
            description="The speaker: auto (by the language of the lyrics and the sheet's voice), "
            "a preset such as v2/en_speaker_6 or v2/es_speaker_8, the path of a .npz, or none.",
        )
        temperature: float | None = Field(
            default=None,
            ge=0,
            le=3,
            description="How freely words become speech; lower is more even, 0 always takes the "
            "likeliest. Unset: as the checkpoint says (0.7).",
        )
        sound_temperature: float | None = Field(
            default=None,
            ge=0,
            le=3,
            description="The same for how speech becomes sound. Unset: the checkpoint's (0.7).",
        )
        fine_temperature: float | None = Field(
            default=None,
            ge=0,
            le=3,
            description="The same for the sound's details. Unset: the checkpoint's (0.5).",
        )
        top_k: int | None = Field(
            default=None,
            ge=0,
            le=20_000,
            description="From how many of the likeliest tokens each is drawn; 0 for all. Unset: "
            "as the checkpoint says (50).",
        )
        min_eos_p: float = Field(
            default=0.2,
            ge=0,
            le=1,
            description="A part ends as soon as the model is this sure that it has ended: lower "
            "ends earlier, 0 leaves the end to chance.",
        )
        part_s: float = Field(
            default=PART_S,
            ge=2,
            le=14,
            description="How long a part may be, in seconds as estimated by its syllables.",
        )
        batch: int = Field(
            default=8,
            ge=1,
            le=64,
            description="How many parts go through the model together, where memory allows.",
        )
        continued: bool = Field(
            default=False,
            description="Each part goes on from the sound of the one before: smoother joins, but "
            "no batches, and the voice may drift.",
        )
        precision: Literal["auto", "float32", "float16"] = Field(
            default="auto",
            description="auto: float32 on a processor, float16 elsewhere.",
        )
        offload: bool = Field(
            default=False,
            description="On a graphics card, keep only the part of the model there that is at "
            "work: less memory, a little slower.",
        )
        device: str = Field(
            default="auto",
            description="Where to compute: auto (the best that works), cpu, cuda, cuda:1, mps.",
        )

    options: Options

    def __init__(self, options: BaseModel | None = None) -> None:
        super().__init__(options)
        if not all(find_spec(library) for library in ("torch", "transformers")):
            raise MissingExtraError("The generator 'bark'", "models")
        self._engine: Engine | None = None
        self._local: LocalWeights | None = None
        self._model: Model | None = None
        self._hashes: dict[str, str] = {}
        self._voices: dict[str, tuple[Tokens | None, dict[str, str]]] = {}

    def prompts(self, request: Request) -> tuple[str, ...]:
        return tuple(self._script(request).prompts)

    def assess(self, request: Request) -> Assessment:
        """Problems: no words; too many; a voice that isn't there; a checkpoint that isn't Bark's,
        is damaged, or isn't here while the network is switched off. Loads nothing."""
        script = self._script(request)
        problems = list(_problems(script))
        name = self.options.model
        try:
            local = checkpoints.find(name)
            self._check_voice(script.voice, local)
        except MilongaError as error:
            where = error.where or "model"
            return Assessment(problems=(*problems, Problem(error.message, where,
                                                           step=error.step or "")))  # fmt: skip
        if local is None and (problem := offline_problem(name)):
            problems.append(problem)
        if problems:
            return Assessment(problems=tuple(problems))
        seen = outlook.Outlook(
            name, local, self.options.device, self.options.precision, script.expected_s,
            1 if self.options.continued else self.options.batch,
        )  # fmt: skip
        return Assessment(
            notes=tuple(_notes(request, script, seen.rows)),
            general=tuple(seen.notes()),
            estimate_s=seen.estimate_s,
        )

    def render(self, request: Request, progress: Progress) -> Clip:
        script = self._script(request)
        for problem in _problems(script):
            raise GeneratorError(problem.message, where=problem.where, step=problem.step)
        with memory_explained(self.options.model, _LESS_MEMORY):
            return self._render(request, script, progress)

    def model(self) -> Model:
        return self._model or Model(name=self.options.model)

    def _script(self, request: Request) -> Script:
        return script_of(request, self.options.voice, self.options.part_s)

    def _check_voice(self, voice: str, local: LocalWeights | None) -> None:
        """What can be known of a voice before any download."""
        if voice == voices.NONE:
            return
        if voices.is_file(voice):
            if not Path(voice).expanduser().is_file():
                raise GeneratorError(
                    f"The voice {voice} is not there.", where="voice", step="Correct bark.voice."
                )
            return
        names = voices.presets_in(local.folder) if local else list(voices.KNOWN)
        if local is None and self.options.model not in checkpoints.KEYS:
            return
        if voice not in names and (names or (local and local.repo is None)):
            raise voices.unknown(voice, names)

    def _render(self, request: Request, script: Script, progress: Progress) -> Clip:
        engine = self._engine or self._load(progress)
        voice, voice_hashes = self._voice(script.voice, progress)
        options, count = self.options, len(script.parts)
        sampling = Sampling(
            options.temperature, options.sound_temperature, options.fine_temperature,
            options.top_k, options.min_eos_p,
        )  # fmt: skip
        rows = 1 if options.continued else max(batch_sizes(count, self._batch()))
        begun = time.perf_counter()
        if options.continued:
            made = list(engine.chained(
                script.prompts, voice, sampling, request.seed, progress,
                expected_s=script.expected_s,
            ))  # fmt: skip
        else:
            made = list(engine.together(
                script.prompts, voice, sampling, request.seed, progress, batch=self._batch(),
                expected_s=script.expected_s,
            ))  # fmt: skip
        took = time.perf_counter() - begun
        self._check(made, script, progress)
        seconds = sum(len(part.samples) for part in made) / engine.rate
        work, device = outlook.work_of(options.model, rows), self.model().device
        learn_speed(f"{work}, {device}", seconds, took)
        self._describe(script, engine, voice_hashes, rows)
        return Clip(join([part.samples for part in made], engine.rate)[np.newaxis], engine.rate)

    def _check(self, made: list[Part], script: Script, progress: Progress) -> None:
        for number, (part, said) in enumerate(zip(made, script.parts, strict=True), 1):
            begins = f"{' '.join(said.words.split()[:5])} ..." if said.words else said.prompt
            if not len(part.samples):
                raise GeneratorError(
                    f"Bark said nothing for part {number} ({begins}).", seed_may_help=True
                )
            if part.full:
                progress.message(
                    f"Bark: part {number} ({begins}) is as long as a part can be; words may lack "
                    "at its end. A smaller bark.part_s makes shorter parts."
                )

    def _describe(
        self, script: Script, engine: Engine, voice_hashes: dict[str, str], rows: int
    ) -> None:
        notes = [f"voice {script.voice}"]
        if self.options.continued:
            notes.append(f"{len(script.parts)} parts, each from the tokens of those before")
        elif rows > 1:
            notes.append(
                f"{len(script.parts)} parts, up to {rows} batched; a part alone may differ by "
                "rounding"
            )
        self._model = self.model().model_copy(
            update={"files": {**self._hashes, **voice_hashes}, "notes": tuple(notes)}
        )

    def _batch(self) -> int:
        local = self._local
        if local is None:
            return self.options.batch
        device = self.model().device
        shape = outlook.shape_of(self.options.model, local)
        fit = outlook.rows_that_fit(shape, size_of(local), _memory_of(device))
        return min(self.options.batch, fit or self.options.batch)

    def _voice(self, name: str, progress: Progress) -> tuple[Tokens | None, dict[str, str]]:
        if name not in self._voices:
            self._voices[name] = self._read_voice(name, progress)
        return self._voices[name]

    def _read_voice(self, name: str, progress: Progress) -> tuple[Tokens | None, dict[str, str]]:
        if name == voices.NONE or self._local is None or self._engine is None:
            return None, {}
        if voices.is_file(name):
            paths = [Path(name).expanduser()]
            voice = voices.read_voice(*paths)
            hashes = {paths[0].name: voices.hash_of(paths[0])}
        else:
            paths, hashes = voices.fetch(
                self.options.model, checkpoints.LIKE, self._local, name, progress
            )
            voice = voices.read_voice(*paths)
        self._engine.check_voice(voice, name)
        return voice, hashes

    def _load(self, progress: Progress) -> Engine:
        name = self.options.model
        if (error := checkpoints.refusal(name)) is not None:
            raise error
        local = weights.ensure(name, like=checkpoints.LIKE, progress=progress)
        checkpoints.check(local)
        device = pick_device(self.options.device)
        self._hashes = hashes_of(local, progress)
        progress.check()
        wanted = self.options.precision
        half = wanted == "float16" or (wanted == "auto" and device != "cpu")
        with progress.task(f"Loading {name}"):
            engine = Engine.load(
                local.folder, name, device, half=half, offload=self.options.offload
            )
        progress.check()
        self._engine, self._local = engine, local
        self._model = Model(
            name=name,
            repo=local.repo,
            revision=local.commit,
            files=self._hashes,
            libraries={lib: version(lib) for lib in ("torch", "transformers", "tokenizers")},
            device=device,
            dtype=engine.dtype,
            licences=(licence_of(local, name, checkpoints.LIKE),),
        )
        return engine


def _memory_of(device: str) -> int | None:
    if not device.startswith("cuda"):
        return total_memory()
    import torch

    return int(torch.cuda.get_device_properties(device).total_memory)


def _problems(script: Script) -> Iterable[Problem]:
    if not any(part.words for part in script.parts):
        yield Problem(
            "There are no words for Bark to sing.",
            "lyrics",
            step="Write some, or use another generator for this layer.",
        )
    seconds = sum(script.expected_s)
    if seconds > LONGEST_S:
        yield Problem(
            f"These lyrics would take about {seconds:.0f} s, Bark renders at most "
            f"{LONGEST_S:g} s at once.",
            "lyrics",
            step="Split the segment.",
        )


def _notes(request: Request, script: Script, rows: int) -> Iterable[str]:
    count, seconds = len(script.parts), sum(script.expected_s)
    parts = "in one part" if count == 1 else f"in {count} parts"
    if rows > 1:
        parts += f", {rows} at a time"
    yield (
        f"Bark sings {parts}, about {seconds:.0f} s by its syllables (the segment has "
        f"{request.seconds:g} s); the length is as the model makes it. Voice {script.voice}."
    )
    if script.unsent:
        listed = ", ".join(f"[{direction}]" for direction in script.unsent)
        yield f"Bark has no sign for {listed}; it isn't told of that."
    if script.sex == "woman" and script.voice == voices.usual_voice("pt", "man"):
        yield "Bark has no woman's preset for Portuguese; name one in bark.voice."
    if request.negative.strip():
        yield "Bark has no negative prompt; what the segment says of it is not used."
