"""A crew of Ray actors."""

from __future__ import annotations

from collections.abc import Sequence

from milonga.errors import ClusterError
from milonga.songs.rendering.plan import PlannedTake
from milonga.songs.rendering.render import TakeRunner


def cluster_runner(
    on: str, takes: Sequence[PlannedTake], workers: int | None, *, trusting: bool
) -> tuple[TakeRunner, str]:
    """Return what renders takes on a cluster, and a note for the plan."""
    raise ClusterError("Clusters aren't there yet.")
