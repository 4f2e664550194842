"""An output folder: the sheet it came from, the chosen takes, the mix and the report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from milonga import audio
from milonga.audio.clip import Clip
from milonga.errors import MilongaError, PlanError, Problem
from milonga.runtime.files import dump_json, write_text
from milonga.runtime.progress import Progress
from milonga.songs.output.mix import Voice, mix_song
from milonga.songs.rendering.plan import PlannedTake, layer_folder
from milonga.songs.rendering.receipts import findings_text, intact_clip
from milonga.songs.rendering.takes import Take, takes_in
from milonga.songs.sheet.model import Layer, Segment, Sheet

RECORD = "session.json"
SONG = "song.wav"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = 1
    sheet: dict[str, Any]
    source: str
    choices: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class LayerTakes:
    """What is on disk for one layer, and which take the mix uses."""

    segment: Segment
    layer: Layer
    takes: tuple[Take, ...]
    chosen: Take | None
    notes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        several = len(self.segment.layers) > 1
        return f"segment {self.segment.number}" + (f", {self.layer.role}" if several else "")

    def voice(self, clip: Clip) -> Voice:
        """The chosen take's audio as a voice of the mix."""
        assert self.chosen is not None
        group = f"{self.chosen.receipt.generator}/{self.layer.role}"
        return Voice(clip, group, self.layer.gain_db)


@dataclass(frozen=True, slots=True)
class Mixed:
    """The result of a mix; ``path`` is None where there was nothing to mix."""

    path: Path | None
    seconds: float = 0.0
    loudness_lufs: float | None = None
    true_peak_dbtp: float | None = None
    chosen: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "song": str(self.path) if self.path else None,
            "seconds": self.seconds,
            "loudness_lufs": self.loudness_lufs,
            "true_peak_dbtp": self.true_peak_dbtp,
            "chosen": dict(self.chosen),
            "notes": list(self.notes),
        }


