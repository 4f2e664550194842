"""The workflows that can be queued: their arguments, their cost, their work."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, ValidationError, field_validator

from milonga.errors import JobError
from milonga.generators.base import Task
from milonga.jobs.job import Cost
from milonga.jobs.placing import Place
from milonga.runtime.devices import has_accelerator
from milonga.runtime.progress import Progress
from milonga.runtime.record import ExplainedRecord, first_error
from milonga.sounds.model.play_settings import PlaySettings
from milonga.sounds.training.settings import TrainSettings

if TYPE_CHECKING:
    from milonga.songs.rendering.planned import Plan, PlannedTake
    from milonga.songs.rendering.render import Outcome
    from milonga.workflows.edits import EditPlan

_TRAINING = 1_500_000_000
"""Bytes of a training: measured with the largest model."""

Made = Callable[[Path], None]
"""Called with the receipt of each take."""


class Work(ExplainedRecord):
    """The arguments of a workflow in the queue, as plain values.

    A subclass is a kind of job. A field that is added gets a default, so that a queue that waits
    is read after an update.
    """

    kind: ClassVar[str]
    version: ClassVar[int] = 1

    @property
    @abstractmethod
    def title(self) -> str:
        """The work in a few words."""

    @abstractmethod
    def cost(self) -> Cost:
        """Plan the work and say what it will cost.

        Raises:
            MilongaError: it can't be done as asked.
        """

    @abstractmethod
    def run(self, progress: Progress, made: Made) -> dict[str, Any]:
        """Do the work; done again after a stop, it goes on where it was.

        Args:
            progress: shows the work, and stops it.
            made: told of each take.

        Returns:
            The result as plain values.
        """


class RenderWork(Work):
    """``render_song``."""

    kind = "render"

    sheet: Path
    out: Path = Path("out")
    generators: tuple[str, ...] = ()
    segments: tuple[int, ...] = ()
    whole: bool = False
    takes: int = 1
    seed: int = 0
    options: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    choose: Mapping[str, str] = Field(default_factory=dict)
    best_by: str | None = None
    report: bool = True
    workers: int | None = None
    on: str = ""
    trusting: bool = False

    @property
    def title(self) -> str:
        return f"render {self.sheet.name} into {self.out.name}"

    def plan(self) -> Plan:
        """Plan the song; errors as ``plan_song``."""
        from milonga.workflows.songs import plan_song

        return plan_song(
            self.sheet, self.out, generators=self.generators, segments=self.segments,
            whole=self.whole, takes=self.takes, seed=self.seed, options=self.options,
            report=self.report,
        )  # fmt: skip

    def cost(self) -> Cost:
        return cost_of_takes(self.plan().takes, Place(self.workers, self.on, self.trusting))

    def run(self, progress: Progress, made: Made) -> dict[str, Any]:
        from milonga.workflows.songs import render_plan

        plan = self.plan()
        runner, note = Place(self.workers, self.on, self.trusting).runner(plan.takes)
        _tell(progress, note)
        song = render_plan(
            plan,
            on=runner,
            choose=self.choose,
            best_by=self.best_by,
            report=self.report,
            progress=progress,
            on_outcome=_receipt_of(made),
        )
        return song.to_dict()


class StudyWork(Work):
    """``run_study``."""

    kind = "study"

    file: Path
    out: Path
    workers: int | None = None
    on: str = ""
    trusting: bool = False

    @property
    def title(self) -> str:
        return f"study {self.file.name} into {self.out.name}"

    def cost(self) -> Cost:
        from milonga.workflows.judging.study import plan_study

        takes = plan_study(self.file, self.out).all_takes
        return cost_of_takes(takes, Place(self.workers, self.on, self.trusting))

    def run(self, progress: Progress, made: Made) -> dict[str, Any]:
        from milonga.workflows.judging.study import plan_study, run_study

        plan = plan_study(self.file, self.out)
        runner, note = Place(self.workers, self.on, self.trusting).runner(plan.all_takes)
        _tell(progress, note)
        study = run_study(plan, progress=progress, on_outcome=_receipt_of(made), on=runner)
        return study.to_dict()


class TrainWork(Work):
    """``train_model``."""

    kind = "train"

    name: str
    recordings: tuple[Path, ...] = ()
    add: tuple[Path, ...] = ()
    settings: TrainSettings = Field(default_factory=TrainSettings)
    restart: bool = False

    @property
    def title(self) -> str:
        return f"train the sound model {self.name}"

    def cost(self) -> Cost:
        from milonga.sounds.library.names import check_name

        check_name(self.name)
        for folder in (*self.recordings, *self.add):
            if not folder.exists():
                raise JobError("This folder isn't there.", where=folder)
        settings = self.settings
        timed = settings.epochs is None and settings.steps is None
        device = "" if settings.device == "cpu" or not has_accelerator() else "accelerator"
        return Cost(60 * settings.minutes if timed else None, _TRAINING, device=device)

    def run(self, progress: Progress, made: Made) -> dict[str, Any]:
        from milonga.workflows.training import train_model

        result = train_model(
            self.recordings,
            self.name,
            add=self.add,
            settings=self.settings,
            restart=self.restart,
            progress=progress,
        )
        return result.to_dict()


class EditWork(Work):
    """``edit_take``; ``wanted`` are the other arguments of ``plan_edit``."""

    kind = "edit"

    out: Path
    segment: str
    task: Task
    choose: bool = False
    report: bool | None = None
    wanted: Mapping[str, Any] = Field(default_factory=dict)

    @property
    def title(self) -> str:
        take = self.wanted.get("take")
        return f"{self.task} {self.segment}" + (f", {take}" if take else "")

    def plan(self) -> EditPlan:
        """Plan the edit; errors as ``plan_edit``."""
        from milonga.workflows.edits import plan_edit

        wanted = dict(self.wanted)
        if lines := wanted.get("lines"):
            # JSON has no numbers as keys.
            wanted["lines"] = {int(number): text for number, text in lines.items()}
        return plan_edit(self.out, self.segment, self.task, **wanted)

    def cost(self) -> Cost:
        return cost_of_takes(self.plan().plan.takes, Place(1, "", False))

    def run(self, progress: Progress, made: Made) -> dict[str, Any]:
        from milonga.workflows.edits import make_edits

        found = make_edits(self.plan(), choose=self.choose, report=self.report, progress=progress)
        for outcome in found.outcomes:
            if outcome.receipt is not None:
                made(outcome.planned.receipt_path)
        if not found.paths:
            faults = "; ".join(outcome.fault for outcome in found.outcomes)
            raise JobError(f"The edit gave no take: {faults}")
        return found.to_dict()


class PlayWork(Work):
    """``play_batch``; ``settings`` and ``export`` are the fields that were chosen."""

    kind = "play"

    model: Path | str
    folder: Path
    seeds: str | tuple[int, ...] | None = None
    grid: Mapping[str, tuple[float, ...]] | tuple[str, ...] = ()
    settings: Mapping[str, Any] = Field(default_factory=dict)
    preset: str | None = None
    export: Mapping[str, Any] = Field(default_factory=dict)
    many: bool = False
    force: bool = False
    workers: int | None = None
    on: str = ""
    trusting: bool = False

    @field_validator("settings", mode="before")
    @classmethod
    def _chosen(cls, value: Any) -> Any:
        # Only what was chosen goes over a preset.
        if isinstance(value, PlaySettings):
            return value.anchored().model_dump(exclude_unset=True)
        return value

    @field_validator("model")
    @classmethod
    def _placed(cls, value: Path | str) -> Path | str:
        # A file is found from any folder; a name is the library's.
        return Path(value).absolute() if Path(value).is_file() else str(value)

    @property
    def title(self) -> str:
        return f"play {Path(self.model).stem} into {self.folder.name}"

    def _batch(self) -> dict[str, Any]:
        return {
            "seeds": self.seeds, "grid": self.grid, "settings": PlaySettings(**self.settings),
            "preset": self.preset, "export": self.export, "many": self.many,
        }  # fmt: skip

    def cost(self) -> Cost:
        from milonga import weights
        from milonga.sounds.instrument.cost import playing_memory, playing_time
        from milonga.sounds.instrument.own_vocoder import foreseen_vocoder
        from milonga.workflows.batches import plan_play

        place = Place(self.workers, self.on, self.trusting)
        plan = plan_play(self.model, self.folder, **self._batch())
        download = 0
        if self.settings.get("vocoder") == "bigvgan" and weights.locate("bigvgan") is None:
            download = weights.CATALOGUE["bigvgan"].size
        vocoder = foreseen_vocoder(plan.instrument.path, self.settings.get("vocoder", "auto"))
        time = playing_time(vocoder, plan.seconds * len(plan.jobs))
        memory = playing_memory(vocoder, plan.seconds) * place.processes
        return Cost(time, memory, download=download, takes=len(plan.jobs))

    def run(self, progress: Progress, made: Made) -> dict[str, Any]:
        from milonga.audio.export.receipt import receipt_path
        from milonga.workflows.batches import play_batch

        place = Place(self.workers, self.on, self.trusting).sounds()
        found = play_batch(self.model, self.folder, force=self.force, progress=progress, on=place,
                           **self._batch())  # fmt: skip
        for outcome in found.outcomes:
            if outcome.error is None:
                made(receipt_path(outcome.path))
        if failed := found.count("failed"):
            faults = [str(outcome.error) for outcome in found.outcomes if outcome.error]
            raise JobError(f"{failed} of {len(found.outcomes)} sounds failed: {faults[0]}")
        return found.to_dict()


class CompareWork(Work):
    """``compare``, with a report."""

    kind = "compare"

    baseline: Path
    candidates: tuple[Path, ...]
    report: Path

    @property
    def title(self) -> str:
        count = len(self.candidates)
        return f"compare {self.baseline.name} with {count} recording{'' if count == 1 else 's'}"

    def cost(self) -> Cost:
        from milonga import audio

        for path in (self.baseline, *self.candidates):
            audio.probe(path)
        return Cost()

    def run(self, progress: Progress, made: Made) -> dict[str, Any]:
        from milonga.workflows.comparing import compare

        found = compare(self.baseline, self.candidates, report=self.report, progress=progress)
        return found.to_dict()


class ScoreWork(Work):
    """``score_recordings``."""

    kind = "score"

    recordings: tuple[Path, ...]
    lyrics: str
    language: str | None = None
    model: str = "whisper-small"

    @property
    def title(self) -> str:
        return f"words of {', '.join(path.name for path in self.recordings[:3])}"

    def cost(self) -> Cost:
        from milonga import audio, weights

        for path in self.recordings:
            audio.probe(path)
        here = weights.locate(self.model, like="whisper-small") is not None
        known = weights.CATALOGUE.get(self.model)
        return Cost(download=0 if here or known is None else known.size)

    def run(self, progress: Progress, made: Made) -> dict[str, Any]:
        from milonga.workflows.scoring.words import score_recordings

        found = score_recordings(
            self.recordings,
            lyrics=self.lyrics,
            language=self.language,
            model=self.model,
            progress=progress,
        )
        return found.to_dict()


_WORKS: tuple[type[Work], ...] = (RenderWork, EditWork, StudyWork, TrainWork, PlayWork,
                                 CompareWork, ScoreWork)  # fmt: skip

KINDS: Mapping[str, type[Work]] = {work.kind: work for work in _WORKS}
"""The workflows that can be queued, by name."""


def work_of(kind: str, version: int, arguments: Mapping[str, Any]) -> Work:
    """Read the work of a job from its arguments.

    Raises:
        JobError: they are of a newer milonga, or damaged.
    """
    known = KINDS.get(kind)
    if known is None or version > known.version:
        raise JobError(
            f"This milonga knows no job {kind!r} of version {version}.",
            step="Run it with the milonga that queued it, or a newer one.",
        )
    try:
        return known.model_validate(dict(arguments))
    except ValidationError as error:
        field, message = first_error(error)
        raise JobError(f"The job's {field} is wrong: {message}.") from None


def cost_of_takes(takes: Sequence[PlannedTake], place: Place) -> Cost:
    """Sum up what planned takes cost, rendered at a place."""
    from milonga.songs.rendering.planned import memory_of

    times = [take.estimate_s for take in takes if take.estimate_s is not None]
    first = {id(take.generator): take for take in takes}
    devices = {getattr(take.generator.options, "device", "cpu") for take in first.values()}
    return Cost(
        estimate_s=sum(times) if times else None,
        memory=place.memory(takes, memory_of(takes)),
        download=sum(take.download for take in first.values()),
        takes=len(takes),
        device="accelerator" if devices - {"cpu"} and has_accelerator() else "",
    )


def _tell(progress: Progress, note: str) -> None:
    if note:
        progress.message(note)


def _receipt_of(made: Made) -> Callable[[Outcome], None]:
    def tell(outcome: Outcome) -> None:
        if outcome.receipt is not None:
            made(outcome.planned.receipt_path)

    return tell
