"""From the takes that play each segment to ``song.wav``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from milonga import audio
from milonga.audio.clip import Clip
from milonga.errors import UnreadableError
from milonga.runtime.files import atomic_path
from milonga.runtime.progress import Progress
from milonga.songs.output.arrangement import Arrangement, Piece
from milonga.songs.output.choices import WHOLE_KEY
from milonga.songs.output.found_takes import LayerTakes
from milonga.songs.output.mix import MixInput, mixdown
from milonga.songs.output.mixed import Mix, MixedLayer, stale_words
from milonga.songs.output.song_file import SongFile
from milonga.songs.output.tagged import embed_mix
from milonga.songs.rendering.cuts import cut_take
from milonga.songs.rendering.planned import WHOLE
from milonga.songs.rendering.receipts import findings_text, intact_clip
from milonga.songs.rendering.takes import Take, check_readable
from milonga.songs.sheet.model import Segment


@dataclass(frozen=True, slots=True)
class PlayedTake:
    """A take, or a piece of one, as it plays in the song.

    Attributes:
        numbers: of the segments that it plays, in order.
        role: of its layer; ``song`` of a take of the whole song.
        take: the take.
        input: its sound, as the mix takes it.
        start: where that begins in the take's clip, in samples.
        cuts: where its second and later segments begin, in samples of ``input``; empty where
            nobody looked: a take of the whole song that is played uncut.
    """

    numbers: tuple[int, ...]
    role: str
    take: Take
    input: MixInput
    start: int = 0
    cuts: tuple[int, ...] = ()


def played_takes(arrangement: Arrangement) -> list[list[PlayedTake]]:
    """Read the takes that play, those that sound together as one list, in order."""
    mixing = _Mixing(arrangement)
    for numbers in arrangement.units:
        mixing.add(numbers)
    return mixing.played


def mix_arrangement(
    arrangement: Arrangement,
    path: Path,
    progress: Progress | None = None,
    song_file: SongFile | None = None,
) -> Mix:
    """Mix the takes of an arrangement into a file, and tell what is in it.

    Neighbouring segments from one take of the whole song stay one piece: nothing is cut or faded
    between them. ``song_file`` is another file that the song is written to.
    """
    mixing = _Mixing(arrangement)
    with (progress or Progress()).task("Mixing", len(arrangement.units), "segments") as task:
        for numbers in arrangement.units:
            mixing.add(numbers)
            task.advance()
        mixing.tell_of_the_whole()
        if not mixing.chosen:
            path.unlink(missing_ok=True)
            return Mix(None, notes=tuple(mixing.notes), layers=tuple(mixing.mixed))
        song = mixdown([[each.input for each in unit] for unit in mixing.played])
    generators = {take.receipt.generator for take in mixing.chosen.values()}
    sheet = arrangement.sheet
    tags = audio.Tags(
        title=sheet.title,
        artist=sheet.artist or "",
        software="milonga",
        comment="Made with generative models: " + ", ".join(sorted(generators)),
    )
    with atomic_path(path) as part:
        audio.write(part, song, tags=tags)
        embed_mix(part, sheet, mixing.chosen)
    if song_file is not None:
        song_file.write(song, tags, sheet, mixing.chosen)
    return Mix(
        path,
        song.seconds,
        audio.loudness_lufs(song),
        audio.true_peak_dbtp(song),
        {key: take.name for key, take in mixing.chosen.items()},
        tuple(mixing.notes),
        tuple(mixing.mixed),
        song_file.path if song_file else None,
    )


@dataclass
class _Mixing:
    arrangement: Arrangement
    played: list[list[PlayedTake]] = field(default_factory=list)
    mixed: list[MixedLayer] = field(default_factory=list)
    chosen: dict[str, Take] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.notes += self.arrangement.notes
        self.segments = {segment.number: segment for segment in self.arrangement.sheet.segments}
        self.whole = self.arrangement.whole

    def add(self, numbers: Sequence[int]) -> None:
        """Add neighbouring segments that are played as one."""
        layers = [found for found in self.arrangement.layers if found.segment.number in numbers]
        self._add_piece(numbers)
        played = [each for found in layers if (each := self._layer(found)) is not None]
        if played:
            self.played.append(played)

    def _layer(self, found: LayerTakes) -> PlayedTake | None:
        if not found.instead:
            self.notes.extend(f"{found.label}: {note}" for note in found.notes)
        segment = found.segment
        entry = MixedLayer(segment.number, segment.name, found.layer.role, best=found.best)
        if found.instead:
            self.mixed.append(replace(entry, left_out=found.instead, instead=True))
            return None
        if found.chosen is None:
            why, lost = _why_none(found)
            self._left_out(entry, found.label, why, lost)
            return None
        clip = self._clip(found.chosen, found.key, found.label, entry, found.by_name)
        if clip is None:
            return None
        sound = found.mix_input(found.chosen, clip)
        return PlayedTake((segment.number,), found.layer.role, found.chosen, sound)

    def _add_piece(self, numbers: Sequence[int]) -> None:
        piece = self.arrangement.pieces.get(numbers[0])
        if piece is None:
            return
        segments = [self.segments[number] for number in numbers]
        if self.arrangement.entire is not None:
            entry = MixedLayer(0, WHOLE, "song", best=self.whole.best)
            clip = self._clip(piece.take, WHOLE_KEY, self.whole.label, entry, piece.by_name)
        else:
            clip = self._pieces(segments, piece)
        if clip is None:
            return
        edges = [0, clip.n_samples]
        if not self.arrangement.entire:
            found = cut_take(clip, piece.take.receipt)[piece.index : piece.index + len(segments)]
            edges = [*(each.start for each in found), found[-1].end]
        gain_db = self.arrangement.sheet.whole_or_default.gain_db
        group = f"{piece.take.receipt.generator}/{WHOLE_KEY}"
        sound = MixInput(clip[edges[0] : edges[-1]], group, gain_db)
        cuts = tuple(edge - edges[0] for edge in edges[1:-1])
        played = PlayedTake(tuple(numbers), "song", piece.take, sound, edges[0], cuts)
        self.played.append([played])

    def _pieces(self, segments: Sequence[Segment], first: Piece) -> Clip | None:
        """Return the take of neighbouring segments' pieces, and tell of each of them."""
        clip = None
        for segment in segments:
            piece = self.arrangement.pieces[segment.number]
            entry = MixedLayer(segment.number, segment.name, WHOLE_KEY)
            label, key = f"segment {segment.number}", f"{segment.number}/{WHOLE_KEY}"
            clip = self._clip(piece.take, key, label, entry, piece.by_name)
        return clip

    def _clip(
        self, take: Take, key: str, label: str, entry: MixedLayer, by_name: bool
    ) -> Clip | None:
        """Read a take for the mix and tell of it, or why it is left out."""
        clip, why = _read(take)
        if clip is None:
            self._left_out(entry, label, why, True)
            return None
        findings = findings_text(take.receipt.findings)
        self.mixed.append(
            replace(
                entry,
                take=take.name,
                chosen=by_name,
                changes=take.changes,
                findings=findings,
                remarks=findings_text(take.receipt.doubts),
            )
        )
        self.chosen[key] = take
        if take.changes:
            words = stale_words(take.changes)
            self.notes.append(f"{label}: the chosen take {take.name} was {words}.")
        if findings:
            self.notes.append(f"{label}: the chosen take has findings: {findings}")
        return clip

    def _left_out(self, entry: MixedLayer, label: str, why: str, lost: bool) -> None:
        self.mixed.append(replace(entry, left_out=why, lost=lost))
        self.notes.append(f"{label}: left out of the mix, {why}.")

    def tell_of_the_whole(self) -> None:
        """Say what is to know of takes of the whole song, also where none is in the mix."""
        notes = list(self.whole.notes)
        usable = [take.name for take in self.whole.takes if take.usable]
        if usable and not self.arrangement.pieces:
            notes.append(
                f"{', '.join(usable)} not in the mix. To use one for the song: --choose "
                f"whole={usable[0]}; for segment N alone: --choose N=whole/{usable[0]}."
            )
        self.notes.extend(f"{self.whole.label}: {note}" for note in notes)


def _read(take: Take) -> tuple[Clip | None, str]:
    """Read a take; None and the reason, where it can't be used."""
    try:
        check_readable(take.path)
    except UnreadableError as error:
        return None, f"{take.path}: {error.message} {error.step}".rstrip(".")
    clip = intact_clip(take.receipt, take.path.parent)
    if clip is None:
        return None, f"{take.path} is not what its receipt says. To fix it, render again"
    return clip, ""


def _why_none(found: LayerTakes) -> tuple[str, bool]:
    """Say why a layer has no take for the mix, and if it has takes at all."""
    bad = "; ".join(findings_text(t.receipt.findings) for t in found.takes if not t.stale)
    why = "no take yet"
    if bad:
        why = f"no take without findings ({bad})"
    elif found.takes:
        why = "no take for the sheet as it is now"
    return why, bool(found.takes or found.damaged)
