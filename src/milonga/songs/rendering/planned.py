"""What is planned: a selection of a sheet, and the takes that it asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from milonga.generators.base import Generator, Request
from milonga.runtime import html
from milonga.runtime.progress import Progress
from milonga.runtime.words import size_text, time_text
from milonga.songs.rendering.receipts import Made
from milonga.songs.sheet.model import Sheet

WHOLE = "The whole song"
"""The name of takes of the whole song where segments have theirs."""
HEADINGS = ("", "segment", "layer", "take", "length", "tempo", "key")


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of a sheet to render, and how.

    Attributes:
        generators: use these for every layer whose role they can play, instead of the
            layer's own; empty for the layer's own.
        segments: numbers; empty for all.
        takes: number of seeds per layer and generator, from ``seed`` upwards.
        options: by generator name, over those of the sheet.
        whole: takes of the whole song; then only the segments that are named, if any. Without
            it there are such takes where the sheet asks for them and no segments are named.
    """

    generators: tuple[str, ...] = ()
    segments: tuple[int, ...] = ()
    takes: int = 1
    seed: int = 0
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    whole: bool = False


@dataclass(frozen=True, slots=True)
class PlannedTake:
    """One take to be rendered; ``segment`` is 0 for a take of the whole song."""

    title: str
    artist: str
    segment: int
    segment_name: str
    generator: Generator
    request: Request
    folder: Path
    name: str
    estimate_s: float | None = None
    notes: tuple[str, ...] = ()
    """What the generator says of this request beforehand."""
    memory: int | None = None
    """Bytes that the generator needs for it."""
    download: int = 0
    """Bytes that the generator fetches before its first take."""
    node: str | None = None
    """Machine of a cluster that renders it, for the receipt."""

    @property
    def sound_path(self) -> Path:
        return self.folder / f"{self.name}.wav"

    @property
    def receipt_path(self) -> Path:
        return self.folder / f"{self.name}.json"

    @property
    def place(self) -> str:
        """The take's name where there is little room."""
        if not self.segment:
            return f"{WHOLE}, {self.name}"
        return f"Segment {self.segment}, {self.request.role}, {self.name}"

    @property
    def label(self) -> str:
        """The take's name in messages."""
        if not self.segment:
            return f"{WHOLE}, {self.name}"
        return f"Segment {self.segment} {self.segment_name!r}, {self.request.role}, {self.name}"

    def make(self, seed: int, progress: Progress) -> Made:
        """Make the clip of the take; raises as ``Generator.render``."""
        request = self.request.model_copy(update={"seed": seed})
        return Made(self.generator.render(request, progress))

    def to_dict(self) -> dict[str, Any]:
        """Return the planned take as plain values."""
        return {
            "segment": self.segment,
            "name": self.segment_name,
            "role": self.request.role,
            "take": self.name,
            "seconds": self.request.seconds,
            "length": self.generator.length,
            "tempo": self.request.tempo,
            "key": self.request.key,
            "path": str(self.sound_path),
            "estimate_s": self.estimate_s,
            "memory": self.memory,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """The takes to render, in order, and notes for the user.

    Attributes:
        sheet: the song.
        out: the output folder.
        takes: what will be rendered.
        about_song: notes on segments and their takes.
        about_models: notes on the generators, whatever they render.
        bytes_needed: on the disk of ``out``, about.
        generators: those that this run names instead of the layers' own, in order.
        whole: this run asks for takes of the whole song by itself, whatever the sheet does.
    """

    sheet: Sheet
    out: Path
    takes: tuple[PlannedTake, ...]
    about_song: tuple[str, ...]
    about_models: tuple[str, ...]
    bytes_needed: int
    generators: tuple[str, ...] = ()
    whole: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know before."""
        return (*self.about_models, *self.about_song)

    @property
    def seconds(self) -> float:
        """Audio asked for, over all takes."""
        return sum(take.request.seconds for take in self.takes)

    @property
    def estimate_s(self) -> float | None:
        """Work expected, in seconds; None while no generator can tell."""
        known = [take.estimate_s for take in self.takes if take.estimate_s is not None]
        return sum(known) if known else None

    @property
    def memory(self) -> int | None:
        """Bytes that the work needs at once: models stay loaded. None while one can't tell."""
        return memory_of(self.takes)

    @property
    def download(self) -> int:
        """Bytes that the work fetches first."""
        first = {id(take.generator): take.download for take in self.takes}
        return sum(first.values())

    @property
    def summary(self) -> str:
        """One line on the work ahead."""
        known = self.estimate_s
        work = "" if known is None else f", about {time_text(max(1.0, known))} of work"
        return (
            f"{time_text(self.seconds)} of audio{work}, {size_text(self.bytes_needed)}, "
            f"into {self.out}"
        )

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Yield a row of texts for each take, as ``HEADINGS`` names them."""
        before = None
        for take in self.takes:
            again = take.segment == before
            about = "" if take.generator.length == "exact" else "~"
            yield (
                "" if again or not take.segment else str(take.segment),
                "" if again else take.segment_name,
                take.request.role,
                take.name,
                f"{about}{round(take.request.seconds, 2):g} s",
                f"{take.request.tempo:g}",
                take.request.key,
            )
            before = take.segment

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain values."""
        return {"plan": [take.to_dict() for take in self.takes], "notes": list(self.notes)}

    def _repr_html_(self) -> str:
        title = f"{self.sheet.title}: {len(self.takes)} takes"
        return html.table(HEADINGS, self.rows(), title) + html.paragraphs(
            [*self.notes, self.summary]
        )


def memory_of(takes: Iterable[PlannedTake]) -> int | None:
    """Sum up the bytes that takes need in one process, where each generator stays loaded.

    None where one of them can't tell.
    """
    most: dict[int, int] = {}
    for take in takes:
        if take.memory is None:
            return None
        key = id(take.generator)
        most[key] = max(most.get(key, 0), take.memory)
    return sum(most.values())
