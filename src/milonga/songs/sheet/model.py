"""A song sheet: ``Sheet``, ``Segment``, ``Layer``, ``Whole``.

A segment takes what it leaves out from the sheet, and a layer from its segment: the nearest value
counts, none are joined. A sheet is complete once made: every segment has its layers, every layer
its generators. The order of the fields here is their order in files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Self, get_args

from pydantic import Field, PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from milonga.errors import MilongaError, SheetError
from milonga.generators.base import LyricLine, Request, Role, SongPart
from milonga.generators.measures import DEFAULT_TIME, Metre, chords_text, metre_of, parse_chords
from milonga.runtime import html
from milonga.runtime.record import ExplainedRecord
from milonga.songs.sheet.fields import (
    SECONDS,
    TEXTS,
    Bars,
    Baseline,
    Chords,
    GainDb,
    Generators,
    Language,
    Lyrics,
    Name,
    Number,
    OneLine,
    Options,
    Pickup,
    Seconds,
    Tempo,
    Text,
    Time,
)
from milonga.songs.sheet.lyrics import has_words, parse_lyrics
from milonga.songs.sheet.sections import is_instrumental
from milonga.songs.sheet.text import number_text

DEFAULT_TEMPO = 120.0
DEFAULT_KEY = "C major"
DEFAULT_GENERATORS = ("guide",)
WHOLE_SECTION = "song"
"""What a request for the whole song has as its section."""
NO_LENGTH = "It has no seconds."
_ROUNDED_S = 0.011
"""What seconds beside bars may differ from them: they were written with two decimals."""
AllOptions = Mapping[str, Mapping[str, Any]]
"""Settings by generator name."""


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
    segment is in a sheet, ``layers`` is never empty, ``options`` holds the sheet's too, and
    ``seconds`` is what its bars last.
    """

    number: Number
    name: Name
    section: Name
    seconds: Seconds = 0.0
    """0 where only ``bars`` are given, until the segment is in a sheet."""
    bars: Bars | None = None
    pickup: Pickup = 0.0
    """Beats before the first bar, which ``bars`` doesn't count: the segment before leaves them the
    end of its last bar, if it is given in bars, too."""
    tempo: Tempo | None = None
    time: Time | None = None
    key: OneLine = None
    chords: Chords = None
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
        if not self.seconds and self.bars is None:
            raise PydanticCustomError("missing_length", NO_LENGTH)
        return self

    @property
    def voice_layer(self) -> Layer | None:
        """The layer that sings the words, where there is one."""
        by_role = {layer.role: layer for layer in self.layers}
        return by_role.get("song") or by_role.get("vocals")

    def completed(self, generators: tuple[str, ...], options: AllOptions) -> Segment:
        """Return the segment with a sheet's generators and options where it has none."""
        generators = self.generators or generators
        layers = tuple(
            layer if layer.generators else layer.model_copy(update={"generators": generators})
            for layer in self.layers
        )
        return self.model_copy(update={"layers": layers, "options": _merged(options, self.options)})


class Whole(_Part):
    """Takes of the whole song: all segments in one, words and music together."""

    generators: Generators = ()
    gain_db: GainDb = 0.0
    style: OneLine = None
    mood: OneLine = None
    voice: OneLine = None
    negative: OneLine = None
    options: Options = Field(default_factory=dict)
    """Settings by generator name."""

    def completed(self, generators: tuple[str, ...], options: AllOptions) -> Whole:
        """Return the same with a sheet's generators and options where it has none."""
        merged = _merged(options, self.options)
        return self.model_copy(
            update={"generators": self.generators or generators, "options": merged}
        )


def _merged(options: AllOptions, own: AllOptions) -> dict[str, dict[str, Any]]:
    names = (*options, *(name for name in own if name not in options))
    return {name: {**options.get(name, {}), **own.get(name, {})} for name in names}


