"""The plan: every take that a sheet asks for, checked before any work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from milonga.audio.files import check
from milonga.audio.reading.opening import decoder
from milonga.errors import MilongaError, PlanError, Problem
from milonga.generators.base import Assessment, Generator, Request, Role
from milonga.runtime.files import check_no_links, check_writable, free_space
from milonga.runtime.words import size_text
from milonga.songs.rendering.planned import WHOLE, Plan, PlannedTake, Selection
from milonga.songs.rendering.takes import (
    DAMAGED,
    numbered_name,
    role_for,
    segment_folder,
    take_name,
    takes_in,
    whole_folder,
)
from milonga.songs.sheet.model import DEFAULT_KEY, AllOptions, Layer, Segment, Sheet

MakeGenerator = Callable[[str, Mapping[str, Any]], Generator]
"""Makes a generator from its name and options; raises MilongaError for an unknown name, a
missing extra or a wrong option."""

_BYTES_PER_S = 44_100 * 2 * 3
"""A stereo take of 24 bits."""


def layer_folder(out: Path, segment: Segment, layer: Layer) -> Path:
    """Return the folder of a layer's takes: its own only where a segment has several layers."""
    folder = out / "takes" / segment_folder(segment.number, segment.name)
    return folder / layer.role if len(segment.layers) > 1 else folder


def make_plan(
    sheet: Sheet,
    out: Path,
    selection: Selection,
    make_generator: MakeGenerator,
    *,
    need_baselines: bool = True,
) -> Plan:
    """Plan the takes and check everything that can be known before the work.

    Args:
        sheet: the song.
        out: the output folder; it need not exist.
        selection: what to render.
        make_generator: ``milonga.generators.registry.make_generator``, or one of your own.
        need_baselines: a missing baseline stops the plan, since a report is wanted.

    Raises:
        PlanError: with every problem found.
    """
    planner = _Planner(sheet, out, selection, make_generator)
    planner.check_seeds()
    for segment in planner.segments():
        for layer in segment.layers:
            planner.add_layer(segment, layer)
        planner.check_baseline(segment, need_baselines)
    if selection.whole or (sheet.whole is not None and not selection.segments):
        planner.add_whole()
    if not planner.takes and not planner.problems:
        planner.problems.append(Problem("Nothing to render."))
    planner.check_output()
    planner.check_disk()
    if planner.problems:
        raise PlanError(
            "This can't be rendered as asked; nothing was started.",
            planner.problems,
            where=sheet.source,
        )
    about_song, about_models = map(tuple, map(dict.fromkeys, (planner.notes, planner.general)))
    takes, size = tuple(planner.takes), planner.bytes_needed
    return Plan(
        sheet, out, takes, about_song, about_models, size, selection.generators, selection.whole
    )


