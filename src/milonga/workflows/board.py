"""A rendered song as tracks in time: its segments, their layers, the takes of each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from milonga.errors import MilongaError
from milonga.generators.base import Edit
from milonga.songs.output.arrangement import Arrangement
from milonga.songs.output.folder import SONG, OutputFolder
from milonga.songs.output.found_takes import FoundTakes, LayerTakes
from milonga.songs.output.mix import starts
from milonga.songs.rendering.sources import edit_words, new_range
from milonga.songs.rendering.takes import Take


@dataclass(frozen=True, slots=True)
class BoardTake:
    """A take of a layer.

    Attributes:
        name: as in choices.
        path: of its audio file, from the output folder.
        generator: that made it.
        seed: that it was asked with.
        seconds: its length.
        made_at: when, in ISO 8601.
        state: ``current``, or ``stale`` where the sheet asks for something else now.
        changes: what a stale take was not made for.
        findings: of the take checks, each with its code and a sentence.
        remarks: what they name because it may be meant or not, as findings.
        in_mix: the mix uses it.
        by_name: it was chosen by name.
        edit: what an edit does, as in "repaint 12 to 15.5 s"; empty for other takes.
        source: what an edit was made from.
        new: the range that an edit made anew, in seconds of the take.
    """

    name: str
    path: str
    generator: str
    seed: int
    seconds: float
    made_at: str
    state: Literal["current", "stale"]
    changes: tuple[str, ...]
    findings: tuple[tuple[str, str], ...]
    in_mix: bool = False
    by_name: bool = False
    edit: str = ""
    source: str = ""
    new: tuple[float, float] | None = None
    remarks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class BoardLayer:
    """A layer of a segment, or of the whole song, with its takes.

    Attributes:
        key: its name in choices: ``18/vocals``, ``whole``, ``18/whole``.
        role: its role; ``whole`` for takes of the whole song and their pieces.
        generators: the sheet's.
        takes: in the order of preference.
        gain_db: in the mix.
        instead: what plays instead of it; empty where nothing does.
        notes: what the user should know.
    """

    key: str
    role: str
    generators: tuple[str, ...]
    takes: tuple[BoardTake, ...]
    gain_db: float = 0.0
    instead: str = ""
    notes: tuple[str, ...] = ()

    @property
    def playing(self) -> BoardTake | None:
        """The take in the mix."""
        return next((take for take in self.takes if take.in_mix), None)


@dataclass(frozen=True, slots=True)
class BoardSegment:
    """A segment of the song.

    Attributes:
        number: as in the sheet.
        name: as in the sheet.
        section: as in the sheet.
        start: where it begins in the mix, in seconds; of one that isn't in it, where it would.
        seconds: how long it lasts there; 0 of one that isn't in it.
        layers: in order; last its pieces of takes of the whole song, where there are such.
        lyrics: its words.
        baseline: the recording that it is compared with; None without one.
        baseline_s: how long that is; None where it can't be read.
        in_mix: something plays it. While nothing plays any segment, all stand as the sheet plans.
    """

    number: int
    name: str
    section: str
    start: float
    seconds: float
    layers: tuple[BoardLayer, ...]
    lyrics: str = ""
    baseline: Path | None = None
    baseline_s: float | None = None
    in_mix: bool = True


@dataclass(frozen=True, slots=True)
class SongBoard:
    """A rendered song as tracks in time.

    Attributes:
        out: the output folder.
        title: of the song.
        artist: of the song.
        seconds: its length.
        segments: in order.
        whole: takes of the whole song; None where there are none.
        song: the mix, from the output folder; None where there is none yet.
        song_s: how long that file is; unlike ``seconds`` where it was mixed from other takes.
        notes: what the user should know.
    """

    out: Path
    title: str
    artist: str
    seconds: float
    segments: tuple[BoardSegment, ...]
    whole: BoardLayer | None = None
    song: str | None = None
    notes: tuple[str, ...] = ()
    song_s: float | None = None

    @property
    def roles(self) -> tuple[str, ...]:
        """The tracks: every role that a segment has, in the order of their first use."""
        return tuple(dict.fromkeys(one.role for each in self.segments for one in each.layers))

    @property
    def take_count(self) -> int:
        """The number of takes, those of the whole song counted once."""
        layers = [one for each in self.segments for one in each.layers if one.role != "whole"]
        whole = len(self.whole.takes) if self.whole else 0
        return sum(len(layer.takes) for layer in layers) + whole

    def to_dict(self) -> dict[str, Any]:
        """Return the board as plain values."""
        values = asdict(self)
        values["out"] = str(self.out)
        for segment in values["segments"]:
            segment["baseline"] = segment["baseline"] and str(segment["baseline"])
        return values


def song_board(out: str | os.PathLike[str]) -> SongBoard:
    """Lay out a rendered song as tracks in time; of audio only heads are read: the mix, baselines.

    A segment without a take in the mix takes no time, as in ``song.wav``.

    Args:
        out: the folder of the rendered song.

    Raises:
        MilongaError: the folder holds no rendered song.
    """
    folder = OutputFolder.load(out)
    found = folder.arranged()
    played = [_length(found, segment.number) for segment in folder.sheet.segments]
    planned = [segment.seconds for segment in folder.sheet.segments]
    silent = not any(played)
    lengths = planned if silent else [seconds or 0.0 for seconds in played]
    places = starts(lengths)
    segments = []
    for index, segment in enumerate(folder.sheet.segments):
        own = [_layer(each, folder) for each in found.layers if each.segment is segment]
        if found.whole.takes:
            piece = found.pieces.get(segment.number)
            own.append(
                BoardLayer(
                    f"{segment.number}/whole",
                    "whole",
                    folder.sheet.whole_or_default.generators,
                    _takes(
                        found.whole,
                        folder,
                        piece.take if piece else None,
                        piece is not None and piece.by_name,
                    ),
                )
            )
        baseline = folder.sheet.baseline_path(segment)
        baseline = baseline if baseline is not None and baseline.is_file() else None
        segments.append(
            BoardSegment(
                segment.number,
                segment.name,
                segment.section,
                places[index],
                lengths[index],
                tuple(own),
                segment.lyrics or "",
                baseline,
                None if baseline is None else _seconds_of(baseline),
                silent or played[index] is not None,
            )
        )
    end = places[-1] + lengths[-1]
    return SongBoard(
        folder.out,
        folder.sheet.title,
        folder.sheet.artist or "",
        end,
        tuple(segments),
        _whole(found, folder) if found.whole.takes else None,
        SONG if (folder.out / SONG).is_file() else None,
        tuple(found.notes),
        _seconds_of(folder.out / SONG),
    )


def take_waves(
    out: str | os.PathLike[str], paths: Sequence[str | os.PathLike[str]], columns: int = 400
) -> list[dict[str, Any]]:
    """Measure recordings for a page: their waveform as columns and their loudness.

    Args:
        out: the folder that the paths start from.
        paths: of the recordings.
        columns: at most so many.

    Returns:
        Of each: ``peaks`` (largest magnitude of any channel in each column, 0 to 1), ``seconds``,
        and ``lufs`` (None where it is undefined).

    Raises:
        AudioError: one can't be read.
    """
    return [_wave(Path(out) / path, columns) for path in paths]


def _wave(path: Path, columns: int) -> dict[str, Any]:
    import numpy as np

    from milonga import audio

    clip = audio.read(path)
    edges = (np.arange(columns) * clip.n_samples) // columns
    edges = np.unique(edges) if clip.n_samples else np.zeros(0, dtype=int)
    peaks = np.zeros(len(edges), dtype=np.float32)
    for channel in clip.samples if len(edges) else ():
        peaks = np.maximum(peaks, np.maximum.reduceat(np.abs(channel), edges))
    lufs = audio.loudness_lufs(clip)
    return {
        "peaks": [round(float(peak), 3) for peak in np.minimum(peaks, 1.0)],
        "seconds": clip.seconds,
        "lufs": None if lufs is None else round(lufs, 2),
    }


def _length(found: Arrangement, number: int) -> float | None:
    """Return how long a segment is in the mix: as its longest take; None where it isn't in it."""
    piece = found.pieces.get(number)
    if piece is not None:
        parts = piece.take.receipt.answers.parts
        total = sum(part.seconds for part in parts)
        share = parts[piece.index].seconds / total if total else 1.0
        return float(piece.take.receipt.sound.seconds * share)
    played = [
        each.chosen.receipt.sound.seconds
        for each in found.layers
        if each.segment.number == number and each.chosen is not None
    ]
    return max(played, default=None)


