"""Keeping settings of a sound model under names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from milonga.audio.export.settings import ExportSettings
from milonga.errors import SoundError
from milonga.sounds.library.history import History
from milonga.sounds.library.library import Library
from milonga.sounds.library.presets import Preset, Presets
from milonga.sounds.model.play_settings import PlaySettings


def save_preset(
    model: str,
    name: str,
    settings: PlaySettings | None = None,
    *,
    export: Mapping[str, Any] | None = None,
    blend: Mapping[str, float] | None = None,
    begin_with: int | Literal["last"] | None = None,
    keep_seed: bool = False,
    force: bool = False,
    library: Library | None = None,
) -> Preset:
    """Keep settings of a model under a name, if the model can play them.

    Args:
        model: a name of the library.
        name: of the preset.
        settings: only what was chosen in them is kept.
        export: fields of ``ExportSettings`` to keep, too.
        blend: models with weights that play the settings together, to keep, too.
        begin_with: a number of the history, or what the model played last; ``settings`` go over
            its settings.
        keep_seed: of the history: keep the seed, too.
        force: replace a preset of that name.

    Raises:
        SoundError: there is nothing to keep, the model can't play it, or the name is taken or
            can't be one.
        UnknownNameError: no such control or axis.
        AudioError: the export's settings contradict each other.
    """
    from milonga.sounds import open_model

    presets, settings = Presets(model, library), settings or PlaySettings()
    fields = dict(export or {})
    kept = ExportSettings(**fields).model_dump(mode="json", include=set(fields))
    if begin_with is not None:
        history = History(library)
        item = history.last(model) if begin_with == "last" else history.get(begin_with)
        left = {} if keep_seed else {"seed"}
        earlier = item.entry.settings.model_dump(exclude_unset=True, exclude=set(left))
        settings, kept = settings.over(PlaySettings(**earlier)), {**item.entry.export, **kept}
    if not (settings.model_fields_set or kept):
        raise SoundError(
            "There is nothing to keep.", step="Choose a setting, as brightness=-2, or --from-last."
        )
    # A preset that can't be played must not be saved.
    settings.resolve(open_model(model, library))
    return presets.save(name, settings, kept, blend=blend, force=force)
