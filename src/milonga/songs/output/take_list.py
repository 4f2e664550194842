"""The takes that an output folder holds, each with its state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from milonga.errors import ReceiptError
from milonga.runtime import html
from milonga.runtime.files import output_error
from milonga.runtime.progress import Progress
from milonga.runtime.words import size_text
from milonga.songs.output.folder import LayerTakes, OutputFolder
from milonga.songs.output.mixed import stale_words
from milonga.songs.rendering.plan import layer_folder
from milonga.songs.rendering.receipts import intact_clip, read_receipt
from milonga.songs.rendering.takes import DAMAGED

State = Literal["current", "stale", "damaged", "orphan"]
HEADINGS = ("Take", "State", "Size", "Made for")


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
        in_mix: the mix uses it.
        chosen: it was chosen by name.
    """

    path: str
    state: State
    detail: str
    made_for: str
    size: int
    in_mix: bool = False
    chosen: bool = False

    @property
    def removable(self) -> bool:
        """True for a stale take that is neither chosen nor in the mix."""
        return self.state == "stale" and not (self.in_mix or self.chosen)

    @property
    def row(self) -> tuple[str, ...]:
        """The take as a row of texts, as ``HEADINGS`` names them."""
        marks = [
            mark for mark, here in (("in the mix", self.in_mix), ("chosen", self.chosen)) if here
        ]
        state = ", ".join([self.state, *marks])
        about = "; ".join(text for text in (self.made_for, self.detail) if text)
        return self.path, state, size_text(self.size), about


@dataclass(frozen=True, slots=True)
class TakeList:
    """Takes of an output folder, in the order of their folders and names."""

    out: Path
    takes: tuple[ListedTake, ...]

    def __iter__(self) -> Iterator[ListedTake]:
        return iter(self.takes)

    def __len__(self) -> int:
        return len(self.takes)

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
        return {"out": str(self.out), "size": self.size, "takes": takes}

    def _repr_html_(self) -> str:
        return html.table(HEADINGS, (take.row for take in self.takes), self.summary)


def list_folder(folder: OutputFolder, progress: Progress | None = None) -> TakeList:
    """List every take in an output folder; each is read and held against its receipt."""
    layers = {layer_folder(folder.out, each.segment, each.layer): each for each in folder.layers()}
    sounds = {
        path.parent / f"{path.stem}.wav"
        for path in (folder.out / "takes").rglob("*")
        if path.suffix in (".wav", ".json") and not path.name.startswith(".")
    }
    takes = []
    with (progress or Progress()).task("Reading takes", len(sounds), "takes") as task:
        for sound in sorted(sounds):
            takes.append(_listed(folder, sound, layers.get(sound.parent)))
            task.advance()
    return TakeList(folder.out, tuple(takes))


def _listed(folder: OutputFolder, sound: Path, layer: LayerTakes | None) -> ListedTake:
    path = sound.relative_to(folder.out).as_posix()
    size = sum(file.stat().st_size for file in _files(sound))
    try:
        receipt = read_receipt(sound.with_suffix(".json"))
    except ReceiptError as error:
        return ListedTake(path, "damaged", error.message, "", size)
    asked = receipt.request
    made_for = f"{asked.role}, {asked.seconds:g} s, {asked.tempo:g} BPM, {asked.key}"
    if sound.parent.name == DAMAGED:
        return ListedTake(path, "damaged", "set aside, it was rendered again", made_for, size)
    take = next((each for each in layer.takes if each.path == sound), None) if layer else None
    in_mix = layer is not None and take is not None and take is layer.chosen
    chosen = layer is not None and folder.choices.get(layer.key) == sound.stem
    state: State = "orphan"
    detail = ""
    if not sound.is_file():
        state, detail = "damaged", "its audio is missing"
    elif intact_clip(receipt, sound.parent) is None:
        state, detail = "damaged", "its audio is not what its receipt says"
    elif take is None:
        detail = "the sheet has no such layer now"
    else:
        state = "stale" if take.stale else "current"
        detail = stale_words(take.changes) if take.stale else ""
    # The mix leaves out a take that is damaged.
    in_mix = in_mix and state != "damaged"
    return ListedTake(path, state, detail, made_for, size, in_mix, chosen)


def prune_folder(folder: OutputFolder) -> TakeList:
    """Remove the stale takes that are neither chosen nor in the mix; return what was removed.

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
    return removed


def _files(sound: Path) -> list[Path]:
    # The audio first: what is left of an interrupted removal can be rendered from its receipt.
    return [file for file in (sound, sound.with_suffix(".json")) if file.is_file()]
