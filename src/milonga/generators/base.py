"""The contract between a song and the models that render it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from milonga.audio.clip import Clip
from milonga.errors import GeneratorError, MilongaError, Problem
from milonga.generators.measures import DEFAULT_TIME, Metre, metre_of
from milonga.generators.notation import Notation
from milonga.runtime.progress import Progress
from milonga.runtime.record import ExplainedRecord, Record

Role = Literal["vocals", "backing", "instrumental", "texture", "song"]
"""Purpose of a layer: sung words, music under them, music alone, a bed of sound, words and music
in one."""

Followed = Literal["time", "chords", "pickup", "parts"]
"""Musical time beyond tempo and key: metre, chords, pickup, and a tempo, a key, a metre and chords
for each part of a song."""

Task = Literal["repaint", "extend", "cover", "extract", "lego", "complete"]
"""Way to make a take from a recording: a range anew, more before or after it, the whole in another
style, one of its instruments alone, an instrument more, all that it lacks."""


class LyricLine(ExplainedRecord):
    """One line of lyrics.

    ``text`` is what is sung, without square brackets; round ones stay, they are sung as answers.
    ``directions`` are the stage directions on that line, without their brackets; a line that
    holds nothing else has an empty ``text``.
    """

    text: str = ""
    language: str | None = None
    directions: tuple[str, ...] = ()


class SongPart(ExplainedRecord):
    """A segment of a song that is rendered in one take.

    An empty ``style``, ``mood``, ``voice``, ``negative``, ``key`` or ``time`` is the song's, as the
    request has it; so is the tempo where there is none.
    """

    section: str
    seconds: float = Field(gt=0)
    style: str = ""
    mood: str = ""
    voice: str = ""
    negative: str = ""
    lyrics: tuple[LyricLine, ...] = ()
    tempo: float | None = Field(default=None, gt=0)
    key: str = ""
    time: str = ""
    chords: str = ""
    pickup: float = Field(default=0.0, ge=0)


class Edit(ExplainedRecord):
    """How a take is made from a recording, its source.

    The source lies in the result from ``offset`` on. Of a ``repaint`` and an ``extend`` only the
    range from ``start`` to ``end`` is new; with the other tasks all of it is. All are seconds of
    the result.
    """

    task: Task
    source: str
    """SHA-256 of the source's samples, as receipts have it."""
    source_file: str = ""
    """Where the source lay, relative to the output folder or absolute."""
    offset: float = Field(default=0.0, ge=0)
    start: float = Field(default=0.0, ge=0)
    end: float | None = Field(default=None, gt=0)
    """None: to the end of the result."""
    strength: float = Field(default=1.0, ge=0, le=1)
    """Of a cover: 1 keeps as much of the source as the model can, 0 nothing."""
    track: str = ""
    """Instrument that ``extract`` takes out and ``lego`` adds, such as ``drums``."""
    reference: str = ""
    """SHA-256 of a recording whose timbre is wanted; empty for none."""
    reference_file: str = ""


class Request(ExplainedRecord):
    """One layer to render. The same request, seed and versions give the same clip."""

    role: Role
    section: str
    style: str = ""
    mood: str = ""
    voice: str = ""
    lyrics: tuple[LyricLine, ...] = ()
    negative: str = ""
    seconds: float = Field(gt=0)
    tempo: float = Field(gt=0)
    key: str
    seed: int = Field(ge=0)
    accompanied: bool = False
    """True if another layer of the segment plays the music that a voice is sung to."""
    time: str = DEFAULT_TIME
    """Time signature; ``tempo`` counts its beats: quarters, in 6/8 and 12/8 dotted ones."""
    chords: str = ""
    """Chords with the bars that they last, as ``measures.parse_chords`` reads them: ``Am:2 F C``.
    They begin anew where they end before the segment does."""
    pickup: float = Field(default=0.0, ge=0)
    """Beats before the first bar."""
    next_tempo: float | None = Field(default=None, gt=0)
    """Tempo of the segment that follows, where it is another, so that the end can lead over to it.
    A take made without it, or with another, still answers the sheet."""
    parts: tuple[SongPart, ...] = ()
    """The segments of a song in one take, in order; then ``lyrics`` holds the lines of all."""
    edit: Edit | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def metre(self) -> Metre:
        """The metre; raises ValueError for a time signature that isn't known."""
        return metre_of(self.time)

    @property
    def sung(self) -> tuple[LyricLine, ...]:
        """The lines that hold words."""
        return tuple(line for line in self.lyrics if line.text)


class Licence(Record):
    """The terms of one thing that went into a take."""

    what: str
    name: str
    url: str = ""
    commercial_use: Literal["yes", "no", "conditional"] = "yes"
    note: str = ""


class Model(Record):
    """The model behind a take, for the receipt: enough to find the same thing again."""

    name: str
    repo: str | None = None
    revision: str | None = None
    files: dict[str, str] = Field(default_factory=dict)
    """SHA-256 by file name."""
    libraries: dict[str, str] = Field(default_factory=dict)
    """Versions by distribution name."""
    device: str = "cpu"
    engine: str = "torch"
    """``fast`` where milonga's own kernels computed the samples, or a part of the network."""
    dtype: str = "float32"
    """Precision of the weights: ``float32``, ``bfloat16``, ``int8``."""
    licences: tuple[Licence, ...] = ()
    notes: tuple[str, ...] = ()
    """More that decides the samples, such as the number of rows computed together."""


