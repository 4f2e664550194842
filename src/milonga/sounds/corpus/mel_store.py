"""Mel-spectrograms of a corpus on disk, as training reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from milonga.audio import Clip
from milonga.audio.mel.spec import MelSpec
from milonga.errors import AudioError, CorpusError, SoundError
from milonga.runtime.files import atomic_path, dump_json, sweep_parts, write_text
from milonga.runtime.memory import raise_if_short
from milonga.runtime.progress import Progress, Task
from milonga.runtime.record import Record
from milonga.sounds.corpus.augment import Augmenter
from milonga.sounds.corpus.inspection import Corpus, CorpusFile
from milonga.sounds.corpus.reading import pieces
from milonga.sounds.corpus.split import SplitPart, assign, parts_of
from milonga.sounds.mel_spec import MEL_SPEC

MOST_COPIES = 4
AUGMENTED_S = 2 * 3600.0
"""Variations are made up to this length in all, 0.16 GB on disk: more real audio needs fewer."""
LEAST_STD = 0.1
"""In nats: a band that never changes (above the cut-off of an MP3) must not be blown up."""

Split = Literal["train", "validation"]
_MANIFEST = "store.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class StoredMel:
    """A stretch of one recording.

    Attributes:
        file: index in the corpus that the store was built of.
        start_s: where it starts in the recording, in seconds.
        augmented: whether it is a variation, not what was recorded.
        mel: float16 ``[128, T]``, on disk: log mel values.
    """

    file: int
    start_s: float
    augmented: bool
    mel: np.memmap[Any, np.dtype[np.float16]]


class _Stretch(Record):
    array: str
    start_s: float
    frames: int
    part: SplitPart
    augmented: bool


class _StoredRecording(Record):
    """One finished recording: its stretches, and sums over those that are for training."""

    made_with: str
    stretches: tuple[_Stretch, ...]
    frames: int
    sums: tuple[float, ...]
    squares: tuple[float, ...]


class _Manifest(Record):
    format_version: int = _FORMAT
    spec: dict[str, Any]
    seed: int
    copies: int
    files: tuple[str, ...]
    parts: dict[str, SplitPart]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    seconds: float


class MelStore:
    """Tracks, and the statistics by which they are normalised.

    Attributes:
        spec: of the mels.
        mean: float32 ``[128]`` over the unaugmented training frames.
        std: float32 ``[128]``, likewise, at least ``LEAST_STD``.
        seconds: unaugmented audio, training and validation.
    """

    def __init__(
        self, folder: Path, manifest: _Manifest, entries: Sequence[_StoredRecording]
    ) -> None:
        self.folder = folder
        self.spec = MelSpec.from_dict(manifest.spec)
        self.mean = np.array(manifest.mean, np.float32)
        self.std = np.array(manifest.std, np.float32)
        self.seconds = manifest.seconds
        self._tracks: dict[str, list[StoredMel]] = {"train": [], "validation": []}
        for index, entry in enumerate(entries):
            for stretch in entry.stretches:
                self._tracks[stretch.part].append(
                    StoredMel(index, stretch.start_s, stretch.augmented, _mapped(folder, stretch))
                )

    def tracks(self, split: Split) -> list[StoredMel]:
        """Tracks in the order of the corpus; variations follow what they vary."""
        return list(self._tracks[split])

    def restricted(self, files: Collection[int]) -> MelStore:
        """The same store with the tracks of some recordings alone; its statistics stay.

        Args:
            files: indices in the corpus.
        """
        some = copy(self)
        some._tracks = {
            split: [track for track in tracks if track.file in files]
            for split, tracks in self._tracks.items()
        }
        return some

    @classmethod
    def build(
        cls,
        corpus: Corpus,
        folder: Path,
        *,
        seed: int = 0,
        augmentations: int | None = None,
        progress: Progress | None = None,
    ) -> MelStore:
        """Analyse a corpus, one recording after the other; go on where a killed build was.

        A store that is there already grows by the recordings that are new. What was used for
        training stays that, and what was for validation, too.

        Args:
            corpus: as inspected; recordings that are in the store aren't read again, they may
                even be gone.
            folder: for the store alone.
            seed: of the split and the variations.
            augmentations: variations of each training stretch; by default up to
                ``MOST_COPIES``, as many as fit into ``AUGMENTED_S``.
            progress: shows it, and may cancel.

        Raises:
            CorpusError: a recording can't be read any more, or has changed.
            OutputError: the folder can't be written.
            Cancelled: the user stopped it.
        """
        copies = copies_for(corpus.usable_s) if augmentations is None else augmentations
        return _Build(corpus, folder, seed, copies, progress or Progress()).run()

    @classmethod
    def open(cls, folder: Path) -> MelStore:
        """Open a finished store.

        Raises:
            SoundError: it isn't finished, was damaged, or is of another version.
        """
        try:
            manifest = _Manifest.model_validate_json((folder / _MANIFEST).read_bytes())
            if manifest.format_version != _FORMAT:
                raise ValueError(f"format version {manifest.format_version}")
            entries = [_StoredRecording.model_validate_json(_entry(folder, key).read_bytes())
                       for key in manifest.files]  # fmt: skip
            return cls(folder, manifest, entries)
        except (OSError, ValueError, AudioError) as error:
            raise_if_short(error)
            raise SoundError(
                f"The prepared recordings can't be used ({str(error).splitlines()[0]}).",
                where=folder,
                step="Train again: they are made anew from the recordings.",
            ) from error


def copies_for(seconds: float) -> int:
    """The number of variations that a corpus of some length gets."""
    return int(min(MOST_COPIES, AUGMENTED_S // max(seconds, 1.0)))


def stored_parts(folder: Path) -> dict[str, SplitPart]:
    """The part of each recording, by its hash; empty where no build of the store was finished."""
    try:
        return _Manifest.model_validate_json((folder / _MANIFEST).read_bytes()).parts
    except (OSError, ValidationError):
        return {}


class _Build:
    def __init__(
        self, corpus: Corpus, folder: Path, seed: int, copies: int, progress: Progress
    ) -> None:
        self._corpus, self._folder, self._seed = corpus, folder, seed
        self._copies, self._progress = copies, progress
        self._augmenter: Augmenter | None = None

    def run(self) -> MelStore:
        self._folder.mkdir(parents=True, exist_ok=True)
        sweep_parts(self._folder)
        parts = assign(self._corpus, self._seed, stored_parts(self._folder))
        with self._progress.task("Preparing", round(self._corpus.usable_s, 1), "s") as task:
            entries = [self._entry(file, parts[file.sha256], task) for file in self._corpus.files]
        mean, std = _statistics(entries)
        manifest = _Manifest(
            spec=MEL_SPEC.to_dict(),
            seed=self._seed,
            copies=self._copies,
            files=tuple(file.sha256 for file in self._corpus.files),
            parts=parts,
            mean=tuple(mean.tolist()),
            std=tuple(std.tolist()),
            seconds=self._corpus.usable_s,
        )
        write_text(self._folder / _MANIFEST, dump_json(manifest.model_dump(mode="json")))
        return MelStore(self._folder, manifest, entries)

    def _entry(self, file: CorpusFile, part: SplitPart, task: Task) -> _StoredRecording:
        made_with = f"{_FORMAT} {self._seed} {self._copies} {part}"
        path = _entry(self._folder, file.sha256)
        with suppress(OSError, ValueError):
            entry = _StoredRecording.model_validate_json(path.read_bytes())
            # Copies of an earlier, smaller corpus stay: they are no reason to read it again.
            if _same_but_copies(entry.made_with, made_with) and _whole(self._folder, entry):
                task.advance(file.usable_s)
                return entry
        # Its arrays are written over from here on.
        path.unlink(missing_ok=True)
        try:
            entry = self._analyse(file, part, made_with, task)
        except AudioError as error:
            raise CorpusError(
                f"This recording can't be read any more: {error.message}",
                where=file.path,
                step="Run the same command again: the recordings are inspected anew.",
            ) from error
        write_text(path, json.dumps(entry.model_dump(mode="json")))
        return entry

    def _analyse(
        self, file: CorpusFile, part: SplitPart, made_with: str, task: Task
    ) -> _StoredRecording:
        stretches: list[_Stretch] = []
        frames, sums, squares = 0, np.zeros(MEL_SPEC.n_mels), np.zeros(MEL_SPEC.n_mels)
        rate = MEL_SPEC.sample_rate
        for start_s, samples in pieces(file.place, file.sounding, file.mix, rate, file.sha256):
            for which, first, last in parts_of(part, len(samples), rate):
                piece = samples[first:last]
                number = len(stretches)
                mel = _mel(piece)
                stretches.append(
                    self._keep(mel, file, number, start_s + first / rate, which, False)
                )
                if which == "train":
                    wide = mel.astype(np.float64)
                    frames += mel.shape[1]
                    sums += wide.sum(axis=1)
                    squares += (wide**2).sum(axis=1)
                    stretches += self._variations(piece, file, number, start_s + first / rate)
            task.advance(len(samples) / rate)
        return _StoredRecording(
            made_with=made_with,
            stretches=tuple(stretches),
            frames=frames,
            sums=tuple(sums.tolist()),
            squares=tuple(squares.tolist()),
        )

    def _variations(
        self, piece: NDArray[np.float32], file: CorpusFile, number: int, start_s: float
    ) -> Iterable[_Stretch]:
        for variation in range(1, self._copies + 1):
            self._progress.check()
            self._augmenter = self._augmenter or Augmenter(MEL_SPEC.sample_rate)
            key = f"{self._seed} {file.sha256} {number} {variation}".encode()
            seed = int.from_bytes(hashlib.sha256(key).digest()[:4], "big")
            mel = _mel(self._augmenter.vary(piece, seed))
            yield self._keep(mel, file, number + variation, start_s, "train", True)

    def _keep(
        self,
        mel: NDArray[np.float16],
        file: CorpusFile,
        number: int,
        start_s: float,
        part: Split,
        augmented: bool,
    ) -> _Stretch:
        name = f"{file.sha256[:32]}-{number:05d}.npy"
        with atomic_path(self._folder / name) as temporary:
            np.save(temporary, mel)
        return _Stretch(
            array=name,
            start_s=round(start_s, 6),
            frames=mel.shape[1],
            part=part,
            augmented=augmented,
        )


def _mel(samples: NDArray[np.float32]) -> NDArray[np.float16]:
    # Silence fills up what is shorter than a frame.
    clip = Clip(samples, MEL_SPEC.sample_rate)
    if clip.n_samples < MEL_SPEC.hop:
        clip = clip.fitted(MEL_SPEC.hop)
    # float16 rounds log values under 16 by at most 0.004: 0.03 dB, far below any difference heard.
    mel: NDArray[np.float16] = MEL_SPEC.analyse(clip)[0].astype(np.float16)
    return mel


def _statistics(
    entries: Sequence[_StoredRecording],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    count = max(1, sum(entry.frames for entry in entries))
    mean = np.sum([entry.sums for entry in entries], axis=0) / count
    square = np.sum([entry.squares for entry in entries], axis=0) / count
    return mean, np.maximum(np.sqrt(np.maximum(square - mean**2, 0.0)), LEAST_STD)


def _entry(folder: Path, sha256: str) -> Path:
    return folder / f"{sha256[:32]}.json"


def _same_but_copies(one: str, other: str) -> bool:
    a, b = one.split(), other.split()
    return a[:2] == b[:2] and a[3:] == b[3:] and int(a[2]) >= int(b[2])


def _whole(folder: Path, entry: _StoredRecording) -> bool:
    return all((folder / stretch.array).is_file() for stretch in entry.stretches)


def _mapped(folder: Path, stretch: _Stretch) -> np.memmap[Any, np.dtype[np.float16]]:
    path = folder / Path(stretch.array).name
    mel: np.memmap[Any, Any] = np.lib.format.open_memmap(path, mode="r")
    if mel.dtype != np.float16 or mel.shape != (MEL_SPEC.n_mels, stretch.frames):
        raise ValueError(f"{path.name} holds {mel.dtype} of shape {mel.shape}")
    return mel
