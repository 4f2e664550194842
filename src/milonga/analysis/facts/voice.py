"""Whether somebody sings or speaks, and how high.

Two small networks listen, each to what the other can't tell: Silero's for speech (it ships with
faster-whisper) says where a voice is, SwiftF0 (Nieradzik, "SwiftF0: fast and accurate monophonic
pitch detection", 2025; MIT) how high it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milonga import audio
from milonga.analysis.melody import pitch_detector
from milonga.audio.clip import Clip
from milonga.errors import needs_extra

RATE = 16_000
_FRAME = 256
_WINDOW = 512
_VOICED = 0.5


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice in a recording.

    Attributes:
        share: of the recording in which a voice is heard.
        pitched: share in which one pitch is clear.
        low_hz: a tenth of the sung pitches lie below; None without any.
        middle_hz: the middle of them.
        high_hz: a tenth lie above.
    """

    share: float
    pitched: float
    low_hz: float | None = None
    middle_hz: float | None = None
    high_hz: float | None = None


def voice_of(clip: Clip) -> Voice:
    """Listen for a voice.

    Raises:
        MissingExtraError: the extra 'scores' isn't installed.
    """
    mono = audio.resample(Clip(clip.mono, clip.sample_rate, copy=False), RATE).mono
    if len(mono) < RATE // 2 or not mono.any():
        return Voice(0.0, 0.0)
    spoken = speech(mono)
    pitch = pitch_detector("Hearing a voice").detect(mono, RATE)
    clear = pitch.confidence >= _VOICED
    sung = clear & (np.interp(pitch.timestamps, *_places(spoken)) > _VOICED)
    share = float(np.mean(spoken > _VOICED))
    hertz = pitch.pitch_hz[sung]
    if len(hertz) < 10:
        return Voice(share, float(clear.mean()))
    low, middle, high = (float(value) for value in np.quantile(hertz, (0.1, 0.5, 0.9)))
    return Voice(share, float(clear.mean()), low, middle, high)


def speech(mono: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how sure a voice is heard in each 32 ms, from 0 to 1.

    Args:
        mono: ``[time]`` at 16 kHz.

    Raises:
        MissingExtraError: the extra 'scores' isn't installed.
    """
    with needs_extra("Hearing a voice", "scores"):
        from faster_whisper.vad import get_vad_model
    padded = np.pad(mono, (0, -len(mono) % _WINDOW))
    return np.asarray(get_vad_model()(padded), dtype=np.float64).reshape(-1)


def _places(spoken: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return (np.arange(len(spoken)) + 0.5) * _WINDOW / RATE, spoken