class Assessment(BaseModel):
    """Findings about a request before any work.

    ``problems`` stop the plan, ``notes`` are only shown.
    """

    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    general: tuple[str, ...] = ()
    """Notes on the generator itself, whatever the request: shown once."""
    estimate_s: float | None = None
    """Seconds of work expected, where known."""
    memory: int | None = None
    """Bytes of memory that the work needs, where known."""
    download: int = 0
    """Bytes that the first take downloads."""


class Generator(ABC):
    """Renders requests with one model.

    A subclass takes its validated options in ``__init__`` and loads nothing heavy before the
    first ``render``; one object serves all takes of a run.
    """

    name: ClassVar[str]
    roles: ClassVar[frozenset[Role]]
    seldom: ClassVar[frozenset[Role]] = frozenset()
    """Those of its roles that it plays only where a layer names it, or no other generator can."""
    length: ClassVar[Literal["exact", "natural"]]
    """"exact": as long as asked (within 20 ms); "natural": as long as the model makes it."""
    tasks: ClassVar[frozenset[Task]] = frozenset()
    """The edits that it can make; each checkpoint may have fewer, which an assessment says."""
    follows: ClassVar[frozenset[Followed]] = frozenset()
    """What it can use of a request's musical time; a plan says of the rest that it is ignored."""
    any_sound: ClassVar[bool] = False
    """True where it plays what the user taught it, which may be noise or one tone."""
    tracks: ClassVar[tuple[str, ...]] = ()
    """The instruments that ``extract`` tells apart."""

    class Options(ExplainedRecord):
        """Settings of this generator; a field's description is its help."""

    def __init__(self, options: BaseModel | None = None) -> None:
        self.options = options if options is not None else self.Options()

    @abstractmethod
    def assess(self, request: Request) -> Assessment:
        """Check a request without loading anything."""

    def ignored(self, request: Request) -> list[str]:
        """List what a request says of its musical time and this generator doesn't follow."""
        said = {
            "time": request.time if request.time != DEFAULT_TIME else "",
            "chords": request.chords or any(part.chords for part in request.parts),
            "pickup": request.pickup or any(part.pickup for part in request.parts),
        }
        return [name for name, value in said.items() if value and name not in self.follows]

    def prompts(self, request: Request) -> tuple[str, ...]:
        """List the texts that the model gets, in order; none for a generator that reads none."""
        return ()

    @abstractmethod
    def model(self) -> Model:
        """Describe the model behind the takes; called after a render."""

    @abstractmethod
    def render(self, request: Request, progress: Progress | None = None) -> Clip:
        """Make the clip.

        Args:
            request: what to render.
            progress: shows the work, and stops it.

        Raises:
            GeneratorError: this request can't be rendered, with the reason.
            Cancelled: the user stopped it; checked at least every 3 s.
        """

    def groups(self, request: Request, progress: Progress | None = None) -> dict[str, Clip]:
        """Render a request as its instrument groups, which sum to what ``render`` gives.

        Returns:
            By name (drums, bass, chords, lead, voice); empty for a model that makes one sound.

        Raises:
            GeneratorError, Cancelled: as ``render``.
        """
        return {}

    def notation(self, request: Request) -> Notation | None:
        """Return the notes and the sung words of what ``render`` gives; None where nobody wrote
        them.

        Raises:
            GeneratorError: as ``render``.
        """
        return None

    def edit(
        self,
        request: Request,
        source: Clip,
        reference: Clip | None = None,
        progress: Progress | None = None,
    ) -> Clip:
        """Make a clip from another, as ``request.edit`` says.

        The result is as long as ``request.seconds``, at any rate and level: whoever asks puts the
        new range into the source.

        Args:
            request: with ``edit``.
            source: the recording, at any rate and with any number of channels.
            reference: a recording whose timbre is wanted.
            progress: shows the work, and stops it.

        Raises:
            GeneratorError: this generator can't make this edit.
            Cancelled: the user stopped it.
        """
        task = request.edit.task if request.edit else "edit"
        raise GeneratorError(
            f"{self.name} can't {task}.", step="Use a generator that can, such as ace-step."
        )


def problem_of(error: MilongaError, where: str) -> Problem:
    """Turn an error into a problem at a place."""
    return Problem(error.message, where, step=error.step or "")


def refuse(problems: Iterable[Problem]) -> None:
    """Raise the first problem, if there is one.

    Raises:
        GeneratorError: there is.
    """
    for problem in problems:
        raise GeneratorError(
            problem.message, where=problem.where or None, step=problem.step or None
        )


def too_long(
    who: str, seconds: float, longest: float, step: str = "Split the segment."
) -> Iterable[Problem]:
    """Find a length beyond what a generator renders at once."""
    if seconds > longest:
        yield Problem(
            f"{who} at most {longest:g} s at once, not {seconds:g} s.", "seconds", step=step
        )