class Sheet(_Part):
    """A song: its segments, and values for those that give none of their own."""

    title: Name
    artist: Text = ""
    tempo: Tempo = DEFAULT_TEMPO
    time: Time = DEFAULT_TIME
    key: OneLine = None
    style: OneLine = None
    mood: OneLine = None
    voice: OneLine = None
    negative: OneLine = None
    language: Language = None
    generators: Generators = ()
    options: Options = Field(default_factory=dict)
    whole: Whole | None = None
    """Wanted takes of the whole song; once in a sheet, with its generators and options."""
    segments: tuple[Segment, ...] = Field(min_length=1)

    _source: Path | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        twice = repeated(segment.number for segment in self.segments)
        if twice:
            raise ValueError(TWO_SEGMENTS.format(twice[0]))
        generators = self.generators or DEFAULT_GENERATORS
        self._check_lengths()
        self.__dict__["segments"] = tuple(
            segment.completed(generators, self.options).model_copy(
                update={"seconds": self._seconds_of(segment)}
            )
            for segment in self.segments
        )
        if self.whole is not None:
            self.__dict__["whole"] = self.whole.completed(generators, self.options)
        return self

    def _check_lengths(self) -> None:
        """Refuse bars that are no length of a segment, or not the seconds beside them."""
        wrong = {}
        for index, segment in enumerate(self.segments):
            seconds, given = self._seconds_of(segment), segment.seconds
            low, high = map(number_text, SECONDS)
            lent = self._lent(segment)
            meant = (
                f"{_amount(segment, lent)} are {seconds:.4g} s at {self.tempo_of(segment):g} BPM"
            )
            meant += f" in {self.time_of(segment)}"
            if not SECONDS[0] <= seconds <= SECONDS[1]:
                wrong[index] = f"{meant}; a segment has {low} to {high}."
            elif (
                segment.bars
                and given
                and min(abs(seconds - given), abs(self._in_seconds(segment, 0.0) - given))
                > _ROUNDED_S
            ):
                wrong[index] = f"{meant}, not {given:g}. Give one of the two."
        if wrong:
            first = self.segments[min(wrong)]
            said = f"Segment {first.number}: {wrong[min(wrong)]}"
            raise PydanticCustomError("lengths", "{said}", {"said": said, "wrong": wrong})

    def _seconds_of(self, segment: Segment) -> float:
        if segment.bars is None:
            return segment.seconds
        return self._in_seconds(segment, self._lent(segment))

    def _in_seconds(self, segment: Segment, lent: float) -> float:
        """Return how long the bars of a segment are, with its pickup and without ``lent`` beats."""
        beats = (segment.bars or 0.0) * self.metre_of(segment).beats + segment.pickup - lent
        return beats * 60.0 / self.tempo_of(segment)

    def _lent(self, segment: Segment) -> float:
        """Return the beats of its last bar that a segment given in bars leaves to the pickup
        behind it."""
        behind = self._behind(segment) if segment.bars is not None else None
        if behind is None or not behind.pickup:
            return 0.0
        quarters = behind.pickup * self.metre_of(behind).beat_quarters
        return quarters / self.metre_of(segment).beat_quarters

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

    @property
    def whole_or_default(self) -> Whole:
        """Takes of the whole song as the sheet wants them, or would if it named them."""
        generators = self.generators or DEFAULT_GENERATORS
        return self.whole or Whole().completed(generators, self.options)

    def to_dict(self) -> dict[str, Any]:
        """Return the sheet as plain values."""
        return self.model_dump(mode="json", exclude_none=True)

    def _repr_html_(self) -> str:
        rows = (
            (s.number, s.name, s.section, f"{round(s.seconds, 3):g} s",
             f"{number_text(round(self.bars_of(s), 2))} in {self.time_of(s)}",
             f"{self.tempo_of(s):g}", self.key_of(s), layer.role, ", ".join(layer.generators))
            for s in self.segments for layer in s.layers
        )  # fmt: skip
        headings = (
            "No",
            "Segment",
            "Section",
            "Length",
            "Bars",
            "BPM",
            "Key",
            "Layer",
            "Generators",
        )
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

    def time_of(self, segment: Segment) -> str:
        """Return the segment's time signature."""
        return segment.time or self.time

    def metre_of(self, segment: Segment) -> Metre:
        """Return the segment's metre."""
        return metre_of(self.time_of(segment))

    def bars_of(self, segment: Segment) -> float:
        """Return the segment's length in bars: without its pickup, with that of the next segment
        where it has left beats to it."""
        beats = segment.seconds * self.tempo_of(segment) / 60.0 - segment.pickup
        return (beats + self._lent(segment)) / self.metre_of(segment).beats

    def _behind(self, segment: Segment) -> Segment | None:
        pairs = pairwise((*self.segments, None))
        return next(
            (after for each, after in pairs if each and each.number == segment.number), None
        )

    def _next_tempo(self, segment: Segment) -> float | None:
        """Return the tempo of the segment behind one, where it is another."""
        behind = self._behind(segment)
        if behind is None or self.tempo_of(behind) == self.tempo_of(segment):
            return None
        return self.tempo_of(behind)

    def key_of(self, segment: Segment) -> str:
        """Return the segment's key."""
        return segment.key or self.key or DEFAULT_KEY

    def text_of(self, name: str, *parts: Layer | Segment | Whole) -> str:
        """Return one of ``TEXTS`` as the nearest of some parts gives it, the sheet last."""
        return next((text for part in (*parts, self) if (text := getattr(part, name))), "")

    def lyrics_of(self, segment: Segment, layer: Layer) -> tuple[LyricLine, ...]:
        """Return the lines for a layer.

        Backing gets those of the voice that it plays under. Music alone (``instrumental``,
        ``texture``) gets stage directions only.
        """
        text = layer.lyrics if layer.lyrics is not None else segment.lyrics or ""
        lines = parse_lyrics(text, segment.language or self.language)
        if layer.role in ("vocals", "backing", "song"):
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
            time=self.time_of(segment),
            chords=_chords(segment),
            pickup=segment.pickup,
            next_tempo=self._next_tempo(segment),
            seed=seed,
            accompanied=layer.role != "song"
            and any(
                other.role in ("backing", "instrumental")
                for other in segment.layers
                if other is not layer
            ),
            options=dict(options or {}),
            **{name: self.text_of(name, layer, segment) for name in TEXTS},
        )

    def whole_request(self, *, seed: int, options: Mapping[str, Any] | None = None) -> Request:
        """Return the request for the whole song in one take, at the sheet's tempo and key."""
        whole = self.whole_or_default
        parts = tuple(self._song_part(segment) for segment in self.segments)
        return Request(
            role="song",
            section=WHOLE_SECTION,
            lyrics=tuple(line for part in parts for line in part.lyrics),
            seconds=self.seconds,
            tempo=self.tempo,
            key=self.key or DEFAULT_KEY,
            time=self.time,
            seed=seed,
            parts=parts,
            options=dict(options or {}),
            **{name: self.text_of(name, whole) for name in TEXTS},
        )

    def _song_part(self, segment: Segment) -> SongPart:
        voice = segment.voice_layer
        layer = voice or Layer(role="instrumental")
        own = {name: getattr(layer, name) or getattr(segment, name) or "" for name in TEXTS}
        return SongPart(
            section=segment.section,
            seconds=segment.seconds,
            lyrics=self.lyrics_of(segment, layer),
            tempo=None if self.tempo_of(segment) == self.tempo else segment.tempo,
            key="" if self.key_of(segment) == (self.key or DEFAULT_KEY) else segment.key or "",
            time="" if self.time_of(segment) == self.time else self.time_of(segment),
            chords=_chords(segment),
            pickup=segment.pickup,
            **own,
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


def _amount(segment: Segment, lent: float) -> str:
    pickup = f" and {number_text(segment.pickup)} beats" if segment.pickup else ""
    less = f" without the next segment's pickup of {number_text(lent)} beats" if lent else ""
    return f"{number_text(segment.bars or 0.0)} bars{pickup}{less}"


def _chords(segment: Segment) -> str:
    return chords_text(parse_chords(segment.chords)) if segment.chords else ""


TWO_SEGMENTS = "Two segments have the number {}. Give each its own: takes are kept by number."
TWO_LAYERS = (
    "Two layers have the role {!r}. Give each role once: takes are kept by role "
    f"(there are {', '.join(get_args(Role))})."
)


def repeated(values: Iterable[Any]) -> Sequence[Any]:
    """Return the values that occur more than once, in order."""
    return [value for value, count in Counter(values).items() if count > 1]
