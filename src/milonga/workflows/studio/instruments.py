"""Sound models out into the studio: sampler instruments and ONNX."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from milonga.errors import OutputError, SoundError, UnknownNameError
from milonga.runtime import html
from milonga.runtime.files import check_writable, dump_json, write_text
from milonga.runtime.progress import Progress
from milonga.sounds.library.library import Library
from milonga.sounds.model.play_settings import PlaySettings

if TYPE_CHECKING:
    from milonga.audio.clip import Clip
    from milonga.sounds.instrument.instrument import Instrument
    from milonga.sounds.studio.sampler import Zone

SOUND_EXPORTS: dict[str, str] = {
    "sfz": "A sampler instrument as SFZ, for sfizz, Sforzando, Ardour, Reaper and others.",
    "dspreset": "A sampler instrument for Decent Sampler.",
    "onnx": "The model's decoder as ONNX: latent and controls in, mel out.",
}
"""What a sound model can be exported as."""
_FURTHEST = 2.0
"""Spreads from the middle to the outer positions of a slider."""
_MOST_SAMPLES = 256


@dataclass(frozen=True, slots=True)
class ExportedSoundModel:
    """The files of an export.

    Attributes:
        folder: that holds them.
        files: relative to it.
        zones: of the sampler instrument; empty without one.
        difference: of ONNX from torch, in nats; None without such a file.
        notes: what the user should know.
    """

    folder: Path
    files: tuple[str, ...]
    zones: tuple[Zone, ...] = ()
    difference: float | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the export as plain values."""
        return {
            "folder": str(self.folder),
            "files": list(self.files),
            "zones": [
                {
                    "file": zone.file, "root": zone.root, "pitch": zone.pitch,
                    "keys": list(zone.keys), "loop": [zone.start, zone.end],
                    "velocities": [zone.low_velocity, zone.high_velocity],
                }
                for zone in self.zones
            ],
            "onnx_difference": self.difference,
            "notes": list(self.notes),
        }  # fmt: skip

    def _repr_html_(self) -> str:
        return html.paragraphs([f"{len(self.files)} files in {self.folder}", *self.notes])


def export_sound(
    model: str | Path,
    folder: str | Path,
    *,
    what: str | Iterable[str] = (),
    control: str | None = None,
    positions: int = 5,
    takes: int = 1,
    seconds: float = 4.0,
    seed: int = 0,
    vocoder: str = "auto",
    device: str = "auto",
    force: bool = False,
    library: Library | None = None,
    progress: Progress | None = None,
) -> ExportedSoundModel:
    """Write a sound model for other programs.

    A sampler instrument has a sample for each position of one slider, which the velocity of a key
    chooses, and for each take, which take turns. Samples loop and are transposed by the sampler:
    a sound model has no slider for pitch.

    Args:
        model: a name of the library, or a model's file.
        folder: for the files; it need not exist.
        what: of ``SOUND_EXPORTS``; empty for all.
        control: the slider; by default brightness, or the first that the model has.
        positions: of the slider, from -2 to 2 spreads.
        takes: samples with other seeds for each position.
        seconds: of a sample, half a second or more.
        seed: of the first take.
        vocoder, device: as ``Instrument.open`` takes them.
        force: replace files that are there.
        library: by default the user's.
        progress: shows the work, and stops it.

    Raises:
        UnknownNameError: there is no such export or control.
        SoundError: there is no such model, or it can't be played so.
        MissingExtraError: ONNX without the extra 'onnx'.
        OutputError: a file is there, or the folder can't be written.
        Cancelled: the user stopped it.
    """
    names = (what,) if isinstance(what, str) else tuple(what)
    for name in names:
        if name not in SOUND_EXPORTS:
            raise UnknownNameError("export of a sound model", name, SOUND_EXPORTS)
    wanted = [name for name in SOUND_EXPORTS if not names or name in names]
    if seconds < 0.5 or not 1 <= positions * takes <= _MOST_SAMPLES or positions > 127:
        raise SoundError(
            f"{positions} positions, {takes} takes of {seconds:g} s can't be an instrument.",
            step=f"Use 0.5 s or more, and up to {_MOST_SAMPLES} samples in all.",
        )
    target, progress = Path(folder), progress or Progress()
    from milonga.sounds.instrument.instrument import Instrument

    instrument = Instrument.open(
        model, vocoder=vocoder, device=device, library=library, progress=progress
    )
    export = _Export(instrument, target, wanted, force)
    export.check()
    slider = _slider(instrument, control) if {"sfz", "dspreset"} & {*wanted} else ""
    if slider:
        export.samples(slider, positions, takes, seconds, seed, progress)
        export.instruments()
    if "onnx" in wanted:
        export.onnx()
    return export.result()


