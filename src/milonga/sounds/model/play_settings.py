"""Settings of a play request, as plain values: for presets, history, blends and batches."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from milonga.audio import Clip, read, resample
from milonga.audio.reading.opening import decoder
from milonga.audio.reading.standard_input import DASH, LABEL
from milonga.errors import SoundError
from milonga.runtime.files import named_path
from milonga.runtime.words import readable
from milonga.sounds.corpus.inspection import Corpus
from milonga.sounds.folder import ModelFolder
from milonga.sounds.mel_spec import MEL_SPEC
from milonga.sounds.model.resolved_play import ResolvedPlay

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from milonga.sounds.model.player import SoundPlayer

Setting = Annotated[float, Field(ge=-4, le=4)]
"""In spreads of the corpus."""
SHORTEST_S = MEL_SPEC.n_fft / MEL_SPEC.sample_rate
"""Length of a recording to play again; in a shorter one, a window would hold its mirror images."""
VocoderName = Literal["auto", "own", "bigvgan", "griffin-lim"]


class PlaySettings(BaseModel):
    """Everything that ``sound play`` takes but files and their formats.

    ``model_fields_set`` tells what was chosen from what is merely usual. A field's description is
    the help of its option.

    Attributes:
        controls, axes: by name, in spreads of the corpus.

    Raises:
        SoundError: says which value is out of range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seconds: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="Length; by default that of the recording in --like, else 10.",
    )
    seed: int = Field(0, ge=0, description="The same seed plays the same.")
    controls: dict[str, Setting] = {}
    axes: dict[str, Setting] = {}
    like: str | None = Field(
        None,
        description="Play it again with other controls: any file, or one that the model learnt "
        "from.",
        json_schema_extra={"metavar": "RECORDING"},
    )
    to: str | None = Field(
        None,
        description="Turn into this one over the length.",
        json_schema_extra={"metavar": "RECORDING"},
    )
    pace: float = Field(1.0, ge=0, le=16, description="How fast it goes; 0 stands still.")
    tempo: float = Field(120.0, ge=20, le=400, description="Tempo of the pulse, in beats a minute.")
    vocoder: VocoderName = Field(
        "auto",
        description="auto: the model's own if that is better, else bigvgan if its weights are "
        "here, else griffin-lim.",
    )
    device: str = Field("auto", description="Device of a neural vocoder: auto, cpu, cuda or mps.")

    @model_validator(mode="wrap")
    @classmethod
    def _explained(
        cls, value: Any, handler: ModelWrapValidatorHandler[PlaySettings]
    ) -> PlaySettings:
        try:
            return handler(value)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][-1]) if first["loc"] else "The settings"
            raise SoundError(
                f"{name}={first['input']!r} can't be played: {first['msg'].lower()}.",
                step="Controls and axes go from -4 to 4 spreads, pace from 0 to 16, tempo from "
                "20 to 400.",
            ) from error

    def over(self, other: PlaySettings) -> PlaySettings:
        """Lay these settings, where they were chosen, over others; controls one by one."""
        chosen = {name: getattr(self, name) for name in self.model_fields_set}
        for name in ("controls", "axes"):
            if name in chosen:
                chosen[name] = {**getattr(other, name), **chosen[name]}
        return other.model_copy(update=chosen)

    def anchored(self) -> PlaySettings:
        """Make paths absolute, so that they hold from any folder."""
        changes = {}
        for name in ("like", "to"):
            text = getattr(self, name)
            if text is not None and Path(text).is_file():
                changes[name] = str(Path(text).absolute())
            elif text == "-":
                # It can't be read a second time.
                changes[name] = LABEL
        return self.model_copy(update=changes)

    def resolve(self, player: SoundPlayer) -> ResolvedPlay:
        """Read the recordings and check the settings against a model.

        Raises:
            SoundError: a recording, control, axis or value that this model can't play.
            UnknownNameError: no such control or axis.
            AudioError: a recording can't be read.
        """
        if self.like == self.to == "-":
            raise SoundError("Standard input (-) holds one recording, and is named twice.")
        values: dict[str, Any] = {}
        recordings: dict[str, dict[str, Any]] = {}
        for field, text in {"start": self.like, "to": self.to}.items():
            if text is not None:
                values[field], recordings[field] = _recording(text, player)
        resolved = ResolvedPlay(
            seconds=self.seconds,
            seed=self.seed,
            controls=self.controls,
            axes=self.axes,
            pace=self.pace,
            tempo=self.tempo,
            recordings=recordings,
            **values,
        )
        player.check(resolved)
        return resolved


def is_axis(name: str) -> bool:
    """Tell whether a setting is that of a free axis."""
    return name.startswith("pca") and name[3:].isdecimal()


def recording_file(text: str, model: Path | None) -> Path:
    """Find the file of a recording: by its path, or where it lay when the model was trained.

    Args:
        text: a path, or the name of one of the model's recordings.
        model: the model's file, where there is one.
    """
    path = named_path(text)
    known = model and not path.is_file() and Corpus.kept(ModelFolder.of_model(model).corpus)
    return next((Path(f.path) for f in known.files if f.name == text), path) if known else path


def check_seconds(path: Path, seconds: float) -> None:
    """Check that a recording says anything: one window of the mel must be its own sound.

    Raises:
        SoundError: it is shorter.
    """
    if seconds < SHORTEST_S:
        raise SoundError(
            f"The recording lasts {1000 * seconds:.2g} ms, too short to play it again: what it "
            f"sounds like is heard in stretches of {1000 * SHORTEST_S:.0f} ms.",
            where=LABEL if path == DASH else path,
            step="Give a longer one.",
        )


def _recording(text: str, player: SoundPlayer) -> tuple[str | NDArray[np.float32], dict[str, Any]]:
    """A recording by its path, or one that the model learnt from; and what a receipt says of it.

    Raises:
        SoundError: there is neither, or the recording is too short.
        AudioError: the recording can't be read.
    """
    path, text = named_path(text), readable(text)
    if text in player.files and player.kept.of_file(player.files.index(text)) is not None:
        return f"corpus:{text}", {"corpus": text}
    if not path.is_file() and path != DASH and text in player.files:
        # Held out for testing, or left out of a long corpus: then its file is read.
        path = recording_file(text, player.place)
        if not path.is_file():
            raise SoundError(
                f"The model keeps nothing of {text!r}: it was held out for testing, or left out "
                f"of a long corpus, and its file is not at {path}.",
                step="Give the path of the recording itself.",
            )
    if not path.is_file() and path != DASH:
        some = ", ".join(player.learnt[:5]) + (", ..." if len(player.learnt) > 5 else "")
        raise SoundError(
            f"There is no recording {text!r}, neither as a file nor among those that the model "
            "learnt from.",
            step=f"It learnt from: {some}.",
        )
    whole = read(path)
    check_seconds(path, whole.seconds)
    clip = resample(Clip(whole.mono, whole.sample_rate), player.spec.sample_rate)
    mel = player.spec.analyse(clip)
    said = {
        "recording": LABEL if path == DASH else path.name,
        "mel_sha256": hashlib.sha256(mel.data).hexdigest(),
    }
    return mel, said | ({"decoder": by} if (by := decoder(path)) else {})
