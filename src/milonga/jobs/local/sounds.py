"""Sounds of a batch made by several processes of this machine."""

from __future__ import annotations

from milonga.jobs.local.crew import LocalCrew
from milonga.jobs.takes.sounds import SoundDealer
from milonga.runtime.devices import core_count, thread_count
from milonga.workflows.batches import BatchOrder, BatchPlace


def sound_workers(count: int) -> BatchPlace:
    """Return what makes the sounds of a batch in several processes, as ``on`` of ``play_batch``."""

    def place(order: BatchOrder) -> SoundDealer:
        threads = max(1, min(core_count(), thread_count()) // count)
        return SoundDealer(LocalCrew(count, threads), order)

    return place
