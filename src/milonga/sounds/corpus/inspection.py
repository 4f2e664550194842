"""A corpus: the recordings that a sound model learns from, inspected before any training."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from milonga.audio.digest import set_sha256
from milonga.errors import AudioError, CorpusError, Problem
from milonga.runtime.files import named_path
from milonga.runtime.progress import Progress, Task
from milonga.runtime.record import Record
from milonga.runtime.words import counted, readable
from milonga.sounds.corpus import reading
from milonga.sounds.corpus.files import find_recordings

LEAST_S = 10.0
"""Usable sound that training asks for, in seconds. Under that even a single texture isn't
covered: validation takes some of it, and what is left repeats within every batch."""
CLIPPED = 0.001
"""Share of samples at full scale from which a recording counts as clipped, as in takes."""
NEAR_DB = 1.7
"""Outlines closer than this are taken for one recording in two versions. As MP3, 23 of 24
recordings moved by less; of 164 different ones two strokes of one drum are closer."""


class CorpusFile(Record):
    """A usable recording.

    Attributes:
        name: path within the corpus folder, with ``/``; unique in a corpus.
        path: where it was found; a name that is not UTF-8 in readable form (``words.readable``).
        size: bytes.
        modified_ns: when it was last changed; with ``size`` it tells that it is still the same.
        sha256: of the decoded samples: two files of the same sound have the same.
        usable_s: seconds between long silences, which is what a model learns from.
        generated: whether a sound model made it; it is never used for validation.

    The other attributes are those of ``reading.Measured``.
    """

    name: str
    path: str
    size: int
    modified_ns: int
    sha256: str
    rate: int
    channels: int
    seconds: float
    format: str
    peak: float
    silent_s: float
    clipped: float
    mix: Literal["mean", "first"]
    sounding: tuple[tuple[float, float], ...]
    outline: tuple[int, ...]
    generated: bool = False

    @property
    def place(self) -> Path:
        """Its path, as it is opened."""
        return named_path(self.path)

    @property
    def usable_s(self) -> float:
        return sum(stop - start for start, stop in self.sounding)


class Skipped(Record):
    """A file or folder that the corpus leaves out, and why."""

    name: str
    reason: str


class Corpus(Record):
    """The recordings of one or several folders.

    Attributes:
        folders: that were searched.
        files: the usable recordings in the order of their names.
        skipped: everything else that is or should be a recording.
        others: files of another kind, by suffix.
        alike: groups of names of near-duplicates. They are used, and stay on one side of the
            split into training and validation.
    """

    folders: tuple[str, ...]
    files: tuple[CorpusFile, ...]
    skipped: tuple[Skipped, ...] = ()
    others: dict[str, int] = Field(default_factory=dict)
    alike: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def kept(cls, path: Path) -> Corpus | None:
        """Read an earlier inspection; None where it isn't there or can't be read."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValueError):
            return None

    @classmethod
    def inspect(
        cls,
        folder: Path,
        *,
        known: Corpus | None = None,
        progress: Progress | None = None,
    ) -> Corpus:
        """Read every recording of a folder once, in blocks.

        Args:
            folder: searched with all folders within; or a single recording.
            known: an earlier inspection; files whose size and time haven't changed since are
                not read again.
            progress: shows it, and may cancel.

        Raises:
            CorpusError: there is no such folder, or it holds no recording at all.
            Cancelled: the user stopped it.
        """
        return _Inspection(folder, known, progress or Progress()).run()

    @property
    def seconds(self) -> float:
        return sum(file.seconds for file in self.files)

    @property
    def usable_s(self) -> float:
        """Seconds that a model can learn from: without long silences."""
        return sum(file.usable_s for file in self.files)

    @property
    def silent_s(self) -> float:
        return sum(file.silent_s for file in self.files)

    @property
    def fingerprint(self) -> str:
        """A hash of the sounds, whatever the files are called or where they lie."""
        return set_sha256(file.sha256 for file in self.files)

    def check(self) -> None:
        """Check that there is enough to learn from.

        Raises:
            CorpusError: says how much is needed, and why each skipped file doesn't count.
        """
        if self.usable_s >= LEAST_S:
            return
        raise CorpusError(
            f"There {'is' if self.usable_s == 1 else 'are'} {self.usable_s:.1f} s of usable sound "
            f"in {counted(len(self.files), 'recording')}; training needs at least {LEAST_S:g} s.",
            [Problem(f"Skipped: {skip.reason}.", skip.name) for skip in self.skipped],
            where=", ".join(self.folders),
            step=f"Add recordings of {LEAST_S - self.usable_s:.1f} s or more; minutes are better.",
        )

    def joined(self, other: Corpus) -> Corpus:
        """Join this corpus and another one; a sound of both counts once, under this one's name."""
        mine = {file.sha256: file.name for file in self.files}
        names = {file.name for file in self.files}
        files, skipped = list(self.files), list(self.skipped)
        for file in other.files:
            if file.sha256 in mine:
                if file.path not in {own.path for own in self.files}:
                    skipped.append(_duplicate(file.name, mine[file.sha256]))
                continue
            name, count = file.name, 2
            while name in names:
                name, count = f"{Path(other.folders[0]).name} {count}/{file.name}", count + 1
            names.add(name)
            files.append(file.model_copy(update={"name": name}))
        files.sort(key=lambda file: file.name)
        return Corpus(
            folders=tuple(dict.fromkeys((*self.folders, *other.folders))),
            files=tuple(files),
            skipped=tuple(dict.fromkeys((*skipped, *other.skipped))),
            others=dict(Counter(self.others) + Counter(other.others)),
            alike=_alike(files),
        )

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        return {
            "folders": list(self.folders),
            "files": len(self.files),
            "seconds": round(self.seconds, 2),
            "usable_seconds": round(self.usable_s, 2),
            "silent_share": round(self.silent_s / self.seconds, 4) if self.seconds else None,
            "rates": _counts(file.rate for file in self.files),
            "channels": _counts(file.channels for file in self.files),
            "formats": _counts(file.format for file in self.files),
            "clipped": {f.name: round(f.clipped, 5) for f in self.files if f.clipped > CLIPPED},
            "cancelling": [file.name for file in self.files if file.mix == "first"],
            "near_duplicates": [list(group) for group in self.alike],
            "skipped": {skip.name: skip.reason for skip in self.skipped},
            "generated": [file.name for file in self.files if file.generated],
            "other_files": dict(self.others),
        }


