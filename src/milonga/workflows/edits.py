"""Edits of takes and recordings: a range anew, more of it, another style, single instruments."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from milonga.errors import MilongaError, MissingExtraError, PlanError, Problem
from milonga.generators.base import Generator, Task
from milonga.generators.registry import GENERATORS, generator_class, make_generator
from milonga.runtime import html
from milonga.runtime.progress import Progress
from milonga.songs.editing.make import make_edit
from milonga.songs.editing.plan import Seeds, plan_edits
from milonga.songs.editing.target import FAULT, Start, Target, find_start, find_target
from milonga.songs.editing.wish import Wish
from milonga.songs.output.folder import REPORT, OutputFolder
from milonga.songs.output.report import check_report_place, write_song_report
from milonga.songs.rendering.planned import Plan
from milonga.songs.rendering.receipts import Receipt
from milonga.songs.rendering.render import Outcome, iter_render
from milonga.songs.rendering.replay import Replay, replay_take
from milonga.songs.rendering.sources import find_source

StrPath = str | os.PathLike[str]
Strings = str | Iterable[str]


@dataclass(frozen=True, slots=True)
class EditPlan:
    """Edits that are planned and checked.

    Attributes:
        plan: the takes.
        layer: that they become takes of, as in choices: ``18/vocals``.
    """

    plan: Plan
    layer: str

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain values."""
        return {"layer": self.layer, **self.plan.to_dict()}

    def _repr_html_(self) -> str:
        return self.plan._repr_html_()


