"""Presets: settings of a model under names, in ``presets.json`` beside it.

A model that is trained again has other spreads, and may have lost a control. A setting that the
model of today can't play is left out, and the user is told; it is never silently changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from milonga.errors import MilongaError, SoundError, UnknownNameError
from milonga.runtime import html
from milonga.runtime.documents import read_json
from milonga.runtime.files import dump_json, named_path, read_refusal, write_text
from milonga.sounds.controls.report import ControlReport
from milonga.sounds.library.library import Library
from milonga.sounds.library.names import check_name
from milonga.sounds.library.saved_model import SavedModel
from milonga.sounds.model.file import sound_hash
from milonga.sounds.model.header import ModelHeader
from milonga.sounds.model.play_settings import PlaySettings

_OTHER_SPREAD = 1.25
"""A spread that has changed by this factor since is told: +2 is another distance then."""


class Preset(BaseModel):
    """Settings under a name.

    Attributes:
        settings: those that were chosen; the others stay as usual.
        export: chosen fields of ``ExportSettings``.
        created: ISO 8601, UTC.
        model_sha256: how the model sounded then (``sound_hash``).
        spreads: of each control that is set, in its unit, as the model had it then.
        blend: models with weights that play the settings together; empty for the model alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    settings: PlaySettings
    export: dict[str, Any] = {}
    created: str
    model_sha256: str
    spreads: dict[str, float] = {}
    blend: dict[str, float] = {}

    @property
    def text(self) -> str:
        """The settings in a line."""
        chosen = self.settings.model_dump(exclude_unset=True)
        parts = [f"{name}={value:+g}" for group in ("controls", "axes")
                 for name, value in chosen.pop(group, {}).items()]  # fmt: skip
        parts += [f"{name} {value}" for name, value in chosen.items() if value is not None]
        parts += [f"{name} {value}" for name, value in self.export.items()]
        parts += [f"{name}:{weight:g}" for name, weight in self.blend.items()]
        return ", ".join(parts) or "as usual"

    def to_dict(self) -> dict[str, Any]:
        """Return the preset as plain values, without those that weren't chosen."""
        return {
            **self.model_dump(mode="json"),
            "settings": self.settings.model_dump(mode="json", exclude_unset=True),
        }


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    presets: dict[str, Preset] = {}


@dataclass(frozen=True, slots=True)
class FittedPreset:
    """A preset as the model of today can play it.

    Attributes:
        settings: what is left of it.
        export: fields of ``ExportSettings``.
        left_out: what isn't, each with its reason.
        notes: what means something else now.
    """

    settings: PlaySettings
    export: dict[str, Any]
    left_out: dict[str, str]
    notes: tuple[str, ...] = ()


class Presets:
    """The presets of one model of the library.

    Raises:
        SoundError: there is no such model, or its presets can't be read.
    """

    def __init__(self, model: str, library: Library | None = None) -> None:
        self._library = library or Library()
        self._model = model
        self._entry()

    def all(self) -> dict[str, Preset]:
        """Return the presets by name, in alphabetical order."""
        found = _read(self._entry().files.presets).presets
        return dict(sorted(found.items(), key=lambda item: item[0].casefold()))

    def _repr_html_(self) -> str:
        found = {name: (preset, self.fitted(name)) for name, preset in self.all().items()}
        rows = [
            (name, preset.text, preset.created[:10], ", ".join(fitted.left_out))
            for name, (preset, fitted) in found.items()
        ]
        return html.table(("preset", "settings", "saved", "left out today"), rows)

    def get(self, name: str) -> Preset:
        """Find one preset; the error names the known ones."""
        return self._find(self.all(), name)[1]

    def save(
        self,
        name: str,
        settings: PlaySettings,
        export: dict[str, Any] | None = None,
        *,
        blend: Mapping[str, float] | None = None,
        force: bool = False,
    ) -> Preset:
        """Keep settings under a name.

        Raises:
            SoundError: the name is taken and ``force`` isn't given, or it can't be a name; the
                model can't be read.
        """
        _check(name)
        if "-" in (settings.like, settings.to):
            raise SoundError(
                "A preset can't keep what comes through standard input (-).", step="Give a file."
            )
        with self._library.locked():
            entry = self._entry()
            header = entry.readable
            known = _read(entry.files.presets).presets
            taken = _same(known, name)
            if taken is not None and not force:
                raise SoundError(
                    f"The model {entry.name!r} has a preset {taken!r} already.",
                    step="Choose another name, or add --force to replace it.",
                )
            preset = Preset(
                settings=settings.anchored(),
                export=dict(export or {}),
                created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                model_sha256=sound_hash(entry.model_path),
                spreads={
                    control: header.controls[control].spread
                    for control in settings.controls
                    if control in header.controls
                },
                blend=dict(blend or {}),
            )
            others = {key: value for key, value in known.items() if key != taken}
            _write(entry.files.presets, {**others, name: preset})
        return preset

    def rename(self, name: str, new: str) -> None:
        """Give a preset another name.

        Raises:
            UnknownNameError: there is none of that name.
            SoundError: the new name is taken or can't be one.
        """
        _check(new)
        with self._library.locked():
            path = self._entry().files.presets
            known = dict(_read(path).presets)
            old, preset = self._find(known, name)
            taken = _same(known, new)
            if taken not in (None, old):
                raise SoundError(f"There is a preset {taken!r} already.", step="Choose another.")
            del known[old]
            _write(path, {**known, new: preset})

    def delete(self, name: str) -> None:
        """Forget a preset."""
        with self._library.locked():
            path = self._entry().files.presets
            known = dict(_read(path).presets)
            del known[self._find(known, name)[0]]
            _write(path, known)

    def fitted(self, name: str) -> FittedPreset:
        """A preset as the model of today can play it.

        Raises:
            UnknownNameError: there is none of that name.
            SoundError: the model can't be read.
        """
        entry = self._entry()
        return fit(self.get(name), entry.readable, sound_hash(entry.model_path))

    def _entry(self) -> SavedModel:
        path = Path(self._model)
        if path.suffix == ".safetensors" or len(path.parts) > 1:
            raise SoundError(
                "Presets belong to models of the library.",
                where=path,
                step="Add it first: milonga sound add FILE",
            )
        return self._library.model(self._model)

    def _find(self, known: dict[str, Preset], name: str) -> tuple[str, Preset]:
        found = _same(known, name)
        if found is None:
            raise UnknownNameError("preset", name, sorted(known), of=self._model)
        return found, known[found]


