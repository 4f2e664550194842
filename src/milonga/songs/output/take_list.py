"""The takes that an output folder holds, each with its state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from milonga.errors import ReceiptError
from milonga.runtime import html
from milonga.runtime.files import output_error
from milonga.runtime.progress import Progress
from milonga.runtime.words import size_text
from milonga.songs.output.folder import OutputFolder
from milonga.songs.output.found_takes import FoundTakes
from milonga.songs.output.mixed import stale_words
from milonga.songs.rendering.cuts import find_cuts
from milonga.songs.rendering.receipts import Receipt, checked_marks, intact_clip, read_receipt
from milonga.songs.rendering.sources import edit_words
from milonga.songs.rendering.takes import DAMAGED

State = Literal["current", "stale", "damaged", "orphan"]
HEADINGS = ("Take", "State", "Size", "Made for")
FROM = "Made from"
"""A heading more where there are edits."""


@dataclass(frozen=True, slots=True)
class ListedTake:
    """A take on disk.

    Attributes:
        path: of its audio file, from the output folder.
        state: ``current`` or ``stale`` (made for the sheet as it is now, or for an earlier state
            of it), ``damaged``, or ``orphan`` (the sheet has no such layer).
        detail: what a stale take was not made for, or the damage.
        made_for: role, length, tempo and key that it was made for; empty for a damaged receipt.
        size: of its files, in bytes.
        in_mix: the mix uses it, or a piece of it.
        chosen: it was chosen by name.
        edit: what an edit does, as in "repaint 12 to 15.5 s"; empty for other takes.
        source: what an edit was made from: the path of a take from the output folder, or of
            another recording.
        depth: number of edits that led to it, one after another.
        needed: a take that stays was made from it.
        cuts: where a take of the whole song is cut into its segments, and how sure that is.
        checked: what the take checks found, and what may be meant, in words.
    """

    path: str
    state: State
    detail: str
    made_for: str
    size: int
    in_mix: bool = False
    chosen: bool = False
    edit: str = ""
    source: str = ""
    depth: int = 0
    needed: bool = False
    cuts: tuple[dict[str, Any], ...] = ()
    checked: str = ""

    @property
    def removable(self) -> bool:
        """True for a stale take that is neither chosen nor in the mix, nor the source of one."""
        return self.state == "stale" and not (self.in_mix or self.chosen or self.needed)

    @property
    def row(self) -> tuple[str, ...]:
        """The take as a row of texts, as ``HEADINGS`` names them."""
        known = (("in the mix", self.in_mix), ("chosen", self.chosen), ("source", self.needed))
        state = ", ".join([self.state, *(mark for mark, here in known if here)])
        about = "; ".join(text for text in (self.made_for, self.detail, self.checked) if text)
        return "  " * self.depth + self.path, state, size_text(self.size), about

    @property
    def made_from(self) -> str:
        """What an edit does, and with what."""
        return f"{self.edit} of {self.source}" if self.edit else ""


@dataclass(frozen=True, slots=True)
class TakeList:
    """Takes of an output folder, in the order of their folders and names; edits follow what they
    were made from. ``notes``: what the user should know.
    """

    out: Path
    takes: tuple[ListedTake, ...]
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[ListedTake]:
        return iter(self.takes)

    def __len__(self) -> int:
        return len(self.takes)

    @property
    def headings(self) -> tuple[str, ...]:
        """Of the rows."""
        return (*HEADINGS, FROM) if any(take.edit for take in self.takes) else HEADINGS

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The takes as texts, as ``headings`` names them."""
        if FROM not in self.headings:
            return [take.row for take in self.takes]
        return [(*take.row, take.made_from) for take in self.takes]

    @property
    def size(self) -> int:
        """Bytes of all the files."""
        return sum(take.size for take in self.takes)

    @property
    def removable(self) -> TakeList:
        """Those that ``prune_takes`` removes."""
        return TakeList(self.out, tuple(take for take in self.takes if take.removable))

    @property
    def summary(self) -> str:
        """One line with the number of takes and their size."""
        states = [take.state for take in self.takes]
        known: Sequence[State] = ("current", "stale", "damaged", "orphan")
        counts = [f"{states.count(state)} {state}" for state in known if state in states]
        return f"Takes: {', '.join(counts) or 'none'}, {size_text(self.size)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the list as plain values."""
        takes = [asdict(take) for take in self.takes]
        found = {"out": str(self.out), "size": self.size, "takes": takes}
        return {**found, "notes": list(self.notes)}

    def _repr_html_(self) -> str:
        return html.table(self.headings, self.rows, self.summary) + html.paragraphs(self.notes)


