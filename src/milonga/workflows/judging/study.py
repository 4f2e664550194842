"""Studies in one step: takes by plan, their figures and scores, statistics, a page."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from milonga import audio, weights
from milonga.analysis.comparison import compare
from milonga.analysis.differences import Differences
from milonga.analysis.features import Features, features
from milonga.analysis.pairs.figures import Common
from milonga.analysis.study.page import MARK, study_page
from milonga.analysis.study.summary import Summary, summarise
from milonga.errors import MilongaError, OutputError, needs_extra
from milonga.runtime.documents import read_json
from milonga.runtime.files import atomic_path, check_writable, dump_json, write_text
from milonga.runtime.progress import Progress
from milonga.songs.rendering.planned import Plan, PlannedTake
from milonga.songs.rendering.render import Outcome, TakeRunner, render_takes
from milonga.songs.sheet.load import load_sheet
from milonga.songs.sheet.model import Sheet
from milonga.workflows.judging.study_file import Condition, StudyFile, read_study
from milonga.workflows.scoring.words import (
    RECOGNISER,
    check_recogniser,
    score_recordings,
    sings_words,
)
from milonga.workflows.songs import plan_song

StrPath = str | os.PathLike[str]
PAGE, TABLE, PARQUET, RESULT, WORDS = (
    "index.html", "takes.csv", "takes.parquet", "study.json", "words.json",
)  # fmt: skip
_USUAL = "_similarity"
_HEARD_AT_ONCE = 8
_WORD_FIGURES = ("word_error", "phone_error")


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """A study before its work.

    Attributes:
        study: the file.
        sheet: its song.
        out: the folder.
        plans: the takes of each condition.
    """

    study: StudyFile
    sheet: Sheet
    out: Path
    plans: tuple[tuple[Condition, Plan], ...]

    @property
    def all_takes(self) -> tuple[PlannedTake, ...]:
        """The takes of all conditions, one condition after the other."""
        return tuple(take for _, plan in self.plans for take in plan.takes)

    @property
    def takes(self) -> int:
        """Takes in all."""
        return sum(len(plan.takes) for _, plan in self.plans)

    @property
    def estimate_s(self) -> float | None:
        """Seconds of work; None where a condition can't tell."""
        known = [plan.estimate_s for _, plan in self.plans]
        return None if None in known else sum(each or 0.0 for each in known)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know before."""
        found = dict.fromkeys(note for _, plan in self.plans for note in plan.notes)
        here = {take.segment for take in self.all_takes}
        if not self.study.figures and not self.study.words and not any(
            self.sheet.baseline_path(s) for s in self.sheet.segments if s.number in here
        ):  # fmt: skip
            found["No segment has a baseline: only findings are compared. Name other figures in "
                  "the study, as in figures: [spectral_centroid_hz]."] = None  # fmt: skip
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "conditions": [
                {"condition": condition.label, **plan.to_dict(), "estimate_s": plan.estimate_s}
                for condition, plan in self.plans
            ],
            "takes": self.takes,
            "estimate_s": self.estimate_s,
        }


@dataclass(frozen=True, slots=True)
class Study:
    """The result of a study.

    Attributes:
        rows: every take with its figures.
        summary: what they show.
        failed: takes that could not be made, in words.
        page: for reading.
        table: for programs (CSV; Parquet beside it where pyarrow is installed).
    """

    rows: tuple[dict[str, Any], ...]
    summary: Summary
    failed: tuple[str, ...]
    page: Path
    table: Path

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "page": str(self.page),
            "table": str(self.table),
            "takes": list(self.rows),
            "failed": list(self.failed),
            **self.summary.to_dict(),
        }


def plan_study(file: StrPath | StudyFile, out: StrPath) -> StudyPlan:
    """Plan a study and check what can be known before the work.

    Args:
        file: the study, or the path of its file.
        out: the folder; it need not exist, and nothing is written.

    Raises:
        MilongaError: the file is wrong, or its takes can't be rendered as asked.
        OutputError: the folder can't be written, or has a page that isn't a study's.
    """
    study = file if isinstance(file, StudyFile) else read_study(Path(file))
    folder = Path() if isinstance(file, StudyFile) else Path(file).parent
    sheet, out = load_sheet(folder / study.sheet), Path(out)
    page = out / PAGE
    if page.exists() and MARK not in page.read_text(encoding="utf-8", errors="replace")[:2000]:
        raise OutputError(
            "This page is not a study's, and would be replaced.", where=page,
            step="Choose another folder with --out.",
        )  # fmt: skip
    check_writable(out)
    _check_figures(study, sheet)
    if study.words:
        weights.locate(study.words, like=RECOGNISER)  # refuses names that it doesn't know
    plans = []
    for condition in study.all_conditions:
        plan = plan_song(
            sheet, out, generators=(condition.generator,), segments=study.segments,
            takes=study.seeds, seed=study.seed, report=True,
            options={condition.generator: condition.options},
        )  # fmt: skip
        plans.append((condition, plan))
    return StudyPlan(study, sheet, out, tuple(plans))


def _check_figures(study: StudyFile, sheet: Sheet) -> None:
    """Refuse figures that no take will have, before the work."""
    here = [s for s in sheet.segments if not study.segments or s.number in study.segments]
    measured: list[Any] = [Features]
    if any(sheet.baseline_path(segment) is not None for segment in here):
        measured += [Differences, Common]
    known = {
        field.name for kind in measured for field in fields(kind)
        if re.match("float|int", str(field.type))
    }  # fmt: skip
    known |= {"finding_count", "work_s", "length_s", *(_WORD_FIGURES if study.words else ())}
    if unknown := [name for name in study.figures if name not in known]:
        raise _no_figure(unknown[0], known)


def _no_figure(name: str, known: Iterable[str]) -> MilongaError:
    return MilongaError(
        f"No take has a figure {name!r}.", where="figures",
        step=f"There are: {', '.join(sorted(known))}.",
    )  # fmt: skip


def run_study(
    file: StrPath | StudyFile | StudyPlan,
    out: StrPath = "study",
    *,
    progress: Progress | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    on: TakeRunner = render_takes,
) -> Study:
    """Render the takes of a study, measure them, and write a table and a page.

    Finished takes are kept, so the same call goes on after an interruption.

    Args:
        file: the study, its file, or its plan.
        out: the folder; not used for a plan, which has its own.
        progress: shows the work, and stops it.
        on_outcome: called with each take's outcome as soon as there is one.
        on: renders the takes: this process, or others (``milonga.jobs.workers(2)``).

    Raises:
        MilongaError: as ``plan_study``.
        Cancelled: the user stopped it; finished takes are kept.
    """
    progress = progress or Progress()
    plan = file if isinstance(file, StudyPlan) else plan_study(file, out)
    if plan.study.words:
        check_recogniser(plan.study.words, progress)
    rows: list[dict[str, Any]] = []
    failed: list[str] = []
    conditions = [condition for condition, takes in plan.plans for _ in takes.takes]
    found = {}
    for number, outcome in on(plan.all_takes, progress):
        found[number] = outcome
        if on_outcome is not None:
            on_outcome(outcome)
    for number, outcome in sorted(found.items()):
        condition = conditions[number]
        if outcome.receipt is None:
            failed.append(f"{condition.label}, {outcome.planned.label}: {outcome.error}")
        else:
            rows.append(_row(condition, outcome))
    _add_figures(rows, plan.sheet, progress)
    if plan.study.words:
        _add_words(rows, plan, progress)
    figures = plan.study.figures or _usual_figures(rows)
    if unknown := [name for name in figures if not any(name in row for row in rows)]:
        raise _no_figure(unknown[0], {n for row in rows for n in row if _is_number(row[n])})
    summary = summarise(rows, figures)
    return _written(plan, rows, figures, summary, failed)


def _row(condition: Condition, outcome: Outcome) -> dict[str, Any]:
    planned, receipt = outcome.planned, outcome.receipt
    assert receipt is not None
    return {
        "condition": condition.label,
        "generator": condition.generator,
        "options": json.dumps(condition.options, sort_keys=True),
        "segment": planned.segment,
        "name": planned.segment_name,
        "role": planned.request.role,
        "seed": receipt.seed,
        "take": planned.sound_path.stem,
        "path": str(planned.sound_path),
        "sha256": receipt.sound.sha256,
        "findings": "; ".join(finding.message for finding in receipt.findings),
        "finding_count": len(receipt.findings),
        "work_s": receipt.duration_s,
        "length_s": receipt.sound.seconds,
    }


def _add_figures(rows: Sequence[dict[str, Any]], sheet: Sheet, progress: Progress) -> None:
    """Measure every take, against its segment's baseline where there is one."""
    for segment in sheet.segments:
        own = [row for row in rows if row["segment"] == segment.number]
        if not own:
            continue
        baseline = sheet.baseline_path(segment)
        if baseline is None:
            documents = [{"features": features(audio.read(row["path"])).to_dict()} for row in own]
        else:
            compared = compare(baseline, [row["path"] for row in own], progress=progress)
            documents = [candidate.to_dict() for candidate in compared.candidates]
        for row, document in zip(own, documents, strict=True):
            for part in ("features", "differences", "figures"):
                values = document.get(part) or {}
                row |= {name: value for name, value in values.items() if _is_number(value)}


