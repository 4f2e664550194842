"""Many exports of one maker: seeds times grids of controls, resumable after any stop.

The maker is a function from a ``Job`` to a clip, so that whatever makes sound can use it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from milonga.audio.clip import Clip
from milonga.errors import AudioError, MilongaError, OutputError, ReceiptError
from milonga.runtime.files import output_error, sweep_parts
from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from milonga.audio.export.receipt import Provenance
    from milonga.audio.export.settings import ExportSettings
    from milonga.audio.tags import Tags

MOST_JOBS = 100_000
_LONGEST_NAME = 120
_LOCK = ".batch.lock"


@dataclass(frozen=True, slots=True)
class Job:
    """One sound of a batch.

    Attributes:
        name: of the file, without folder and suffix; it follows from what it names alone, so
            that a wider grid finds the sounds of a narrower one.
        seed: of the sound.
        settings: control by name.
    """

    name: str
    seed: int
    settings: Mapping[str, float] = field(default_factory=dict)


def parse_seeds(text: str) -> list[int]:
    """Parse ``"1-3,7"`` (or ``"1:3,7"``) to ``[1, 2, 3, 7]``; each once, in the order given.

    Raises:
        MilongaError: another form, or more than 100,000.
    """
    seeds: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,18})\s*(?:[-:]\s*(\d{1,18})\s*)?", part)
        first = int(match[1]) if match else 0
        last = int(match[2] or first) if match else -1
        if last < first:
            raise MilongaError(
                f"{text!r} is not a list of seeds.", step="Write it as 7, as 1,2,5 or as 1-20."
            )
        if last - first + len(seeds) >= MOST_JOBS:
            raise MilongaError(f"{text!r} has more than {MOST_JOBS:,} seeds.")
        seeds |= dict.fromkeys(range(first, last + 1))
    return list(seeds)


def parse_grid(texts: Iterable[str]) -> dict[str, list[float]]:
    """Parse values by control, from ``NAME=FROM:TO:STEP``, ``NAME=A,B,C`` or ``NAME=A``.

    ``brightness=-3:3:3`` is -3, 0 and 3: both ends are in.

    Raises:
        MilongaError: another form, a step that doesn't lead from one end to the other, a
            control given twice, or more than 100,000 values.
    """
    grid: dict[str, list[float]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip()
        if not (equals and name):
            raise _no_grid(text)
        if name in grid:
            raise MilongaError(f"{name!r} is given twice.", step=f"Write it as {name}=A,B,C.")
        try:
            numbers = [[float(n) for n in part.split(":")] for part in values.split(",")]
        except ValueError:
            raise _no_grid(text) from None
        if any(not math.isfinite(n) for part in numbers for n in part):
            raise _no_grid(text)
        if len(numbers) == 1 and len(numbers[0]) == 3:
            grid[name] = _range(text, *numbers[0])
        elif all(len(part) == 1 for part in numbers):
            grid[name] = list(dict.fromkeys(part[0] for part in numbers))
        else:
            raise _no_grid(text)
    return grid


def _no_grid(text: str) -> MilongaError:
    return MilongaError(
        f"{text!r} is not a grid.",
        step="Write it as NAME=FROM:TO:STEP (brightness=-3:3:1.5), NAME=A,B,C or NAME=A.",
    )


def _range(text: str, first: float, last: float, step: float) -> list[float]:
    count = (last - first) / step if step else -1.0
    if not 0 <= count < MOST_JOBS or abs(count - round(count)) > 1e-6 * max(1.0, count):
        raise MilongaError(
            f"{text!r}: steps of {step:g} do not lead from {first:g} to {last:g}.",
            step="Choose a step that divides the range, as in -3:3:1.5.",
        )
    # Rounding keeps names free of 0.30000000000000004.
    return [float(f"{first + step * n:.12g}") for n in range(round(count) + 1)]


def make_jobs(
    stem: str, seeds: Sequence[int], grid: Mapping[str, Sequence[float]] | None = None
) -> list[Job]:
    """List every seed with every combination of control values, seeds outermost.

    ``make_jobs("rain", [7], {"brightness": [-3.0, 3.0]})`` has the names
    ``rain-s7-brightness-3`` and ``rain-s7-brightness+3``.

    Raises:
        MilongaError: nothing to do, or more than 100,000 jobs.
    """
    grid = grid or {}
    count = len(seeds) * math.prod(len(values) for values in grid.values())
    if not 1 <= count <= MOST_JOBS:
        raise MilongaError(f"The batch has {count:,} sounds, not 1 to {MOST_JOBS:,}.")
    jobs = []
    for seed in seeds:
        for values in product(*grid.values()):
            settings = dict(zip(grid, values, strict=True))
            jobs.append(Job(_name(stem, seed, settings), seed, settings))
    return jobs


def _name(stem: str, seed: int, settings: Mapping[str, float]) -> str:
    parts = [stem, f"s{seed}", *(f"{key}{value:+.12g}" for key, value in settings.items())]
    plain = [re.sub(r"[^\w.+-]+", "_", part) for part in parts]
    name = "-".join(plain)
    if plain == parts and len(name.encode()) <= _LONGEST_NAME and name[0] != ".":
        return name
    # What was replaced or cut has to make a difference still.
    digest = hashlib.sha256(json.dumps([stem, seed, dict(settings)]).encode()).hexdigest()[:10]
    short = name.encode()[: _LONGEST_NAME - 11].decode(errors="ignore").lstrip(".")
    return f"{short}-{digest}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a job; ``error`` is set for ``failed`` alone."""

    job: Job
    path: Path
    status: Literal["made", "kept", "failed"]
    error: MilongaError | None = None
    notes: tuple[str, ...] = ()


