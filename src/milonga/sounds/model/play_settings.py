"""What is played, in words and numbers alone: for presets, history, blends and batches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from milonga.errors import SoundError

if TYPE_CHECKING:
    from milonga.audio.export.receipt import Made
    from milonga.sounds.instrument.instrument import Instrument, Source
    from milonga.sounds.model.player import PlayRequest, SoundPlayer

Setting = Annotated[float, Field(ge=-4, le=4)]
"""In spreads of the corpus."""


class PlaySettings(BaseModel):
    """Everything that ``sound play`` takes but files and their formats.

    ``model_fields_set`` tells what was chosen from what is merely usual.

    Attributes:
        seconds: None for the length of ``like``, else 10.
        controls, axes: by name, in spreads of the corpus.
        like, to: a recording that the model learnt from, or a path.
        vocoder: as ``choose_voice`` takes it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seconds: float | None = Field(None, gt=0)
    seed: int = Field(0, ge=0)
    controls: dict[str, Setting] = {}
    axes: dict[str, Setting] = {}
    like: str | None = None
    to: str | None = None
    pace: float = Field(1.0, ge=0, le=16)
    tempo: float = Field(120.0, ge=20, le=400)
    vocoder: str = "auto"
    device: str = "auto"

    @classmethod
    def of(cls, **values: Any) -> PlaySettings:
        """Settings from the user's values.

        Raises:
            SoundError: says which is out of range.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][-1])
            raise SoundError(
                f"{name}={first['input']!r} can't be played: {first['msg'].lower()}.",
                step="Controls and axes go from -4 to 4 spreads, pace from 0 to 16, tempo from "
                "20 to 400.",
            ) from error

    def over(self, other: PlaySettings) -> PlaySettings:
        """These settings where they were chosen, else the other ones; controls one by one."""
        chosen = {name: getattr(self, name) for name in self.model_fields_set}
        for name in ("controls", "axes"):
            if name in chosen:
                chosen[name] = {**getattr(other, name), **chosen[name]}
        return other.model_copy(update=chosen)

    def anchored(self) -> PlaySettings:
        """The same with paths that hold from any folder."""
        changes = {}
        for name in ("like", "to"):
            text = getattr(self, name)
            if text is not None and Path(text).is_file():
                changes[name] = str(Path(text).absolute())
        return self.model_copy(update=changes)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with its recordings, read once.

    Attributes:
        request: for the player.
        start, to: the recordings, for a receipt.
    """

    request: PlayRequest
    start: Source | None
    to: Source | None

    def made(self, instrument: Instrument) -> Made:
        """How it is made, for a receipt."""
        return instrument.made(self.request, self.start, self.to)


def ask(settings: PlaySettings, player: SoundPlayer) -> Asked:
    """The request that settings stand for, checked.

    Raises:
        SoundError: a recording, control, axis or value that this model can't play.
        UnknownNameError: no such control or axis.
        AudioError: a recording can't be read.
    """
    from milonga.sounds.instrument.instrument import source_of
    from milonga.sounds.model.player import PlayRequest

    start = source_of(settings.like, player) if settings.like is not None else None
    to = source_of(settings.to, player) if settings.to is not None else None
    request = PlayRequest(
        seconds=settings.seconds,
        seed=settings.seed,
        settings=settings.controls,
        axes=settings.axes,
        start=start.value if start else "walk",
        to=to.value if to else None,
        pace=settings.pace,
        tempo=settings.tempo,
    )
    player.check(request)
    return Asked(request, start, to)


def is_axis(name: str) -> bool:
    """Whether a setting is that of a free axis."""
    return name.startswith("pca") and name[3:].isdecimal()
