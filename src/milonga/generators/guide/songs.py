"""Songs, words and music in one: played as vocals with the band, one segment after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np

from milonga.audio.clip import Clip
from milonga.generators.base import Assessment, Request


def segments_of(request: Request) -> list[Request]:
    """Return the requests that are played for one: itself, or those of a song's segments.

    A segment of a song with words is sung to the band, one without is played.
    """
    if request.role != "song":
        return [request]
    if not request.parts:
        return [_played(request)]
    tempi = [part.tempo or request.tempo for part in request.parts]
    return [
        _played(
            request.model_copy(
                update={
                    "section": part.section,
                    "seconds": part.seconds,
                    "style": part.style or request.style,
                    "mood": part.mood or request.mood,
                    "voice": part.voice or request.voice,
                    "lyrics": part.lyrics,
                    "tempo": tempo,
                    "key": part.key or request.key,
                    "time": part.time or request.time,
                    "chords": part.chords,
                    "pickup": part.pickup,
                    "next_tempo": following if following != tempo else None,
                    "parts": (),
                }
            )
        )
        for part, tempo, following in zip(
            request.parts, tempi, [*tempi[1:], tempi[-1]], strict=True
        )
    ]


def _played(request: Request) -> Request:
    role = "vocals" if request.sung else "instrumental"
    return request.model_copy(update={"role": role, "accompanied": False})


def joined(assessments: Sequence[Assessment]) -> Assessment:
    """Join what was found about the segments of a song; a problem says in which."""
    if len(assessments) == 1:
        return assessments[0]
    return Assessment(
        problems=tuple(
            replace(problem, where=f"part {number}, {problem.where}")
            for number, each in enumerate(assessments, 1)
            for problem in each.problems
        ),
        notes=tuple(dict.fromkeys(note for each in assessments for note in each.notes)),
        estimate_s=sum(each.estimate_s or 0.0 for each in assessments),
        memory=max(each.memory or 0 for each in assessments),
    )


def joined_clips(clips: Iterable[Clip], lengths_s: Sequence[float], rate: int) -> Clip:
    """Join the segments of a song, stereo, each at its own time: ``round(sum * rate)`` samples.
    Clips are taken one by one.

    Each segment ends in silence (``playing.render`` fades its end), so that nothing clicks.
    """
    places = [round(at * rate) for at in accumulate(lengths_s, initial=0.0)]
    joined = np.zeros((2, places[-1]), np.float32)
    for clip, start, end in zip(clips, places[:-1], places[1:], strict=True):
        part = clip.samples[:, : end - start]
        joined[:, start : start + part.shape[1]] = part
    return Clip(joined, rate, copy=False)