RunJobs = Callable[[Sequence[Job], Progress], Iterable[Outcome]]
"""Makes jobs, in any order; errors as ``run_batch``."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Outcomes in the order of the jobs."""

    outcomes: tuple[Outcome, ...]

    def count(self, status: str) -> int:
        return sum(outcome.status == status for outcome in self.outcomes)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            **{status: self.count(status) for status in ("made", "kept", "failed")},
            "sounds": [
                {
                    "name": outcome.job.name,
                    "seed": outcome.job.seed,
                    "settings": dict(outcome.job.settings),
                    "out": str(outcome.path),
                    "status": outcome.status,
                    "error": None if outcome.error is None else str(outcome.error),
                    "notes": list(outcome.notes),
                }
                for outcome in self.outcomes
            ],
        }


def run_batch(
    jobs: Sequence[Job],
    make: Callable[[Job], Clip],
    folder: Path,
    settings: ExportSettings,
    *,
    made: Callable[[Job], Provenance],
    tags: Callable[[Job], Tags] | None = None,
    progress: Progress | None = None,
    force: bool = False,
    run: RunJobs | None = None,
) -> BatchResult:
    """Make and export every job that is not there yet.

    A file is kept if its receipt names the same ``made`` and settings and its samples are those
    of the receipt; a file that isn't is made anew only with ``force``, unless it has no receipt
    that can be read (a stop between the two leaves it so). Stopped in any way, the same call
    goes on with the first that is missing. A job that fails doesn't stop the others.

    Args:
        make: the sound of a job; raises MilongaError if it can't.
        settings: has a ``format``, or WAV is taken.
        made: what the receipt of a job says of its making.
        run: makes the jobs elsewhere; by default they are made here, one after the other.

    Raises:
        MilongaError: two jobs of one name, or another batch writes to the folder.
        AudioError: the settings' SOFA file can't be used.
        OutputError: the folder can't be written, or the disk is full.
        Cancelled: as the user asked; finished files stay.
    """
    from milonga.audio.export.write import check_target

    progress = progress or Progress()
    for job in jobs[:1]:
        check_target(_path(folder, job, settings), settings, force=True)
    if len({job.name for job in jobs}) < len(jobs):
        raise MilongaError("Two sounds of the batch have one name.", where=folder)

    def one(job: Job) -> Outcome:
        return make_one(job, make, folder, settings, made=made, tags=tags, force=force)

    found: dict[str, Outcome] = {}
    with _locked(folder), progress.task("Playing", len(jobs), "sounds") as task:
        sweep_parts(folder)
        for outcome in map(one, _checked(jobs, progress)) if run is None else run(jobs, progress):
            found[outcome.job.name] = outcome
            task.advance()
    return BatchResult(tuple(found[job.name] for job in jobs))


def _checked(jobs: Sequence[Job], progress: Progress) -> Iterator[Job]:
    for job in jobs:
        progress.check()
        yield job


def make_one(
    job: Job,
    make: Callable[[Job], Clip],
    folder: Path,
    settings: ExportSettings,
    *,
    made: Callable[[Job], Provenance],
    tags: Callable[[Job], Tags] | None = None,
    force: bool = False,
) -> Outcome:
    """Make and export one job of a batch, unless it is there; arguments and errors as
    ``run_batch``, whose lock the caller holds."""
    from milonga.audio.export.write import export

    path = _path(folder, job, settings)
    try:
        how = made(job)
        state = _state(path, how, settings)
        if state == "finished" and not force:
            return Outcome(job, path, "kept")
        if state == "other" and not force:
            raise OutputError(
                "Another sound of this name is there.",
                where=path,
                step="Choose another folder, or add --force to replace it.",
            )
        own = tags(job) if tags else None
        done = export(make(job), path, settings, made=how, tags=own, force=True)
    except MilongaError as error:
        if isinstance(error.__cause__, OSError):
            # A full disk or a folder without permission stops them all.
            raise
        return Outcome(job, path, "failed", error)
    return Outcome(job, path, "made", notes=done.notes)


def _path(folder: Path, job: Job, settings: ExportSettings) -> Path:
    return folder / f"{job.name}.{settings.format or 'wav'}"


def _state(
    path: Path, made: Provenance, settings: ExportSettings
) -> Literal["missing", "finished", "other"]:
    from milonga.audio.export.receipt import read_export_receipt, receipt_path, sound_of

    # The receipt beside it is written last: without it the sound isn't finished.
    if not path.exists() or not receipt_path(path).exists():
        return "missing"
    try:
        receipt = read_export_receipt(path)
        whole = sound_of(path, receipt) == receipt.sound
    except (ReceiptError, AudioError):
        return "missing"
    if not receipt.made.is_as(made) or receipt.settings != settings:
        return "other"
    return "finished" if whole else "missing"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Allow one batch at a time in a folder; the system frees the lock of a killed one."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        raise MilongaError(
            "Another batch is writing here.", where=folder, step="Wait for it, or stop it."
        ) from None
    except OSError as error:
        raise output_error(error, folder) from error
    try:
        yield
    finally:
        lock.release()
