"""The recordings of a sound model as sound on disk, for training a vocoder on them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from milonga.errors import AudioError, CorpusError, Problem
from milonga.runtime.documents import parse_json
from milonga.runtime.files import atomic_path, dump_json, sweep_parts, write_text
from milonga.runtime.progress import Progress
from milonga.sounds.corpus.inspection import Corpus, CorpusFile
from milonga.sounds.corpus.mel_store import stored_parts
from milonga.sounds.corpus.reading import pieces
from milonga.sounds.corpus.split import SplitPart, assign, parts_of
from milonga.sounds.folder import ModelFolder
from milonga.sounds.library.saved_model import SavedModel
from milonga.sounds.mel_spec import MEL_SPEC

MOST_TRAIN_S, MOST_HELD_OUT_S = 3 * 3600.0, 600.0
"""Longer corpora are used up to here: 1.9 GB on disk."""

Floats = NDArray[np.float32]


@dataclass(slots=True)
class Recordings:
    """Mono at 44.1 kHz, ``[samples]`` each, mapped from disk.

    Attributes:
        train: to learn from.
        held_out: to test on, as the sound model's own training held them out.
        used: hashes of the recordings that are in one or both.
        left_out: what is not, by name, and why.
    """

    train: list[Floats] = field(default_factory=list)
    held_out: list[Floats] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def gather(
    entry: SavedModel,
    training: Path,
    target: Path,
    folders: Sequence[Path] = (),
    progress: Progress | None = None,
) -> Recordings:
    """Read the recordings that a model learnt from, each once; go on after an interruption.

    Args:
        entry: of the model.
        training: its training folder, which knows where the recordings are.
        target: where the sound is kept.
        folders: where recordings may have moved to.
        progress: shows it, and may cancel.

    Raises:
        CorpusError: there is nothing to train on, or nothing to test on; lists each recording
            with the reason.
        OutputError: the folder can't be written.
        Cancelled: the user stopped it.
    """
    progress = progress or Progress()
    found = Recordings()
    files = []
    for file in _find(entry, training, folders, found, progress):
        if file.generated:
            found.left_out[file.name] = "a sound model made it, with another vocoder"
        else:
            files.append(file)
    corpus = Corpus.kept(ModelFolder(training.parent).corpus)
    known = Corpus(folders=(), files=tuple(files), alike=_alike(corpus, files))
    seed = entry.header.training.get("seed", 0) if entry.header else 0
    parts = assign(
        known,
        seed if isinstance(seed, int) else 0,
        stored_parts(ModelFolder(training.parent).store),
    )
    target.mkdir(parents=True, exist_ok=True)
    sweep_parts(target)
    chosen = _affordable(files, parts, found)
    with progress.task("Reading", round(sum(f.usable_s for f in chosen), 1), "s") as task:
        for file in chosen:
            try:
                stretches = _stretches(file, parts[file.sha256], target)
            except AudioError as error:
                found.left_out[file.name] = error.message.rstrip(".")
                continue
            for part, name in stretches:
                wave = np.load(target / name, mmap_mode="r")
                (found.train if part == "train" else found.held_out).append(wave)
            found.used.append(file.sha256)
            task.advance(file.usable_s)
    if not found.train or not found.held_out:
        what = "train a vocoder on" if not found.train else "test a vocoder on"
        raise CorpusError(
            f"Of the recordings of {entry.name!r} none is left to {what}.",
            [Problem(f"{reason}.", name) for name, reason in found.left_out.items()],
            step="Say where the recordings are: --corpus FOLDER.",
        )
    return found


def _find(
    entry: SavedModel,
    training: Path,
    folders: Sequence[Path],
    found: Recordings,
    progress: Progress,
) -> list[CorpusFile]:
    """Find the recordings that the model learnt from."""
    corpus = Corpus.kept(ModelFolder(training.parent).corpus)
    places = {file.sha256: file for file in (corpus.files if corpus else ())}
    for folder in folders:
        for file in Corpus.inspect(folder, progress=progress).files:
            places[file.sha256] = file
    files = []
    for learnt in entry.readable.corpus.files:
        if learnt.generated:
            found.left_out[learnt.name] = "a sound model made it"
        elif learnt.sha256 not in places:
            found.left_out[learnt.name] = "it isn't known where it is"
        elif not places[learnt.sha256].place.is_file():
            found.left_out[learnt.name] = f"it is gone from {places[learnt.sha256].path}"
        else:
            files.append(places[learnt.sha256])
    return files


def _affordable(
    files: Sequence[CorpusFile], parts: dict[str, SplitPart], found: Recordings
) -> list[CorpusFile]:
    """Choose all recordings, or as many as the limits allow, in an order that favours none."""
    room = {"train": MOST_TRAIN_S, "validation": MOST_HELD_OUT_S}
    chosen = []
    for file in sorted(files, key=lambda file: file.sha256):
        kind = "validation" if parts[file.sha256] == "validation" else "train"
        if room[kind] <= 0:
            found.left_out[file.name] = "there is enough without it"
            continue
        room[kind] -= file.usable_s
        chosen.append(file)
    return chosen


def _stretches(file: CorpusFile, part: SplitPart, target: Path) -> list[tuple[str, str]]:
    """List the part and the array's name of each stretch; read the recording if need be."""
    done = target / f"{file.sha256[:32]}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        record = parse_json(done.read_text(encoding="utf-8"))
        names = [(str(kind), Path(name).name) for kind, name in record["stretches"]]
        if record["part"] == part and all((target / name).is_file() for _, name in names):
            return names
    done.unlink(missing_ok=True)
    stretches: list[tuple[str, str]] = []
    rate = MEL_SPEC.sample_rate
    for _, samples in pieces(file.place, file.sounding, file.mix, rate, file.sha256):
        for kind, first, last in parts_of(part, len(samples), rate):
            name = f"{file.sha256[:32]}-{len(stretches):05d}.npy"
            with atomic_path(target / name) as temporary:
                np.save(temporary, samples[first:last])
            stretches.append((kind, name))
    write_text(done, dump_json({"part": part, "stretches": stretches}))
    return stretches


def _alike(corpus: Corpus | None, files: Sequence[CorpusFile]) -> tuple[tuple[str, ...], ...]:
    names = {file.name for file in files}
    groups = (tuple(n for n in group if n in names) for group in (corpus.alike if corpus else ()))
    return tuple(group for group in groups if len(group) > 1)