def _add_words(rows: Sequence[dict[str, Any]], plan: StudyPlan, progress: Progress) -> None:
    """Score sung words; what was scored before is kept in the study's folder."""
    path = plan.out / WORDS
    try:
        kept: dict[str, Any] = read_json(path)
    except (OSError, ValueError):
        kept = {}
    voices = {f"{plan.study.words} {row['sha256']}": row for row in rows
              if sings_words(Path(row["path"]))}  # fmt: skip
    waiting = [key for key in voices if key not in kept]
    # The recogniser is loaded once for several takes; an interruption costs those alone.
    for start in range(0, len(waiting), _HEARD_AT_ONCE):
        some = waiting[start : start + _HEARD_AT_ONCE]
        found = score_recordings(
            [voices[key]["path"] for key in some], model=plan.study.words, yardsticks=False,
            progress=progress,
        )  # fmt: skip
        for key, each in zip(some, found.recordings, strict=True):
            kept[key] = {
                "word_error": each.words.word_error,
                "phone_error": each.words.phone_error,
            }
        write_text(path, dump_json(kept))
    for row in rows:
        row |= kept.get(f"{plan.study.words} {row['sha256']}", {})


def _usual_figures(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    names = dict.fromkeys(name for row in rows for name in row)
    usual = [name for name in names if name.endswith(_USUAL) or name in _WORD_FIGURES]
    return tuple(usual or ["finding_count"])


def _written(
    plan: StudyPlan,
    rows: list[dict[str, Any]],
    figures: Sequence[str],
    summary: Summary,
    failed: list[str],
) -> Study:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    table, page = plan.out / TABLE, plan.out / PAGE
    write_text(table, text.getvalue())
    if find_spec("pyarrow"):
        _write_parquet(plan.out / PARQUET, rows, columns)
    title = plan.study.title or f"{plan.sheet.title}: {len(plan.plans)} conditions"
    about = {
        "Sheet": plan.study.sheet, "Conditions": ", ".join(c.label for c, _ in plan.plans),
        "Seeds": f"{plan.study.seed} to {plan.study.seed + plan.study.seeds - 1}",
        "Failed takes": "; ".join(failed) or "none",
    }  # fmt: skip
    study = Study(tuple(rows), summary, tuple(failed), page, table)
    write_text(plan.out / RESULT, dump_json(study.to_dict()))
    write_text(page, study_page(title, rows, figures, summary, about))
    return study


def _write_parquet(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    with needs_extra("A table as Parquet", "studies"):
        import pyarrow as pa
        import pyarrow.parquet as pq

    table = pa.table({name: [row.get(name) for row in rows] for name in columns})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
