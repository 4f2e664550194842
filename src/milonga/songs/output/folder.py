"""The output folder of a song: its sheet, the chosen takes, the mix."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from milonga import audio
from milonga.audio.clip import Clip
from milonga.errors import MilongaError, PlanError, Problem
from milonga.runtime import html
from milonga.runtime.documents import read_json
from milonga.runtime.files import dump_json, write_text
from milonga.runtime.progress import Progress
from milonga.runtime.record import Record
from milonga.songs.output.mix import MixInput, mixdown
from milonga.songs.rendering.plan import PlannedTake, layer_folder
from milonga.songs.rendering.receipts import findings_text, intact_clip
from milonga.songs.rendering.takes import Take, takes_in
from milonga.songs.sheet.model import Layer, Segment, Sheet

RECORD = "song.json"
OLD_RECORD = "session.json"
"""The record's name in format version 1."""
SONG = "song.wav"


class _Record(Record):
    format_version: Literal[1, 2] = 2
    sheet: dict[str, Any]
    source: str
    choices: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LayerTakes:
    """The takes on disk of one layer, and the one that the mix uses."""

    segment: Segment
    layer: Layer
    takes: tuple[Take, ...]
    chosen: Take | None
    notes: tuple[str, ...] = ()

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


@dataclass(frozen=True, slots=True)
class Mix:
    """The result of a mix; ``path`` is None where there was nothing to mix."""

    path: Path | None
    seconds: float = 0.0
    loudness_lufs: float | None = None
    true_peak_dbtp: float | None = None
    chosen: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """One line on length and level."""
        if self.path is None:
            return "There was nothing to mix, so there is no song.wav."
        loudness = "-" if self.loudness_lufs is None else f"{self.loudness_lufs:.1f} LUFS"
        peak = "-" if self.true_peak_dbtp is None else f"{self.true_peak_dbtp:.1f} dBTP"
        return f"Song: {self.seconds:.1f} s, {loudness}, peak {peak}"

    def to_dict(self) -> dict[str, Any]:
        """Return the mix as plain values."""
        values = asdict(self)
        path = values.pop("path")
        return {"song": path and str(path), **values, "notes": list(self.notes)}

    def _repr_html_(self) -> str:
        sound = html.player(self.path) if self.path else ""
        return sound + html.paragraphs([self.summary, *self.notes])


class OutputFolder:
    """A rendered song on disk.

    ``song.json`` keeps the sheet as it was rendered and the choices, so that a mix and a report
    need only the folder.
    """

    def __init__(self, out: Path, sheet: Sheet, choices: Mapping[str, str]) -> None:
        self.out, self.sheet, self.choices = out, sheet, dict(choices)

    @classmethod
    def begin(
        cls,
        out: Path,
        sheet: Sheet,
        choices: Mapping[str, str] | None = None,
        coming: Iterable[PlannedTake] = (),
    ) -> OutputFolder:
        """Start in a folder, or go on in one; takes chosen earlier stay chosen.

        Args:
            out: the folder.
            sheet: the song.
            choices: as for ``choose``.
            coming: takes that will be there, which a choice may name.

        Raises:
            PlanError: a choice can't be met; nothing was written.
        """
        there = (out / RECORD).exists() or (out / OLD_RECORD).exists()
        earlier = cls.load(out).choices if there else {}
        known = {_key(segment, layer) for segment in sheet.segments for layer in segment.layers}
        folder = cls(out, sheet, {key: take for key, take in earlier.items() if key in known})
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
        if not path.exists() and (out / OLD_RECORD).exists():
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
        except (OSError, ValueError) as error:
            raise MilongaError(
                f"The record of this folder is damaged ({str(error).splitlines()[0]}).",
                where=path,
                step="Delete that file and render again: finished takes are kept.",
            ) from None
        return cls(out, sheet, record.choices)

    def save(self) -> None:
        """Write ``song.json``, which replaces a ``session.json`` of version 0.1."""
        record = _Record(
            sheet=self.sheet.to_dict(),
            source=str(self.sheet.source or self.out / "song.yaml"),
            choices=self.choices,
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
                continue
            known = ", ".join(sorted(takes)) or "none yet"
            problems.append(
                Problem(f"There is no take {name!r}.", f"choice {key}", step=f"Takes: {known}.")
            )
        if problems:
            raise PlanError("These choices can't be met. Nothing was changed.", problems)
        self.choices.update(chosen)

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
        found = []
        for segment in self.sheet.segments:
            for layer in segment.layers:
                takes, notes = takes_in(layer_folder(self.out, segment, layer), layer.generators)
                choice = self.choices.get(_key(segment, layer))
                chosen = next((take for take in takes if take.name == choice), None)
                if choice and not chosen:
                    notes.append(f"The chosen take {choice} is gone; the first good one is used.")
                if chosen is None:
                    chosen = next((take for take in takes if take.receipt.good), None)
                found.append(LayerTakes(segment, layer, tuple(takes), chosen, tuple(notes)))
        return found

    def mix(self, progress: Progress | None = None) -> Mix:
        """Build ``song.wav`` from the chosen takes.

        A layer without a usable take is left out and noted. Without any, no file is written
        and an old one is removed, since it would be of other takes.
        """
        notes: list[str] = []
        chosen: dict[str, Take] = {}
        segments: dict[int, list[MixInput]] = {}
        layers = self.layers()
        with (progress or Progress()).task("Mixing", len(layers), "layers") as task:
            for found in layers:
                notes.extend(f"{found.label}: {note}" for note in found.notes)
                clip = self._chosen_clip(found, notes)
                if clip is not None and found.chosen is not None:
                    inputs = segments.setdefault(found.segment.number, [])
                    inputs.append(found.mix_input(found.chosen, clip))
                    chosen[found.key] = found.chosen
                task.advance()
            path = self.out / SONG
            if not chosen:
                path.unlink(missing_ok=True)
                return Mix(None, notes=tuple(notes))
            song = mixdown(list(segments.values()))
        generators = {found.chosen.receipt.generator for found in layers if found.chosen}
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
        )

    def _chosen_clip(self, found: LayerTakes, notes: list[str]) -> Clip | None:
        if found.chosen is None:
            bad = "; ".join(findings_text(take.receipt.findings) for take in found.takes)
            why = f"no take without findings ({bad})" if bad else "no take yet"
            notes.append(f"{found.label}: left out of the mix, {why}.")
            return None
        receipt = found.chosen.receipt
        clip = intact_clip(receipt, found.chosen.path.parent)
        if clip is None:
            notes.append(
                f"{found.label}: left out of the mix, {found.chosen.path} is not what its receipt "
                "says. To fix it, render again."
            )
        elif findings := findings_text(receipt.findings):
            notes.append(f"{found.label}: the chosen take has findings: {findings}")
        return clip


def _key(segment: Segment, layer: Layer) -> str:
    return f"{segment.number}/{layer.role}"
