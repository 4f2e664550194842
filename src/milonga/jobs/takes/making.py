"""What every worker does with a packet, wherever it is."""

from __future__ import annotations

import json
from typing import Any

from milonga.errors import MilongaError, OutputError
from milonga.jobs.takes.packets import Bench, Done, Packet, TakePacket
from milonga.runtime.progress import Progress


def read_packet(packet: str | dict[str, Any]) -> Packet:
    """Read a packet from JSON, or from plain values."""
    values = json.loads(packet) if isinstance(packet, str) else packet
    if values["kind"] == "take":
        return TakePacket.model_validate(values)
    # What plays sound models is loaded where one is played.
    from milonga.jobs.takes.sounds import SoundPacket

    return SoundPacket.model_validate(values)


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
