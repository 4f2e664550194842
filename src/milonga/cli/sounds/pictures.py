"""A picture of a sound for the history, and keeping it there."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from milonga.cli.common import say
from milonga.errors import MilongaError

if TYPE_CHECKING:
    from milonga.audio.clip import Clip
    from milonga.audio.export.receipt import Made
    from milonga.audio.export.settings import ExportSettings
    from milonga.audio.export.write import ExportResult
    from milonga.sounds.library.history_entry import Played
    from milonga.sounds.model.play_settings import PlaySettings

_COLUMNS, _WAVE_ROWS = 560, 64
_LONGEST_S = 600.0
"""Of a longer sound the beginning is shown."""


def picture(clip: Clip) -> bytes:
    """Waveform above mel-spectrogram, as PNG.

    Args:
        clip: ``[channels, time]``.
    """
    import numpy as np
    from PIL import Image

    from milonga.analysis.report import pictures
    from milonga.audio import Clip as Sound
    from milonga.audio import resample
    from milonga.audio.mel.spec import MelSpec

    spec = MelSpec.preset("bigvgan-v2-44khz-128band-512x")
    mono = Sound(clip.mono[: round(_LONGEST_S * clip.sample_rate)], clip.sample_rate)
    mono = resample(mono, spec.sample_rate)
    levels = spec.analyse(mono.fitted(max(mono.n_samples, spec.hop)))[0] * (20 / np.log(10))
    shown = pictures.spectrogram_png(
        levels.astype(np.float32), mono.seconds, mono.seconds, float(levels.max())
    )
    mel = Image.open(io.BytesIO(shown)).convert("RGBA").resize((_COLUMNS, levels.shape[0]))
    wave = pictures.wave(mono, mono.seconds)
    scale = max(wave.peak, 1e-9)
    at = np.arange(_COLUMNS) * len(wave.low) // _COLUMNS
    middle = (_WAVE_ROWS - 1) / 2
    rows = np.arange(_WAVE_ROWS)[:, np.newaxis]
    inside = (rows >= middle - 0.5 - middle * wave.high[at] / scale) & (
        rows <= middle + 0.5 - middle * wave.low[at] / scale
    )
    image = Image.new("RGBA", (_COLUMNS, _WAVE_ROWS + levels.shape[0]), (16, 16, 24, 255))
    ink = np.where(inside[..., np.newaxis], (130, 180, 220, 255), (16, 16, 24, 255))
    image.paste(Image.fromarray(ink.astype(np.uint8), "RGBA"), (0, 0))
    image.paste(mel, (0, _WAVE_ROWS), mel)
    buffer = io.BytesIO()
    image.convert("P", palette=Image.Palette.ADAPTIVE, colors=96).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def keep(
    clip: Clip,
    models: Sequence[Played],
    settings: PlaySettings,
    export: ExportSettings,
    made: Made,
    result: ExportResult,
    kind: Literal["play", "blend"] = "play",
) -> int | None:
    """Puts what was played into the history; a history that fails must not cost the sound.

    Returns:
        Its number; None where nothing is kept.
    """
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
            picture=picture(clip),
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
