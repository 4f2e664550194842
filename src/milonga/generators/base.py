"""The contract between a song and the models that render it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from milonga.audio.clip import Clip
from milonga.errors import Problem
from milonga.runtime.progress import Progress

Role = Literal["vocals", "backing", "instrumental", "texture"]
"""What a layer is for: sung words, what is played under them, music alone, a bed of sound."""


class LyricLine(BaseModel):
    """One line of lyrics.

    ``text`` is what is sung, without square brackets; round ones stay, they are sung as answers.
    ``directions`` are the stage directions on that line, without their brackets; a line that
    holds nothing else has an empty ``text``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = ""
    language: str | None = None
    directions: tuple[str, ...] = ()


class Request(BaseModel):
    """What a generator is asked for. The same request, seed and versions give the same clip."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    """Whether another layer of the segment plays the music that a voice is sung to."""
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def sung(self) -> tuple[LyricLine, ...]:
        """The lines that hold words."""
        return tuple(line for line in self.lyrics if line.text)


class Licence(BaseModel):
    """The terms of one thing that went into a take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    name: str
    url: str = ""
    commercial_use: Literal["yes", "no", "conditional"] = "yes"
    note: str = ""


class Model(BaseModel):
    """What a generator renders with, for the receipt: enough to find the same thing again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    repo: str | None = None
    revision: str | None = None
    files: dict[str, str] = Field(default_factory=dict)
    """SHA-256 by file name."""
    libraries: dict[str, str] = Field(default_factory=dict)
    """Versions by distribution name."""
    device: str = "cpu"
    dtype: str = "float32"
    licences: tuple[Licence, ...] = ()
    notes: tuple[str, ...] = ()
    """What else decides the samples, such as how many rows went through the model at a time."""


class Assessment(BaseModel):
    """What a generator says of a request before any work.

    ``problems`` stop the plan, ``notes`` are only shown.
    """

    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    general: tuple[str, ...] = ()
    """Notes on the generator itself, whatever the request: shown once."""
    estimate_s: float | None = None
    """Seconds of work expected, where known."""


class Generator(ABC):
    """Renders requests with one model.

    A subclass takes its validated options in ``__init__`` and loads nothing heavy before the
    first ``render``; one object serves all takes of a run.
    """

    name: ClassVar[str]
    roles: ClassVar[frozenset[Role]]
    length: ClassVar[Literal["exact", "natural"]]
    """Whether a clip is as long as asked (within 20 ms) or as long as the model makes it."""

    class Options(BaseModel):
        """Settings of this generator; a field's description is its help."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, options: BaseModel | None = None) -> None:
        self.options = options if options is not None else self.Options()

    @abstractmethod
    def assess(self, request: Request) -> Assessment:
        """Checks a request without loading anything."""

    def prompts(self, request: Request) -> tuple[str, ...]:
        """The texts that the model is given, in order; none for a generator that reads none."""
        return ()

    @abstractmethod
    def model(self) -> Model:
        """What the takes are made with; called after a render."""

    @abstractmethod
    def render(self, request: Request, progress: Progress) -> Clip:
        """Makes the clip.

        Raises:
            GeneratorError: this request can't be rendered, with the reason.
            Cancelled: the user stopped it; checked at least every 3 s.
        """
