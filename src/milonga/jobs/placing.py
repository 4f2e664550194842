"""Where takes are rendered: in this process, in several, or on a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from milonga.errors import JobError

if TYPE_CHECKING:
    from milonga.songs.rendering.planned import PlannedTake
    from milonga.songs.rendering.render import TakeRunner
    from milonga.workflows.batches import BatchPlace

SCHEME = "ray"


@dataclass(frozen=True, slots=True)
class Place:
    """Where takes are rendered.

    Attributes:
        workers: processes of this machine, or of the cluster; None for as many as fit.
        on: ``ray`` or ``ray://HOST:PORT``; empty for this machine.
        trusting: a cluster without authentication may be joined.
    """

    workers: int | None = None
    on: str = ""
    trusting: bool = False

    def __post_init__(self) -> None:
        if self.on and self.on != SCHEME and not self.on.startswith(f"{SCHEME}://"):
            raise JobError(
                f"Nothing can be rendered on {self.on!r}.",
                where="on",
                step="Use ray for a cluster of this machine, or ray://HOST:PORT.",
            )

    def runner(self, takes: Sequence[PlannedTake]) -> tuple[TakeRunner, str]:
        """Return what renders takes there, and a note for the plan, empty for none.

        Raises:
            ClusterError: the cluster can't be reached or used, or can't do what is asked.
            MissingExtraError: Ray isn't installed.
        """
        if self.on:
            from milonga.jobs.cluster.crew import cluster_runner

            return cluster_runner(self.on, takes, self.workers, trusting=self.trusting)
        from milonga.jobs.local.choice import choose_workers

        choice = choose_workers(takes, self.workers)
        return choice.runner(), choice.why

    def sounds(self) -> BatchPlace | None:
        """Return what makes the sounds of a batch there; None for this process."""
        if self.on:
            from milonga.jobs.cluster.crew import cluster_sounds

            return cluster_sounds(self.on, self.workers, trusting=self.trusting)
        if self.processes == 1:
            return None
        from milonga.jobs.local.sounds import sound_workers

        return sound_workers(self.processes)

    @property
    def processes(self) -> int:
        """Processes of this machine that make the sounds of a batch."""
        return 1 if self.on else self.workers or 1

    def memory(self, takes: Sequence[PlannedTake], alone: int | None) -> int | None:
        """Return the bytes that takes need here, where ``alone`` is what one process does."""
        if self.on or alone is None:
            return alone
        from milonga.jobs.local.choice import choose_workers

        return alone * choose_workers(takes, self.workers).workers
