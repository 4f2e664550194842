"""The grooves of each genre: words, players, and a bar of steps for every voice of the band.

They stand in ``grooves.toml``, whose head explains the signs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from milonga.generators.guide.band.instruments import Job
from milonga.generators.measures import Metre
from milonga.runtime.documents import read_table
from milonga.runtime.record import Record

STEPS = 16

Drums = Annotated[str, Field(pattern="^(?:[Xxog.]{12}|[Xxog.]{16})$")]
Bass = Annotated[str, Field(pattern="^(?:[rfota.-]{12}|[rfota.-]{16})$")]
Chords = Annotated[str, Field(pattern="^(?:[XxoSsw1-4./]{12}|[XxoSsw1-4./]{16})$")]


class Patterns(Record):
    """A bar for every voice of the band, in one metre.

    Attributes:
        kick, snare, hats, extra: drum patterns; ``extra`` by General MIDI drum note.
        bass, comp: patterns of bass and chords.
    """

    kick: tuple[Drums, ...] = ()
    snare: tuple[Drums, ...] = ()
    hats: tuple[Drums, ...] = ()
    extra: dict[int, tuple[Drums, ...]] = Field({})
    bass: tuple[Bass, ...] = ("r-------r-------",)
    comp: tuple[Chords, ...] = ("X...............",)


class Groove(Patterns):
    """A genre's patterns: its own in 4/4 and 2/4, those of other metres in ``metres``.

    Attributes:
        words: regular expressions for the words that ask for it, without accents.
        metres: by ``3/4`` and ``6/8``, which 12/8 shares.
        home: the metre that its name means, where not 4/4.
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
    metres: dict[str, Patterns] = Field({})
    home: str = ""
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

    def at_home(self, metre: Metre) -> bool:
        """Check if its words mean it in a metre."""
        return self.home in ("", metre.name) or (self.home == "6/8" and metre.compound)

    def in_metre(self, metre: Metre) -> Groove:
        """Return the groove with its patterns for a metre.

        Where it has none there, a bar in 3/4 is three beats of one in 4/4, and in 6/8 and 12/8
        each beat has three eighths in place of four sixteenths.
        """
        if metre.beat_quarters == 1 and metre.beats % 2 == 0:
            return self
        own = self.metres.get("6/8" if metre.compound else "3/4")
        given = {name: getattr(own, name) for name in own.model_fields_set} if own else {}
        bent = {
            name: tuple(_bent(pattern, metre.compound) for pattern in getattr(self, name))
            for name in ("kick", "snare", "hats", "bass", "comp")
        }
        extra = {
            note: tuple(_bent(p, metre.compound) for p in each) for note, each in self.extra.items()
        }
        update = {**bent, "extra": {} if own else extra, **given}
        return self.model_copy(update={**update, "swing": 0.0} if metre.compound else update)


def _bent(pattern: str, compound: bool) -> str:
    """A bar of four beats as one of three, or its beats as three eighths each."""
    if not compound:
        return pattern[:12]
    beats = (pattern[at : at + 4] for at in range(0, STEPS, 4))
    # The last eighth is the third sixteenth, or the fourth where only that one is played.
    return "".join(b[:2] + (b[3] if b[2] in "./-" and b[3] not in "./-" else b[2]) for b in beats)


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
    for entry in whole.values():
        entry["metres"] = {name: entry.pop(name) for name in ("3/4", "6/8") if name in entry}
    return {name: Groove.model_validate(entry) for name, entry in whole.items()}


GROOVES = _grooves()
