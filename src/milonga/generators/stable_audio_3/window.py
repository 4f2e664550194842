"""Edits of recordings that are longer than the model: it hears a window around the range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from milonga.audio.clip import Clip
from milonga.generators.base import Request

SHARE = 0.75
"""Of the longest: a longer range would hear too little around it."""


@dataclass(frozen=True, slots=True)
class Window:
    """What the model makes of a result.

    Attributes:
        start: where it begins in the result, in seconds.
        request: for it alone; that of the whole where the model makes all of it.
    """

    start: float
    request: Request

    def of(self, source: Clip, offset: float) -> Clip:
        """The part of a source from the window's start on.

        Args:
            source: the recording.
            offset: where it lies in the result, in seconds.
        """
        hidden = round(max(0.0, self.start - offset) * source.sample_rate)
        return Clip(source.samples[:, hidden:], source.sample_rate)

    def within(self, made: Clip, seconds: float) -> Clip:
        """A result of ``seconds`` with what was made in its place, and silence around it."""
        if self.request.seconds >= seconds:
            return made
        rate = made.sample_rate
        samples = np.zeros((made.channels, round(seconds * rate)), np.float32)
        first = round(self.start * rate)
        kept = made.samples[:, : samples.shape[1] - first]
        samples[:, first : first + kept.shape[1]] = kept
        return Clip(samples, rate)


def window_of(request: Request, longest: float) -> Window:
    """Choose the window of an edit: as long as the model can, the range in its middle.

    Args:
        request: any; only of edits that make a range anew there is a window.
        longest: seconds that the model makes at once.
    """
    edit = request.edit
    if edit is None or request.seconds <= longest or edit.task not in ("repaint", "extend"):
        return Window(0.0, request)
    end = request.seconds if edit.end is None else min(edit.end, request.seconds)
    start = (edit.start + end - longest) / 2
    start = min(max(0.0, start), request.seconds - longest)
    moved = edit.model_copy(
        update={
            "offset": max(0.0, edit.offset - start),
            "start": max(0.0, edit.start - start),
            "end": min(longest, end - start),
        }
    )
    return Window(start, request.model_copy(update={"seconds": longest, "edit": moved}))


def range_of(request: Request) -> float:
    """Seconds that are made anew."""
    edit = request.edit
    if edit is None or edit.task not in ("repaint", "extend"):
        return request.seconds
    end = request.seconds if edit.end is None else min(edit.end, request.seconds)
    return end - edit.start
