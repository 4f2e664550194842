"""The output folder of a song: its sheet, the chosen takes, the mix."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any, Literal

from pydantic import Field

from milonga.errors import MilongaError, PlanError, Problem
from milonga.runtime.documents import read_json
from milonga.runtime.files import check_writable, dump_json, is_there, read_refusal, write_text
from milonga.runtime.progress import Progress
from milonga.runtime.record import Record
from milonga.songs.output.arrangement import Arrangement, arrange, can_be_cut
from milonga.songs.output.best import Pick, best_takes
from milonga.songs.output.choices import (
    NO_TAKE,
    WHOLE_KEY,
    Place,
    against_each_other,
    layer_of,
    layer_place,
    places_of,
    whole_place,
)
from milonga.songs.output.found_takes import FoundTakes, LayerTakes, stale_notes
from milonga.songs.output.mixed import Mix, stale_words
from milonga.songs.output.mixing import mix_arrangement
from milonga.songs.output.song_file import SongFile
from milonga.songs.rendering.planned import PlannedTake
from milonga.songs.rendering.takes import Take, takes_in
from milonga.songs.sheet.load import load_sheet
from milonga.songs.sheet.model import Layer, Segment, Sheet

RECORD = "song.json"
OLD_RECORD = "session.json"
"""The record's name in format version 1."""
SONG = "song.wav"
REPORT = "report"


class _Record(Record):
    format_version: Literal[1, 2] = 2
    sheet: dict[str, Any]
    source: str
    choices: dict[str, str] = Field(default_factory=dict)
    chosen_for: dict[str, str] = Field(default_factory=dict)
    """By layer, the state of the sheet in which its take was chosen."""
    generators: tuple[str, ...] = ()
    """Those that the last render named."""
    whole: bool = False
    """The last render asked for takes of the whole song by itself."""
    best: dict[str, Pick] = Field(default_factory=dict)
    """By layer, the take that a rule picked."""


