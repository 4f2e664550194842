"""Playing an entry of the history again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from milonga.audio import Clip, read
from milonga.audio.digest import samples_sha256
from milonga.audio.export.receipt import Provenance
from milonga.errors import SoundError
from milonga.runtime.progress import Progress
from milonga.runtime.words import counted
from milonga.sounds.instrument.blend import Blend
from milonga.sounds.instrument.instrument import Instrument
from milonga.sounds.library.history_entry import HistoryItem
from milonga.sounds.library.library import Library


@dataclass(frozen=True, slots=True)
class Replayed:
    """A sound of the history, played again.

    Attributes:
        made: how it was made this time.
        same: whether it has the samples of then.
        notes: what differs, a sentence each.
    """

    clip: Clip
    made: Provenance
    same: bool
    notes: tuple[str, ...]


def replayed(
    kept: HistoryItem, *, library: Library | None = None, progress: Progress | None = None
) -> Replayed:
    """Play an entry again, with the models of today under their names of today.

    Raises:
        SoundError: a model, a recording or a control of then isn't there any more.
    """
    library = library or Library()
    entry, settings = kept.entry, kept.entry.settings
    then = entry.made.settings.get("vocoder")
    name = str(then["name"]) if isinstance(then, dict) and "name" in then else settings.vocoder
    name = "own" if name.startswith("own:") else name
    try:
        if entry.kind == "blend":
            shares = [(m, p.weight) for m, p in zip(kept.models, entry.models, strict=True)]
            blend = Blend.open(
                shares, vocoder=name, device=settings.device, library=library, progress=progress
            )
            hashes = [part.instrument.sha256 for part in blend.parts]
            resolved = blend.resolve(settings)
            clip, made = blend.play(resolved, progress), blend.provenance(settings, resolved)
        else:
            instrument = Instrument.open(
                kept.models[0], vocoder=name, device=settings.device, library=library,
                progress=progress,
            )  # fmt: skip
            hashes = [instrument.sha256]
            play = instrument.resolve(settings)
            clip, made = instrument.play(play, progress), instrument.provenance(play)
    except SoundError as error:
        step = "What was kept of it can still be heard: --kept -o FILE" if kept.sound else ""
        step = "\n  ".join(part for part in (error.step, step) if part)
        raise SoundError(
            f"Number {kept.number} can't be played again: {error.message}",
            where=error.where,
            step=step or None,
        ) from error
    if samples_sha256(clip) == entry.sha256:
        return Replayed(clip, made, True, ("The same, bit for bit.",))
    notes = [
        f"{Path(model).name!r} was trained again since."
        for model, played, sha256 in zip(kept.models, entry.models, hashes, strict=True)
        if played.sha256 != sha256
    ]
    notes += _differences(entry.made, made)
    if entry.made.threads not in (None, made.threads):
        notes.append(
            f"Networks had {counted(entry.made.threads, 'thread')}, now {made.threads}: they round "
            f"otherwise. OMP_NUM_THREADS={entry.made.threads} gives as many."
        )
    notes.append(_distance(clip, kept))
    return Replayed(clip, made, False, tuple(note for note in notes if note))


def _differences(then: Provenance, now: Provenance) -> list[str]:
    """Sentences on what was made in another way."""
    names = sorted({*then.settings, *now.settings} - {"controls", "axes", "blend", "learnt_from"})
    return [
        f"{name} was {then.settings.get(name)}, now {now.settings.get(name)}."
        for name in names
        if then.settings.get(name) != now.settings.get(name)
    ]


def _distance(clip: Clip, kept: HistoryItem) -> str:
    """A sentence on how far apart the samples are; 16 bits were kept."""
    if kept.sound is None:
        return "It is not the same; its sound of then has gone for room."
    old = read(kept.sound)
    if old.samples.shape != clip.samples.shape:
        return f"It is not the same: {clip.seconds:.3f} s, then {old.seconds:.3f} s."
    apart = float(np.sqrt(np.mean((clip.samples - old.samples) ** 2)))
    loud = float(np.sqrt(np.mean(old.samples**2)))
    level = 20 * np.log10(max(apart, 1e-12) / max(loud, 1e-12))
    return f"It is not the same: the difference is {level:+.0f} dB of the sound."
