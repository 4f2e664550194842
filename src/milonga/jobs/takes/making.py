"""What every worker does with a packet, wherever it is."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from milonga.errors import MilongaError, OutputError
from milonga.jobs.takes.crew import Done
from milonga.jobs.takes.packets import Bench, Packet, TakePacket
from milonga.jobs.takes.sounds import SoundPacket
from milonga.runtime.progress import Progress

_PACKET: TypeAdapter[TakePacket | SoundPacket] = TypeAdapter(
    Annotated[TakePacket | SoundPacket, Field(discriminator="kind")]
)


def read_packet(packet: str | dict[str, Any]) -> Packet:
    """Read a packet from JSON, or from plain values."""
    if isinstance(packet, str):
        return _PACKET.validate_json(packet)
    return _PACKET.validate_python(packet)


def make_packet(packet: Packet, bench: Bench, progress: Progress) -> Done:
    """Make the sound of a packet in its folder, and say how it went.

    Raises:
        Cancelled: the user stopped it.
    """
    try:
        return packet.make(bench, progress)
    except OutputError as error:
        return Done(fatal=(error.message, error.where, error.step))
    except MilongaError as error:
        return Done(error=str(error))
