"""Settings of an export, checked before any work."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from milonga.audio.files import Subtype
from milonga.errors import AudioError
from milonga.runtime.record import first_error

FormatName = Literal["wav", "flac", "ogg", "opus", "mp3"]
ChannelsName = Literal["keep", "mono", "stereo", "binaural"]

RATES = (44_100, 48_000, 96_000)
SAMPLE_BYTES: dict[str, int] = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}


@dataclass(frozen=True, slots=True)
class Format:
    """The abilities of a file format.

    Attributes:
        subtypes: sample formats by bits, the usual one first; lossy formats have one, without bits.
        rates: sampling rates in Hz.
        compression: of lossy formats, as ``audio.write`` takes it.
        largest: bytes that a file can hold, where the format has a limit.
    """

    subtypes: dict[int | None, Subtype]
    rates: tuple[int, ...] = RATES
    compression: float | None = None
    largest: int | None = None

    @property
    def lossy(self) -> bool:
        return None in self.subtypes


FORMATS: dict[str, Format] = {
    "wav": Format({24: "PCM_24", 16: "PCM_16", 32: "FLOAT"}, largest=0xFFFFFFFF),
    "flac": Format({24: "PCM_24", 16: "PCM_16"}),
    # Vorbis quality 8, some 256 kbit/s for music in stereo.
    "ogg": Format({None: "VORBIS"}, compression=0.2),
    # At libsndfile's usual bit rate the last 5 ms of a tone come out louder than the tone.
    "opus": Format({None: "OPUS"}, rates=(48_000,), compression=0.2),
    # LAME's V0, up to 320 kbit/s.
    "mp3": Format({None: "MPEG_LAYER_III"}, rates=(44_100, 48_000), compression=0.0),
}
"""By suffix without the dot."""


class ExportSettings(BaseModel):
    """Settings of an export. A field's description is the help of its option.

    Raises:
        AudioError: a wrong value or an unknown field, the format has no such rate or bits, or
            options contradict each other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: FormatName | None = Field(
        None, description="By default what the suffix of the file says."
    )
    bits: Literal[16, 24, 32] | None = Field(
        None, description="Of WAV and FLAC: 16, 24, or 32 (float, WAV only). By default 24."
    )
    rate: Literal[44100, 48000, 96000] | None = Field(
        None,
        description="Sampling rate in Hz. By default the sound's own, where the format has it.",
    )
    channels: ChannelsName = Field(
        "keep", description="stereo: a width made from mono. binaural: for headphones."
    )
    width: float = Field(
        1.0, ge=0, le=1, description="Of stereo made from mono: 0 none, 1 the widest."
    )
    azimuth: float = Field(
        0.0,
        ge=-360,
        le=360,
        description="Of binaural: 90 is at the left ear, -90 at the right, 180 behind.",
        json_schema_extra={"metavar": "DEGREES"},
    )
    elevation: float = Field(
        0.0,
        ge=-90,
        le=90,
        description="Of binaural: above the ears.",
        json_schema_extra={"metavar": "DEGREES"},
    )
    spread: float = Field(
        60.0,
        ge=0,
        le=180,
        description="Of binaural: between the two loudspeakers of a stereo sound.",
        json_schema_extra={"metavar": "DEGREES"},
    )
    sofa: Path | None = Field(
        None,
        description="Of binaural: measured head responses (SimpleFreeFieldHRIR) instead of a "
        "sphere.",
        json_schema_extra={"metavar": "FILE"},
    )
    loudness: float | None = Field(
        None,
        ge=-70,
        le=0,
        description="Bring the sound to this integrated loudness, true peaks under -1 dBTP.",
        json_schema_extra={"metavar": "LUFS"},
    )
    level: bool = Field(False, description="Where it would clip, limit its peaks to -1 dBTP.")
    dither: bool = Field(
        True,
        description="Add triangular dither on reduction to 16 or 24 bits.",
        json_schema_extra={"help": "Round to 16 or 24 bits without dither."},
    )
    dither_seed: int = Field(0, ge=0, description="Of the dither.")

    @model_validator(mode="wrap")
    @classmethod
    def _explained(
        cls, value: Any, handler: ModelWrapValidatorHandler[ExportSettings]
    ) -> ExportSettings:
        try:
            return handler(value)
        except ValidationError as error:
            field, message = first_error(error)
            raise AudioError(f"Export setting {field!r}: {message}.") from error

    @model_validator(mode="after")
    def _fits(self) -> ExportSettings:
        if self.format is not None:
            self.check(self.format)
        if self.channels != "binaural" and self.sofa is not None:
            raise AudioError(
                "A SOFA file is for binaural sound.", where=self.sofa, step="Ask for binaural, too."
            )
        return self

    def check(self, name: str) -> None:
        """Raise AudioError unless the format can hold what the settings ask for."""
        format = FORMATS[name]
        if self.rate is not None and self.rate not in format.rates:
            able = ", ".join(n for n, f in FORMATS.items() if self.rate in f.rates)
            raise AudioError(
                f"{name.upper()} can't hold {self.rate} Hz, only {_either(format.rates)} Hz.",
                step=f"Take another rate, or one of: {able}.",
            )
        if self.bits is not None and self.bits not in format.subtypes:
            if format.lossy:
                raise AudioError(
                    f"{name.upper()} is lossy: it has no number of bits.",
                    step="Leave the bits out, or take WAV or FLAC.",
                )
            raise AudioError(
                f"{name.upper()} can't hold {self.bits} bits, only "
                f"{_either([b for b in format.subtypes if b is not None])}.",
                step="Take WAV for 32-bit float.",
            )

    def format_of(self, path: str | os.PathLike[str]) -> str:
        """Name the format of a file: that of the settings, which its suffix must not contradict.

        Raises:
            AudioError: an unknown or contradicting suffix, or a format that can't hold the rest.
        """
        path = Path(path)
        suffix = path.suffix.lower().removeprefix(".")
        if suffix not in FORMATS:
            raise AudioError(
                f"No export format has the suffix {path.suffix!r}.",
                where=path,
                step=f"Use one of: {' '.join('.' + name for name in FORMATS)}.",
            )
        if self.format not in (None, suffix):
            raise AudioError(
                f"The format is {self.format}, the suffix {path.suffix}.",
                where=path,
                step="Leave one of them out, or make them agree.",
            )
        self.check(suffix)
        return suffix

    def subtype(self, name: str) -> Subtype:
        """Name the sample format within a file format."""
        format = FORMATS[name]
        return format.subtypes[self.bits] if self.bits else next(iter(format.subtypes.values()))

    def rate_of(self, name: str, rate: int) -> int:
        """Choose the rate that a sound is written at.

        Without ``rate`` in the settings it is the sound's own where the format has it, else the
        nearest above, else the highest.
        """
        if self.rate is not None:
            return self.rate
        rates = FORMATS[name].rates
        if not FORMATS[name].lossy or rate in rates:
            return rate
        return min((r for r in rates if r >= rate), default=max(rates))


def _either(values: tuple[int, ...] | list[int]) -> str:
    words = [str(value) for value in sorted(values)]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
