"""What is asked of a recording, and what is found of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["met", "not met", "can't tell"]


@dataclass(frozen=True, slots=True)
class AskedChord:
    """A chord and how many bars it lasts: its name, and its pitch classes (0 is C), root first.

    There are none where nothing is to be played.
    """

    name: str
    classes: tuple[int, ...]
    bars: float = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What a recording is held against; what is None, or empty, wasn't asked for.

    Attributes:
        seconds: its length.
        exact: whether the length is promised to 20 ms; otherwise a twentieth may be missing.
        tempo: beats per minute.
        time: the metre, such as ``6/8``.
        beats: in a bar.
        compound: whether a beat has three parts, as in 6/8.
        key: such as ``A minor``.
        tonic: its pitch class, 0 for C.
        minor: whether it is a minor key.
        chords: one after the other; they begin anew at their end.
        pickup: beats before the first bar.
        sung: whether there should be a voice.
        voice: of a man or of a woman.
    """

    seconds: float | None = None
    exact: bool = False
    tempo: float | None = None
    time: str = ""
    beats: int | None = None
    compound: bool = False
    key: str = ""
    tonic: int | None = None
    minor: bool = False
    chords: Sequence[AskedChord] = ()
    pickup: float = 0.0
    sung: bool | None = None
    voice: Literal["male", "female", ""] = ""

    @property
    def bar_s(self) -> float | None:
        """The length of a bar in seconds, where tempo and metre say it."""
        if self.tempo is None:
            return None
        return (self.beats or 4) * 60.0 / self.tempo


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that was asked for, or could be.

    Attributes:
        name: ``length``, ``tempo``, ``metre``, ``key``, ``chords``, ``voice`` or ``register``.
        asked: in words; empty where nothing was asked.
        heard: in words; empty where nothing could be measured.
        verdict: None where nothing was asked.
        confidence: of what was heard, from 0 to 1; None where it is no guess.
        about: what else belongs to it: other readings, why it can't be told.
        value: the figure that was measured, in the unit of ``heard``.
    """

    name: str
    asked: str
    heard: str
    verdict: Verdict | None
    confidence: float | None = None
    about: str = ""
    value: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @property
    def text(self) -> str:
        """One line for people."""
        found = self.heard or "nothing that can be told"
        sure = "" if self.confidence is None else f" ({self.confidence:.0%} sure)"
        asked = f", asked for {self.asked}: {self.verdict}" if self.asked else ""
        return f"{self.name}: {found}{sure}{asked}.{' ' + self.about if self.about else ''}"
