"""A song sheet: ``Sheet``, ``Segment``, ``Layer``.

A segment takes what it leaves out from the sheet, and a layer from its segment: the nearest value
counts, none are joined. A sheet is complete once made: every segment has its layers, every layer
its generators. The order of the fields here is their order in files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, get_args

from pydantic import Field, PrivateAttr, model_validator

from milonga.errors import MilongaError, SheetError
from milonga.generators.base import LyricLine, Request, Role
from milonga.runtime import html
from milonga.runtime.record import ExplainedRecord
from milonga.songs.sheet.fields import (
    TEXTS,
    Baseline,
    GainDb,
    Generators,
    Language,
    Lyrics,
    Name,
    Number,
    OneLine,
    Options,
    Seconds,
    Tempo,
    Text,
)
from milonga.songs.sheet.lyrics import has_words, parse_lyrics
from milonga.songs.sheet.sections import is_instrumental

DEFAULT_TEMPO = 120.0
DEFAULT_KEY = "C major"
DEFAULT_GENERATORS = ("guide",)


class _Part(ExplainedRecord):
    raises: ClassVar[type[MilongaError]] = SheetError


class Layer(_Part):
    """One voice of a segment.

    ``style``, ``mood``, ``voice``, ``negative`` and ``lyrics`` stand in for the segment's.
    """

    role: Role
    generators: Generators = ()
    gain_db: GainDb = 0.0
    style: OneLine = None
    mood: OneLine = None
    voice: OneLine = None
    negative: OneLine = None
    lyrics: Lyrics = None


class Segment(_Part):
    """A numbered part of the song.

    Without ``layers`` it has one, whose role follows from its section and lyrics. Once the
    segment is in a sheet, ``layers`` is never empty and ``options`` holds the sheet's too.
    """

    number: Number
    name: Name
    section: Name
    seconds: Seconds
    tempo: Tempo | None = None
    key: OneLine = None
    style: OneLine = None
    mood: OneLine = None
    voice: OneLine = None
    negative: OneLine = None
    language: Language = None
    lyrics: Lyrics = None
    generators: Generators = ()
    options: Options = Field(default_factory=dict)
    """Settings by generator name."""
    layers: tuple[Layer, ...] = ()
    baseline: Baseline = None

    @property
    def default_role(self) -> Role:
        """The role of the one layer of a segment that lists none."""
        instrumental = is_instrumental(self.section) or not has_words(self.lyrics)
        return "instrumental" if instrumental else "vocals"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        twice = repeated(layer.role for layer in self.layers)
        if twice:
            raise ValueError(TWO_LAYERS.format(twice[0]))
        if not self.layers:
            self.__dict__["layers"] = (Layer(role=self.default_role, generators=self.generators),)
        return self

    def completed(self, generators: tuple[str, ...], options: Mapping[str, Any]) -> Segment:
        """Return the segment with a sheet's generators and options where it has none."""
        generators = self.generators or generators
        layers = tuple(
            layer if layer.generators else layer.model_copy(update={"generators": generators})
            for layer in self.layers
        )
        merged = {
            name: {**options.get(name, {}), **self.options.get(name, {})}
            for name in (*options, *(name for name in self.options if name not in options))
        }
        return self.model_copy(update={"layers": layers, "options": merged})


