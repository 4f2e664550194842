"""An entry of the history: what was played, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from milonga.audio.export.receipt import Provenance
from milonga.runtime.record import FiniteRecord
from milonga.sounds.library.library import Library
from milonga.sounds.model.play_settings import PlaySettings

ENTRY, SOUND, PICTURE, PINNED = "entry.json", "sound.flac", "picture.png", "pinned"


class PlayedModel(FiniteRecord):
    """A model that took part.

    Attributes:
        model: its name in the library, or the absolute path of its file.
        sha256: how it sounded (``sound_hash``).
        weight: its share, 1 where it played alone.
    """

    model: str
    sha256: str
    weight: float = 1.0


class HistoryEntry(FiniteRecord):
    """A record of what was played.

    Attributes:
        models: one, or those of a blend.
        settings: as played.
        export: fields of ``ExportSettings``.
        made: as in the receipt.
        out: the file that was written, if one was.
        receipt_id: of its receipt.
        created: ISO 8601, UTC.
        sha256: of the samples as played, before any export.
        seconds: of them.
        lufs: integrated loudness; None where it isn't defined.
    """

    format_version: Literal[1] = 1
    number: int
    kind: Literal["play", "blend"] = "play"
    models: tuple[PlayedModel, ...]
    settings: PlaySettings
    export: dict[str, Any] = Field({})
    made: Provenance
    out: str | None = None
    receipt_id: str | None = None
    created: str
    sha256: str
    seconds: float
    lufs: float | None = None


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """An entry where it lies.

    Attributes:
        owner: the model of the library in whose folder it is; None for those outside.
        size: bytes of all its files.
    """

    entry: HistoryEntry
    folder: Path
    owner: str | None
    size: int

    @property
    def number(self) -> int:
        return self.entry.number

    @property
    def pinned(self) -> bool:
        return (self.folder / PINNED).exists()

    @property
    def sound(self) -> Path | None:
        """The kept sound, unless it has gone for room."""
        path = self.folder / SOUND
        return path if path.exists() else None

    @property
    def picture(self) -> Path | None:
        path = self.folder / PICTURE
        return path if path.exists() else None

    @property
    def models(self) -> tuple[str, ...]:
        """Names of today of the models that played."""
        if self.owner is not None:
            return (self.owner,)
        return tuple(played.model for played in self.entry.models)

    @property
    def title(self) -> str:
        """Its models: ``A``, or ``A:60 B:40``."""
        names = [Path(name).name for name in self.models]
        if len(names) == 1:
            return names[0]
        pairs = zip(names, self.entry.models, strict=True)
        return " ".join(f"{name}:{100 * played.weight:.3g}" for name, played in pairs)

    @property
    def settings_text(self) -> str:
        """The settings that were chosen, in a line."""
        settings = self.entry.settings
        parts = [f"seed {settings.seed}"]
        parts += [f"{name}={value:+g}" for group in (settings.controls, settings.axes)
                  for name, value in group.items()]  # fmt: skip
        parts += [f"like {Path(settings.like).name}"] if settings.like else []
        parts += [f"to {Path(settings.to).name}"] if settings.to else []
        parts += [f"pace {settings.pace:g}"] if settings.pace != 1 else []
        parts += [f"tempo {settings.tempo:g}"] if settings.tempo != 120 else []
        return ", ".join(parts)

    def _repr_html_(self) -> str:
        from milonga.runtime import html

        lines = [f"{self.number}. {self.title}", self.settings_text, self.entry.created]
        return html.paragraphs(lines) + (html.player(self.sound) if self.sound else "")

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            **self.entry.model_dump(mode="json"),
            "models": [
                {**played.model_dump(), "model": name}
                for played, name in zip(self.entry.models, self.models, strict=True)
            ],
            "pinned": self.pinned,
            "sound": None if self.sound is None else str(self.sound),
            "picture": None if self.picture is None else str(self.picture),
            "size": self.size,
        }


def played_model(
    path: Path, sha256: str, weight: float = 1.0, library: Library | None = None
) -> PlayedModel:
    """Describe a model that took part, by its file: its name where the library has it."""
    library = library or Library()
    inside = path.absolute().parent.parent == library.folder.absolute()
    name = path.absolute().parent.name if inside else str(path.absolute())
    return PlayedModel(model=name, sha256=sha256, weight=weight)
