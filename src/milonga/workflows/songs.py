"""Songs: plan, render, mix, report and replay in one step each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from milonga import audio
from milonga.audio.files import check_new_file
from milonga.errors import OutputError
from milonga.generators.registry import generator_class, make_generator
from milonga.runtime import html
from milonga.runtime.progress import Progress
from milonga.songs.output.best import RULES
from milonga.songs.output.folder import OutputFolder
from milonga.songs.output.mixed import Mix
from milonga.songs.output.report import check_report_place, write_song_report
from milonga.songs.output.song_file import SongFile
from milonga.songs.output.tagged import is_mix, receipt_in
from milonga.songs.rendering.plan import make_plan
from milonga.songs.rendering.planned import Plan, Selection
from milonga.songs.rendering.receipts import Receipt, read_receipt
from milonga.songs.rendering.render import Outcome, TakeRunner, render_takes
from milonga.songs.rendering.replay import Replay, replay_take
from milonga.songs.sheet.load import load_sheet
from milonga.songs.sheet.model import Sheet
from milonga.workflows.edits import replay_edit
from milonga.workflows.lyric_rule import check_rule
from milonga.workflows.scoring.reported import TakeListener

StrPath = str | os.PathLike[str]
Options = Mapping[str, Mapping[str, Any]]
"""Options by generator name: ``{"bark": {"voice": "v2/en_speaker_6"}}``."""

BEST_BY = {name: rule.about for name, rule in RULES.items()}
"""Rules by which the best of several takes can be chosen, with what each prefers."""


@dataclass(frozen=True, slots=True)
class RenderedSong:
    """The result of a render.

    Attributes:
        outcomes: of each planned take, in order.
        mix: ``song.wav``.
        report: the page that compares the takes with the baselines; None without one.
    """

    outcomes: tuple[Outcome, ...]
    mix: Mix
    report: Path | None = None

    @property
    def good(self) -> bool:
        """True where every take is without findings and the mix is complete."""
        return self.mix.complete and all(outcome.good for outcome in self.outcomes)

    @property
    def summary(self) -> list[str]:
        """The number of good takes, and the faults of the others, a line each."""
        good = [outcome for outcome in self.outcomes if outcome.good]
        bad = [outcome for outcome in self.outcomes if not outcome.good]
        kept = sum(outcome.status == "kept" for outcome in good)
        before = f" ({kept} of them kept from before)" if kept else ""
        lines = [f"Takes: {len(good)} good{before}{f', {len(bad)} not' if bad else ''}."]
        lines += [f"  {outcome.planned.label}: {outcome.fault}" for outcome in bad]
        return [*lines, *dict.fromkeys(outcome.details for outcome in bad if outcome.details)]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {
            "takes": [outcome.to_dict() for outcome in self.outcomes],
            **self.mix.to_dict(),
            "report": str(self.report) if self.report else None,
        }

    def _repr_html_(self) -> str:
        rows = (
            (
                outcome.planned.segment,
                outcome.planned.segment_name,
                outcome.planned.request.role,
                outcome.planned.name,
                outcome.status,
                outcome.fault,
            )
            for outcome in self.outcomes
        )
        headings = ("", "Segment", "Layer", "Take", "Status", "Findings")
        page = [f"Report: {self.report}"] if self.report else []
        return self.mix._repr_html_() + html.table(headings, rows) + html.paragraphs(page)


def plan_song(
    sheet: StrPath | Sheet,
    out: StrPath = "out",
    *,
    generators: Iterable[str] = (),
    segments: Iterable[int] = (),
    whole: bool = False,
    takes: int = 1,
    seed: int = 0,
    options: Options | None = None,
    report: bool = True,
) -> Plan:
    """Plan the takes of a song and check everything that can be known before the work.

    Args:
        sheet: a song sheet, or the path of one.
        out: the output folder; it need not exist, and nothing is written.
        generators: use these instead of the layers' own.
        segments: numbers of the segments to render; empty for all.
        whole: takes of the whole song, and only the segments that are named. Without it there
            are such takes where the sheet has ``whole`` and no segments are named.
        takes: number of takes for each layer and generator, with seeds ``seed``, ``seed + 1``, ...
        seed: of the first take.
        options: by generator name, over those of the sheet.
        report: a report is wanted, so every baseline must be there.

    Raises:
        SheetError: the sheet is wrong.
        PlanError: it can't be rendered as asked; lists every problem.
    """
    song = sheet if isinstance(sheet, Sheet) else load_sheet(sheet)
    names = (generators,) if isinstance(generators, str) else tuple(generators)
    selection = Selection(names, tuple(segments), takes, seed, options or {}, whole)
    plan = make_plan(song, Path(out), selection, make_generator, need_baselines=report)
    other = OutputFolder.other_song_note(plan.out, song)
    return replace(plan, about_song=(other, *plan.about_song)) if other else plan


def render_song(
    sheet: StrPath | Sheet,
    out: StrPath = "out",
    *,
    generators: Iterable[str] = (),
    segments: Iterable[int] = (),
    whole: bool = False,
    takes: int = 1,
    seed: int = 0,
    options: Options | None = None,
    choose: Mapping[str, str] | None = None,
    best_by: str | None = None,
    report: bool = True,
    progress: Progress | None = None,
    on: TakeRunner = render_takes,
) -> RenderedSong:
    """Render a song sheet into takes with receipts, ``song.wav`` and a report.

    Finished takes of the same request are kept, so the same call goes on after an interruption.

    Args:
        choose: takes for the mix, as in ``{"18/vocals": "guide-s1"}``; kept for later mixes.
            ``{"whole": "ace-step-s0"}`` is a take of the whole song, ``{"7": "whole/..."}`` its
            piece for a segment; the take ``none`` takes a choice back.
        best_by: of several takes of a layer the mix uses the best by this rule (``BEST_BY``
            lists them); choices by name stay.
        progress: shows the work and stops it.
        on: renders the takes: this process, or others (``milonga.jobs.workers(2)``).

    The other arguments are those of ``plan_song``.

    Raises:
        SheetError, PlanError: as ``plan_song``; or a choice can't be met. Nothing was rendered.
        OutputError: the output can't be written.
        Cancelled: the user stopped it; finished takes are kept.

    Example:
        >>> from milonga.songs.sheet.load import parse_sheet
        >>> sheet = parse_sheet(
        ...     "{title: Uno, segments: [{number: 1, name: Start, section: intro, seconds: 2}]}"
        ... )
        >>> song = render_song(sheet, "out", report=False)
        >>> song.good, round(song.mix.seconds), song.outcomes[0].status
        (True, 2, 'rendered')
    """
    plan = plan_song(
        sheet, out, generators=generators, segments=segments, whole=whole, takes=takes,
        seed=seed, options=options, report=report,
    )  # fmt: skip
    return render_plan(
        plan, choose=choose, best_by=best_by, report=report, progress=progress, on=on
    )


def render_plan(
    plan: Plan,
    *,
    choose: Mapping[str, str] | None = None,
    best_by: str | None = None,
    report: bool = True,
    progress: Progress | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    on: TakeRunner = render_takes,
) -> RenderedSong:
    """Render what ``plan_song`` planned; arguments and errors as for ``render_song``.

    Args:
        on_outcome: called with each take's outcome as soon as there is one.
    """
    progress = progress or Progress()
    if report:
        check_report_place(plan.out)
    check_rule(best_by)
    folder = OutputFolder.begin(
        plan.out, plan.sheet, choose, plan.takes, plan.generators, plan.whole
    )
    found = {}
    for number, outcome in on(plan.takes, progress):
        found[number] = outcome
        if on_outcome is not None:
            on_outcome(outcome)
    outcomes = [found[number] for number in sorted(found)]
    mix = _mixed(folder, best_by, progress)
    page = None
    if report:
        page = write_song_report(folder, progress, outcomes, TakeListener(plan.out))
    return RenderedSong(tuple(outcomes), mix, page)


def mix_song(
    out: StrPath,
    *,
    choose: Mapping[str, str] | None = None,
    best_by: str | None = None,
    output: StrPath | None = None,
    count_in: int = 0,
    ring_s: float = 0.0,
    force: bool = False,
    progress: Progress | None = None,
) -> Mix:
    """Build ``song.wav`` of a rendered song anew: takes layered, segments joined, at -14 LUFS.

    Args:
        out: the folder of the rendered song.
        choose: as for ``render_song``; kept for later mixes.
        best_by: as for ``render_song``; kept for later mixes.
        output: another file for the song, .mp3, .flac, .ogg, .opus or .wav, with tags and licences.
        count_in: bars of clicks before the song, in ``output``.
        ring_s: seconds that its end rings on, in ``output``.
        force: replace ``output`` if it is there.
        progress: counts segments.

    Raises:
        MilongaError: the folder holds no rendered song, a choice can't be met, or ``output`` can't
            be written.
    """
    check_rule(best_by)
    song_file = SongFile(Path(output), count_in, ring_s, force) if output is not None else None
    if song_file is not None:
        song_file.check()
    elif count_in or ring_s:
        raise OutputError(
            "A count-in and a ringing end are for a file of their own; song.wav keeps the sheet's "
            "time.",
            step="Name one, as in -o song.mp3.",
        )
    folder = OutputFolder.load(out)
    folder.check_writable()
    folder.choose(choose or {})
    if choose:
        folder.save()
    mix = _mixed(folder, best_by, progress, song_file)
    notes = (folder.sheet_note(), folder.report_note("before this mix"))
    return replace(mix, notes=(*mix.notes, *filter(None, notes)))


def _mixed(
    folder: OutputFolder,
    best_by: str | None,
    progress: Progress | None,
    song_file: SongFile | None = None,
) -> Mix:
    if best_by is None:
        return folder.mix(progress, song_file)
    notes = folder.choose_best(best_by, progress)
    folder.save()
    mix = folder.mix(progress, song_file)
    return replace(mix, notes=(*mix.notes, *notes))


def write_report(
    out: StrPath, *, words: str | None = None, progress: Progress | None = None
) -> Path:
    """Write the report of a rendered song anew, from its takes and baselines as they are now.

    Args:
        out: the folder of the song.
        words: recogniser that hears the words of takes that sing, such as ``whisper-small``; what
            was heard is kept and shown in later reports. None to hear none anew.
        progress: shows the work.

    Returns:
        The path of the page.

    Raises:
        MilongaError: the folder holds no rendered song.
    """
    folder = OutputFolder.load(out)
    folder.check_writable()
    check_report_place(folder.out)
    return write_song_report(folder, progress, listen=TakeListener(folder.out, words, progress))


def replay(
    receipt: StrPath,
    *,
    take: str | None = None,
    out: StrPath | None = None,
    progress: Progress | None = None,
) -> Replay:
    """Render a take again from its receipt and compare the samples.

    Args:
        receipt: the .json file beside the take, the take's .wav, or any WAV, FLAC, OGG, Opus or
            MP3 file that carries it in its tags: a copy of the take, a mix.
        take: of a mix, which: ``18/vocals``.
        out: keep the new rendering as this file.
        progress: shows the work.

    Raises:
        ReceiptError: the receipt can't be read.
        AudioError, OutputError: ``out`` has no known suffix, or is there.
        MilongaError: the take can't be rendered any more; the source of an edit is gone.
    """
    if out is not None:
        check_new_file(out, step="Choose another name.")
    path = receipt_path(receipt)
    sound = Path(receipt)
    # Beside a mix lies the record of its folder, and beside a copy nothing.
    beside = path.suffix == ".json" and (path == sound or (path.exists() and not is_mix(sound)))
    if beside or not sound.exists():
        found = read_receipt(path)
    else:
        found = receipt_in(sound, take)
        # Of a copy the difference can be measured, too.
        copy = found.sound.model_copy(update={"file": sound.name})
        found = found.model_copy(update={"sound": copy})
    generator = make_generator(found.generator, options_then(found))
    again = replay_take if found.request.edit is None else replay_edit
    result = again(found, path.parent, generator, progress)
    if out is not None:
        audio.write(Path(out), result.clip, on_clip="level")
    return result


def options_then(receipt: Receipt) -> dict[str, Any]:
    """The options of a receipt, with the precision that its take was made in.

    What ``auto`` found then need not be what it finds here; takes from before there was a choice
    were made in float32.
    """
    options = dict(receipt.request.options)
    field = generator_class(receipt.generator).Options.model_fields.get("precision")
    if field is not None and receipt.model.dtype in get_args(field.annotation):
        options["precision"] = receipt.model.dtype
    return options


def receipt_path(take: StrPath) -> Path:
    """Return the path of a take's receipt, from its own or from that of the audio."""
    path = Path(take)
    return path.with_suffix(".json") if path.suffix == ".wav" else path
