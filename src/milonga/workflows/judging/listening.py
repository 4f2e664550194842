"""Blind listening: make a test from takes or recordings, read what listeners answered."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from milonga import audio
from milonga.analysis.listening.answers import find_key, read_answers, read_key
from milonga.analysis.listening.design import Key, TestKind, design
from milonga.analysis.listening.page import check_place, write_test
from milonga.analysis.listening.picture import result_svg
from milonga.analysis.listening.results import ListeningResult, evaluate
from milonga.audio.clip import Clip
from milonga.errors import MilongaError
from milonga.runtime.files import is_there, paths_of, write_text
from milonga.runtime.progress import Progress
from milonga.songs.output.folder import OLD_RECORD, RECORD, OutputFolder

StrPath = str | os.PathLike[str]
BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class ListeningTest:
    """A test that was made.

    Attributes:
        page: what listeners open; its folder is what they get.
        key: what is what.
    """

    page: Path
    key: Key

    def to_dict(self) -> dict[str, object]:
        """Return plain values, without saying what is what."""
        return {
            "page": str(self.page),
            "test": self.key.test,
            "kind": self.key.kind,
            "questions": len(self.key.trials),
            "conditions": list(self.key.conditions),
            "items": list(self.key.sources),
        }


def make_listening_test(
    recordings: StrPath | Sequence[StrPath],
    out: StrPath,
    *,
    kind: TestKind = "ab",
    reference: str = "",
    seconds: float | None = None,
    repeats: int | None = None,
    seed: int = 0,
    title: str = "",
    progress: Progress | None = None,
) -> ListeningTest:
    """Make a blind listening test: a page that opens from the disk, without names.

    Args:
        recordings: a rendered song's folder (its baselines and takes meet, segment by segment), or
            recordings of one thing, or folders that hold recordings of the same names.
        out: the folder of the test; ``out/for-listeners`` is given away, ``out/key.json`` kept.
        kind: ``ab`` which is better, ``abx`` can they be told apart, ``mushra`` how close to the
            reference.
        reference: for ``mushra``; by default the baseline, or the first recording.
        seconds: of each recording, from its start; None for all.
        repeats: times that each pair is asked.
        seed: of the order of everything.
        title: shown to listeners.
        progress: counts items.

    Raises:
        MilongaError: too few recordings, one that can't be read or has no loudness.
        OutputError: ``out`` holds a test already, or can't be written.
    """
    items = _items(paths_of(recordings))
    out = Path(out)
    check_place(out)
    if kind == "mushra" and not reference:
        first = next(iter(items.values()))
        reference = BASELINE if BASELINE in first else next(iter(first))
    key = design(
        kind, {item: list(paths) for item, paths in items.items()}, seed=seed, repeats=repeats,
        reference=reference, title=title,
        sources={item: {name: str(path) for name, path in paths.items()}
                 for item, paths in items.items()},
    )  # fmt: skip
    for paths in items.values():
        for path in paths.values():
            audio.probe(path)

    def clips_of(item: str) -> Mapping[str, Clip]:
        clips = {name: audio.read(path) for name, path in items[item].items()}
        if seconds is None:
            return clips
        return {name: clip.between(0, min(seconds, clip.seconds)) for name, clip in clips.items()}

    return ListeningTest(write_test(key, clips_of, out, progress), key)


def read_listening_test(
    answers: StrPath | Sequence[StrPath], *, key: StrPath | None = None
) -> ListeningResult:
    """Read what listeners answered: screening, estimates with intervals, a verdict for each pair.

    Args:
        answers: files that the page saved, or folders of them.
        key: the test's folder or its ``key.json``; None to look beside the answers.

    Raises:
        MilongaError: a file is missing, damaged or of another test.
    """
    places = paths_of(answers)
    paths: list[Path] = []
    for place in places:
        paths += sorted(place.glob("answers-*.json")) if place.is_dir() else [place]
    if not paths:
        raise MilongaError(
            "There are no answers here.",
            where=places[0] if places else None,
            step="Give the files that listeners saved (answers-TEST-NAME.json), or their folder.",
        )
    found = read_key(find_key(paths, None if key is None else Path(key)))
    return evaluate(found, [read_answers(path, found) for path in paths])


def _items(places: Sequence[Path]) -> dict[str, dict[str, Path]]:
    """Recordings by item and condition."""
    if len(places) == 1 and any(is_there(places[0] / name) for name in (RECORD, OLD_RECORD)):
        return _of_song(places[0])
    folders = [place.is_dir() for place in places]
    if places and all(folders):
        return _of_folders(places)
    if any(folders):
        odd = places[folders.index(True)]
        raise MilongaError(
            "Recordings and folders can't be mixed.",
            where=odd,
            step="Give recordings of one thing, or a folder for each way of making them.",
        )
    return {"": _named(places)}


def _of_song(out: Path) -> dict[str, dict[str, Path]]:
    folder = OutputFolder.load(out)
    items: dict[str, dict[str, Path]] = {}
    for layer in folder.layers():
        found: dict[str, Path] = {}
        baseline = folder.sheet.baseline_path(layer.segment)
        if baseline is not None and baseline.exists():
            found[BASELINE] = baseline
        usable = [take for take in layer.takes if take.usable]
        # The take in the mix stands for its generator.
        for take in [*([layer.chosen] if layer.chosen else []), *usable]:
            found.setdefault(take.receipt.generator, take.path)
        if len(found) > 1:
            several = f", {layer.layer.role}" if len(layer.segment.layers) > 1 else ""
            items[f"{layer.segment.number} {layer.segment.name}{several}"] = found
    if not items:
        raise MilongaError(
            "No segment of this song has two recordings to compare.",
            where=out,
            step="Render it with another generator (--with), or give the sheet baselines.",
        )
    return items


def _of_folders(folders: Sequence[Path]) -> dict[str, dict[str, Path]]:
    by_folder = {}
    for name, folder in _named(folders).items():
        by_folder[name] = {path.stem: path for path in sorted(folder.iterdir()) if _is_sound(path)}
    counts = Counter(stem for found in by_folder.values() for stem in found)
    items = {
        stem: {name: found[stem] for name, found in by_folder.items()}
        for stem, count in counts.items()
        if count == len(folders)
    }
    if len(folders) < 2 or not items:
        raise MilongaError(
            "These folders hold no recordings of the same name.",
            where=folders[0],
            step="Give two folders or more, each with the same names: a/song.wav, b/song.wav.",
        )
    return items


def _is_sound(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.suffix.lower() != ".json"


def _named(paths: Sequence[Path]) -> dict[str, Path]:
    """Name each path by its stem, or whole where two have the same."""
    counts = Counter(path.stem for path in paths)
    return {path.stem if counts[path.stem] == 1 else str(path): path for path in paths}


def write_listening_picture(result: ListeningResult, path: StrPath) -> Path:
    """Write the result as a picture (SVG): estimates with their intervals.

    Raises:
        OutputError: it can't be written.
    """
    write_text(path, result_svg(result))
    return Path(path)
