"""Takes as data: what a worker needs to render one, and nothing that could run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from milonga.errors import JobError
from milonga.generators.base import Generator, Request
from milonga.generators.registry import make_generator
from milonga.runtime.record import Record
from milonga.songs.rendering.planned import PlannedTake
from milonga.songs.rendering.takes import take_name


class TakePacket(Record):
    """A planned take that travels."""

    number: int
    """Its place in the plan."""
    title: str
    artist: str
    segment: int
    segment_name: str
    generator: str
    request: Request
    folder: Path
    name: str
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The model that renders it: takes of one key share what is loaded."""
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
        )


class Bench:
    """The generators of a worker, each made once, so that its model stays loaded.

    Args:
        make: by default from the registry, by name: nothing else can be asked for.
    """

    def __init__(self, make: Callable[[str, Mapping[str, Any]], Generator] | None = None) -> None:
        self._make = make or make_generator
        self._made: dict[str, Generator] = {}

    def take(self, packet: TakePacket) -> PlannedTake:
        """Return the take of a packet, ready to be rendered here.

        Raises:
            MilongaError: its generator isn't installed here, or doesn't know its options.
        """
        key = packet.key
        if key not in self._made:
            self._made[key] = self._make(packet.generator, packet.request.options)
        return packet.planned(self._made[key])
