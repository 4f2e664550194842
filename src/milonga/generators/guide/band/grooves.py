"""The grooves of each genre: a bar of 16 steps for every voice of the band.

Drums: ``X`` accent, ``x`` hit, ``o`` soft, ``g`` ghost, ``.`` rest. Bass: ``r`` root, ``f`` fifth,
``o`` octave, ``t`` third, ``a`` a step that leads to the next root, ``-`` hold, ``.`` rest.
Chords: ``X``/``x``/``o`` strike and hold to the next mark, ``S``/``s``/``w`` short stabs (accented,
plain, weak), ``.`` hold, ``/`` silence; ``1`` to ``4`` single notes of the chord from below, for
broken chords. Several patterns for a voice are alternatives among which the seed chooses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from milonga.generators.guide.band.instruments import Job

STEPS = 16

Usual = Mapping[Job, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Groove:
    """A genre's patterns.

    Attributes:
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

    usual: Usual
    kick: tuple[str, ...] = ()
    snare: tuple[str, ...] = ()
    hats: tuple[str, ...] = ()
    extra: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    bass: tuple[str, ...] = ("r-------r-------",)
    comp: tuple[str, ...] = ("X...............",)
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


def _usual(lead: str, chords: str, pad: str, bass: str) -> Usual:
    return {
        "lead": tuple(lead.split(", ")),
        "chords": tuple(chords.split(", ")) if chords else (),
        "pad": tuple(pad.split(", ")) if pad else (),
        "bass": tuple(bass.split(", ")) if bass else (),
    }