def fit(preset: Preset, header: ModelHeader, sha256: str) -> FittedPreset:
    """Reduce a preset to what a model can play, given its header and ``sound_hash``.

    A control that is gone or disabled is left out. So are free axes once the model was trained
    again: they are found anew then, and ``pca1`` is another direction.
    """
    settings, same = preset.settings, preset.model_sha256 == sha256
    left_out: dict[str, str] = {}
    notes: list[str] = []
    changes: dict[str, Any] = {}
    if preset.blend:
        shares = " ".join(f"{name}:{weight:g}" for name, weight in preset.blend.items())
        left_out["blend"] = f"It plays this model alone. Together: milonga sound blend {shares}"
    for name in settings.controls:
        about = header.controls.get(name)
        if about is None:
            left_out[name] = "The model has no such control any more."
        elif not about.enabled:
            left_out[name] = about.reason or "The model can't do it any more."
        elif name in preset.spreads and (note := _moved(name, settings, preset, about)):
            notes.append(note)
    kept = {name: value for name, value in settings.controls.items() if name not in left_out}
    if kept != settings.controls:
        changes["controls"] = kept
    if settings.axes and not same:
        why = "The model was trained again since, and its free axes are other ones now."
        left_out |= dict.fromkeys(settings.axes, why)
        changes["axes"] = {}
    names = header.corpus.names
    for field in ("like", "to"):
        recording = getattr(settings, field)
        if recording is not None and recording not in names and not named_path(recording).is_file():
            left_out[field] = f"There is no recording {recording!r} any more."
            changes[field] = None
    return FittedPreset(settings.model_copy(update=changes), preset.export, left_out, tuple(notes))


def _moved(name: str, settings: PlaySettings, preset: Preset, about: ControlReport) -> str | None:
    """Explain a setting that stands for another distance than when it was saved."""
    before, now = preset.spreads[name], about.spread
    value = settings.controls[name]
    if value == 0 or not before or 1 / _OTHER_SPREAD < now / before < _OTHER_SPREAD:
        return None
    return (
        f"{name}={value:+g} was {value * before:+.2g} {about.unit} when the preset was saved, "
        f"and is {value * now:+.2g} with the model of today."
    )


def _check(name: str) -> None:
    try:
        check_name(name)
    except SoundError as error:
        message = error.message.replace("name of a model", "name of a preset")
        raise SoundError(message, step=error.step) from error


def _same(known: dict[str, Preset], name: str) -> str | None:
    wanted = name.casefold()
    return next((key for key in known if key.casefold() == wanted), None)


def _read(path: Path) -> _File:
    try:
        return _File.model_validate(read_json(path))
    except FileNotFoundError:
        return _File()
    except OSError as error:
        message, step = read_refusal(error, "This file of presets")
        raise SoundError(message, where=path, step=step) from error
    except (ValueError, MilongaError) as error:
        raise SoundError(
            f"The presets can't be read ({str(error).splitlines()[0]}).",
            where=path,
            step="Correct the file, or move it away: the model itself plays without it.",
        ) from error


def _write(path: Path, presets: dict[str, Preset]) -> None:
    document = {
        "format_version": 1,
        "presets": {name: preset.to_dict() for name, preset in presets.items()},
    }
    write_text(path, dump_json(document))
