"""The plan of edits: the takes to be made from a recording, checked before any work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from milonga.errors import MilongaError, PlanError, Problem
from milonga.generators.base import Edit, Generator, Request
from milonga.runtime.files import check_no_links, check_writable, free_space
from milonga.runtime.words import size_text
from milonga.songs.editing.make import PlannedEdit
from milonga.songs.editing.target import FAULT, Start, Target
from milonga.songs.editing.wish import Wish
from milonga.songs.editing.words import with_lines, with_lyrics
from milonga.songs.output.folder import OutputFolder
from milonga.songs.rendering.planned import Plan
from milonga.songs.rendering.receipts import fits_24_bits
from milonga.songs.rendering.sources import PASTED, Source, edit_words
from milonga.songs.rendering.takes import DAMAGED, numbered_name, slug, take_name

STRENGTH = 0.6
"""How much of the source a cover keeps where nobody says."""


@dataclass(frozen=True, slots=True)
class Seeds:
    """The seeds of the takes: ``first``, ``first + 1``, ..."""

    first: int = 0
    takes: int = 1


def plan_edits(
    folder: OutputFolder,
    target: Target,
    start: Start,
    wish: Wish,
    generator: Generator,
    options: Mapping[str, Any],
    seeds: Seeds,
) -> Plan:
    """Plan edits and check everything that can be known before the work.

    Args:
        folder: of the song.
        target: the layer that the edits become takes of.
        start: what they are made from.
        wish: what to do.
        generator: makes them.
        options: of the generator, as it was made with them.
        seeds: of the takes.

    Raises:
        PlanError: with every problem found.
    """
    planner = _Planner(folder, target, start, wish, generator, dict(options))
    planner.check(seeds)
    if not planner.problems:
        planner.add(seeds)
    if not planner.problems:
        planner.check_output()
    if planner.problems:
        raise PlanError(FAULT, planner.problems)
    song, models = map(tuple, map(dict.fromkeys, (planner.notes, planner.general)))
    takes = tuple(planner.takes)
    return Plan(folder.sheet, folder.out, takes, song, models, planner.bytes_needed)


class _Planner:
    def __init__(
        self,
        folder: OutputFolder,
        target: Target,
        start: Start,
        wish: Wish,
        generator: Generator,
        options: dict[str, Any],
    ) -> None:
        self.folder, self.target, self.start, self.wish = folder, target, start, wish
        self.generator, self.options = generator, options
        self.takes: list[PlannedEdit] = []
        self.problems: list[Problem] = []
        self.general: list[str] = []
        self.notes: list[str] = []
        self.reference: Source | None = None
        self.base = start.base

    def check(self, seeds: Seeds) -> None:
        """Find what is wrong with the wish itself."""
        source = self.start.source.clip
        wish, name = self.wish, self.generator.name
        if wish.task not in self.generator.tasks:
            can = ", ".join(sorted(self.generator.tasks)) or "no edit"
            self._problem(f"{name} can't {wish.task}. It can: {can}.", "", _OTHER)
        self.problems.extend(wish.problems(source.seconds))
        if wish.task in PASTED and source.channels > 2:
            self._problem(
                f"The source has {source.channels} channels, and a new range has one or two.", "",
                "Mix it down to stereo first, and edit that.",
            )  # fmt: skip
        if seeds.takes < 1 or not 0 <= seeds.first <= 2**32 - 1 - seeds.takes:
            self._problem(
                f"{seeds.takes} takes from the seed {seeds.first} on can't be made.", "seed",
                f"Take a seed from 0 to {2**32 - 101}.",
            )  # fmt: skip
        if wish.reference is not None:
            try:
                if str(wish.reference) == "-":
                    raise MilongaError("Standard input is no reference.", step="Save it as a file.")
                self.reference = Source.read(wish.reference)
            except MilongaError as error:
                self._problem(f"{wish.reference}: {error.message}", "reference", error.step or "")
        self._take_words()

    def _take_words(self) -> None:
        wish = self.wish
        texts = {name: getattr(wish, name) for name in ("style", "mood", "voice", "negative")}
        given = {name: text for name, text in texts.items() if text is not None}
        self.base = self.base.model_copy(update=given)
        try:
            if wish.lyrics is not None:
                self.base, notes = with_lyrics(self.base, wish.lyrics)
                self.notes.extend(notes)
            elif wish.lines:
                self.base = with_lines(self.base, wish.lines)
        except PlanError as error:
            self.problems.extend(error.problems)

    def add(self, seeds: Seeds) -> None:
        """Add the takes: of each seed, one for each instrument that is taken out or added."""
        wish = self.wish
        tracks: tuple[str, ...] = ("",)
        if wish.task == "complete":
            tracks = (", ".join(wish.tracks),)
        elif wish.task in ("extract", "lego"):
            tracks = wish.tracks or (self.generator.tracks if wish.task == "extract" else ())
            if not tracks:
                step = "Name one or more by --track, such as drums."
                self._problem("It isn't said which instrument.", "tracks", step)
        for seed in range(seeds.first, seeds.first + seeds.takes):
            for track in dict.fromkeys(tracks):
                self._add_take(self._request(seed, track), track)

    def _request(self, seed: int, track: str) -> Request:
        source = self.start.source
        edit = Edit(
            task=self.wish.task,
            source=source.sha256,
            source_file=source.named(self.folder.out),
            track=track,
        )
        update, seconds = self._range()
        if self.wish.task == "cover":
            update["strength"] = STRENGTH if self.wish.strength is None else self.wish.strength
        if self.reference is not None:
            update["reference"] = self.reference.sha256
            update["reference_file"] = self.reference.named(self.folder.out)
        return self.base.model_copy(
            update={
                "role": self._role(),
                "seed": seed,
                "seconds": seconds,
                "options": self.options,
                "edit": edit.model_copy(update=update),
            }
        )

    def _range(self) -> tuple[dict[str, Any], float]:
        """Where source and range lie, and how long the result is."""
        seconds, by = self.start.source.clip.seconds, self.wish.by or 0.0
        if self.wish.task == "repaint":
            start, end = self.wish.range(seconds)
            return {"start": start, "end": end}, seconds
        if self.wish.task == "extend" and self.wish.before:
            return {"offset": by, "start": 0.0, "end": by}, seconds + by
        if self.wish.task == "extend":
            return {"start": seconds, "end": seconds + by}, seconds + by
        return {}, seconds

    def _role(self) -> Any:
        """The layer's role; words that a model sings only with music of its own are a song."""
        role, able = self.base.role, self.generator.roles
        return "song" if role == "vocals" and role not in able and "song" in able else role

    def _add_take(self, request: Request, track: str) -> None:
        target, name = self.target, self.generator.name
        if request.role not in self.generator.roles:
            roles = ", ".join(sorted(self.generator.roles))
            self._problem(f"{name} makes {roles}, no {request.role}.", "", _OTHER)
            return
        assessment = self.generator.assess(request)
        for problem in assessment.problems:
            place = ", ".join(part for part in (name, problem.where) if part)
            self._problem(problem.message, place, problem.step)
        self.general.extend(assessment.general)
        self.notes.extend(f"{target.label}: {note}" for note in assessment.notes)
        words = "-".join(part for part in (name, self.wish.task, track and slug(track)) if part)
        base = take_name(words, self.options, request.seed)
        self.takes.append(
            PlannedEdit(
                title=self.folder.sheet.title,
                artist=self.folder.sheet.artist or "",
                segment=target.segment,
                segment_name=target.name,
                generator=self.generator,
                request=request,
                folder=target.folder,
                name=numbered_name(target.folder, base, name, request),
                estimate_s=assessment.estimate_s,
                notes=assessment.notes,
                source=self.start.source,
                reference=self.reference,
                answers=self.start.answers,
            )
        )

    @property
    def bytes_needed(self) -> int:
        clip = self.start.source.clip
        width = 3 if fits_24_bits(clip) or self.wish.task not in PASTED else 4
        seconds = sum(take.request.seconds for take in self.takes)
        return round(seconds * clip.sample_rate * clip.channels * width)

    def check_output(self) -> None:
        """Find what would refuse the takes: permissions, links, a full disk."""
        folder, out = self.target.folder, self.folder.out
        try:
            for place in (folder, folder / DAMAGED):
                check_no_links(out, place)
            check_writable(folder)
        except MilongaError as error:
            self._problem(error.message, error.where or "", error.step or "")
        free = free_space(out)
        if free is not None and free < self.bytes_needed:
            self._problem(
                f"The takes need about {size_text(self.bytes_needed)}, there are "
                f"{size_text(free)} free on the disk of {out}.", "", "Free some space.",
            )  # fmt: skip
        self.notes.extend(
            f"{take.name}: {edit_words(take.request.edit)} of {self.start.label}"
            for take in self.takes
            if take.request.edit is not None
        )

    def _problem(self, message: str, where: str, step: str) -> None:
        self.problems.append(Problem(message, where, step=step))


_OTHER = "Choose another generator (--with), such as ace-step."