GROOVES: dict[str, Groove] = {
    "trap": Groove(
        _usual("bells, pluck synth, flute", "electric piano, atmosphere", "halo pad, choir", "808"),
        kick=("X.....x...x.....", "X..x......x..x..", "X......x..x....."),
        snare=("........X.......",),
        hats=("x.o.x.o.x.o.x.o.", "x.x.x.x.x.x.x.x."),
        extra={46: ("..............x.", "......x.........")},
        bass=("r-----r---r-----", "r--r------r--f--", "r------r--r-----"),
        comp=("X.......o.......", "X...............", "X.....o.....o..."),
        kit=25,
        backbeat=(39, 39),
        rolls=True,
        duck=0.25,
    ),
    "reggaeton": Groove(
        _usual(
            "pluck synth, flute, marimba", "pluck synth, nylon guitar", "warm pad", "synth bass"
        ),
        kick=("X...X...X...X...",),
        snare=("...o..o....o..o.", "...o..x....o..x."),
        hats=("X.o.X.o.X.o.X.o.", "X.oxX.o.X.oxX.o."),
        extra={70: ("XgggXgggXgggXggg",), 46: ("..............o.",)},
        bass=("r---r-f-r---r-o-", "r-----f-r-----r-", "r--rr-f-r--rr-o-"),
        comp=("X..sx.s.X..sx.s.", "X..xo.x.X..xo.x.", "//s.//s.//s.//s."),
        kit=25,
        backbeat=(37, 38),
        push=0.05,
        duck=0.25,
    ),
    "tango": Groove(
        _usual("bandoneon, violin", "piano", "strings", "upright bass"),
        kick=("o...............",),
        hats=("................",),
        bass=("r-..f-..r-..f-..", "r-..r-..f-..a-..", "r-..f-r-..f-r-a-"),
        comp=("S///s///S///s///", "S/w///S/w///S/w/", "s///s///X.../.s/"),
        drums=False,
        kit=40,
        signature=True,
    ),
    "milonga": Groove(
        _usual("bandoneon, nylon guitar", "nylon guitar", "strings", "upright bass"),
        kick=("x..o..x.x..o..x.",),
        snare=("......o.......o.",),
        hats=("x.o.x.o.x.o.x.o.",),
        bass=("r--fr-f-r--fr-f-", "r--rf-r-r--rf-r-", "r--fr-r-r--ff-a-"),
        comp=("X..xX.x.X..xX.x.", "X..xx.o.X..xx.o.", "1.323.2.1.324.2."),
        drums=False,
        kit=40,
        signature=True,
    ),
    "cumbia": Groove(
        _usual("accordion, flute", "nylon guitar, organ", "warm pad", "electric bass"),
        kick=("X.......X.......", "X.....o.X.....o."),
        snare=("....x.......x...",),
        hats=("x..xx..xx..xx..x",),
        extra={73: ("x.ggx.ggx.ggx.gg",), 62: ("....o.x.....o.x.",)},
        bass=("r---t-f-r---t-f-", "r---f-f-r---f-a-"),
        comp=("//s.//s.//s.//s.",),
        signature=True,
    ),
    "salsa": Groove(
        _usual("trumpet, piano", "piano", "brass", "electric bass"),
        kick=("X...o...x...o...",),
        hats=("................",),
        extra={
            75: ("x..x..x...x.x...", "..x.x...x..x..x."),
            63: ("......xx......xx",),
            62: ("..x...o...x...o.",),
            56: ("X.o.X.o.X.o.X.o.",),
        },
        bass=("r-----f-----o---", "......f-----r---"),
        comp=("x.s.x..s.s.x.s.s", "s..x.s.x.s.x.s.x"),
        push=0.05,
        signature=True,
    ),
    "bossa": Groove(
        _usual("flute, saxophone", "nylon guitar, electric piano", "strings", "upright bass"),
        kick=("X..oX..oX..oX..o",),
        snare=("o..o..o...o..o..",),
        hats=("XgogXgogXgogXgog",),
        bass=("r-----ff------rr", "r---..f-f---..r-"),
        comp=("X..xX.x.X..xX.x.", "X.x.X..xX..xX.x."),
        kit=40,
        backbeat=(37, 37),
        push=-0.05,
        signature=True,
        sevenths=True,
        halves_at=170.0,
    ),
    "flamenco": Groove(
        _usual("nylon guitar", "nylon guitar", "strings", "fretless bass"),
        kick=("X.....x...x.....",),
        snare=("....x.o.....x.oo",),
        hats=("X.o.X.o.X.o.X.o.",),
        extra={39: ("..x...x.x.x...x.",)},
        bass=("r-----r-f-----r-",),
        comp=("X..xx.x.X..xx.xx", "X.x.o.x.X.x.o.x."),
        signature=True,
        halves_at=140.0,
    ),
    "house": Groove(
        _usual("saw synth, pluck synth", "synth, piano", "warm pad", "synth bass"),
        kick=("X...X...X...X...",),
        snare=("....X.......X...",),
        hats=("..X...X...X...X.", "g.X.g.X.g.X.g.Xg"),
        extra={70: ("oxoooxoooxoooxoo",)},
        bass=("..r...r...r...r.", "..r-r-..r-..r-r-", "r-..r-r-..r-..o-"),
        comp=("s..s..s...s..s..", "//s.//s.//s.//s.", "X.....x.....x..."),
        kit=24,
        backbeat=(39, 39),
        push=0.05,
        duck=0.5,
    ),
    "drum and bass": Groove(
        _usual("saw synth, flute", "electric piano, synth", "halo pad", "synth bass"),
        kick=("X.........x.....", "X.x.......x....."),
        snare=("....X.......X...", "....X..g.g..X..g"),
        hats=("x.x.x.x.x.x.x.x.",),
        bass=("r-----..r---f---", "r---------r-----"),
        comp=("X...............", "X.....x........."),
        kit=8,
        push=0.05,
        duck=0.3,
    ),
    "lo-fi": Groove(
        _usual("vibraphone, electric piano", "electric piano", "warm pad", "electric bass"),
        kick=("X......x..x.....", "X.....x...x..x.."),
        snare=("....x.......x...",),
        hats=("x.o.x.o.x.o.x.oo",),
        bass=("r-----..r---..f-", "r---..r-....f-a-"),
        comp=("X.......o.......", "X......x........"),
        swing=0.24,
        push=-0.1,
        sevenths=True,
        duck=0.15,
        halves_at=120.0,
    ),
    "hip-hop": Groove(
        _usual("electric piano, vibraphone", "electric piano, piano", "strings", "electric bass"),
        kick=("X......x..X.....", "X.x.......Xx....", "X..x......X..x.."),
        snare=("....X.......X...", "....X..g....X..."),
        hats=("x.x.x.x.x.x.x.x.", "x.xgx.x.x.xgx.x."),
        extra={46: ("..............x.",)},
        bass=("r-----.rr---f---", "r---..r-r---..a-"),
        comp=("X.......x.......", "X..x......x....."),
        swing=0.12,
        duck=0.15,
        halves_at=135.0,
    ),
    "rock": Groove(
        _usual("overdriven guitar", "distorted guitar, clean guitar", "organ", "picked bass"),
        kick=("X.....x.X.x.....", "X.....x...x.....", "X.x.....X.x....."),
        snare=("....X.......X...",),
        hats=("X.x.X.x.X.x.X.x.",),
        bass=("r-r-r-r-r-r-r-r-", "r-r-r-r-r-r-f-a-"),
        comp=("X.x.x.x.X.x.x.x.", "X.....x.x.......", "X.......X......."),
        kit=16,
        push=0.08,
    ),
    "funk": Groove(
        _usual("brass, organ", "muted guitar, electric piano", "strings", "slap bass"),
        kick=("X..x..x...x.....", "X.x....x..x..x.."),
        snare=("....X..g.g..X..g",),
        hats=("XgxgXgxgXgxgXgxg",),
        bass=("r..r..o-..r-f-a-", "r.rr..r-..o-f-r-"),
        comp=("..s..s.s..s..s.s", "s..s..s...s.s..."),
        sevenths=True,
        push=0.05,
        halves_at=140.0,
    ),
    "reggae": Groove(
        _usual("organ, trombone", "clean guitar, organ", "organ", "electric bass"),
        kick=("........X.......",),
        snare=("........X.......",),
        hats=("x.o.x.o.x.o.x.oo",),
        bass=("r-..r-f-....r-..", "..r-r-..f-..r-t-"),
        comp=("//..s...//..s...",),
        swing=0.1,
        signature=True,
        halves_at=130.0,
    ),
    "jazz": Groove(
        _usual("saxophone, trumpet", "piano", "strings", "upright bass"),
        kick=("o...o...o...o...",),
        snare=("..............g.", ".......g........"),
        hats=("....x.......x...",),
        extra={51: ("x...x..ox...x..o",)},
        bass=("r---t---f---a---", "r---f---t---a---"),
        comp=("//....s.....s...", "s......s........", "X.....s........."),
        kit=32,
        swing=0.5,
        sevenths=True,
        signature=True,
    ),
    "folk": Groove(
        _usual("violin, harmonica", "steel guitar", "strings", "upright bass"),
        kick=("x.......x.......",),
        snare=("....o.......o...",),
        hats=("................",),
        extra={54: ("....x.......x...",)},
        bass=("r-------f-------", "r---..r-f---..a-"),
        comp=("X...x.ox.ox.x.o.", "X...x.x.o.x.x.x."),
        kit=40,
        push=-0.05,
    ),
    "ambient": Groove(
        _usual("crystal, flute", "atmosphere", "halo pad, warm pad", ""),
        bass=("r---------------",),
        comp=("1...2...3...2...", "1...3...2...4...", "X...1...2...3..."),
        drums=False,
        push=-0.2,
        sevenths=True,
    ),
    "cinematic": Groove(
        _usual("horns, violin", "strings, pizzicato", "strings", "cello, upright bass"),
        kick=("X.......x.......",),
        extra={41: ("X.....x...x.x...",), 45: ("....x.......x.x.",)},
        bass=("r---------------", "r-------r-------"),
        comp=("X.o.X.o.X.o.X.o.", "X...o...X...o...", "1.2.3.2.1.2.3.2."),
        kit=48,
        halves_at=140.0,
    ),
    "ballad": Groove(
        _usual("piano, violin", "piano", "strings", "electric bass"),
        kick=("X.......x.......", "X......xx......."),
        snare=("........x.......", "....x.......x..."),
        hats=("x.o.x.o.x.o.x.o.",),
        bass=("r-------r-----f-", "r---------f-----"),
        comp=("X...x...x...x...", "1.2.3.2.4.2.3.2.", "X...o...x...o..."),
        push=-0.08,
        halves_at=120.0,
    ),
    "pop": Groove(
        _usual(
            "clean guitar, piano, saw synth",
            "piano, steel guitar",
            "warm pad, strings",
            "electric bass",
        ),
        kick=("X.....x.X.......", "X......xX.x.....", "X...X...X...X..."),
        snare=("....X.......X...",),
        hats=("x.x.x.x.x.x.x.x.", "x.o.x.o.x.o.x.o."),
        bass=("r-r-r-r-r-r-r-r-", "r-----r-r---f---", "r---r-..r-r-..a-"),
        comp=("X...x...X...x...", "X.....x.....x...", "X.......x......."),
        duck=0.1,
    ),
}
GROOVES["electronic"] = GROOVES["house"]
