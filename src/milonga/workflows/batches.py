"""Batches of sounds: every seed with every combination of control values, here or elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from milonga.audio.export.settings import ExportSettings
from milonga.errors import SoundError
from milonga.runtime.progress import Progress
from milonga.sounds.library.library import Library
from milonga.sounds.model.play_settings import PlaySettings
from milonga.workflows.playing import Export, PlayChoice, file_stem, open_chosen, tell_all

if TYPE_CHECKING:
    from milonga.sounds.instrument.batch import BatchResult, Job, Outcome, RunJobs
    from milonga.sounds.instrument.batch_plan import BatchPlan
    from milonga.sounds.instrument.instrument import Instrument

Seeds = str | Sequence[int] | None
Grid = Mapping[str, Sequence[float]] | Sequence[str]


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """What every sound of a batch shares, for processes that make some of them.

    Attributes:
        model: the model's file.
        settings: to play.
        export: format and so on.
        stem: what the files' names begin with.
        folder: of the batch.
        force: replace files that are there.
        plays_with: model, vocoder and libraries, as ``Instrument.plays_with``; another process has
            to have the same.
    """

    model: str
    settings: PlaySettings
    export: ExportSettings
    stem: str
    folder: Path
    force: bool
    plays_with: Mapping[str, Any]

    def open(self) -> Callable[[Job, Path], Outcome]:
        """Open the model, and return what makes one sound of the batch in a folder.

        Raises:
            SoundError: it would sound otherwise here, by another vocoder or library.
            MilongaError: as ``Instrument.open``.
        """
        from milonga.sounds.instrument.batch_plan import plan_batch
        from milonga.sounds.instrument.instrument import Instrument

        instrument = Instrument.open(
            self.model, vocoder=self.settings.vocoder, device=self.settings.device
        )
        here = instrument.plays_with
        if other := [name for name, value in self.plays_with.items() if here.get(name) != value]:
            raise SoundError(
                f"It would sound otherwise in the process that was asked, by its {other[0]}: "
                f"{here.get(other[0])} instead of {self.plays_with[other[0]]}.",
                step="Install the same on all machines.",
            )
        plan = plan_batch(instrument, self.settings, [0], {}, self.export, self.stem)
        return lambda job, folder: plan.make_one(job, folder, force=self.force)


class BatchPlace(Protocol):
    """Where the sounds of a batch are made."""

    def __call__(self, order: BatchOrder, /) -> RunJobs:
        """Return what makes the jobs of an order."""
        ...


def play_batch(
    model: str | Path,
    folder: str | Path,
    *,
    seeds: Seeds = None,
    grid: Grid = (),
    settings: PlaySettings | None = None,
    preset: str | None = None,
    export: Export = None,
    many: bool = False,
    force: bool = False,
    library: Library | None = None,
    progress: Progress | None = None,
    on: BatchPlace | None = None,
    **chosen: Any,
) -> BatchResult:
    """Play every seed with every combination of control values into a folder.

    The same call goes on after any stop: what is there is kept.

    Args:
        seeds: as ``parse_seeds`` takes them, or numbers; by default that of the settings.
        grid: as ``parse_grid`` takes it, or values by control.
        many: more than a thousand sounds are meant.
        on: makes the sounds elsewhere (``milonga.jobs.sound_workers(2)``); by default they are made
            here, one after the other.

    Raises:
        MilongaError: as ``play_sounds``, ``plan_batch`` and ``run_batch``.
    """
    progress = progress or Progress()
    settings = PlaySettings(**chosen).over(settings or PlaySettings())
    instrument, choice = open_chosen(model, settings, preset, export, library, progress)
    plan = _planned(instrument, choice, seeds, grid)
    plan.check_room(Path(folder), many=many)
    weak = instrument.header.weak_notes([*choice.settings.controls, *plan.jobs[0].settings])
    tell_all(progress, instrument.chosen_vocoder.note, *weak)
    if on is None:
        return plan.make(Path(folder), progress=progress, force=force)
    # What was chosen here is what others play with.
    own = choice.settings.model_copy(update={
        "vocoder": instrument.chosen_vocoder.name, "device": instrument.vocoder.device,
    }).anchored()  # fmt: skip
    order = BatchOrder(str(instrument.path.absolute()), own, choice.export,
                       file_stem(instrument.header.name), Path(folder).absolute(), force,
                       instrument.plays_with)  # fmt: skip
    return plan.make(Path(folder), progress=progress, force=force, run=on(order))


def plan_play(
    model: str | Path,
    folder: str | Path,
    *,
    seeds: Seeds = None,
    grid: Grid = (),
    settings: PlaySettings | None = None,
    preset: str | None = None,
    export: Export = None,
    many: bool = False,
    library: Library | None = None,
) -> BatchPlan:
    """Plan what ``play_batch`` would do and check it, without the vocoder: loads and writes little.

    Raises:
        MilongaError: as ``play_batch``.
    """
    settings = settings or PlaySettings()
    quick = PlaySettings(vocoder="griffin-lim").over(settings)
    instrument, choice = open_chosen(model, quick, preset, export, library, Progress())
    plan = _planned(instrument, choice, seeds, grid)
    plan.check_room(Path(folder), many=many)
    return plan


def _planned(instrument: Instrument, choice: PlayChoice, seeds: Seeds, grid: Grid) -> BatchPlan:
    from milonga.sounds.instrument.batch import parse_grid, parse_seeds
    from milonga.sounds.instrument.batch_plan import plan_batch

    numbers = parse_seeds(seeds) if isinstance(seeds, str) else seeds
    values = grid if isinstance(grid, Mapping) else parse_grid(grid)
    return plan_batch(
        instrument,
        choice.settings,
        [choice.settings.seed] if numbers is None else numbers,
        values,
        choice.export,
        file_stem(instrument.header.name),
    )
