"""The grooves of each genre: words, players, and a bar of 16 steps for every voice of the band.

They stand in ``grooves.toml``, whose head explains the signs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from milonga.generators.guide.band.instruments import Job
from milonga.runtime.documents import read_table
from milonga.runtime.record import Record

STEPS = 16

Drums = Annotated[str, Field(pattern="^[Xxog.]{16}$")]
Bass = Annotated[str, Field(pattern="^[rfota.-]{16}$")]
Chords = Annotated[str, Field(pattern="^[XxoSsw1-4./]{16}$")]


class Groove(Record):
    """A genre's patterns.

    Attributes:
        words: regular expressions for the words that ask for it, without accents.
        kick, snare, hats, extra: drum patterns; ``extra`` by General MIDI drum note.
        bass, comp: patterns of bass and chords.
        usual: instruments for each job where the style names none.
        drums: whether it has a drum kit by default.
        kit: drum kit of the soundfont.
        backbeat: General MIDI drum notes of the soft and the hard snare.
        swing: delay of every second step, in steps.
        push: what the genre adds to the energy of a section.
        signature: whether its chords keep their rhythm over another genre's beat.
        rolls: hi-hats break into triplets and thirty-seconds.
        sevenths: chords get their seventh.
        duck: how far the kick pushes the rest down, 0 to 1.
        halves_at: tempo from which it is played in half time, a pattern over two bars.
    """

    words: tuple[str, ...]
    usual: dict[Job, tuple[str, ...]]
    kick: tuple[Drums, ...] = ()
    snare: tuple[Drums, ...] = ()
    hats: tuple[Drums, ...] = ()
    extra: dict[int, tuple[Drums, ...]] = Field({})
    bass: tuple[Bass, ...] = ("r-------r-------",)
    comp: tuple[Chords, ...] = ("X...............",)
    drums: bool = True
    kit: int = 0
    backbeat: tuple[int, int] = (37, 38)
    swing: float = 0.0
    push: float = 0.0
    signature: bool = False
    rolls: bool = False
    sevenths: bool = False
    duck: float = 0.0
    halves_at: float = 180.0


def choose(patterns: Sequence[str], draw: np.random.Generator, energy: float) -> str:
    """One of the alternatives, from the busier half in energetic sections, else the calmer."""

    def marks(pattern: str) -> float:
        # A broken chord's single notes count a third of a struck chord.
        return sum(0.0 if c in "./-" else 0.33 if c.isdigit() else 1.0 for c in pattern)

    order = sorted(patterns, key=lambda pattern: (marks(pattern), pattern))
    half = (len(order) + 1) // 2
    usable = order[len(order) - half :] if energy >= 0.65 else order[:half]
    pick = int(draw.integers(1 << 16))
    return usable[pick % len(usable)] if usable else "." * STEPS


def _grooves() -> dict[str, Groove]:
    table = read_table(__package__, "grooves.toml")
    # One that is played as another has only its own words.
    whole = {
        name: {**table.get(entry.pop("like", ""), {}), **entry} for name, entry in table.items()
    }
    return {name: Groove.model_validate(entry) for name, entry in whole.items()}


GROOVES = _grooves()
