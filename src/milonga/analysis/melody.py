"""The melody of a recording, as notes: estimated, for nobody wrote them down.

SwiftF0 (Nieradzik, "SwiftF0: fast and accurate monophonic pitch detection", 2025; MIT) hears one
pitch at a time and parts it into notes. It ships its network, and needs no download.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from milonga.audio.clip import Clip
from milonga.audio.resampling import resample
from milonga.errors import needs_extra
from milonga.runtime.progress import Progress

_SHORTEST_S = 0.06


@dataclass(frozen=True, slots=True)
class HeardNote:
    """A note of a melody; ``pitch`` is a MIDI note number with a fraction."""

    start_s: float
    end_s: float
    pitch: float


def melody_of(clip: Clip, progress: Progress | None = None) -> list[HeardNote]:
    """Estimate the melody of a recording.

    It is a voice's or a single instrument's; in a whole band it follows what stands out, with gaps
    and wrong notes.

    Args:
        clip: at any rate; it is mixed to mono.
        progress: checked before the work.

    Raises:
        MissingExtraError: the extra 'scores' isn't installed.
        Cancelled: the user stopped it.
    """
    (progress or Progress()).check()
    with needs_extra("Hearing a melody", "scores"):
        from swift_f0 import SAMPLE_RATE, segment_notes
    detector = pitch_detector("Hearing a melody")
    mono = resample(Clip(clip.mono[None], clip.sample_rate), SAMPLE_RATE).mono
    if len(mono) < SAMPLE_RATE // 10 or not mono.any():
        return []
    found = segment_notes(detector.detect(np.ascontiguousarray(mono, np.float32), SAMPLE_RATE))
    return [
        HeardNote(float(note.start), float(note.end), 69 + 12 * math.log2(note.pitch_hz / 440))
        for note in found
        if note.end - note.start >= _SHORTEST_S
    ]


@lru_cache(maxsize=2)
def pitch_detector(what: str) -> Any:
    """Return SwiftF0 on one thread; it may be used from several.

    Args:
        what: the work that needs it, for the error.

    Raises:
        MissingExtraError: the extra 'scores' isn't installed.
    """
    with needs_extra(what, "scores"):
        from swift_f0 import SwiftF0

        return SwiftF0(threads=1)
