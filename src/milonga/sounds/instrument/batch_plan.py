"""Many sounds of one instrument: seeds times grids of controls, planned before any is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from milonga.audio.clip import Clip
from milonga.audio.export.receipt import Provenance
from milonga.audio.export.settings import FORMATS, SAMPLE_BYTES, ExportSettings
from milonga.errors import OutputError, SoundError
from milonga.runtime.files import free_space
from milonga.runtime.progress import Progress
from milonga.runtime.words import size_text
from milonga.sounds.instrument.batch import (
    BatchResult,
    Job,
    Outcome,
    RunJobs,
    make_jobs,
    make_one,
    run_batch,
)
from milonga.sounds.instrument.instrument import Instrument
from milonga.sounds.model.play_settings import PlaySettings, is_axis
from milonga.sounds.model.resolved_play import ResolvedPlay

MANY = 1_000
"""More sounds than this are a mistake more often than a wish."""
_SPARE = 64 << 20
_LOSSY_BYTES = 40_000
"""A second and channel, at most: 320 kbit/s."""
_EXTRA_BYTES = 8_192
"""A receipt, and the head of a file."""


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """A batch that can be made.

    Attributes:
        instrument: plays it.
        play: what all sounds share.
        export: format and so on.
        jobs: in their order.
        size: bytes of all files, at most.
    """

    instrument: Instrument
    play: ResolvedPlay
    export: ExportSettings
    jobs: list[Job]
    size: int

    @property
    def seconds(self) -> float:
        """The length of each sound."""
        player = self.instrument.player
        return player.frames(self.play) / player.spec.frame_rate

    def check_room(self, folder: Path, *, many: bool = False) -> None:
        """Refuse a batch that is too large.

        Raises:
            SoundError: it has more than ``MANY`` sounds, and ``many`` isn't given.
            OutputError: the disk has too little room for those that aren't there yet.
        """
        count = len(self.jobs)
        if count > MANY and not many:
            raise SoundError(
                f"The batch has {count:,} sounds, up to {size_text(self.size)}.",
                step="Add --yes if you mean it, or take fewer seeds or steps.",
            )
        suffix = self.export.format or "wav"
        missing = sum(not (folder / f"{job.name}.{suffix}").exists() for job in self.jobs)
        wanted = self.size * missing // count + _SPARE
        free = free_space(folder)
        if missing and free is not None and wanted > free:
            raise OutputError(
                f"The batch takes up to {size_text(wanted)}, and {size_text(free)} are free.",
                where=folder,
                step="Free some space, choose another disk, fewer sounds, or a smaller --format.",
            )

    def make(
        self,
        folder: Path,
        *,
        progress: Progress | None = None,
        force: bool = False,
        run: RunJobs | None = None,
    ) -> BatchResult:
        """Make what isn't there yet, as ``run_batch`` does; the same call goes on after any stop.

        Raises:
            MilongaError: as ``run_batch``.
        """
        return run_batch(
            self.jobs,
            self._maker(progress or Progress()),
            folder,
            self.export,
            made=self._made,
            progress=progress,
            force=force,
            run=run,
        )

    def make_one(self, job: Job, folder: Path, *, force: bool = False) -> Outcome:
        """Make one sound where another process holds the batch; errors as ``run_batch``."""
        make = self._maker(Progress())
        return make_one(job, make, folder, self.export, made=self._made, force=force)

    def _maker(self, progress: Progress) -> Callable[[Job], Clip]:
        # Its own progress would tear that of the batch.
        silent = _Silent(progress)
        return lambda job: self.instrument.play(self._play_of(job), silent)

    def _made(self, job: Job) -> Provenance:
        return self.instrument.provenance(self._play_of(job))

    def _play_of(self, job: Job) -> ResolvedPlay:
        return _moved(replace(self.play, seed=job.seed), job.settings)


def plan_batch(
    instrument: Instrument,
    settings: PlaySettings | ResolvedPlay,
    seeds: Sequence[int],
    grid: Mapping[str, Sequence[float]],
    export: ExportSettings | None = None,
    stem: str = "sound",
) -> BatchPlan:
    """Plan a batch; nothing is made yet.

    Args:
        instrument: plays it.
        settings: what all sounds share.
        seeds: each with every combination of the grid.
        grid: values by control or free axis (``parse_grid``).
        export: format and so on.
        stem: what the files' names begin with.

    Raises:
        SoundError: the model can't play a value of the grid.
        UnknownNameError: it has no such control or axis.
        MilongaError: there is nothing to do, or more than 100,000 sounds.
    """
    jobs, play = make_jobs(stem, seeds, grid), instrument.resolve(settings)
    export = export or ExportSettings()
    plain = replace(play, start="walk", to=None)
    for name, values in grid.items():
        for value in values:
            instrument.player.check(_moved(plain, {name: value}))
    player = instrument.player
    seconds = player.frames(play) / player.spec.frame_rate
    size = len(jobs) * _bytes(seconds, player.spec.sample_rate, export)
    return BatchPlan(instrument, play, export, jobs, size)


class _Silent(Progress):
    """Progress that shows nothing, and is cancelled with another."""

    def __init__(self, other: Progress) -> None:
        super().__init__()
        self._other = other

    def check(self) -> None:
        self._other.check()


def _moved(play: ResolvedPlay, values: Mapping[str, float]) -> ResolvedPlay:
    controls = {name: value for name, value in values.items() if not is_axis(name)}
    axes = {name: value for name, value in values.items() if is_axis(name)}
    return replace(play, controls={**play.controls, **controls}, axes={**play.axes, **axes})


def _bytes(seconds: float, rate: int, export: ExportSettings) -> int:
    """The size of a file, at most."""
    name = export.format or "wav"
    channels = 2 if export.channels in ("stereo", "binaural") else 1
    if FORMATS[name].lossy:
        return round(seconds * channels * _LOSSY_BYTES) + _EXTRA_BYTES
    width = SAMPLE_BYTES[export.subtype(name)]
    return round(seconds * export.rate_of(name, rate) * channels * width) + _EXTRA_BYTES
