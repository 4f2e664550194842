"""Playing sound models: one sound, several, a blend; each kept in the history."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from milonga.audio.export.receipt import Provenance
from milonga.audio.export.settings import ExportSettings
from milonga.audio.export.write import ExportResult, check_target
from milonga.audio.export.write import export as export_clip
from milonga.errors import MilongaError
from milonga.runtime import html
from milonga.runtime.progress import Progress
from milonga.sounds.library.history import History
from milonga.sounds.library.history_entry import PlayedModel, played_model
from milonga.sounds.library.library import Library
from milonga.sounds.library.presets import Presets
from milonga.sounds.model.play_settings import PlaySettings

if TYPE_CHECKING:
    from milonga.audio.clip import Clip
    from milonga.sounds.instrument.instrument import Instrument

Export = ExportSettings | Mapping[str, Any] | None
_UNSAFE = re.compile(r"[^\w.+-]+")


@dataclass(frozen=True, slots=True)
class PlayedSound:
    """A sound that was played and written.

    Attributes:
        settings: as played.
        vocoder: its name.
        result: the file and its receipt.
        history: its number there; None where it isn't kept.
        left_out: what of a preset the model can't do, each with its reason.
        blend: of a blend: models with weights, what was blended and why, what was left out.
    """

    settings: PlaySettings
    vocoder: str
    result: ExportResult
    history: int | None
    left_out: Mapping[str, str] = field(default_factory=dict)
    blend: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.result.path

    def clip(self) -> Clip:
        """Read the sound as it was written."""
        from milonga.audio import read

        return read(self.path)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            **self.blend,
            "seed": self.settings.seed,
            "vocoder": self.vocoder,
            **self.result.to_dict(),
            "history": self.history,
            "left_out": dict(self.left_out),
        }

    def _repr_html_(self) -> str:
        title = f"{self.path.name}, seed {self.settings.seed}, {self.vocoder}"
        return html.paragraphs([title]) + self.clip()._repr_html_()


@dataclass(frozen=True, slots=True)
class PlayChoice:
    """Settings to play and export, from a preset and what was given over it."""

    settings: PlaySettings
    export: ExportSettings
    left_out: Mapping[str, str]


def choose_play(
    model: str,
    settings: PlaySettings | None = None,
    *,
    preset: str | None = None,
    export: Export = None,
    library: Library | None = None,
    progress: Progress | None = None,
) -> PlayChoice:
    """Lay settings over those of a preset; the progress is told what the model can't do any more.

    Raises:
        UnknownNameError: there is no such preset.
        SoundError, AudioError: settings contradict each other.
    """
    given = export.model_dump(exclude_unset=True) if isinstance(export, ExportSettings) else export
    settings, given = settings or PlaySettings(), dict(given or {})
    if preset is None:
        return PlayChoice(settings, ExportSettings(**given), {})
    fitted, progress = Presets(model, library).fitted(preset), progress or Progress()
    left_out = [f"Left out of the preset: {n}. {why}" for n, why in fitted.left_out.items()]
    tell_all(progress, *left_out, *fitted.notes)
    merged = ExportSettings(**{**fitted.export, **given})
    return PlayChoice(settings.over(fitted.settings), merged, fitted.left_out)


def play_sound(model: str | Path, out: str | Path | None = None, **options: Any) -> PlayedSound:
    """Play one sound; options as ``play_sounds`` takes them."""
    return play_sounds(model, 1, out, **options)[0]


def play_sounds(
    model: str | Path,
    count: int = 1,
    out: str | Path | None = None,
    *,
    settings: PlaySettings | None = None,
    preset: str | None = None,
    export: Export = None,
    force: bool = False,
    history: bool = True,
    library: Library | None = None,
    progress: Progress | None = None,
    played: Callable[[PlayedSound], object] | None = None,
    **chosen: Any,
) -> list[PlayedSound]:
    """Play a model with seeds that count upwards, and write each sound with its receipt.

    Args:
        model: a name of the library, or a model's file.
        count: of sounds.
        out: the file; by default MODEL-sSEED.wav in the current folder. Of several, the seed goes
            into the name.
        settings: what to play; or give its fields by name (``seconds=2, controls={...}``).
        preset: settings and export to begin with.
        export: format, rate, channels and so on.
        force: replace files that are there.
        history: keep the sounds there.
        library: by default the user's.
        progress: shows the work and is told notes, and may cancel.
        played: is given each sound when it is written.
        chosen: fields of ``PlaySettings``, over ``settings``.

    Raises:
        SoundError: there is no such model, or it can't play this.
        UnknownNameError: there is no such preset, control or axis.
        AudioError, OutputError: a file can't be written as asked.
        WeightsError, VocoderError: the vocoder can't be had or loaded.
        Cancelled: the user stopped it; finished sounds stay.
    """
    library, progress = library or Library(), progress or Progress()
    settings = PlaySettings(**chosen).over(settings or PlaySettings())
    instrument, choice = open_chosen(model, settings, preset, export, library, progress)
    settings, target = choice.settings, choice.export
    play = instrument.resolve(settings)
    turns = []
    for seed in range(settings.seed, settings.seed + count):
        path = _path(out, instrument.header.name, seed, count, target)
        check_target(path, target, force=force)
        turns.append((replace(play, seed=seed), path))
    weak = instrument.header.weak_notes(settings.controls)
    tell_all(progress, instrument.chosen_vocoder.note, *weak)
    results = []
    with progress.task("Sounds", count) as task:
        for one, path in turns:
            clip, made = instrument.play(one, progress), instrument.provenance(one)
            own = choice.settings.model_copy(update={"seed": one.seed})
            models = [played_model(instrument.path, instrument.sha256, library=library)]
            keep = _Keep(models, own, made, "play", library, progress) if history else None
            result, number = _written(clip, path, target, made, force, keep, progress)
            sound = PlayedSound(own, instrument.vocoder.name, result, number, choice.left_out)
            results.append(sound)
            if played is not None:
                played(sound)
            task.advance()
    return results


def blend_sounds(
    models: Mapping[str, float] | Sequence[str],
    out: str | Path | None = None,
    *,
    settings: PlaySettings | None = None,
    export: Export = None,
    force: bool = False,
    history: bool = True,
    library: Library | None = None,
    progress: Progress | None = None,
    **chosen: Any,
) -> PlayedSound:
    """Play several models as one.

    Args:
        models: ``{"rain": 60, "birds": 40}`` or ``["rain:60", "birds:40"]``; weights need not add
            up to 100.
        out: by default the models' names with weights and the seed, in the current folder.

    Raises:
        MilongaError: as ``play_sounds`` and ``Blend``.
    """
    from milonga.sounds.instrument.blend import Blend, parse_shares

    library, progress = library or Library(), progress or Progress()
    settings = PlaySettings(**chosen).over(settings or PlaySettings())
    target = choose_play("", export=export).export
    if isinstance(models, Mapping):
        models = [f"{name}:{weight}" for name, weight in models.items()]
    blend = Blend.open(
        parse_shares(models),
        vocoder=settings.vocoder,
        device=settings.device,
        library=library,
        progress=progress,
    )
    resolved = blend.resolve(settings)
    parts = blend.parts
    stem = "-".join(f"{file_stem(p.instrument.header.name)}{100 * p.weight:.3g}" for p in parts)
    path = Path(out or f"{stem}-s{settings.seed}.{target.format or 'wav'}")
    check_target(path, target, force=force)
    missing = [f"{' and '.join(lack)} can't do {name}, and play without it."
               for name, lack in resolved.missing.items()]  # fmt: skip
    weak = [note for p in parts for note in p.instrument.header.weak_notes(settings.controls)]
    tell_all(progress, blend.chosen_vocoder.note, blend.why, *missing, *weak)
    clip, made = blend.play(resolved, progress), blend.provenance(settings, resolved)
    played = [
        played_model(p.instrument.path, p.instrument.sha256, p.weight, library) for p in parts
    ]
    keep = _Keep(played, settings, made, "blend", library, progress) if history else None
    result, number = _written(clip, path, target, made, force, keep, progress)
    facts = {
        "models": {part.model: part.weight for part in parts},
        "blended": blend.how,
        "why": blend.why,
        "without": resolved.missing,
    }
    return PlayedSound(settings, blend.vocoder.name, result, number, blend=facts)


def file_stem(name: str) -> str:
    """Make a file's name, without suffix, of a model's."""
    return _UNSAFE.sub("-", name).strip("-.") or "sound"


def _path(
    out: str | Path | None, model: str, seed: int, count: int, settings: ExportSettings
) -> Path:
    suffix = f".{settings.format or 'wav'}"
    if out is None:
        return Path(f"{file_stem(model)}-s{seed}{suffix}")
    out = Path(out)
    return out if count == 1 else out.with_name(f"{out.stem}-s{seed}{out.suffix or suffix}")


def open_chosen(
    model: str | Path,
    settings: PlaySettings,
    preset: str | None,
    export: Export,
    library: Library | None,
    progress: Progress,
) -> tuple[Instrument, PlayChoice]:
    """Open a model with the settings of a preset and those given over it."""
    from milonga.sounds.instrument.instrument import Instrument

    choice = choose_play(
        str(model), settings, preset=preset, export=export, library=library, progress=progress
    )
    vocoder, device = choice.settings.vocoder, choice.settings.device
    instrument = Instrument.open(
        model, vocoder=vocoder, device=device, library=library, progress=progress
    )
    return instrument, choice


def tell_all(progress: Progress, *texts: str) -> None:
    """Tell texts, but for empty ones."""
    for text in texts:
        if text:
            progress.message(text)


@dataclass(frozen=True, slots=True)
class _Keep:
    """Puts what was played into the history; a history that fails must not cost the sound."""

    models: Sequence[PlayedModel]
    settings: PlaySettings
    made: Provenance
    kind: Literal["play", "blend"]
    library: Library
    progress: Progress

    def __call__(
        self, clip: Clip, export: ExportSettings, result: ExportResult | None
    ) -> int | None:
        from milonga.audio.pictures import clip_png

        try:
            kept = History(self.library).record(
                clip,
                models=self.models,
                settings=self.settings,
                made=self.made,
                kind=self.kind,
                export=export.model_dump(mode="json", exclude_defaults=True),
                out=result.path if result else None,
                receipt_id=result.receipt.id if result else None,
                picture=clip_png(clip),
            )
        except MilongaError as error:
            self.progress.message(f"The history couldn't keep this: {error.message}")
            return None
        return None if kept is None else kept.number


def _written(
    clip: Clip,
    path: Path,
    export: ExportSettings,
    made: Provenance,
    force: bool,
    keep: _Keep | None,
    progress: Progress,
) -> tuple[ExportResult, int | None]:
    """Write a sound and keep it in the history, all the more where it can't be written."""
    try:
        result = export_clip(clip, path, export, made=made, force=force)
    except MilongaError as error:
        if keep is not None and (number := keep(clip, export, None)) is not None:
            step = f"The sound is kept: milonga sound history replay {number} --kept -o FILE"
            error.step = f"{error.step} {step}" if error.step else step
        raise
    tell_all(progress, *(f"{path}: {note}" for note in result.notes))
    return result, None if keep is None else keep(clip, export, result)
