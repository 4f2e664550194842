"""``SoundGenerator``: the generator."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from milonga.audio import probe
from milonga.audio.clip import Clip
from milonga.errors import GeneratorError, MilongaError, Problem
from milonga.generators.base import (
    Assessment,
    Generator,
    Licence,
    Model,
    Request,
    Role,
    problem_of,
    refuse,
    too_long,
)
from milonga.generators.neural.loading import licence_of
from milonga.generators.sound.words import moves_of
from milonga.runtime.progress import Progress
from milonga.sounds.installed import require_libraries
from milonga.sounds.instrument.cost import playing_memory, playing_time
from milonga.sounds.instrument.own_vocoder import foreseen_vocoder
from milonga.sounds.library.library import Library
from milonga.sounds.model.file import read_header
from milonga.sounds.model.header import ModelHeader
from milonga.sounds.model.play_settings import PlaySettings, check_seconds, recording_file

if TYPE_CHECKING:
    from milonga.sounds.instrument.instrument import Instrument
    from milonga.sounds.model.resolved_play import ResolvedPlay

LONGEST_S = 3600.0
_START_S = 2.0
_SLOWEST_BPM, _FASTEST_BPM = 20.0, 400.0

_CONTROLS = ("loudness", "brightness", "warmth", "roughness", "tension", "pulse", "density")


def _control(what: str) -> Any:
    return Field(
        default=None,
        ge=-4,
        le=4,
        description=f"{what}, in spreads of the recordings, -4 to 4; goes before style words.",
    )


class SoundGenerator(Generator):
    """A walk through what one of the user's own sound models has learnt.

    Clips are 44.1 kHz mono, exactly as long as asked, the same for the same request.

    Raises:
        MissingExtraError: the extra 'sounds' isn't installed.
    """

    name: ClassVar[str] = "sound"
    roles: ClassVar[frozenset[Role]] = frozenset(("texture", "instrumental", "backing"))
    length: ClassVar[Literal["exact", "natural"]] = "exact"
    any_sound: ClassVar[bool] = True

    class Options(Generator.Options):
        """Settings of a sound model."""

        model: str = Field(
            default="",
            description="A name of your library (milonga sound list), or a model's file.",
        )
        set_loudness: float | None = _control("Loudness")
        set_brightness: float | None = _control("Brightness")
        set_warmth: float | None = _control("Warmth: low against middle frequencies")
        set_roughness: float | None = _control("Roughness")
        set_tension: float | None = _control("Harmonic tension")
        set_pulse: float | None = _control("Pulse, in the segment's tempo")
        set_density: float | None = _control("Density of events")
        words: bool = Field(
            default=True, description="Whether words of style and mood move controls."
        )
        like: str | None = Field(
            default=None,
            description="A recording to play again: a file, or one that the model learnt from.",
        )
        pace: float = Field(
            default=1.0, ge=0, le=16, description="How fast it goes; 0 stands still."
        )
        vocoder: Literal["auto", "own", "bigvgan", "griffin-lim"] = Field(
            default="auto",
            description="auto: the model's own where that is better, else bigvgan if its weights "
            "are here, else griffin-lim.",
        )
        device: str = Field(default="auto", description="Of the vocoder: auto, cpu, cuda or mps.")

        def controls(self) -> dict[str, float]:
            """The settings that were given, by control."""
            given = {name: getattr(self, f"set_{name}") for name in _CONTROLS}
            return {name: value for name, value in given.items() if value is not None}

    options: Options

    def __init__(self, options: BaseModel | None = None) -> None:
        super().__init__(options)
        require_libraries("The generator 'sound'")
        self._instrument: Instrument | None = None

    def assess(self, request: Request) -> Assessment:
        """Problems: no such model, one that can't be read, a control that it hasn't, a recording
        that isn't there, a length or tempo out of range. Loads nothing."""
        problems = [*_range_problems(request)]
        try:
            header = read_header(self._path())
        except MilongaError as error:
            return Assessment(problems=(*problems, problem_of(error, "sound.model")))
        problems += self._control_problems(header)
        problems += self._like_problems(header)
        settings, used = self._settings(request, header)
        notes = (
            [f"Sound model {header.name!r} follows the words {', '.join(used)}."] if used else []
        )
        notes += header.weak_notes(settings)
        vocoder = foreseen_vocoder(self._path(), self.options.vocoder)
        time = playing_time(vocoder, request.seconds)
        return Assessment(
            problems=tuple(problems),
            notes=tuple(notes),
            estimate_s=None if time is None else _START_S + time,
            memory=playing_memory(vocoder, request.seconds),
        )

    def render(self, request: Request, progress: Progress | None = None) -> Clip:
        from milonga.sounds.instrument.instrument import Instrument

        progress = progress or Progress()
        refuse(self.assess(request).problems)
        instrument = self._instrument
        if instrument is None:
            instrument = self._instrument = Instrument.open(
                str(self._path().absolute()),
                vocoder=self.options.vocoder,
                device=self.options.device,
                progress=progress,
            )
        try:
            return instrument.play(self._resolve(request, instrument), progress)
        except GeneratorError:
            raise
        except MilongaError as error:
            raise GeneratorError(error.message, where=error.where, step=error.step) from error

    def model(self) -> Model:
        instrument = self._instrument
        if instrument is None:
            return Model(name=self.options.model)
        vocoder, header = instrument.vocoder, instrument.header
        licences = [_own(header)]
        if vocoder.name == "bigvgan":
            licences.append(licence_of(None, "bigvgan", "bigvgan"))
        return Model(
            name=header.name,
            revision=instrument.chosen_vocoder.revision,
            # Of what decides how it sounds: a tag or a note makes no other model.
            files={"sound model": instrument.sha256, **dict(instrument.chosen_vocoder.files)},
            libraries={name: version(name) for name in ("torch", "numpy")},
            device=vocoder.device,
            licences=tuple(licences),
        )

    def _path(self) -> Path:
        if not self.options.model:
            names = ", ".join(entry.name for entry in Library().models() if entry.header)
            raise GeneratorError(
                "No sound model is named.",
                step="Set sound.model to a name of your library"
                + (f": {names}." if names else "; train one with milonga sound train."),
            )
        return Library().model_path(self.options.model)

    def _control_problems(self, header: ModelHeader) -> Iterable[Problem]:
        for name in self.options.controls():
            about = header.controls.get(name)
            if about is None or not about.enabled:
                yield Problem(
                    f"The sound model {header.name!r} has no control {name!r}.",
                    f"sound.set_{name}",
                    step=(about.reason if about else None) or "Leave it out.",
                )

    def _like_problems(self, header: ModelHeader) -> Iterable[Problem]:
        like = self.options.like
        held_out = {file.name for file in header.corpus.files if file.held_out}
        if like is None or like in set(header.corpus.names) - held_out:
            return
        path = recording_file(like, self._path())
        if not path.is_file():
            yield Problem(
                f"There is no recording {like!r}.",
                "sound.like",
                step="Give a file, or the name of one that the model learnt from.",
            )
            return
        try:
            check_seconds(path, probe(path).seconds)
        except MilongaError as error:
            yield problem_of(error, "sound.like")

    def _settings(
        self, request: Request, header: ModelHeader
    ) -> tuple[dict[str, float], tuple[str, ...]]:
        moves: dict[str, float] = {}
        used: dict[str, str] = {}
        if self.options.words:
            moves, used = moves_of(request.style, request.mood)
        enabled = {name for name, about in header.controls.items() if about.enabled}
        asked = {name: value for name, value in moves.items() if name in enabled}
        given = self.options.controls()
        words = [word for word, name in used.items() if name in asked and name not in given]
        return asked | given, tuple(words)

    def _resolve(self, request: Request, instrument: Instrument) -> ResolvedPlay:
        controls, _ = self._settings(request, instrument.header)
        return PlaySettings(
            seconds=request.seconds,
            seed=request.seed,
            controls=controls,
            like=self.options.like,
            pace=self.options.pace,
            tempo=request.tempo,
        ).resolve(instrument.player)


def _range_problems(request: Request) -> Iterable[Problem]:
    yield from too_long("A sound model plays", request.seconds, LONGEST_S)
    if not _SLOWEST_BPM <= request.tempo <= _FASTEST_BPM:
        yield Problem(
            f"A tempo of {request.tempo:g} is not between {_SLOWEST_BPM:g} and "
            f"{_FASTEST_BPM:g} BPM.",
            "tempo",
        )


def _own(header: ModelHeader) -> Licence:
    """The terms of a model are those of what it learnt from, which milonga can't know."""
    return Licence(
        what=f"sound model {header.name!r}, learnt from {len(header.corpus.files)} recordings",
        name=header.licence or "that of the recordings",
        commercial_use="conditional",
        note="It learnt from recordings that its maker chose: their terms hold."
        + ("" if header.licence else " Note them with milonga sound info NAME --licence TEXT."),
    )
