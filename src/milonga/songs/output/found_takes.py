"""The takes on disk of a layer, or of the whole song, and the one that the mix uses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from milonga.audio.clip import Clip
from milonga.songs.output.choices import Place
from milonga.songs.output.mix import MixInput
from milonga.songs.output.mixed import stale_words
from milonga.songs.rendering.takes import Take
from milonga.songs.sheet.model import Layer, Segment

_NAMED = 5
"""Stale takes named in a note; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTakes:
    """Takes that answer the same, and the one for the mix.

    Attributes:
        place: what they can be chosen for.
        takes: in the order of preference.
        chosen: the one for the mix; None where there is none, or another part plays instead.
        notes: what the user should know of them.
        by_name: the one in the mix was chosen by name.
        damaged: there are takes that can't be read.
        best: the rule by which the one in the mix was picked, and its figures, in words.
    """

    place: Place
    takes: tuple[Take, ...]
    chosen: Take | None
    notes: tuple[str, ...] = ()
    by_name: bool = False
    damaged: bool = False
    best: str = ""

    @property
    def key(self) -> str:
        """The name in choices: ``18/vocals``, ``whole``."""
        return self.place.key

    @property
    def label(self) -> str:
        """The name in messages."""
        return self.place.label


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTakes(FoundTakes):
    """The takes of one layer; ``instead`` says what the mix has in its stead, if so."""

    segment: Segment
    layer: Layer
    instead: str = ""

    def mix_input(self, take: Take, clip: Clip) -> MixInput:
        """Return a take's audio as the mix needs it."""
        return MixInput(clip, f"{take.receipt.generator}/{self.layer.role}", self.layer.gain_db)


def stale_notes(takes: Iterable[Take]) -> list[str]:
    """Name stale takes, those with the same changes together."""
    by_changes: dict[tuple[str, ...], list[str]] = {}
    for take in takes:
        by_changes.setdefault(take.changes, []).append(take.name)
    return [
        f"not used, since {'they were' if len(names) > 1 else 'it was'} {stale_words(changes)}: "
        + ", ".join(names[:_NAMED])
        + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        for changes, names in by_changes.items()
    ]
