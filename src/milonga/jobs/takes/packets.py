"""Work as data: what a worker needs for one sound, and nothing that could run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from milonga.errors import JobError
from milonga.generators.base import Generator, Request
from milonga.generators.registry import make_generator
from milonga.runtime.progress import Progress
from milonga.runtime.record import Record
from milonga.songs.rendering.planned import PlannedTake
from milonga.songs.rendering.render import render_take
from milonga.songs.rendering.takes import take_name

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done:
    """A sound that was made, kept or failed.

    Attributes:
        status: as in ``Outcome``.
        name: of a take, which may have got another number.
        error: of a failed one.
        details: where to find more about that.
        notes: what was done with it.
        receipt: JSON of the receipt, where the sound travels back.
        sound: its audio file, likewise.
        fatal: the error that stops all work, such as a full disk: message, where, step.
    """

    status: Literal["rendered", "kept", "failed"] = "failed"
    name: str = ""
    error: str = ""
    details: str = ""
    notes: tuple[str, ...] = ()
    receipt: str | None = None
    sound: bytes | None = None
    fatal: tuple[str, str | None, str | None] | None = None


class Bench:
    """What a worker has made ready, each thing once, so that models stay loaded."""

    def __init__(self) -> None:
        self._ready: dict[str, Any] = {}

    def ready(self, key: str, make: Callable[[], T]) -> T:
        """Return what was made for a key, or make it."""
        if key not in self._ready:
            self._ready[key] = make()
        found: T = self._ready[key]
        return found


class Packet(Record):
    """One sound to be made, that travels."""

    number: int
    """Its place in the plan."""
    folder: Path
    node: str | None = None
    """Machine of a cluster that makes it, for the receipt."""

    @property
    @abstractmethod
    def key(self) -> str:
        """The model that makes it: packets of one key share what is loaded."""

    @abstractmethod
    def make(self, bench: Bench, progress: Progress) -> Done:
        """Make the sound in the folder, unless it is there.

        Raises:
            OutputError: the folder can't be written, which concerns all others, too.
            MilongaError: this one can't be made.
            Cancelled: the user stopped it.
        """

    def supplies(self) -> dict[str, Path]:
        """Name the files of the user's that another machine needs for packets of this key."""
        return {}

    def prepare(self, bench: Bench, folder: Path) -> None:
        """Load the model from its supplies, which lie in a folder for this moment."""

    @abstractmethod
    def files(self, done: Done) -> tuple[Path, Path]:
        """Return the paths of the sound and its receipt, once it is made."""


class TakePacket(Packet):
    """A planned take that travels."""

    kind: Literal["take"] = "take"
    title: str
    artist: str
    segment: int
    segment_name: str
    generator: str
    request: Request
    name: str
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return take_name(self.generator, self.request.options, 0)

    @classmethod
    def of(cls, number: int, planned: PlannedTake) -> TakePacket:
        """Describe a planned take.

        Raises:
            JobError: it is an edit, whose source stays here.
        """
        if planned.request.edit is not None:
            raise JobError("Edits are rendered in one process; leave out --workers and --on.")
        return cls(
            number=number,
            title=planned.title,
            artist=planned.artist,
            segment=planned.segment,
            segment_name=planned.segment_name,
            generator=planned.generator.name,
            request=planned.request,
            folder=planned.folder.absolute(),
            name=planned.name,
            notes=planned.notes,
        )

    def planned(self, generator: Generator) -> PlannedTake:
        """Return the take, to be rendered by a generator of this process."""
        return PlannedTake(
            title=self.title,
            artist=self.artist,
            segment=self.segment,
            segment_name=self.segment_name,
            generator=generator,
            request=self.request,
            folder=self.folder,
            name=self.name,
            notes=self.notes,
            node=self.node,
        )

    def make(self, bench: Bench, progress: Progress) -> Done:
        generator = bench.ready(
            self.key, lambda: make_generator(self.generator, self.request.options)
        )
        outcome = render_take(self.planned(generator), progress)
        return Done(outcome.status, outcome.planned.name, outcome.error, outcome.details)

    def files(self, done: Done) -> tuple[Path, Path]:
        return self.folder / f"{done.name}.wav", self.folder / f"{done.name}.json"