class Session:
    """A rendered song on disk.

    ``session.json`` keeps the sheet as it was rendered and the choices, so that ``mix`` and
    ``report`` need only the folder.
    """

    def __init__(self, out: Path, sheet: Sheet, choices: Mapping[str, str]) -> None:
        self.out, self.sheet, self.choices = out, sheet, dict(choices)

    @classmethod
    def begin(cls, out: Path, sheet: Sheet) -> Session:
        """Starts or goes on in a folder; takes chosen earlier stay chosen."""
        earlier = cls.load(out).choices if (out / RECORD).exists() else {}
        known = {_key(segment, layer) for segment in sheet.segments for layer in segment.layers}
        session = cls(out, sheet, {key: take for key, take in earlier.items() if key in known})
        session.save()
        return session

    @classmethod
    def load(cls, out: Path) -> Session:
        """Opens a folder that ``render`` wrote.

        Raises:
            MilongaError: it isn't one, or its record is damaged.
        """
        path = out / RECORD
        try:
            record = _Record.model_validate(json.loads(path.read_bytes()))
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
        """Writes ``session.json``."""
        record = _Record(
            sheet=self.sheet.model_dump(mode="json", exclude_none=True),
            source=str(self.sheet.source or self.out / "song.yaml"),
            choices=self.choices,
        )
        write_text(self.out / RECORD, dump_json(record.model_dump()))

    def check_choices(self, choices: Mapping[str, str], coming: Iterable[PlannedTake] = ()) -> None:
        """Checks that each choice names a layer and a take, without keeping any.

        Args:
            choices: ``{"18/vocals": "guide-s1"}``; the role may be left out where a segment
                has one layer.
            coming: takes that will be there.

        Raises:
            PlanError: with every segment, role or take that doesn't exist.
        """
        promised = {take.sound_path for take in coming}
        problems: list[Problem] = []
        for key, name in choices.items():
            try:
                segment, layer = self._layer(key)
            except PlanError as error:
                problems.extend(error.problems)
                continue
            folder = layer_folder(self.out, segment, layer)
            if folder / f"{name}.wav" in promised:
                continue
            takes = {take.name for take in takes_in(folder)[0]}
            takes |= {path.stem for path in promised if path.parent == folder}
            if name not in takes:
                there = ", ".join(sorted(takes)) or "none yet"
                problems.append(
                    Problem(
                        f"There is no take {name!r}.", f"--choose {key}", step=f"Takes: {there}."
                    )
                )
        if problems:
            raise PlanError("A choice can't be met; nothing was changed.", problems)

    def choose(self, choices: Mapping[str, str]) -> None:
        """Keeps choices that ``check_choices`` accepted."""
        for key, name in choices.items():
            self.choices[_key(*self._layer(key))] = name
        if choices:
            self.save()

    def _layer(self, key: str) -> tuple[Segment, Layer]:
        number, _, role = key.partition("/")
        for segment in self.sheet.segments:
            if segment.number != int(number):
                continue
            layers = [layer for layer in segment.layers if role in ("", layer.role)]
            if len(layers) == 1:
                return segment, layers[0]
            roles = ", ".join(f"{number}/{layer.role}" for layer in segment.layers)
            raise PlanError(
                "", [Problem("Which layer?" if not role else f"It has no layer {role!r}.",
                             f"--choose {key}", step=f"Use one of: {roles}.")]
            )  # fmt: skip
        numbers = ", ".join(str(segment.number) for segment in self.sheet.segments)
        raise PlanError(
            "", [Problem(f"The song has no segment {number}.", f"--choose {key}",
                         step=f"It has: {numbers}.")]
        )  # fmt: skip

    def layers(self) -> list[LayerTakes]:
        """Every layer of the sheet in order, with its takes on disk."""
        found = []
        for segment in self.sheet.segments:
            for layer in segment.layers:
                takes, broken = takes_in(layer_folder(self.out, segment, layer), layer.generators)
                choice = self.choices.get(_key(segment, layer))
                chosen = next((take for take in takes if take.name == choice), None)
                notes = list(broken)
                if choice and not chosen:
                    notes.append(f"The chosen take {choice} is gone; the first good one is used.")
                if chosen is None:
                    chosen = next((take for take in takes if take.receipt.good), None)
                found.append(LayerTakes(segment, layer, tuple(takes), chosen, tuple(notes)))
        return found

    def mix(self, progress: Progress) -> Mixed:
        """Builds ``song.wav`` from the chosen takes.

        A layer without a usable take is left out and noted. Without any, no file is written
        and an old one is removed, since it would be of other takes.
        """
        notes: list[str] = []
        chosen: dict[str, str] = {}
        segments: list[list[Voice]] = []
        layers = self.layers()
        with progress.task("Mixing", len(layers), "layers") as task:
            for found in layers:
                if found.layer is found.segment.layers[0]:
                    segments.append([])
                voice = self._voice(found, notes)
                if voice is not None and found.chosen is not None:
                    segments[-1].append(voice)
                    chosen[_key(found.segment, found.layer)] = found.chosen.name
                task.advance()
            path = self.out / SONG
            if not chosen:
                path.unlink(missing_ok=True)
                return Mixed(None, notes=tuple(notes))
            song = mix_song(segments)
        tags = audio.Tags(
            title=self.sheet.title,
            artist=self.sheet.artist or "",
            software="milonga",
            comment="Made with generative models: " + ", ".join(sorted(_generators(layers))),
        )
        audio.write(path, song, tags=tags)
        return Mixed(
            path,
            song.seconds,
            audio.loudness_lufs(song),
            audio.true_peak_dbtp(song),
            chosen,
            tuple(notes),
        )

    def _voice(self, found: LayerTakes, notes: list[str]) -> Voice | None:
        notes.extend(f"{found.label}: {note}" for note in found.notes)
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
                "says. Render again to mend it."
            )
            return None
        if findings := findings_text(receipt.findings):
            notes.append(f"{found.label}: the chosen take has findings: {findings}")
        return found.voice(clip)


def _key(segment: Segment, layer: Layer) -> str:
    return f"{segment.number}/{layer.role}"


def _generators(layers: Iterable[LayerTakes]) -> set[str]:
    return {found.chosen.receipt.generator for found in layers if found.chosen}