@dataclass(frozen=True, slots=True)
class EditedTakes:
    """The takes that an edit gave.

    Attributes:
        out: the folder of the song.
        layer: that they are takes of, as in choices: ``18/vocals``.
        outcomes: of each take, in order.
        chosen: the one that the mix uses from now on; None where none was chosen.
        song: the mix, if it was built anew.
        report: the page, if it was written anew.
    """

    out: Path
    layer: str
    outcomes: tuple[Outcome, ...]
    chosen: str | None = None
    song: Path | None = None
    report: Path | None = None

    @property
    def good(self) -> bool:
        """True where every take is without findings."""
        return all(outcome.good for outcome in self.outcomes)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The audio files of the takes that were made."""
        return tuple(o.planned.sound_path for o in self.outcomes if o.status != "failed")

    @property
    def notes(self) -> tuple[str, ...]:
        """What was converted, and what is in the mix."""
        lines, out = [], shlex.quote(str(self.out))
        for outcome in self.outcomes:
            edited = outcome.receipt.edited if outcome.receipt else None
            lines += [
                f"{outcome.planned.name}: {note}" for note in (edited.notes if edited else ())
            ]
        if self.chosen:
            lines.append(f"The mix uses {self.chosen} from now on, and was built anew.")
        elif good := [outcome.planned.name for outcome in self.outcomes if outcome.good]:
            lines.append(
                "The mix is as it was. To use this edit: "
                f"milonga mix {out} --choose {self.layer}={good[0]}"
            )
        return tuple(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {
            "layer": self.layer,
            "takes": [outcome.to_dict() for outcome in self.outcomes],
            "chosen": self.chosen,
            "song": str(self.song) if self.song else None,
            "report": str(self.report) if self.report else None,
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        players = "".join(html.player(path) for path in self.paths)
        rows = ((o.planned.name, o.status, o.fault) for o in self.outcomes)
        return (
            players + html.table(("Take", "Status", "Findings"), rows) + html.paragraphs(self.notes)
        )


def plan_edit(
    out: StrPath,
    segment: str | int,
    task: Task,
    *,
    take: str | None = None,
    source: StrPath | None = None,
    generator: str | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    start: float | None = None,
    end: float | None = None,
    by: float | None = None,
    before: bool = False,
    strength: float | None = None,
    reference: StrPath | None = None,
    tracks: Strings = (),
    lyrics: str | None = None,
    lines: Mapping[int, str] | None = None,
    style: str | None = None,
    mood: str | None = None,
    voice: str | None = None,
    negative: str | None = None,
    takes: int = 1,
    seed: int = 0,
) -> EditPlan:
    """Plan an edit and check everything that can be known before the work; nothing is written.

    Args:
        out: the folder of a rendered song.
        segment: number of the segment, with the role where it has several layers
            (``18/vocals``), or ``whole`` for takes of the whole song.
        task: ``repaint``, ``extend``, ``cover``, ``extract``, ``lego`` or ``complete``.
        take: name of the take to start from; without it the one in the mix.
        source: any recording to start from, instead of a take.
        generator: by default that of the take, else the first of the layer that can.
        options: by generator name, over those of the take or the sheet.
        start: of the range to repaint, in seconds of the source.
        end: of it.
        by: seconds to extend by.
        before: extend before the start.
        strength: how much of the source a cover keeps, 0 to 1; by default 0.6.
        reference: a recording whose timbre a cover gets.
        tracks: instruments to extract (by default all that the model tells apart), to add
            (``lego``) or to complete with.
        lyrics: the whole lyric, new.
        lines: sung lines to change, by their number from 1.
        style: instead of the source's, as are the mood, the voice and the negative prompt.
        takes: number of takes, with the seeds ``seed``, ``seed + 1``, ...
        seed: of the first.

    Raises:
        PlanError: it can't be made as asked; lists every problem.
        AudioError: the recording can't be read.
        MilongaError: the folder holds no rendered song; an unknown generator or option.
    """
    folder = OutputFolder.load(out)
    target = find_target(folder, str(segment))
    begin = find_start(target, take, None if source is None else Path(source))
    wish = Wish(
        task=task, start=start, end=end, by=by, before=before, strength=strength,
        reference=None if reference is None else Path(reference),
        tracks=(tracks,) if isinstance(tracks, str) else tuple(tracks),
        lyrics=lyrics, lines=dict(lines or {}),
        style=style, mood=mood, voice=voice, negative=negative,
    )  # fmt: skip
    name = generator or _able_generator(target, begin, task)
    settings = {**_settings(name, target, begin), **(options or {}).get(name, {})}
    made = make_generator(name, settings)
    plan = plan_edits(folder, target, begin, wish, made, settings, Seeds(seed, takes))
    return EditPlan(plan, target.key)


def edit_take(
    out: StrPath,
    segment: str | int,
    task: Task,
    *,
    choose: bool = False,
    report: bool | None = None,
    progress: Progress | None = None,
    **wanted: Any,
) -> EditedTakes:
    """Make a take from another one, or from any recording.

    A ``repaint`` makes a range anew and an ``extend`` adds to one end; every other sample of the
    source stays as it is. The other tasks make all of it anew. The take and its receipt lie
    beside the other takes of the layer, and nothing is overwritten.

    Args:
        out: the folder of a rendered song.
        segment: as for ``plan_edit``.
        task: as for ``plan_edit``.
        choose: the mix uses the first good edit from now on, and is built anew.
        report: write the report anew, with source and edits side by side; None where there is one.
        progress: shows the work and stops it.
        wanted: the other arguments of ``plan_edit``.

    Raises:
        PlanError, AudioError, MilongaError: as ``plan_edit``.
        OutputError: the take can't be written.
        Cancelled: the user stopped it; finished takes are kept.
    """
    plan = plan_edit(out, segment, task, **wanted)
    return make_edits(plan, choose=choose, report=report, progress=progress)


def make_edits(
    planned: EditPlan,
    *,
    choose: bool = False,
    report: bool | None = None,
    progress: Progress | None = None,
) -> EditedTakes:
    """Make what ``plan_edit`` planned; arguments and errors as for ``edit_take``."""
    plan = planned.plan
    if report is None:
        report = (plan.out / REPORT).exists()
    if report:
        check_report_place(plan.out)
    outcomes = tuple(iter_render(plan, progress))
    good = next((outcome.planned.name for outcome in outcomes if outcome.good), None)
    chosen, song, page = good if choose else None, None, None
    # As it is now: the work may have taken hours.
    folder = OutputFolder.load(plan.out) if chosen or report else None
    if folder is not None and chosen:
        folder.choose({planned.layer: chosen})
        folder.save()
        song = folder.mix(progress).path
    if folder is not None and report:
        page = write_song_report(folder, progress, outcomes)
    return EditedTakes(plan.out, planned.layer, outcomes, chosen, song, page)


def replay_edit(
    receipt: Receipt, folder: Path, generator: Generator, progress: Progress | None = None
) -> Replay:
    """Make an edit again from its receipt and compare the samples.

    Args:
        receipt: of the edit.
        folder: where it lies; its source is looked for from there.
        generator: made with the receipt's options.
        progress: shows the work.

    Raises:
        ReceiptError: the source is gone or has changed.
    """
    edit = receipt.request.edit
    if edit is None:
        raise MilongaError("This take is no edit.")
    source = find_source(edit.source, edit.source_file, folder).clip
    reference = None
    if edit.reference:
        reference = find_source(edit.reference, edit.reference_file, folder).clip
    return replay_take(
        receipt, folder, generator, progress,
        make=lambda request, progress: make_edit(
            generator, request, receipt.answers, source, reference, progress
        ).clip,
    )  # fmt: skip


def _settings(name: str, target: Target, begin: Start) -> dict[str, Any]:
    if begin.receipt is not None and begin.receipt.generator == name:
        return dict(begin.receipt.request.options)
    return dict(target.options.get(name, {}))


def _able_generator(target: Target, begin: Start, task: Task) -> str:
    """Return the generator of the source, or the first of the layer, that can do a task."""
    own = [begin.receipt.generator] if begin.receipt is not None else []
    names = list(dict.fromkeys((*own, *target.generators)))
    able = [name for name in GENERATORS if _can(name, task)]
    for name in names:
        if name in able:
            return name
    step = (
        f"Choose one that can (--with): {' or '.join(able)}."
        if able
        else ("Install one that can: see 'milonga render --list-options'.")
    )
    fault = f"None of {', '.join(names)} can {task}."
    raise PlanError(FAULT, [Problem(fault, target.label, step=step)])


def able_editors() -> dict[str, tuple[Task, ...]]:
    """Return the generators that are installed and can edit, each with its tasks."""
    tasks: tuple[Task, ...] = ("repaint", "extend", "cover", "extract", "lego", "complete")
    able = {name: tuple(task for task in tasks if _can(name, task)) for name in GENERATORS}
    return {name: found for name, found in able.items() if found}


def _can(name: str, task: Task) -> bool:
    try:
        return task in generator_class(name).tasks
    except MissingExtraError:
        return False
