"""The result of a mix: the song, and what of every layer is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from milonga.runtime import html


@dataclass(frozen=True, slots=True)
class MixedLayer:
    """One layer of the song and its take in the mix.

    Attributes:
        segment: its number; 0 for a take of the whole song.
        name: of the segment.
        role: of the layer; ``whole`` for the segment's piece of a take of the whole song.
        take: the take's name; None where the layer is left out.
        chosen: the take was chosen by name.
        changes: what the sheet asks for now and a stale take was not made for.
        findings: of the take, in words.
        remarks: what the take checks say of it that may be meant, in words.
        left_out: why the layer is left out.
        lost: the layer is left out although it has takes.
        instead: the layer is left out because another part plays instead.
        best: the rule that picked the take, and its figures, in words.
    """

    segment: int
    name: str
    role: str
    take: str | None = None
    chosen: bool = False
    changes: tuple[str, ...] = ()
    findings: str = ""
    remarks: str = ""
    left_out: str = ""
    lost: bool = False
    instead: bool = False
    best: str = ""

    @property
    def text(self) -> str:
        """One line for people, as in ``7 Solo, instrumental: guide-s0 (chosen)``."""
        marks = [
            "chosen" if self.chosen else "",
            self.best,
            stale_words(self.changes) if self.changes else "",
            f"has findings: {self.findings}" if self.findings else "",
            f"may be meant: {self.remarks}" if self.remarks else "",
        ]
        marked = "; ".join(mark for mark in marks if mark)
        take = f"left out, {self.left_out}" if self.take is None else self.take
        place = f"{self.segment} {self.name}, {self.role}" if self.segment else self.name
        return f"{place}: {take}" + (f" ({marked})" * bool(marked))


@dataclass(frozen=True, slots=True)
class Mix:
    """The result of a mix; ``path`` is None where there was nothing to mix.

    Attributes:
        path: of ``song.wav``.
        seconds: its length.
        loudness_lufs: integrated; None where it is undefined.
        true_peak_dbtp: None for silence.
        chosen: the take of each layer in the mix, as in ``{"18/vocals": "guide-s1"}``; of a piece
            of the whole as in ``{"7/whole": "ace-step-s0"}``, of all of it ``{"whole": ...}``.
        notes: what the user should know.
        layers: every layer of the sheet in order, those that are left out too; before those of a
            segment, its piece of a take of the whole song.
        written: the other file that the song was written to.
    """

    path: Path | None
    seconds: float = 0.0
    loudness_lufs: float | None = None
    true_peak_dbtp: float | None = None
    chosen: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    layers: tuple[MixedLayer, ...] = ()
    written: Path | None = None

    @property
    def complete(self) -> bool:
        """True where there is a song, and no layer that has takes is left out of it."""
        return self.path is not None and not any(layer.lost for layer in self.layers)

    @property
    def summary(self) -> str:
        """One line on length and level."""
        if self.path is None:
            return "There was nothing to mix, so there is no song.wav."
        loudness = "-" if self.loudness_lufs is None else f"{self.loudness_lufs:.1f} LUFS"
        peak = "-" if self.true_peak_dbtp is None else f"{self.true_peak_dbtp:.1f} dBTP"
        return f"Song: {self.seconds:.1f} s, {loudness}, peak {peak}"

    @property
    def contents(self) -> list[str]:
        """Lines that list the mix, layer by layer; none where there is no song."""
        if self.path is None:
            return []
        listed = (layer for layer in self.layers if not layer.instead)
        return ["In the mix:", *(f"  {layer.text}" for layer in listed)]

    def to_dict(self) -> dict[str, Any]:
        """Return the mix as plain values."""
        values = asdict(self)
        path, written = values.pop("path"), values.pop("written")
        more = {"written": str(written)} if written else {}
        return {"song": path and str(path), **values, "notes": list(self.notes), **more}

    def _repr_html_(self) -> str:
        sound = html.player(self.path) if self.path else ""
        return sound + html.paragraphs([self.summary, *self.notes])


def stale_words(changes: tuple[str, ...]) -> str:
    """Say of a stale take what it was not made for."""
    return f"made for an earlier state of the sheet: {', '.join(changes)}"
