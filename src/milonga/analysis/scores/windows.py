"""Recordings cut into what a model hears at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import Clip
from milonga.audio.resampling import resample
from milonga.errors import ComparisonError
from milonga.runtime.progress import Progress


def windows(
    clip: Clip, rate: int, seconds: float, progress: Progress | None = None
) -> Iterator[NDArray[np.float32]]:
    """Cut a recording, mono and at a rate, into windows ``[time]``; the last one is what is left.

    Raises:
        ComparisonError: the recording is empty.
        Cancelled: the user stopped it; checked for every window.
    """
    if not clip.n_samples:
        raise ComparisonError("There is nothing to hear: the recording is empty.")
    mono = resample(Clip(clip.mono[None], clip.sample_rate), rate).mono
    step = round(seconds * rate)
    for at in range(0, len(mono), step):
        if progress is not None:
            progress.check()
        yield mono[at : at + step]
