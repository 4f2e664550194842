"""Takes of the whole song in the report: whole, and cut at the segments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from milonga import audio
from milonga.analysis.features import features
from milonga.analysis.report import ReportSection, ReportTrack
from milonga.audio.clip import Clip
from milonga.songs.output.arrangement import Arrangement, can_be_cut
from milonga.songs.output.choices import WHOLE_KEY
from milonga.songs.output.edit_report import edit_note, families, ranges_of
from milonga.songs.output.mixed import stale_words
from milonga.songs.rendering.cuts import Cut, CutPiece, cut_take
from milonga.songs.rendering.planned import WHOLE
from milonga.songs.rendering.receipts import Receipt, intact_clip
from milonga.songs.rendering.takes import Take, segment_folder
from milonga.songs.sheet.fields import TEXTS
from milonga.songs.sheet.model import Segment

Listener = Callable[[Receipt, Clip, int | None], list[dict[str, Any]]]
"""Holds a take against what its receipt says was asked for, or a piece of it against that part."""


def nothing_heard(receipt: Receipt, clip: Clip, part: int | None) -> list[dict[str, Any]]:
    """Hold nothing against anything."""
    return []


@dataclass(frozen=True, slots=True)
class WrittenPiece:
    """A segment's piece of a take of the whole song, as a file beside the page."""

    take: Take
    path: Path
    part: int
    """Which segment of the take it is, from 0."""
    from_s: float
    to_s: float
    begins: Cut | None
    ends: Cut | None

    @property
    def label(self) -> str:
        """The piece's name in choices: ``whole/ace-step-s0``."""
        return f"{WHOLE_KEY}/{self.take.name}"

    @property
    def note(self) -> str:
        """Where the piece is from, and how sure its cuts are."""
        words = [f"From {self.from_s:.2f} to {self.to_s:.2f} s of the take of the whole song."]
        words += [f"Begins at {self.begins.text}."] if self.begins else []
        words += [f"Ends at {self.ends.text}."] if self.ends else []
        if self.take.stale:
            words.append(f"Stale: {stale_words(self.take.changes)}.")
        return " ".join(words)

    def to_dict(self, out: Path) -> dict[str, Any]:
        """Return where the piece is from as plain values."""
        return {
            "take": self.take.path.relative_to(out).as_posix(),
            "from_s": round(self.from_s, 4),
            "to_s": round(self.to_s, 4),
            "begins": self.begins and self.begins.to_dict(),
            "ends": self.ends and self.ends.to_dict(),
        }


class WholeReport:
    """Measures each take of the whole song once, and writes its pieces.

    Attributes:
        pieces: by the segment's number, in the order of the takes.
        documents: one for each take, for ``comparison.json``.
        warnings: takes that can't be read.
    """

    def __init__(self, arrangement: Arrangement, out: Path, folder: Path, listen: Listener) -> None:
        self._arrangement, self._out, self._folder = arrangement, out, folder
        self._listen = listen
        self.pieces: dict[int, list[WrittenPiece]] = {}
        self.documents: list[dict[str, Any]] = []
        self.warnings: list[str] = []
        self._tracks: list[ReportTrack] = []
        self._cuts: dict[str, str] = {}
        for take in families(arrangement.whole.takes):
            self._add(take)

    @property
    def section(self) -> ReportSection | None:
        """The takes of the whole song beside each other; None without any."""
        if not self._tracks:
            return None
        sheet = self._arrangement.sheet
        asked = self._arrangement.whole.place.asked
        details = {
            "length": f"{round(sheet.seconds, 2):g} s",
            "tempo": f"{asked.tempo:g} BPM",
            "key": asked.key,
            **{name: getattr(asked, name) for name in TEXTS if name != "negative"},
            **self._cuts,
        }
        return ReportSection(
            title=WHOLE,
            subtitle="in one take",
            details={name: text for name, text in details.items() if text},
            tracks=self._tracks,
            segment=False,
        )

    def _add(self, take: Take) -> None:
        clip = intact_clip(take.receipt, take.path.parent)
        path = take.path.relative_to(self._out).as_posix()
        if clip is None or not clip.n_samples:
            self.warnings.append(f"{path} is not what its receipt says.")
            return
        measured = features(clip).to_dict()
        facts = self._listen(take.receipt, clip, None)
        sheet = self._arrangement.sheet
        cut = cut_take(clip, take.receipt) if can_be_cut(take, sheet) else []
        cuts = [piece.begins for piece in cut if piece.begins]
        starts = [piece.start / clip.sample_rate for piece in cut]
        whole = self._arrangement.whole
        entire = self._arrangement.entire
        stale = f"Stale: {stale_words(take.changes)}." if take.stale else ""
        best = whole.best if take is whole.chosen else ""
        numbers = [str(segment.number) for segment in sheet.segments]
        self._tracks.append(
            ReportTrack(
                take.name,
                take.path,
                chosen=entire is not None and entire.take.path == take.path,
                stale=take.stale,
                findings=[(found.code, found.message) for found in take.receipt.findings],
                features=measured,
                receipt=take.receipt.model_dump(mode="json"),
                note=" ".join(text for text in (edit_note(take, whole.takes), stale, best) if text),
                facts=facts,
                ranges=ranges_of(take.receipt.sound.sha256, whole.takes),
                marks=list(zip(starts, numbers, strict=False)),
            )
        )
        if cuts:
            lines = [f"{number}: {cut.text}" for number, cut in zip(numbers[1:], cuts, strict=True)]
            self._cuts[f"cuts of {take.name}"] = "\n".join(lines)
        self.documents.append(
            {
                "path": path,
                "label": take.name,
                "stale": take.stale,
                "features": measured,
                "facts": facts,
                "cuts": [cut.to_dict() for cut in cuts],
            }
        )
        for part, (segment, piece) in enumerate(zip(sheet.segments, cut, strict=False)):
            if piece.clip.n_samples:
                self.pieces.setdefault(segment.number, []).append(
                    self._write(take, part, segment, piece)
                )

    def _write(self, take: Take, part: int, segment: Segment, piece: CutPiece) -> WrittenPiece:
        name = segment_folder(segment.number, segment.name)
        path = self._folder / f"{name}-{WHOLE_KEY}-{take.name}.wav"
        audio.write(path, piece.clip)
        rate = piece.clip.sample_rate
        return WrittenPiece(
            take, path, part, piece.start / rate, piece.end / rate, piece.begins, piece.ends
        )


def joined_lengths(
    arrangement: Arrangement, lengths: Mapping[int, float]
) -> Iterator[tuple[list[int], float]]:
    """Yield the segments that are joined as one, those that sound, and how long they are."""
    for unit in arrangement.units:
        numbers = [number for number in unit if number in lengths]
        if numbers:
            yield numbers, sum(lengths[number] for number in numbers)