def list_folder(folder: OutputFolder, progress: Progress | None = None) -> TakeList:
    """List every take in an output folder; each is read and held against its receipt."""
    found = folder.arranged()
    layers: dict[Path, FoundTakes] = {each.place.folder: each for each in found.layers}
    layers[found.whole.place.folder] = found.whole
    playing = {each.chosen.path for each in found.layers if each.chosen is not None}
    playing |= {piece.take.path for piece in found.pieces.values()}
    sounds = {
        path.parent / f"{path.stem}.wav"
        for path in (folder.out / "takes").rglob("*")
        if path.suffix in (".wav", ".json") and not path.name.startswith(".")
    }
    takes: dict[str, ListedTake] = {}
    receipts: dict[str, Receipt] = {}
    with (progress or Progress()).task("Reading takes", len(sounds), "takes") as task:
        for sound in sorted(sounds):
            take, receipt = _listed(folder, sound, layers.get(sound.parent), sound in playing)
            takes[take.path] = take
            if receipt is not None:
                receipts[take.path] = receipt
            task.advance()
    notes = tuple(filter(None, (folder.sheet_note(),)))
    return TakeList(folder.out, _families(takes, receipts), notes)


def _families(
    takes: Mapping[str, ListedTake], receipts: Mapping[str, Receipt]
) -> tuple[ListedTake, ...]:
    """Put edits behind what they were made from, which stays as long as they do."""
    by_hash: dict[str, list[str]] = {}
    for path, receipt in receipts.items():
        by_hash.setdefault(receipt.sound.sha256, []).append(path)
    sources: dict[str, str] = {}
    edits: dict[str, tuple[str, str]] = {}
    for path, receipt in receipts.items():
        if (edit := receipt.request.edit) is not None:
            same = [other for other in by_hash.get(edit.source, []) if other != path]
            if same:
                sources[path] = edit.source_file if edit.source_file in same else same[0]
            edits[path] = edit_words(edit), sources.get(path, edit.source_file)
    lines = {path: _line(path, sources) for path in takes}
    stay = [path for path, take in takes.items() if path in sources and not take.removable]
    needed = {before for path in stay for before in lines[path][:-1]}
    return tuple(
        replace(
            takes[path],
            edit=edits.get(path, ("", ""))[0],
            source=edits.get(path, ("", ""))[1],
            depth=len(lines[path]) - 1,
            needed=path in needed,
        )
        for path in sorted(takes, key=lines.__getitem__)
    )


def _line(path: str, sources: Mapping[str, str]) -> tuple[str, ...]:
    """The takes that led to one, the first first, itself last."""
    line = [path]
    # A receipt that someone wrote by hand may lead in a circle.
    while (before := sources.get(line[0])) is not None and before not in line:
        line.insert(0, before)
    return tuple(line)


def _listed(
    folder: OutputFolder, sound: Path, layer: FoundTakes | None, in_mix: bool
) -> tuple[ListedTake, Receipt | None]:
    path = sound.relative_to(folder.out).as_posix()
    size = sum(file.stat().st_size for file in _files(sound))
    try:
        receipt = read_receipt(sound.with_suffix(".json"))
    except ReceiptError as error:
        return ListedTake(path, "damaged", error.message, "", size), None
    asked = receipt.request
    made_for = f"{asked.role}, {round(asked.seconds, 2):g} s, {asked.tempo:g} BPM, {asked.key}"
    if sound.parent.name == DAMAGED:
        detail = "set aside, it was rendered again"
        return ListedTake(path, "damaged", detail, made_for, size), receipt
    take = next((each for each in layer.takes if each.path == sound), None) if layer else None
    chosen = layer is not None and sound.stem in _choices(folder, layer)
    state: State = "orphan"
    detail = ""
    clip = intact_clip(receipt, sound.parent) if sound.is_file() else None
    if not sound.is_file():
        state, detail = "damaged", "its audio is missing"
    elif clip is None:
        state, detail = "damaged", "its audio is not what its receipt says"
    elif take is None:
        detail = "the sheet has no such layer now"
    else:
        state = "stale" if take.stale else "current"
        detail = stale_words(take.changes) if take.stale else ""
    # The mix leaves out a take that is damaged.
    in_mix = in_mix and state != "damaged"
    cuts = find_cuts(clip, receipt) if clip is not None else ()
    listed = tuple(cut.to_dict() for cut in cuts)
    checked = "; ".join(checked_marks(receipt))
    found = ListedTake(
        path, state, detail, made_for, size, in_mix, chosen, cuts=listed, checked=checked
    )
    return found, receipt


def _choices(folder: OutputFolder, found: FoundTakes) -> list[str]:
    """Return the takes chosen by name for what some takes answer, or a piece of it."""
    key = found.key
    pieces = [name for other, name in folder.choices.items() if other.endswith(f"/{key}")]
    return [*([folder.choices[key]] if key in folder.choices else []), *pieces]


def prune_folder(folder: OutputFolder) -> TakeList:
    """Remove the stale takes that nothing uses; return what was removed.

    Raises:
        OutputError: a file can't be removed; some may be.
    """
    removed = list_folder(folder).removable
    for take in removed:
        for file in _files(folder.out / take.path):
            try:
                file.unlink()
            except OSError as error:
                raise output_error(error, file) from error
    note = folder.report_note("before this") if removed else ""
    return replace(removed, notes=tuple(filter(None, (note,))))


def _files(sound: Path) -> list[Path]:
    # The audio first: what is left of an interrupted removal can be rendered from its receipt.
    return [file for file in (sound, sound.with_suffix(".json")) if file.is_file()]
