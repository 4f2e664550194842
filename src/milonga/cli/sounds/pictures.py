"""Keeping what was played in the history."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from milonga.cli.common import say
from milonga.errors import MilongaError

if TYPE_CHECKING:
    from milonga.audio.clip import Clip
    from milonga.audio.export.receipt import Provenance
    from milonga.audio.export.settings import ExportSettings
    from milonga.audio.export.write import ExportResult
    from milonga.sounds.library.history_entry import PlayedModel
    from milonga.sounds.model.play_settings import PlaySettings


def keep(
    clip: Clip,
    models: Sequence[PlayedModel],
    settings: PlaySettings,
    export: ExportSettings,
    made: Provenance,
    result: ExportResult,
    kind: Literal["play", "blend"] = "play",
) -> int | None:
    """Puts what was played into the history; a history that fails must not cost the sound.

    Returns:
        Its number; None where nothing is kept.
    """
    from milonga.audio.pictures import clip_png
    from milonga.sounds.library.history import History

    try:
        kept = History().record(
            clip,
            models=models,
            settings=settings,
            made=made,
            kind=kind,
            export=export.model_dump(mode="json", exclude_defaults=True),
            out=Path(result.path),
            receipt_id=result.receipt.id,
            picture=clip_png(clip),
        )
    except MilongaError as error:
        say(f"The history couldn't keep this: {error.message}")
        return None
    return None if kept is None else kept.number


def models_text(models: Sequence[dict[str, Any]]) -> str:
    """``A`` or ``A:60 B:40``."""
    if len(models) == 1:
        return str(models[0]["model"])
    return " ".join(f"{each['model']}:{100 * each['weight']:g}" for each in models)