def _slider(instrument: Instrument, control: str | None) -> str:
    enabled = instrument.player.enabled
    if control is not None:
        PlaySettings(controls={control: 0.0}).resolve(instrument.player)
        return control
    if not enabled:
        raise SoundError(
            f"The model {instrument.header.name!r} has no slider.",
            step="Choose another model, or play it: milonga sound play",
        )
    return "brightness" if "brightness" in enabled else enabled[0]


@dataclass
class _Export:
    instrument: Instrument
    target: Path
    wanted: Sequence[str]
    force: bool
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    zones: list[Zone] = field(default_factory=list)
    difference: float | None = None

    @property
    def base(self) -> str:
        """The name of the files."""
        kept = (c if c.isalnum() or c in "._-" else "-" for c in self.instrument.header.name)
        return "".join(kept) or "sound"

    def check(self) -> None:
        """Refuse to replace what is there."""
        names = [f"{self.base}.{name}" for name in self.wanted]
        for name in (*names, f"{self.base}-samples"):
            if (self.target / name).exists() and not self.force:
                raise OutputError(
                    "It is already there.",
                    where=self.target / name,
                    step="Choose another folder, or add --force to replace it.",
                )
        check_writable(self.target)

    def samples(
        self,
        control: str,
        positions: int,
        takes: int,
        seconds: float,
        seed: int,
        progress: Progress,
    ) -> None:
        """Render the samples."""
        from milonga.sounds.studio.loops import pitch_of
        from milonga.sounds.studio.sampler import velocities

        values = np.linspace(-_FURTHEST, _FURTHEST, positions) if positions > 1 else np.zeros(1)
        with progress.task("Playing", positions * takes, "samples") as task:
            for turn in range(takes):
                clips = []
                for value in values:
                    settings = PlaySettings(
                        seconds=seconds, seed=seed + turn, controls={control: float(value)}
                    )
                    clips.append(self.instrument.play(settings))
                    task.advance()
                # One pitch for all positions: the slider must not move it.
                pitches = [pitch for clip in clips if (pitch := pitch_of(clip)) is not None]
                pitch = float(np.median(pitches)) if 2 * len(pitches) > len(clips) else None
                for clip, value, own in zip(clips, values, velocities(positions), strict=True):
                    name = f"{self.base}-samples/{control}{value:+.1f}-s{seed + turn}.wav"
                    self.zones.append(self._zone(name, clip, pitch, own, turn + 1, takes))
        self.notes.append(
            f"Velocity moves the slider {control!r}; a sampler transposes the samples, up to two "
            "octaves."
        )
        if any(zone.pitch is None for zone in self.zones):
            self.notes.append("Samples without a clear pitch play as they are on middle C.")

    def _zone(
        self,
        name: str,
        clip: Clip,
        pitch: float | None,
        velocity: tuple[int, int],
        turn: int,
        turns: int,
    ) -> Zone:
        from milonga import audio
        from milonga.sounds.studio.loops import looped
        from milonga.sounds.studio.sampler import Zone

        held = looped(clip)
        tags = audio.Tags(
            title=f"{self.instrument.header.name}: {Path(name).stem}",
            software="milonga",
            licence=self.instrument.header.licence,
        )
        audio.write(self.target / name, held.clip, subtype="PCM_24", tags=tags, on_clip="level")
        self.files.append(name)
        return Zone(name, pitch, *velocity, held.start, held.end, turn, turns)

    def instruments(self) -> None:
        """Write what samplers open."""
        from milonga.sounds.studio.sampler import dspreset_text, sfz_text

        header = self.instrument.header
        texts = {
            "sfz": sfz_text(self.zones, header.name, header.licence),
            "dspreset": dspreset_text(self.zones, header.name),
        }
        for name, text in texts.items():
            if name in self.wanted:
                write_text(self.target / f"{self.base}.{name}", text)
                self.files.append(f"{self.base}.{name}")

    def onnx(self) -> None:
        """Write the decoder, and what a program must know of it."""
        from milonga.sounds.studio.onnx_export import export_onnx, onnx_facts

        player = self.instrument.player
        self.difference = export_onnx(player, self.target / f"{self.base}.onnx")
        facts = onnx_facts(player, self.instrument.header, self.difference)
        write_text(self.target / f"{self.base}.onnx.json", dump_json(facts))
        self.files += [f"{self.base}.onnx", f"{self.base}.onnx.json"]

    def result(self) -> ExportedSoundModel:
        """Return what was written."""
        return ExportedSoundModel(
            self.target, tuple(self.files), tuple(self.zones), self.difference, tuple(self.notes)
        )