class Sheet(_Part):
    """A song: its segments, and values for those that give none of their own."""

    title: Name
    artist: Text = ""
    tempo: Tempo = DEFAULT_TEMPO
    key: OneLine = None
    style: OneLine = None
    mood: OneLine = None
    voice: OneLine = None
    negative: OneLine = None
    language: Language = None
    generators: Generators = ()
    options: Options = Field(default_factory=dict)
    segments: tuple[Segment, ...] = Field(min_length=1)

    _source: Path | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        twice = repeated(segment.number for segment in self.segments)
        if twice:
            raise ValueError(TWO_SEGMENTS.format(twice[0]))
        self.__dict__["segments"] = tuple(
            segment.completed(self.generators or DEFAULT_GENERATORS, self.options)
            for segment in self.segments
        )
        return self

    def __eq__(self, other: object) -> bool:
        # Where a sheet was read from is no part of what it says.
        return isinstance(other, Sheet) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # options are a dict

    @property
    def source(self) -> Path | None:
        """The file it was read from, as an absolute path."""
        return self._source

    @property
    def folder(self) -> Path:
        """The folder of relative baselines: that of the source, else the working one."""
        return self._source.parent if self._source else Path()

    @property
    def seconds(self) -> float:
        """The length of the song."""
        return sum(segment.seconds for segment in self.segments)

    def to_dict(self) -> dict[str, Any]:
        """Return the sheet as plain values."""
        return self.model_dump(mode="json", exclude_none=True)

    def _repr_html_(self) -> str:
        rows = (
            (s.number, s.name, s.section, f"{s.seconds:g} s", f"{self.tempo_of(s):g}",
             self.key_of(s), layer.role, ", ".join(layer.generators))
            for s in self.segments for layer in s.layers
        )  # fmt: skip
        headings = ("No", "Segment", "Section", "Length", "BPM", "Key", "Layer", "Generators")
        by = f", {self.artist}" if self.artist else ""
        return html.table(headings, rows, f"{self.title}{by}")

    def with_source(self, source: Path) -> Self:
        """Return the same sheet as read from ``source``."""
        copy = self.model_copy()
        copy._source = source.absolute()
        return copy

    @classmethod
    def restore(cls, document: Mapping[str, Any], source: Path) -> Self:
        """Make a sheet from its ``to_dict()``.

        Raises:
            pydantic.ValidationError: the document isn't one.
        """
        return cls.model_validate(document).with_source(source)

    def tempo_of(self, segment: Segment) -> float:
        """Return the segment's tempo, in BPM."""
        return segment.tempo if segment.tempo is not None else self.tempo

    def key_of(self, segment: Segment) -> str:
        """Return the segment's key."""
        return segment.key or self.key or DEFAULT_KEY

    def text_of(self, name: str, *parts: Layer | Segment) -> str:
        """Return one of ``TEXTS`` as the nearest of some parts gives it, the sheet last."""
        return next((text for part in (*parts, self) if (text := getattr(part, name))), "")

    def lyrics_of(self, segment: Segment, layer: Layer) -> tuple[LyricLine, ...]:
        """Return the lines for a layer.

        Backing gets those of the voice that it plays under. Music alone (``instrumental``,
        ``texture``) gets stage directions only.
        """
        text = layer.lyrics if layer.lyrics is not None else segment.lyrics or ""
        lines = parse_lyrics(text, segment.language or self.language)
        if layer.role in ("vocals", "backing"):
            return lines
        return tuple(line.model_copy(update={"text": ""}) for line in lines if line.directions)

    def request(
        self, segment: Segment, layer: Layer, *, seed: int, options: Mapping[str, Any] | None = None
    ) -> Request:
        """Return the request for a generator; ``options`` are those of that generator."""
        return Request(
            role=layer.role,
            section=segment.section,
            lyrics=self.lyrics_of(segment, layer),
            seconds=segment.seconds,
            tempo=self.tempo_of(segment),
            key=self.key_of(segment),
            seed=seed,
            accompanied=any(
                other.role in ("backing", "instrumental")
                for other in segment.layers
                if other is not layer
            ),
            options=dict(options or {}),
            **{name: self.text_of(name, layer, segment) for name in TEXTS},
        )

    def baseline_path(self, segment: Segment) -> Path | None:
        """Return the path of the segment's baseline; the file need not exist."""
        if segment.baseline is None:
            return None
        if segment.baseline == "-":
            # A file of that name: standard input has no place in a sheet.
            return self.folder.absolute() / segment.baseline
        try:
            return self.folder / Path(segment.baseline).expanduser()
        except RuntimeError:  # no such user
            return self.folder / segment.baseline


TWO_SEGMENTS = "Two segments have the number {}. Give each its own: takes are kept by number."
TWO_LAYERS = (
    "Two layers have the role {!r}. Give each role once: takes are kept by role "
    f"(there are {', '.join(get_args(Role))})."
)


def repeated(values: Iterable[Any]) -> Sequence[Any]:
    """Return the values that occur more than once, in order."""
    return [value for value, count in Counter(values).items() if count > 1]
