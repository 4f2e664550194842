"""``Bark``: the generator."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field

from milonga.audio.clip import Clip
from milonga.errors import GeneratorError, MilongaError, Problem
from milonga.generators.bark import outlook, voices
from milonga.generators.bark.engine import BarkEngine, Sampling, SpokenPart, batch_sizes
from milonga.generators.bark.joining import join
from milonga.generators.bark.parts import PART_S
from milonga.generators.bark.script import Script, script_of
from milonga.generators.bark.stages import Tokens
from milonga.generators.base import Model, Request, Role, problem_of
from milonga.generators.neural.bits import bits_option, key_of_files, source_of_files
from milonga.generators.neural.checkpoint import (
    CheckpointGenerator,
    checkpoint_option,
    checkpoints_of,
)
from milonga.generators.neural.loading import size_of
from milonga.generators.neural.outlook import RenderOutlook
from milonga.generators.words.language import language_name
from milonga.runtime.memory import total_memory
from milonga.runtime.places import expanded
from milonga.runtime.progress import Progress
from milonga.weights import LocalWeights
from milonga.weights.cache.hashing import hash_file

_LANGUAGES = ", ".join(sorted(map(language_name, voices.LANGUAGES)))

LONGEST_S = 600.0
"""Of a layer's words, as estimated."""


