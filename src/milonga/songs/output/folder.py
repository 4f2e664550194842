"""The output folder of a song: its sheet, the chosen takes, the mix."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from milonga import audio
from milonga.audio.clip import Clip
from milonga.errors import MilongaError, PlanError, Problem, UnreadableError
from milonga.generators.base import Request
from milonga.runtime.documents import read_json
from milonga.runtime.files import check_writable, dump_json, is_there, read_refusal, write_text
from milonga.runtime.progress import Progress
from milonga.runtime.record import Record
from milonga.songs.output.mix import MixInput, mixdown
from milonga.songs.output.mixed import Mix, MixedLayer, stale_words
from milonga.songs.rendering.plan import PlannedTake, layer_folder
from milonga.songs.rendering.receipts import findings_text, intact_clip
from milonga.songs.rendering.takes import Take, check_readable, takes_in
from milonga.songs.sheet.model import Layer, Segment, Sheet

RECORD = "song.json"
OLD_RECORD = "session.json"
"""The record's name in format version 1."""
SONG = "song.wav"
_LATER_FIELDS = ("time", "parts", "edit")
"""Fields of a request that version 0.1 hadn't."""
_NAMED = 5
"""Stale takes named in a note; the others are counted."""


class _Record(Record):
    format_version: Literal[1, 2] = 2
    sheet: dict[str, Any]
    source: str
    choices: dict[str, str] = Field(default_factory=dict)
    chosen_for: dict[str, str] = Field(default_factory=dict)
    """By layer, the state of the sheet in which its take was chosen."""
    generators: tuple[str, ...] = ()
    """Those that the last render named."""


