"""Which takes play a segment: those of its layers, its song, or its piece of a whole take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from milonga.songs.output.choices import WHOLE_KEY
from milonga.songs.output.found_takes import FoundTakes, LayerTakes
from milonga.songs.rendering.takes import Take
from milonga.songs.sheet.model import Sheet

_INSTEAD = {
    "": "the other layers play instead",
    "song": "its song plays instead",
    WHOLE_KEY: "a take of the whole song plays instead",
}


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment's piece of a take of the whole song; ``index`` counts the segments from 0."""

    take: Take
    index: int
    by_name: bool = False


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What plays each segment.

    Attributes:
        sheet: the song.
        layers: every layer of the sheet in order; those that don't play have no chosen take.
        whole: the takes of the whole song; ``chosen`` only where it plays something.
        pieces: by number, for the segments that a take of the whole song plays.
        notes: what the user should know.
    """

    sheet: Sheet
    layers: tuple[LayerTakes, ...]
    whole: FoundTakes
    pieces: Mapping[int, Piece]
    notes: tuple[str, ...] = ()

    @property
    def entire(self) -> Piece | None:
        """The piece of the first segment, where one take plays the whole song, uncut."""
        taken = {piece.take.path for piece in self.pieces.values()}
        everything = len(self.pieces) == len(self.sheet.segments) and len(taken) == 1
        return next(iter(self.pieces.values())) if everything else None

    @property
    def units(self) -> list[tuple[int, ...]]:
        """The numbers of the segments in order, neighbours from one whole take together."""
        numbered = [(segment.number, index) for index, segment in enumerate(self.sheet.segments)]

        def together(entry: tuple[int, int]) -> object:
            piece = self.pieces.get(entry[0])
            return piece.take.path if piece else entry[1]

        return [tuple(number for number, _ in unit) for _, unit in groupby(numbered, together)]


def arrange(
    sheet: Sheet,
    layers: Sequence[LayerTakes],
    whole: FoundTakes,
    pieces: Mapping[int, Take],
    choices: Sequence[str],
    generators: Sequence[str],
    whole_asked: bool,
) -> Arrangement:
    """Decide what plays each segment; never two things that hold the same music.

    The latest choice by name decides. Without one: the whole, if the last render asked for it;
    else of song and other layers what the generators named by the run come first for; else the
    other layers, the song, a piece of the whole, whichever has a take that may be used.

    Args:
        sheet: the song.
        layers: with the take that each would use if it plays.
        whole: the same of takes of the whole song.
        pieces: by number, takes chosen by name for a segment's piece.
        choices: keys of the choices, the latest last.
        generators: named by the last run, in order.
        whole_asked: the last run asked for takes of the whole song by itself.
    """
    decider = _Decider(sheet, layers, whole, pieces, choices, generators, whole_asked)
    decided = decider.arrangement()
    if decided.entire is None and whole.chosen in [p.take for p in decided.pieces.values()]:
        assert whole.chosen is not None
        if not can_be_cut(whole.chosen, sheet):
            note = f"{whole.chosen.name} was made for other segments and can only play all of them"
            decider.whole = replace(whole, chosen=None, by_name=False)
            decided = replace(decider.arrangement(), notes=(f"the whole song: {note}.",))
    return decided


def can_be_cut(take: Take, sheet: Sheet) -> bool:
    """Tell if a take of the whole song has as many segments as the sheet, and begins with the
    first."""
    begins = take.edit is None or not take.edit.offset
    return begins and len(take.receipt.answers.parts) == len(sheet.segments)


class _Decider:
    def __init__(
        self,
        sheet: Sheet,
        layers: Sequence[LayerTakes],
        whole: FoundTakes,
        pieces: Mapping[int, Take],
        choices: Sequence[str],
        generators: Sequence[str],
        whole_asked: bool,
    ) -> None:
        self.sheet, self.layers, self.whole, self.named_pieces = sheet, layers, whole, pieces
        self.order = {key: place for place, key in enumerate(choices)}
        self.rank = {name: place for place, name in reversed([*enumerate(generators)])}
        self.whole_asked = whole_asked

    def arrangement(self) -> Arrangement:
        layers: list[LayerTakes] = []
        pieces: dict[int, Piece] = {}
        for index, segment in enumerate(self.sheet.segments):
            own = [found for found in self.layers if found.segment is segment]
            sides = {"": own}
            if len(own) > 1:
                sides = {"": [f for f in own if f.layer.role != "song"]}
                sides["song"] = [f for f in own if f.layer.role == "song"]
            side = self._side(segment.number, sides)
            if side == WHOLE_KEY:
                named = self.named_pieces.get(segment.number)
                latest = self._latest([f"{segment.number}/{WHOLE_KEY}", WHOLE_KEY])
                if named is not None and latest != WHOLE_KEY:
                    pieces[segment.number] = Piece(named, index, True)
                elif self.whole.chosen is not None:
                    pieces[segment.number] = Piece(self.whole.chosen, index, self.whole.by_name)
            for found in own:
                played = found in sides.get(side, ()) or not (side or self._ready(sides))
                instead = "" if played else _INSTEAD[side]
                silent = replace(found, chosen=None, by_name=False, best="", instead=instead)
                layers.append(found if played else silent)
        used = any(piece.take is self.whole.chosen for piece in pieces.values())
        whole = self.whole if used else replace(self.whole, chosen=None, by_name=False, best="")
        return Arrangement(self.sheet, tuple(layers), whole, pieces)

    def _side(self, number: int, sides: Mapping[str, Sequence[LayerTakes]]) -> str:
        held = {found.key: side for side, each in sides.items() for found in each if found.by_name}
        if number in self.named_pieces:
            held[f"{number}/{WHOLE_KEY}"] = WHOLE_KEY
        if self.whole.by_name:
            held[WHOLE_KEY] = WHOLE_KEY
        if held:
            return held[self._latest(held)]
        if self.whole_asked and self.whole.chosen is not None:
            return WHOLE_KEY
        if ready := self._ready(sides):
            return min(ready, key=lambda side: self._rank(sides[side]))
        return WHOLE_KEY if self.whole.chosen is not None else ""

    def _ready(self, sides: Mapping[str, Sequence[LayerTakes]]) -> list[str]:
        return [side for side, each in sides.items() if any(found.chosen for found in each)]

    def _latest(self, keys: Sequence[str] | Mapping[str, str]) -> str:
        return max(keys, key=lambda key: self.order.get(key, -1))

    def _rank(self, side: Sequence[LayerTakes]) -> float:
        """Return how early the run names generators of its own for every layer of a side."""
        return max((self._named(found) for found in side), default=math.inf)

    def _named(self, found: LayerTakes) -> float:
        usable = {take.receipt.generator for take in found.takes if take.usable}
        ranks = [self.rank[n] for n in found.layer.generators if n in usable and n in self.rank]
        return min(ranks, default=math.inf)
