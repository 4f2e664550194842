"""The user's own sounds: models learnt from a few recordings, and playing them."""

from __future__ import annotations

from milonga._lazy import lazy_names

_HOMES = {
    "Corpus": "milonga.sounds.corpus.inspection",
    "Instrument": "milonga.sounds.instrument.instrument",
    "Library": "milonga.sounds.library.library",
    "MelStore": "milonga.sounds.corpus.mel_store",
    "ModelHeader": "milonga.sounds.model.header",
    "PlaySettings": "milonga.sounds.model.play_settings",
    "ResolvedPlay": "milonga.sounds.model.resolved_play",
    "SoundPlayer": "milonga.sounds.model.player",
    "TrainSettings": "milonga.sounds.training.settings",
    "train_into_library": "milonga.sounds.train_model",
    "open_model": "milonga.sounds.library.library",
}
"""``train_into_library`` trains one for the library, ``open_model`` gives one to play."""

__all__ = [
    "Corpus",
    "Instrument",
    "Library",
    "MelStore",
    "ModelHeader",
    "PlaySettings",
    "ResolvedPlay",
    "SoundPlayer",
    "TrainSettings",
    "open_model",
    "train_into_library",
]


__getattr__, __dir__ = lazy_names(__name__, _HOMES)
