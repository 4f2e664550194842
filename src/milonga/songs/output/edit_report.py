"""Edits in the report: beside what they were made from, with the range marked in both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from milonga.audio.clip import Clip
from milonga.errors import ReceiptError
from milonga.songs.rendering.sources import edit_words, find_source, new_range
from milonga.songs.rendering.takes import Take

Range = tuple[float, float, str]
"""A range of a recording in seconds, with its label."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A recording that edits were made from and that is no take of their layer."""

    label: str
    path: Path
    clip: Clip
    note: str


def families(takes: Iterable[Take]) -> list[Take]:
    """Put edits behind the takes that they were made from; the order stays otherwise."""
    takes = list(takes)
    known = {take.receipt.sound.sha256 for take in takes}
    children: dict[str, list[Take]] = {}
    roots = []
    for take in takes:
        own = take.receipt.sound.sha256
        if take.edit is not None and take.edit.source in known - {own}:
            children.setdefault(take.edit.source, []).append(take)
        else:
            roots.append(take)
    ordered: list[Take] = []

    def add(take: Take) -> None:
        ordered.append(take)
        for child in children.pop(take.receipt.sound.sha256, []):
            add(child)

    for take in roots:
        add(take)
    # Receipts that someone wrote by hand may lead in a circle.
    return ordered + [take for take in takes if take not in ordered]


def origins(takes: Sequence[Take]) -> tuple[dict[str, Origin], list[str]]:
    """Find the recordings that edits were made from and that are none of the takes, by their hash;
    and a line for each that is gone."""
    known = {take.receipt.sound.sha256 for take in takes}
    found: dict[str, Origin] = {}
    gone = []
    for take in takes:
        edit = take.edit
        if edit is None or edit.source in known or edit.source in found:
            continue
        try:
            source = find_source(edit.source, edit.source_file, take.path.parent)
        except ReceiptError as error:
            gone.append(f"{take.name}: {error.message} ({error.where})")
            continue
        note = f"The recording that {take.name} was made from."
        found[edit.source] = Origin(source.path.name, source.path, source.clip, note)
    return found, gone


def edit_note(take: Take, takes: Iterable[Take]) -> str:
    """Say what an edit does, and with which recording; empty for another take."""
    if take.edit is None:
        return ""
    same = (t.name for t in takes if t is not take and t.receipt.sound.sha256 == take.edit.source)
    source = next(same, Path(take.edit.source_file).name)
    words = edit_words(take.edit)
    return f"{words[0].upper()}{words[1:]} of {source}."


def ranges_of(sha256: str, takes: Iterable[Take]) -> list[Range]:
    """Return the ranges that are new in a recording, and those that its edits made anew.

    Args:
        sha256: of the recording.
        takes: all of the layer.
    """
    marked = []
    for take in takes:
        if take.edit is None:
            continue
        span = new_range(take.edit, take.receipt.sound.seconds)
        if span is None:
            continue
        if take.receipt.sound.sha256 == sha256:
            marked.append((*span, "new"))
        elif take.edit.source == sha256 and take.edit.task == "repaint":
            marked.append((*span, "repainted"))
    return sorted(set(marked))
