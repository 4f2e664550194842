"""Long clips as windows, each of which goes on from tokens of the one before."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_S = 30.0
"""Length of the clips that MusicGen was trained on."""

KEPT_S = 12.0
"""Seconds that a window repeats of the one before: the stride of 18 s that the authors use."""


@dataclass(frozen=True, slots=True)
class Window:
    """One call of the model: ``kept`` frames that are there already, then ``new`` ones."""

    kept: int
    new: int


def split(frames: int, longest: int, kept: int) -> list[Window]:
    """The windows that make ``frames`` frames.

    Args:
        frames: 1 or more.
        longest: frames of a window.
        kept: how many of them come from before, in all but the first.
    """
    windows = [Window(0, min(frames, longest))]
    done = windows[0].new
    while done < frames:
        new = min(frames - done, longest - kept)
        windows.append(Window(kept, new))
        done += new
    return windows