class _Inspection:
    def __init__(self, folder: Path, known: Corpus | None, progress: Progress) -> None:
        self._folder, self._progress = folder, progress
        self._known = {
            (file.path, file.size, file.modified_ns): file
            for file in (known.files if known else ())
        }
        self._files: dict[str, CorpusFile] = {}
        self._skipped: dict[str, str] = {}

    def run(self) -> Corpus:
        found = find_recordings(self._folder)
        if not found.recordings:
            hidden = [Problem(f"Skipped: {why}.", name) for name, why in found.passed_over.items()]
            raise CorpusError(
                "This folder holds no recordings.",
                hidden,
                where=self._folder,
                step="Recordings end in .wav, .flac, .ogg, .mp3, .aiff, .m4a and the like.",
            )
        self._skipped.update(found.passed_over)
        sizes = {name: _size(path) for name, path in found.recordings.items()}
        with self._progress.task("Inspecting recordings", sum(sizes.values()), "B") as task:
            for name, path in found.recordings.items():
                self._one(name, path, sizes[name], task)
        files = tuple(self._files.values())
        return Corpus(
            folders=(readable(str(self._folder.absolute())),),
            files=files,
            skipped=tuple(Skipped(name=n, reason=r) for n, r in sorted(self._skipped.items())),
            others=dict(sorted(found.others.items())),
            alike=_alike(files),
        )

    def _one(self, name: str, path: Path, size: int, task: Task) -> None:
        before = task.done
        try:
            file = self._read(name, path, size, task)
        except AudioError as error:
            self._skipped[name] = error.message.rstrip(".")
        except OSError as error:
            self._skipped[name] = f"it can't be read: {error.strerror or error}"
        else:
            self._keep(file)
        task.advance(before + size - task.done)

    def _read(self, name: str, path: Path, size: int, task: Task) -> CorpusFile:
        place = readable(str(path.absolute()))
        changed = path.stat().st_mtime_ns if path.exists() else 0
        if (earlier := self._known.get((place, size, changed))) is not None:
            return earlier.model_copy(update={"name": name})
        share = 0.0
        for step in reading.measure(path):
            if isinstance(step, reading.Measured):
                values = {field: getattr(step, field) for field in step.__slots__}
                return CorpusFile(name=name, path=place, size=size, modified_ns=changed, **values)
            task.advance((step - share) * size)
            share = step
        raise AudioError("It holds no audio.", where=path)

    def _keep(self, file: CorpusFile) -> None:
        for other in self._files.values():
            if other.sha256 == file.sha256:
                self._skipped[file.name] = _duplicate(file.name, other.name).reason
                return
        if not file.sounding:
            self._skipped[file.name] = f"it is silent (under {reading.SILENT_DB:g} dBFS)"
        elif file.usable_s < reading.SHORTEST_S:
            self._skipped[file.name] = f"it is shorter than {reading.SHORTEST_S * 1000:g} ms"
        else:
            self._files[file.name] = file


def _alike(files: Sequence[CorpusFile]) -> tuple[tuple[str, ...], ...]:
    """Groups of near-duplicates."""
    leader = {file.name: file.name for file in files}
    ordered = sorted(files, key=lambda file: (file.outline, file.name))
    for index, file in enumerate(ordered):
        # Neighbours in length alone, so that many files stay cheap.
        for other in reversed(ordered[:index]):
            distance = reading.outline_distance_db(file.outline, other.outline)
            if distance == math.inf:
                break
            if distance < NEAR_DB:
                old, new = leader[file.name], leader[other.name]
                leader.update({name: new for name, of in leader.items() if of == old})
    groups: dict[str, list[str]] = {}
    for file in files:
        groups.setdefault(leader[file.name], []).append(file.name)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _duplicate(name: str, of: str) -> Skipped:
    return Skipped(name=name, reason=f"the same sound as {of}")


def _counts(values: Any) -> Mapping[str, int]:
    return {str(value): count for value, count in sorted(Counter(values).items())}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
