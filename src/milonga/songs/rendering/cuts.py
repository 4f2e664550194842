"""Where a take of the whole song is cut into its segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Literal

from milonga.analysis.rhythm.downbeats import Onsets
from milonga.audio.clip import Clip
from milonga.generators.base import Request, SongPart
from milonga.runtime.record import FiniteRecord
from milonga.songs.rendering.receipts import Receipt

_MEASURED_S, _BEFORE_S = 0.025, 0.01
"""The error of a measured beat, and how far before it a cut lies."""
_ONE_PULSE = 0.04
"""Difference of two tempi, as a part, that a measured beat still follows."""
_MOST_MOVED = 0.45
"""Of the shorter of the two segments at a cut, so that each keeps some of its own."""


class Cut(FiniteRecord):
    """The place between two segments of a take of the whole song.

    Attributes:
        sheet_s: where the sheet has it, in seconds from the take's start.
        time_s: where the take is cut.
        at: what is there: a downbeat, a beat (where no beat stands out from its bars), or the
            place of the sheet (where there is no clear beat, or the next one is too far).
        beat: how far what begins around it keeps to the beat, 0 to 1.
        bar: the share of the bars around that agree on the downbeat; None where unknown.
    """

    sheet_s: float
    time_s: float
    at: Literal["downbeat", "beat", "sheet"]
    beat: float
    bar: float | None = None

    @property
    def text(self) -> str:
        """Where it is and how sure, in a few words."""
        if self.at == "sheet":
            return f"{self.time_s:.2f} s, as the sheet says (no clear beat near it)"
        sure = f"the beat is {self.beat:.0%} clear"
        if self.at == "downbeat" and self.bar is not None:
            sure = f"{self.bar:.0%} of the bars around agree"
        moved = self.time_s - self.sheet_s
        return f"{self.time_s:.2f} s, at a {self.at} {moved:+.2f} s from the sheet's place; {sure}"

    def to_dict(self) -> dict[str, Any]:
        """Return the cut as plain values."""
        return self.model_dump(mode="json")


def find_cuts(clip: Clip, receipt: Receipt) -> tuple[Cut, ...]:
    """Find where to cut a take of the whole song, one place fewer than there are segments.

    Each place of the sheet moves to the nearest downbeat, as far as beats can be measured.

    Args:
        clip: the take.
        receipt: of the take; one of a single segment has no cuts.
    """
    request = receipt.answers.model_copy(update={"edit": receipt.request.edit})
    places = _places(clip, request)
    inner = places[1:-1]
    if not inner:
        return ()
    onsets = Onsets(clip)
    beats = beats_of(request.time)
    cuts = []
    around = pairwise(pairwise(places))
    for parts, ((before, place), (_, after)) in zip(pairwise(request.parts), around, strict=True):
        if _changes(request, *parts):
            cuts.append(Cut(sheet_s=place, time_s=place, at="sheet", beat=0.0))
            continue
        near = onsets.near(place, request.tempo, beats)
        room = _MOST_MOVED * min(place - before, after - place)
        figures = {"beat": round(near.beat, 3), "bar": near.bar}
        moved = near.time_s - place
        if near.at != "place" and abs(moved) <= room:
            # Just before what begins there; where measuring can't tell, the sheet's own place.
            time_s = place if abs(moved) <= _MEASURED_S else near.time_s - _BEFORE_S
            cuts.append(Cut(sheet_s=place, time_s=time_s, at=near.at, **figures))
        else:
            cuts.append(Cut(sheet_s=place, time_s=place, at="sheet", **figures))
    return tuple(cuts)


def _changes(request: Request, before: SongPart, after: SongPart) -> bool:
    """Tell if the pulse changes at a cut: then no beat goes through both sides of it."""
    one, other = ((part.tempo or request.tempo) for part in (before, after))
    metres = {part.time or request.time for part in (before, after)}
    return abs(one / other - 1) > _ONE_PULSE or len(metres) > 1


def _places(clip: Clip, request: Request) -> list[float]:
    """Return where the sheet has the start of each segment and the end of the last, in seconds."""
    lengths = [part.seconds for part in request.parts]
    if request.edit is not None:
        # What was added before or after belongs to the first or the last segment.
        inner = [request.edit.offset + at for at in accumulate(lengths)][:-1]
        return [0.0, *(min(at, clip.seconds) for at in inner), clip.seconds]
    # A take of natural length is longer or shorter in all its segments.
    scale = clip.seconds / sum(lengths) if lengths else 1.0
    return [0.0, *(at * scale for at in accumulate(lengths))]


def beats_of(time: str) -> int:
    """Count the beats in a bar of a time signature: 4 of "4/4", 3 of "3/4", 2 of "6/8"."""
    over, _, under = time.partition("/")
    count = int(over) if over.isdecimal() else 4
    return count // 3 if under == "8" and count % 3 == 0 and count > 3 else max(1, count)


@dataclass(frozen=True, slots=True)
class CutPiece:
    """A segment's piece of a take of the whole song: samples ``start`` to ``end`` of the take.

    ``begins`` and ``ends`` are the cuts; None where the take itself begins or ends.
    """

    clip: Clip
    start: int
    end: int
    begins: Cut | None
    ends: Cut | None


def cut_take(clip: Clip, receipt: Receipt) -> list[CutPiece]:
    """Cut a take of the whole song into its segments; joined, they are the take, to the sample.

    Args:
        clip: the take's audio.
        receipt: of the take.
    """
    return pieces(clip, find_cuts(clip, receipt))


def pieces(clip: Clip, cuts: Sequence[Cut]) -> list[CutPiece]:
    """Cut a clip at its cuts."""
    edges = [0, *(round(cut.time_s * clip.sample_rate) for cut in cuts), clip.n_samples]
    around = [None, *cuts, None]
    return [
        CutPiece(clip[start:end], start, end, begins, ends)
        for (start, end), (begins, ends) in zip(pairwise(edges), pairwise(around), strict=True)
    ]
