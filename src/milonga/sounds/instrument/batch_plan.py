"""Many sounds of one instrument: seeds times grids of controls, planned before any is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from milonga.audio.export.settings import FORMATS, ExportSettings
from milonga.errors import OutputError, SoundError
from milonga.runtime.files import free_space
from milonga.runtime.progress import Progress
from milonga.runtime.words import size_text
from milonga.sounds.instrument.batch import BatchResult, Job, make_jobs, run_batch
from milonga.sounds.instrument.instrument import Instrument
from milonga.sounds.model.play_settings import Asked, is_axis

if TYPE_CHECKING:
    from milonga.sounds.model.player import PlayRequest

MANY = 1_000
"""More sounds than this are a mistake more often than a wish."""
_SPARE = 64 << 20
_LOSSY_BYTES = 40_000
"""A second and channel, at most: 320 kbit/s."""
_EXTRA_BYTES = 8_192
"""A receipt, and the head of a file."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch that can be made.

    Attributes:
        jobs: in their order.
        size: bytes of all files, at most.
    """

    jobs: list[Job]
    size: int


def plan_batch(
    instrument: Instrument,
    asked: Asked,
    seeds: Sequence[int],
    grid: Mapping[str, Sequence[float]],
    export: ExportSettings,
    stem: str,
) -> Plan:
    """What a batch comes to.

    Args:
        instrument: that plays.
        asked: what all sounds share.
        seeds: each with every combination of the grid.
        grid: values by control or free axis (``parse_grid``).
        export: format and so on.
        stem: what the files' names begin with.

    Raises:
        SoundError: the model can't play a value of the grid.
        UnknownNameError: it has no such control or axis.
        MilongaError: there is nothing to do, or more than 100,000 sounds.
    """
    jobs = make_jobs(stem, seeds, grid)
    plain = replace(asked.request, start="walk", to=None)
    for name, values in grid.items():
        for value in values:
            instrument.player.check(_moved(plain, {name: value}))
    player = instrument.player
    seconds = player.frames(asked.request) / player.spec.frame_rate
    return Plan(jobs, len(jobs) * _bytes(seconds, player.spec.sample_rate, export))


def check_room(plan: Plan, folder: Path, export: ExportSettings, *, many: bool = False) -> None:
    """Whether a batch may start.

    Raises:
        SoundError: it has more than ``MANY`` sounds, and ``many`` isn't given.
        OutputError: the disk has too little room for those that aren't there yet.
    """
    count = len(plan.jobs)
    if count > MANY and not many:
        raise SoundError(
            f"The batch has {count:,} sounds, up to {size_text(plan.size)}.",
            step="Add --yes if you mean it, or take fewer seeds or steps.",
        )
    suffix = export.format or "wav"
    missing = sum(not (folder / f"{job.name}.{suffix}").exists() for job in plan.jobs)
    wanted = plan.size * missing // count + _SPARE
    free = free_space(folder)
    if missing and free is not None and wanted > free:
        raise OutputError(
            f"The batch takes up to {size_text(wanted)}, and {size_text(free)} are free.",
            where=folder,
            step="Free some space, choose another disk, fewer sounds, or a smaller --format.",
        )


def export_batch(
    instrument: Instrument,
    asked: Asked,
    plan: Plan,
    folder: Path,
    export: ExportSettings,
    *,
    progress: Progress | None = None,
    force: bool = False,
) -> BatchResult:
    """Makes what isn't there yet, as ``run_batch`` does; the same call goes on after any stop.

    Raises:
        MilongaError: as ``run_batch``.
    """
    silent = _Silent(progress or Progress())

    def request(job: Job) -> PlayRequest:
        return _moved(replace(asked.request, seed=job.seed), job.settings)

    return run_batch(
        plan.jobs,
        # Its own progress would tear that of the batch.
        lambda job: instrument.play(request(job), silent),
        folder,
        export,
        made=lambda job: instrument.made(request(job), asked.start, asked.to),
        progress=progress,
        force=force,
    )


class _Silent(Progress):
    """Shows nothing, and is cancelled with another."""

    def __init__(self, other: Progress) -> None:
        super().__init__()
        self._other = other

    def check(self) -> None:
        self._other.check()


def _moved(request: PlayRequest, values: Mapping[str, float]) -> PlayRequest:
    controls = {name: value for name, value in values.items() if not is_axis(name)}
    axes = {name: value for name, value in values.items() if is_axis(name)}
    return replace(
        request, settings={**request.settings, **controls}, axes={**request.axes, **axes}
    )


def _bytes(seconds: float, rate: int, export: ExportSettings) -> int:
    name = export.format or "wav"
    channels = 2 if export.channels in ("stereo", "binaural") else 1
    if FORMATS[name].lossy:
        return round(seconds * channels * _LOSSY_BYTES) + _EXTRA_BYTES
    width = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}[export.subtype(name)]
    return round(seconds * export.rate_of(name, rate) * channels * width) + _EXTRA_BYTES