class Bark(CheckpointGenerator[BarkEngine]):
    """Sung and spoken words.

    Clips are 24 kHz, mono, as long as the words take (arXiv has no paper of it; the model and its
    notation are described in the README of suno-ai/bark). Lyrics beyond about 13 s are rendered
    in parts, all in one voice.

    Raises:
        MissingExtraError: the extra 'models' isn't installed.
    """

    name: ClassVar[str] = "bark"
    title: ClassVar[str] = "Bark"
    like: ClassVar[str] = "bark-small"
    roles: ClassVar[frozenset[Role]] = frozenset(("vocals", "backing"))
    seldom: ClassVar[frozenset[Role]] = frozenset(("backing",))  # it sings, where a band is meant
    length: ClassVar[Literal["exact", "natural"]] = "natural"
    multilingual: ClassVar[bool] = True
    less_memory: ClassVar[str] = (
        "Set bark.batch=1, use bark-small, or set bark.device=cpu; on a graphics card, "
        "bark.offload=true."
    )

    class Options(CheckpointGenerator.Options):
        """Settings of Bark."""

        model: str = checkpoint_option("bark", "bark-small")
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
        precision: Literal["auto", "float32", "bfloat16", "float16", "int8"] = bits_option(
            "float16"
        )
        offload: bool = Field(
            default=False,
            description="On a graphics card, keep only the part of the model there that is at "
            "work: less memory, a little slower.",
        )

    options: Options

    def __init__(self, options: BaseModel | None = None) -> None:
        super().__init__(options)
        self._voices: dict[str, tuple[Tokens | None, dict[str, str]]] = {}
        self._voice_files: dict[str, str] = {}
        self._notes: tuple[str, ...] = ()

    def model(self) -> Model:
        model = super().model()
        files = model.files | self._voice_files
        return model.model_copy(update={"files": files, "notes": (*self._notes, *model.notes)})

    def prompts(self, request: Request) -> tuple[str, ...]:
        return tuple(self._script(request).prompts)

    def problems(self, request: Request, local: LocalWeights | None) -> Iterable[Problem]:
        """Find too few or too many words, and a voice that isn't there."""
        script = self._script(request)
        yield from _problems(script)
        try:
            self._check_voice(script.voice, local)
        except MilongaError as error:
            yield problem_of(error, error.where or "voice")

    def notes(self, request: Request, local: LocalWeights | None) -> Iterable[str]:
        script = self._script(request)
        return _notes(request, script, self._rows(script, local))

    def outlook(self, request: Request, local: LocalWeights | None) -> RenderOutlook:
        options, script = self.options, self._script(request)
        return outlook.foresee(
            options.model, local, options.device, options.precision, script.expected_s,
            self._rows(script, local),
        )  # fmt: skip

    def load(self, local: LocalWeights, device: str) -> BarkEngine:
        return BarkEngine.load(
            local.folder, self.options.model, device, precision=self.options.precision,
            offload=self.options.offload, source=source_of_files(self._hashes),
        )  # fmt: skip

    def make(self, engine: BarkEngine, request: Request, progress: Progress) -> Clip:
        options, script = self.options, self._script(request)
        engine.settle(key_of_files(super().model().files), progress)
        voice, voice_hashes = self._voice(engine, script.voice, progress)
        sampling = Sampling(
            options.temperature, options.sound_temperature, options.fine_temperature,
            options.top_k, options.min_eos_p,
        )  # fmt: skip
        given = (script.prompts, voice, sampling, request.seed, progress)
        rows, begun = 1, time.perf_counter()
        if options.continued:
            spoken = list(engine.chained(*given, expected_s=script.expected_s))
        else:
            batch = self._batch()
            rows = max(batch_sizes(len(script.parts), batch))
            spoken = list(engine.together(*given, batch=batch, expected_s=script.expected_s))
        took = time.perf_counter() - begun
        _check(spoken, script, progress)
        seconds = sum(len(part.samples) for part in spoken) / engine.rate
        self.learn(outlook.work_of(options.model, rows, engine.dtype), seconds, took)
        self._describe(script, voice_hashes, rows)
        return Clip(join([part.samples for part in spoken], engine.rate)[np.newaxis], engine.rate)

    def _script(self, request: Request) -> Script:
        return script_of(request, self.options.voice, self.options.part_s)

    def _rows(self, script: Script, local: LocalWeights | None) -> int:
        batch = 1 if self.options.continued else self.options.batch
        return outlook.rows_at_once(self.options.model, local, len(script.parts), batch)

    def _check_voice(self, voice: str, local: LocalWeights | None) -> None:
        """Refuse a voice as far as it is known before any download."""
        if voice == voices.NONE:
            return
        if voices.is_file(voice):
            if not expanded(voice).is_file():
                raise GeneratorError(
                    f"The voice {voice} is not there.", where="voice", step="Correct bark.voice."
                )
            return
        names = voices.presets_in(local.folder) if local else list(voices.KNOWN)
        if local is None and self.options.model not in checkpoints_of(self.name):
            return
        if voice not in names and (names or (local and local.repo is None)):
            raise voices.unknown(voice, names)

    def _describe(self, script: Script, voice_hashes: dict[str, str], rows: int) -> None:
        notes = [f"voice {script.voice}"]
        if self.options.continued:
            notes.append(f"{len(script.parts)} parts, each from the tokens of those before")
        elif rows > 1:
            notes.append(
                f"{len(script.parts)} parts, up to {rows} batched; a part alone may differ by "
                "rounding"
            )
        self._voice_files, self._notes = voice_hashes, tuple(notes)

    def _batch(self) -> int:
        local = self._local
        if local is None:
            return self.options.batch
        shape = outlook.shape_of(self.options.model, local)
        memory = _memory_of(self.model().device)
        fit = outlook.rows_that_fit(shape, size_of(local), memory)
        return min(self.options.batch, fit or self.options.batch)

    def _voice(
        self, engine: BarkEngine, name: str, progress: Progress
    ) -> tuple[Tokens | None, dict[str, str]]:
        if name not in self._voices:
            self._voices[name] = self._read_voice(engine, name, progress)
        return self._voices[name]

    def _read_voice(
        self, engine: BarkEngine, name: str, progress: Progress
    ) -> tuple[Tokens | None, dict[str, str]]:
        if name == voices.NONE or self._local is None:
            return None, {}
        if voices.is_file(name):
            paths = [expanded(name)]
            voice = voices.read_voice(*paths)
            hashes = {paths[0].name: hash_file(paths[0]).sha256}
        else:
            paths, hashes = voices.fetch(self.options.model, self.like, self._local, name, progress)
            voice = voices.read_voice(*paths)
        engine.check_voice(voice, name)
        return voice, hashes


def _memory_of(device: str) -> int | None:
    if not device.startswith("cuda"):
        return total_memory()
    import torch

    return int(torch.cuda.get_device_properties(device).total_memory)


def _check(spoken: list[SpokenPart], script: Script, progress: Progress) -> None:
    for number, (part, said) in enumerate(zip(spoken, script.parts, strict=True), 1):
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
    for language in script.unknown:
        yield (
            f"Bark doesn't know {language_name(language)}: it sings that as if it were another "
            f"language, in the voice {script.voice}. It knows {_LANGUAGES}."
        )
    if script.sex == "woman" and script.voice == voices.usual_voice("pt", "man"):
        yield "Bark has no woman's preset for Portuguese; name one in bark.voice."
    if request.negative.strip():
        yield "Bark has no negative prompt; what the segment says of it is not used."