class _Planner:
    def __init__(
        self, sheet: Sheet, out: Path, selection: Selection, make_generator: MakeGenerator
    ) -> None:
        self.sheet, self.out, self.selection = sheet, out, selection
        self._make = make_generator
        self._made: dict[str, Generator | None] = {}
        self._baselines: dict[Path, MilongaError | None] = {}
        self.takes: list[PlannedTake] = []
        self.problems: list[Problem] = []
        self.general: list[str] = []
        self.notes: list[str] = []

    def check_seeds(self) -> None:
        wanted = self.selection
        if wanted.takes < 1:
            self.problems.append(Problem(f"{wanted.takes} takes can't be rendered.", "takes"))
        if not 0 <= wanted.seed <= 2**32 - 1 - max(0, wanted.takes):
            self.problems.append(
                Problem(f"The seed {wanted.seed} is out of range.", "seed",
                        step=f"Take one from 0 to {2**32 - 101}.")
            )  # fmt: skip
            self.selection = replace(wanted, seed=0)

    def segments(self) -> list[Segment]:
        wanted = self.selection.segments
        known = {segment.number for segment in self.sheet.segments}
        for number in wanted:
            if number not in known:
                numbers = ", ".join(str(n) for n in sorted(known))
                self.problems.append(
                    Problem(f"The sheet has no segment {number}.", step=f"It has: {numbers}.")
                )
        if not wanted and not self.selection.whole:
            return list(self.sheet.segments)
        return [s for s in self.sheet.segments if s.number in wanted]

    def add_layer(self, segment: Segment, layer: Layer) -> None:
        where = f"segment {segment.number}"
        if len(segment.layers) > 1:
            where += f", {layer.role}"
        names = self.selection.generators or layer.generators
        asked = self.sheet.request(segment, layer, seed=0)
        able = self._able(names, asked, segment.options, where)
        if not able and not self.problems:
            self.problems.append(_nobody(names, layer.role, where))
        self._note_takes_elsewhere(segment, layer, where)
        folder = layer_folder(self.out, segment, layer)
        fitting = [g for g, *_ in able if layer.role not in g.seldom or g.name in layer.generators]
        for generator, role, options in able:
            if not fitting or generator in fitting:
                request = asked.model_copy(update={"role": role, "options": options})
                self._add_takes(request, folder, segment, generator, where)
            else:
                self.notes.append(
                    f"{where}: {generator.name} is left out; its {layer.role} is made only for "
                    "layers that name it in the sheet."
                )

    def add_whole(self) -> None:
        """Add takes of the whole song in one."""
        where, whole = WHOLE.lower(), self.sheet.whole_or_default
        names = self.selection.generators or whole.generators
        request = self.sheet.whole_request(seed=0)
        able = self._able(names, request, whole.options, where)
        if not able and self.selection.whole and not self.problems:
            self.problems.append(_nobody(names, "song", where))
        if any("parts" not in generator.follows for generator, *_ in able):
            self.notes.extend(_differing(self.sheet, where))
        for generator, _, options in able:
            own = request.model_copy(update={"options": options})
            self._add_takes(own, whole_folder(self.out), None, generator, where)

    def _able(
        self, names: Sequence[str], asked: Request, options: AllOptions, where: str
    ) -> list[tuple[Generator, Role, dict[str, Any]]]:
        """Find the generators that answer a request, and in which role."""
        able = []
        for name in names:
            settings = {**options.get(name, {}), **self.selection.options.get(name, {})}
            generator = self._generator(name, settings, where)
            if generator is None:
                continue
            role = role_for(asked, generator.roles)
            if role is None:
                known = ", ".join(sorted(generator.roles))
                self.notes.append(f"{name} makes {known}, no {asked.role}: left out there.")
                continue
            able.append((generator, role, settings))
        return able

    def _note_takes_elsewhere(self, segment: Segment, layer: Layer, where: str) -> None:
        """Name takes that a new name or another number of layers of the segment has left behind."""
        here = layer_folder(self.out, segment, layer)
        if takes_in(here)[0]:
            return
        used = {layer_folder(self.out, s, each) for s in self.sheet.segments for each in s.layers}
        name = f"{segment.number:02d}-*"
        for pattern in (name, f"{name}/{layer.role}"):
            for folder in sorted(set((self.out / "takes").glob(pattern)) - used):
                roles = {take.receipt.request.role for take in takes_in(folder)[0]}
                if layer.role in roles:
                    self.notes.append(
                        f"{where}: Its takes from before its name or its layers changed lie in "
                        f"{folder}, and are not used. To use those that fit, move them into {here}."
                    )

    def _add_takes(
        self,
        asked: Request,
        folder: Path,
        segment: Segment | None,
        generator: Generator,
        where: str,
    ) -> None:
        # A seed changes neither problems nor cost.
        first = asked.model_copy(update={"seed": self.selection.seed})
        if (
            self.selection.takes < 1
            or (assessment := self._assess(generator, first, where)) is None
        ):
            return
        for seed in range(self.selection.seed, self.selection.seed + self.selection.takes):
            request = asked.model_copy(update={"seed": seed})
            self.takes.append(
                PlannedTake(
                    title=self.sheet.title,
                    artist=self.sheet.artist or "",
                    segment=segment.number if segment else 0,
                    segment_name=segment.name if segment else WHOLE,
                    generator=generator,
                    request=request,
                    folder=folder,
                    name=numbered_name(
                        folder,
                        take_name(generator.name, request.options, seed),
                        generator.name,
                        request,
                    ),
                    estimate_s=assessment.estimate_s,
                    notes=assessment.notes,
                    memory=assessment.memory,
                    download=assessment.download,
                )
            )

    def _assess(self, generator: Generator, request: Request, where: str) -> Assessment | None:
        assessment = generator.assess(request)
        for problem in assessment.problems:
            place = ", ".join(p for p in (where, generator.name, problem.where) if p)
            self.problems.append(Problem(problem.message, place, step=problem.step))
        self.general.extend(assessment.general)
        if ignored := generator.ignored(request):
            self.notes.append(
                f"{where}: {generator.name} goes without the sheet's {', '.join(ignored)}."
            )
        self.notes.extend(f"{where}: {note}" for note in assessment.notes)
        return None if assessment.problems else assessment

    def _generator(self, name: str, options: dict[str, Any], where: str) -> Generator | None:
        # One object per set of options, so that nothing is loaded twice in a run.
        key = take_name(name, options, 0)
        if key not in self._made:
            try:
                self._made[key] = self._make(name, options)
            except MilongaError as error:
                self._made[key] = None
                self.problems.append(Problem(error.message, where, step=error.step or ""))
        return self._made[key]

    def check_baseline(self, segment: Segment, needed: bool) -> None:
        path = self.sheet.baseline_path(segment)
        if path is None:
            return
        where = f"segment {segment.number}"
        if path not in self._baselines:
            self._baselines[path] = _fault(path)
        error = self._baselines[path]
        if error is None:
            if by := decoder(path):
                self.notes.append(f"{where}: its baseline is decoded by {by}.")
        elif needed:
            step = (
                "Put it there, take the line out of the sheet, or leave the report out "
                "(--no-report)."
            )
            step = f"{error.step} Or: {step}" if error.step else step
            self.problems.append(
                Problem(f"{path}: {error.message}", f"{where}, baseline", step=step)
            )
        else:
            self.notes.append(f"{where}: its baseline {path} can't be used.")

    @property
    def bytes_needed(self) -> int:
        takes = sum(take.request.seconds for take in self.takes)
        song = sum(segment.seconds for segment in self.sheet.segments)
        return round((takes + 2 * song) * _BYTES_PER_S)

    def check_output(self) -> None:
        """Find what would refuse the takes: permissions, files in the way, links out of it."""
        folders = list(dict.fromkeys(take.folder for take in self.takes))
        try:
            for folder in (self.out, *folders):
                check_no_links(self.out, folder, folder / DAMAGED)
                check_writable(folder)
        except MilongaError as error:
            self.problems.append(Problem(error.message, error.where or "", step=error.step or ""))

    def check_disk(self) -> None:
        free = free_space(self.out)
        if free is not None and free < self.bytes_needed:
            self.problems.append(
                Problem(
                    f"The output needs about {size_text(self.bytes_needed)}, "
                    f"there are {size_text(free)} free on the disk of {self.out}.",
                    step="Free some space, or choose another folder (--out).",
                )
            )


def _nobody(names: Sequence[str], role: Role, where: str) -> Problem:
    step = "Add one that can, such as guide (--with), or choose other segments."
    return Problem(f"None of {', '.join(names)} can make {role}.", where, step=step)


def _differing(sheet: Sheet, where: str) -> Iterator[str]:
    """Name the segments whose own tempo, key or metre a take of the whole song can't have."""
    for what, common, of in (
        ("tempo", f"{sheet.tempo:g}", lambda segment: f"{sheet.tempo_of(segment):g}"),
        ("key", sheet.key or DEFAULT_KEY, sheet.key_of),
        ("metre", sheet.time, sheet.time_of),
    ):
        others = [s.number for s in sheet.segments if of(s) != common]
        if others:
            numbers = ", ".join(map(str, others))
            yield f"{where}: one {what} throughout, {common}; segments with another: {numbers}."


def _fault(recording: Path) -> MilongaError | None:
    """What keeps a recording from being read, to its last sample."""
    try:
        check(recording)
    except MilongaError as error:
        return error
    return None
