"""What every worker does with a packet, wherever it is."""

from __future__ import annotations

from milonga.errors import MilongaError, OutputError
from milonga.jobs.takes.crew import Done
from milonga.jobs.takes.packets import Bench, TakePacket
from milonga.runtime.progress import Progress
from milonga.songs.rendering.render import render_take


def render_packet(packet: TakePacket, bench: Bench, progress: Progress) -> Done:
    """Render the take of a packet into its folder.

    Raises:
        Cancelled: the user stopped it.
    """
    try:
        outcome = render_take(bench.take(packet), progress)
    except OutputError as error:
        return Done(fatal=(error.message, error.where, error.step))
    except MilongaError as error:
        return Done(error=str(error))
    return Done(outcome.status, outcome.planned.name, outcome.error, outcome.details)