@dataclass(frozen=True, slots=True)
class LayerTakes:
    """The takes on disk of one layer, and the one that the mix uses."""

    segment: Segment
    layer: Layer
    takes: tuple[Take, ...]
    chosen: Take | None
    notes: tuple[str, ...] = ()
    by_name: bool = False
    """True where the take in the mix was chosen by name."""
    damaged: bool = False
    """True where there are takes that can't be read."""

    @property
    def key(self) -> str:
        """The layer's name in choices: ``18/vocals``."""
        return _key(self.segment, self.layer)

    @property
    def label(self) -> str:
        """The layer's name in messages."""
        several = len(self.segment.layers) > 1
        return f"segment {self.segment.number}" + (f", {self.layer.role}" if several else "")

    def mix_input(self, take: Take, clip: Clip) -> MixInput:
        """Return a take's audio as the mix needs it."""
        return MixInput(clip, f"{take.receipt.generator}/{self.layer.role}", self.layer.gain_db)


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
    ) -> None:
        self.out, self.sheet, self.choices = out, sheet, dict(choices)
        self.chosen_for, self.generators = dict(chosen_for or {}), tuple(generators)

    @classmethod
    def begin(
        cls,
        out: Path,
        sheet: Sheet,
        choices: Mapping[str, str] | None = None,
        coming: Iterable[PlannedTake] = (),
        generators: Sequence[str] = (),
    ) -> OutputFolder:
        """Start in a folder, or go on in one; takes chosen earlier stay chosen.

        Args:
            out: the folder.
            sheet: the song.
            choices: as for ``choose``.
            coming: takes that will be there, which a choice may name.
            generators: the mix prefers their takes, in this order, to those of the sheet's.

        Raises:
            PlanError: a choice can't be met; nothing was written.
        """
        there = any(is_there(out / name) for name in (RECORD, OLD_RECORD))
        earlier = cls.load(out) if there else cls(out, sheet, {})
        folder = cls(out, sheet, earlier.choices, earlier.chosen_for, generators)
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
            sheet = Sheet.restore(record.sheet, Path(record.source))
        except FileNotFoundError:
            raise MilongaError(
                "This folder holds no rendered song.",
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
        return cls(out, sheet, record.choices, record.chosen_for, record.generators)

    def save(self) -> None:
        """Write ``song.json``, which replaces a ``session.json`` of version 0.1."""
        record = _Record(
            sheet=self.sheet.to_dict(),
            source=str(self.sheet.source or self.out / "song.yaml"),
            choices=self.choices,
            chosen_for=self.chosen_for,
            generators=self.generators,
        )
        write_text(self.out / RECORD, dump_json(record.model_dump()))
        (self.out / OLD_RECORD).unlink(missing_ok=True)

    def choose(self, choices: Mapping[str, str], coming: Iterable[PlannedTake] = ()) -> None:
        """Choose takes for the mix, until others are chosen; ``save`` keeps the choices.

        Args:
            choices: ``{"18/vocals": "guide-s1"}``; the role may be left out where a segment
                has one layer.
            coming: takes that will be there.

        Raises:
            PlanError: with every segment, role or take that doesn't exist; nothing was chosen.
        """
        promised = {take.sound_path for take in coming}
        problems: list[Problem] = []
        chosen: dict[str, str] = {}
        states: dict[str, str] = {}
        for key, take in choices.items():
            found = self._layer(key)
            if isinstance(found, Problem):
                problems.append(found)
                continue
            name = take.removesuffix(".wav")
            folder = layer_folder(self.out, *found)
            takes = {path.stem for path in promised if path.parent == folder}
            if name not in takes:
                takes |= {there.name for there in takes_in(folder)[0]}
            if name in takes:
                chosen[_key(*found)] = name
                states[_key(*found)] = self._state(*found)
                continue
            known = ", ".join(sorted(takes)) or "none yet"
            problems.append(
                Problem(f"There is no take {name!r}.", f"choice {key}", step=f"Takes: {known}.")
            )
        if problems:
            raise PlanError("These choices can't be met. Nothing was changed.", problems)
        self.choices.update(chosen)
        self.chosen_for.update(states)

    def check_writable(self) -> None:
        """Refuse a folder that can't be written, before the work.

        Raises:
            OutputError: it can't.
        """
        check_writable(self.out)

    def _state(self, segment: Segment, layer: Layer) -> str:
        return state_of(self.sheet.request(segment, layer, seed=0))

    def _layer(self, key: str) -> tuple[Segment, Layer] | Problem:
        number, _, role = str(key).partition("/")
        segments = self.sheet.segments
        segment = next((s for s in segments if str(s.number) == number.lstrip("0")), None)
        if segment is None:
            fault = f"The song has no segment {number}."
            known = f"It has: {', '.join(str(segment.number) for segment in segments)}."
            return Problem(fault, f"choice {key}", step=known)
        layers = [layer for layer in segment.layers if role in ("", layer.role)]
        if len(layers) == 1:
            return segment, layers[0]
        fault = f"It has no layer {role!r}." if role else "Which layer?"
        known = ", ".join(_key(segment, layer) for layer in segment.layers)
        return Problem(fault, f"choice {key}", step=f"Use one of: {known}.")

    def layers(self) -> list[LayerTakes]:
        """List every layer of the sheet in order, with its takes on disk."""
        return [
            self._layer_takes(segment, layer)
            for segment in self.sheet.segments
            for layer in segment.layers
        ]

    def layer_takes(self, key: str) -> LayerTakes:
        """Find a layer by its name, ``18/vocals``, and its takes; the role may be left out where
        a segment has one layer.

        Raises:
            PlanError: there is no such layer, or several.
        """
        found = self._layer(key)
        if isinstance(found, Problem):
            problem = Problem(found.message, f"segment {key}", step=found.step)
            raise PlanError("There is no such layer; nothing was started.", [problem])
        return self._layer_takes(*found)

    def _layer_takes(self, segment: Segment, layer: Layer) -> LayerTakes:
        order = tuple(dict.fromkeys((*self.generators, *layer.generators)))
        now = self.sheet.request(segment, layer, seed=0)
        folder = layer_folder(self.out, segment, layer)
        takes, notes = takes_in(folder, order, now, segment.options)
        damaged = bool(notes)
        key = _key(segment, layer)
        choice = self.choices.get(key)
        chosen = next((take for take in takes if take.name == choice), None)
        if choice and not chosen:
            notes.append(
                f"The chosen take {choice} is not in {folder} any more; the first good one is used."
            )
        elif chosen and chosen.stale and self.chosen_for.get(key) != self._state(segment, layer):
            notes.append(
                f"The chosen take {choice} is not used: it was {stale_words(chosen.changes)}. "
                f"To use it as it is, choose it again: --choose {key}={choice}."
            )
            chosen = None
        by_name = chosen is not None
        if chosen is None:
            chosen = next((take for take in takes if take.usable), None)
        others = [take for take in takes if take.stale and take is not chosen]
        notes.extend(_stale_notes([take for take in others if take.name != choice]))
        return LayerTakes(segment, layer, tuple(takes), chosen, tuple(notes), by_name, damaged)

    def mix(self, progress: Progress | None = None) -> Mix:
        """Build ``song.wav`` from the chosen takes.

        A layer without a usable take is left out and noted. Without any, no file is written
        and an old one is removed, since it would be of other takes.
        """
        notes: list[str] = []
        mixed: list[MixedLayer] = []
        chosen: dict[str, Take] = {}
        segments: dict[int, list[MixInput]] = {}
        layers = self.layers()
        with (progress or Progress()).task("Mixing", len(layers), "layers") as task:
            for found in layers:
                notes.extend(f"{found.label}: {note}" for note in found.notes)
                clip, entry = _mixed_layer(found)
                mixed.append(entry)
                if clip is None or found.chosen is None:
                    notes.append(f"{found.label}: left out of the mix, {entry.left_out}.")
                else:
                    inputs = segments.setdefault(found.segment.number, [])
                    inputs.append(found.mix_input(found.chosen, clip))
                    chosen[found.key] = found.chosen
                    if entry.changes:
                        words = stale_words(entry.changes)
                        notes.append(f"{found.label}: the chosen take {entry.take} was {words}.")
                    if entry.findings:
                        fault = f"the chosen take has findings: {entry.findings}"
                        notes.append(f"{found.label}: {fault}")
                task.advance()
            path = self.out / SONG
            if not chosen:
                path.unlink(missing_ok=True)
                return Mix(None, notes=tuple(notes), layers=tuple(mixed))
            song = mixdown(list(segments.values()))
        generators = {take.receipt.generator for take in chosen.values()}
        tags = audio.Tags(
            title=self.sheet.title,
            artist=self.sheet.artist or "",
            software="milonga",
            comment="Made with generative models: " + ", ".join(sorted(generators)),
        )
        audio.write(path, song, tags=tags)
        return Mix(
            path,
            song.seconds,
            audio.loudness_lufs(song),
            audio.true_peak_dbtp(song),
            {key: take.name for key, take in chosen.items()},
            tuple(notes),
            tuple(mixed),
        )


def state_of(request: Request) -> str:
    """Return a digest of what is asked of a layer, as version 0.1 took it where it could."""
    fields = Request.model_fields
    usual = {name for name in _LATER_FIELDS if getattr(request, name) == fields[name].default}
    return hashlib.sha256(request.model_dump_json(exclude=usual).encode()).hexdigest()[:16]


def _mixed_layer(found: LayerTakes) -> tuple[Clip | None, MixedLayer]:
    entry = MixedLayer(found.segment.number, found.segment.name, found.layer.role)
    take = found.chosen
    if take is None:
        bad = "; ".join(findings_text(t.receipt.findings) for t in found.takes if not t.stale)
        why = "no take yet"
        if bad:
            why = f"no take without findings ({bad})"
        elif found.takes:
            why = "no take for the sheet as it is now"
        lost = bool(found.takes or found.damaged)
        return None, replace(entry, left_out=why, lost=lost)
    try:
        check_readable(take.path)
    except UnreadableError as error:
        why = f"{take.path}: {error.message} {error.step}".rstrip(".")
        return None, replace(entry, left_out=why, lost=True)
    clip = intact_clip(take.receipt, take.path.parent)
    if clip is None:
        why = f"{take.path} is not what its receipt says. To fix it, render again"
        return None, replace(entry, left_out=why, lost=True)
    findings = findings_text(take.receipt.findings)
    return clip, replace(
        entry, take=take.name, chosen=found.by_name, changes=take.changes, findings=findings
    )


def _stale_notes(takes: Iterable[Take]) -> list[str]:
    """Name stale takes, those with the same changes together."""
    by_changes: dict[tuple[str, ...], list[str]] = {}
    for take in takes:
        by_changes.setdefault(take.changes, []).append(take.name)
    return [
        f"not used, since {'they were' if len(names) > 1 else 'it was'} {stale_words(changes)}: "
        + ", ".join(names[:_NAMED])
        + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        for changes, names in by_changes.items()
    ]


def _key(segment: Segment, layer: Layer) -> str:
    return f"{segment.number}/{layer.role}"