class OutputFolder:
    """A rendered song on disk.

    ``song.json`` keeps the sheet as it was rendered and the choices, so that a mix and a report
    need only the folder. Choices of layers that the sheet lacks for the moment are kept.
    """

    def __init__(
        self,
        out: Path,
        sheet: Sheet,
        choices: Mapping[str, str],
        chosen_for: Mapping[str, str] | None = None,
        generators: Sequence[str] = (),
        whole: bool = False,
    ) -> None:
        self.out, self.sheet, self.choices = out, sheet, dict(choices)
        self.chosen_for, self.generators = dict(chosen_for or {}), tuple(generators)
        self.whole = whole
        self.best: dict[str, Pick] = {}

    @classmethod
    def begin(
        cls,
        out: Path,
        sheet: Sheet,
        choices: Mapping[str, str] | None = None,
        coming: Iterable[PlannedTake] = (),
        generators: Sequence[str] = (),
        whole: bool = False,
    ) -> OutputFolder:
        """Start in a folder, or go on in one; takes chosen earlier stay chosen.

        Args:
            out: the folder.
            sheet: the song.
            choices: as for ``choose``.
            coming: takes that will be there, which a choice may name.
            generators: the mix prefers their takes, in this order, to those of the sheet's.
            whole: the mix prefers a take of the whole song.

        Raises:
            PlanError: a choice can't be met; nothing was written.
        """
        there = any(is_there(out / name) for name in (RECORD, OLD_RECORD))
        earlier = cls.load(out) if there else cls(out, sheet, {})
        folder = cls(out, sheet, earlier.choices, earlier.chosen_for, generators, whole)
        folder.best = earlier.best
        folder.choose(choices or {}, coming)
        folder.save()
        return folder

    @classmethod
    def load(cls, out: str | os.PathLike[str]) -> OutputFolder:
        """Open a folder that a render wrote.

        Raises:
            MilongaError: it isn't one, or its record is damaged.
        """
        out = Path(out)
        path = out / RECORD
        if not is_there(path) and is_there(out / OLD_RECORD):
            path = out / OLD_RECORD
        try:
            record = _Record.model_validate(read_json(path))
            source, beside = Path(record.source), out.parent / Path(record.source).name
            # A song that was moved as a whole, with its sheet and its baselines.
            if not is_there(source) and is_there(beside):
                source = beside
            sheet = Sheet.restore(record.sheet, source)
        except (FileNotFoundError, NotADirectoryError):
            what = "is a file, not a folder with a" if out.is_file() else "folder holds no"
            raise MilongaError(
                f"This {what} rendered song.",
                where=out,
                step="Give the folder that 'milonga render SHEET --out FOLDER' wrote.",
            ) from None
        except OSError as error:
            message, step = read_refusal(error, "The record of this folder")
            raise MilongaError(message, where=path, step=step) from None
        except (ValueError, OverflowError) as error:
            raise MilongaError(
                f"The record of this folder is damaged ({str(error).splitlines()[0]}).",
                where=path,
                step="Delete that file and render again: finished takes are kept.",
            ) from None
        folder = cls(out, sheet, record.choices, record.chosen_for, record.generators, record.whole)
        folder.best = record.best
        return folder

    def save(self) -> None:
        """Write ``song.json``, which replaces a ``session.json`` of version 0.1."""
        record = _Record(
            sheet=self.sheet.to_dict(),
            source=str(self.sheet.source or self.out / "song.yaml"),
            choices=self.choices,
            chosen_for=self.chosen_for,
            generators=self.generators,
            whole=self.whole,
            best=self.best,
        )
        write_text(self.out / RECORD, dump_json(record.model_dump()))
        (self.out / OLD_RECORD).unlink(missing_ok=True)

    def sheet_note(self, source: Path | None = None) -> str:
        """Say that the sheet's file is another by now than what was rendered; else nothing.

        Args:
            source: the file, where it isn't the one that was rendered: of a song that was copied.
        """
        if (source := source or self.sheet.source) is None:
            return ""
        try:
            same = load_sheet(source).to_dict() == self.sheet.to_dict()
        except MilongaError:
            return ""
        command = f"milonga render {quote(str(source))} --out {quote(str(self.out))}"
        return (
            "" if same else f"{source.name} was changed after this render. To follow it: {command}"
        )

    @classmethod
    def other_song_note(cls, out: Path, sheet: Sheet) -> str:
        """Say that a folder holds a song of another sheet's file and title; else nothing."""
        try:
            there = cls.load(out).sheet
        except MilongaError:
            return ""
        if not (there.source and sheet.source) or there.title == sheet.title:
            return ""
        if there.source.resolve() == sheet.source.resolve() or not is_there(there.source):
            return ""
        return (
            f"{out} holds another song, {there.title}, of {there.source}. Its takes stay, but "
            "song.wav and the report become this one's. For a folder of its own, name another "
            "(--out)."
        )

    def report_note(self, since: str) -> str:
        """Say that the report, if there is one, shows the song as it was ``since`` something."""
        if not (self.out / REPORT).exists():
            return ""
        return (
            f"The report shows the song as it was {since}. To write it anew: "
            f"milonga report {quote(str(self.out))}"
        )

    def choose(self, choices: Mapping[str, str], coming: Iterable[PlannedTake] = ()) -> None:
        """Choose takes for the mix, until others are chosen; ``save`` keeps the choices.

        The latest choice decides between a segment's song, its other layers and its piece of the
        whole.

        Args:
            choices: ``{"18/vocals": "guide-s1"}``; the role may be left out where a segment
                has one layer. ``{"whole": "ace-step-s0"}`` for the whole song,
                ``{"7": "whole/ace-step-s0"}`` for a segment's piece of it. The take ``none``
                takes a choice back.
            coming: takes that will be there.

        Raises:
            PlanError: with every segment, role or take that doesn't exist; nothing was chosen.
        """
        promised = {take.sound_path for take in coming}
        problems: list[Problem] = []
        chosen: dict[str, tuple[Place, str]] = {}
        # The whole first, so that a segment named beside it has its own.
        for key, take in sorted(choices.items(), key=lambda choice: choice[0] != WHOLE_KEY):
            found = places_of(self.out, self.sheet, key, take)
            if isinstance(found, Problem):
                problems.append(found)
                continue
            places, name = found
            if name == NO_TAKE or not (problem := self._missing(places[0], key, name, promised)):
                chosen |= {place.key: (place, name) for place in places}
            else:
                problems.append(problem)
        named = [key for key, (_, name) in chosen.items() if name != NO_TAKE]
        problems.extend(against_each_other(named, self.sheet))
        if problems:
            raise PlanError("These choices can't be met. Nothing was changed.", problems)
        for key, (place, name) in chosen.items():
            # Taken out first: the latest stands last.
            self.choices.pop(key, None)
            if name != NO_TAKE:
                self.choices[key] = name
                self.chosen_for[key] = place.state
            elif key == WHOLE_KEY:
                self.whole = False

    def choose_best(self, rule: str, progress: Progress | None = None) -> list[str]:
        """Pick the best take of each layer by a rule, for this mix and later ones; choices by name
        stay. ``save`` keeps the picks.

        Returns:
            Notes on what couldn't be picked.

        Raises:
            UnknownNameError: there is no such rule.
        """
        layers = [
            self._layer_takes(segment, layer)
            for segment in self.sheet.segments
            for layer in segment.layers
        ]
        picks, notes = best_takes(self.sheet, [*layers, self._whole_takes()], rule, progress)
        self.best |= picks
        return notes

    def _missing(self, place: Place, key: str, name: str, promised: set[Path]) -> Problem | None:
        takes = {path.stem for path in promised if path.parent == place.folder}
        if name not in takes:
            takes |= {there.name for there in takes_in(place.folder)[0]}
        if name in takes:
            return None
        known = ", ".join(sorted(takes)) or "none yet"
        return Problem(f"There is no take {name!r}.", f"choice {key}", step=f"Takes: {known}.")

    def check_writable(self) -> None:
        """Refuse a folder that can't be written, before the work.

        Raises:
            OutputError: it can't.
        """
        check_writable(self.out)

    def layers(self) -> list[LayerTakes]:
        """List every layer of the sheet in order, with its takes on disk."""
        return list(self.arranged().layers)

    def arranged(self) -> Arrangement:
        """Find the takes on disk, and which of them play each segment."""
        layers = [
            self._layer_takes(segment, layer)
            for segment in self.sheet.segments
            for layer in segment.layers
        ]
        whole = self._whole_takes()
        pieces, notes = self._named_pieces(whole)
        found = arrange(
            self.sheet, layers, whole, pieces, [*self.choices], self.generators, self.whole
        )
        return replace(found, notes=(*notes, *found.notes))

    def _whole_takes(self) -> FoundTakes:
        wanted, place = self.sheet.whole_or_default, whole_place(self.out, self.sheet)
        return FoundTakes(**self._found(place, wanted.generators, wanted.options))

    def layer_takes(self, key: str) -> LayerTakes:
        """Find a layer by its name, ``18/vocals``, and its takes; the role may be left out where
        a segment has one layer.

        Raises:
            PlanError: there is no such layer, or several.
        """
        found = layer_of(self.sheet, key)
        if isinstance(found, Problem):
            problem = Problem(found.message, f"segment {key}", step=found.step)
            raise PlanError("There is no such layer; nothing was started.", [problem])
        return self._layer_takes(*found)

    def _layer_takes(self, segment: Segment, layer: Layer) -> LayerTakes:
        place = layer_place(self.out, self.sheet, segment, layer)
        found = self._found(place, layer.generators, segment.options)
        return LayerTakes(segment=segment, layer=layer, **found)

    def _found(
        self, place: Place, generators: Sequence[str], options: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return the fields of ``FoundTakes``."""
        order = tuple(dict.fromkeys((*self.generators, *generators)))
        takes, notes = takes_in(place.folder, order, place.asked, options)
        damaged = bool(notes)
        chosen, said = self._named(place, takes)
        notes += said
        by_name = chosen is not None
        best = ""
        if chosen is None:
            chosen, best = self._preferred(place.key, [take for take in takes if take.usable])
        choice = self.choices.get(place.key)
        others = [take for take in takes if take.stale and take is not chosen]
        notes.extend(stale_notes([take for take in others if take.name != choice]))
        return {
            "place": place,
            "takes": tuple(takes),
            "chosen": chosen,
            "notes": tuple(notes),
            "by_name": by_name,
            "damaged": damaged,
            "best": best,
        }

    def _preferred(self, key: str, usable: Sequence[Take]) -> tuple[Take | None, str]:
        """Return the take that a rule picked, if it still counts, and its words; or the first."""
        first = next(iter(usable), None)
        pick = self.best.get(key)
        if first is None or pick is None:
            return first, ""
        generator = first.receipt.generator
        picked = (t for t in usable if (t.name, t.receipt.generator) == (pick.take, generator))
        take = next(picked, None)
        return (first, "") if take is None else (take, pick.text)

    def _named(self, place: Place, takes: Iterable[Take]) -> tuple[Take | None, list[str]]:
        """Find the take that was chosen by name, or say why it isn't used."""
        choice = self.choices.get(place.key)
        take = next((take for take in takes if take.name == choice), None)
        if choice and not take:
            gone = f"The chosen take {choice} is not in {place.folder} any more"
            return None, [f"{gone}; the first good one is used."]
        if take and take.stale and self.chosen_for.get(place.key) != place.state:
            return None, [
                f"The chosen take {choice} is not used: it was {stale_words(take.changes)}. "
                f"To use it as it is, choose it again: --choose {place.key}={choice}."
            ]
        return take, []

    def _named_pieces(self, whole: FoundTakes) -> tuple[dict[int, Take], list[str]]:
        """Find the takes chosen by name for a segment's piece, and what the user should know."""
        pieces, notes = {}, []
        for segment in self.sheet.segments:
            place = whole_place(self.out, self.sheet, segment)
            take, said = self._named(place, whole.takes)
            if take is not None and not can_be_cut(take, self.sheet):
                said = [f"{take.name} was made for other segments and has no piece for this one."]
            elif take is not None:
                pieces[segment.number] = take
            notes += [f"{place.label}: {note}" for note in said]
        return pieces, notes

    def mix(self, progress: Progress | None = None, song_file: SongFile | None = None) -> Mix:
        """Build ``song.wav`` from the chosen takes, and ``song_file`` where there is one.

        A layer without a usable take is left out and noted. Without any, no file is written
        and an old one is removed, since it would be of other takes.
        """
        return mix_arrangement(self.arranged(), self.out / SONG, progress, song_file)