def _seconds_of(recording: Path) -> float | None:
    from milonga import audio

    try:
        return audio.probe(recording).seconds
    except MilongaError:
        return None


def _layer(found: LayerTakes, folder: OutputFolder) -> BoardLayer:
    return BoardLayer(
        found.key,
        found.layer.role,
        found.layer.generators,
        _takes(found, folder, found.chosen, found.by_name),
        found.layer.gain_db,
        found.instead,
        found.notes,
    )


def _whole(found: Arrangement, folder: OutputFolder) -> BoardLayer:
    wanted = folder.sheet.whole_or_default
    chosen = found.whole.chosen
    return BoardLayer(
        found.whole.key,
        "whole",
        wanted.generators,
        _takes(found.whole, folder, chosen, found.whole.by_name),
        wanted.gain_db,
        notes=found.whole.notes,
    )


def _takes(
    found: FoundTakes, folder: OutputFolder, chosen: Take | None, by_name: bool
) -> tuple[BoardTake, ...]:
    sources = {take.receipt.sound.sha256: take.name for take in found.takes}
    return tuple(
        _take(take, folder, take is chosen, by_name and take is chosen, sources)
        for take in found.takes
    )


def _take(
    take: Take, folder: OutputFolder, in_mix: bool, by_name: bool, sources: Mapping[str, str]
) -> BoardTake:
    receipt, edit = take.receipt, take.edit
    return BoardTake(
        take.name,
        take.path.relative_to(folder.out).as_posix(),
        receipt.generator,
        receipt.seed,
        receipt.sound.seconds,
        receipt.started.isoformat(),
        "stale" if take.stale else "current",
        take.changes,
        tuple((finding.code, finding.message) for finding in receipt.findings),
        in_mix,
        by_name,
        edit_words(edit) if edit else "",
        _source(edit, sources) if edit else "",
        new_range(edit, receipt.sound.seconds) if edit else None,
        tuple((remark.code, remark.message) for remark in receipt.remarks),
    )


def _source(edit: Edit, sources: Mapping[str, str]) -> str:
    return sources.get(edit.source) or Path(edit.source_file).stem
