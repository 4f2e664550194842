"""A song as a workstation shows it: tracks with pieces of stems, and tracks with notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from milonga.audio.clip import Clip
from milonga.songs.export.score import SongScore
from milonga.songs.export.stems import sounding


@dataclass(frozen=True, slots=True)
class AudioPiece:
    """A piece of a stem, at its own place in the song: the stem starts with the song."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """A track with the pieces of one stem that sound.

    ``file`` is its path relative to the project, with slashes; ``gain_db`` that of its fader.
    """

    name: str
    file: str
    n_samples: int
    sample_rate: int
    channels: int
    pieces: tuple[AudioPiece, ...]
    gain_db: float = 0.0

    @property
    def seconds(self) -> float:
        """The length of the file."""
        return self.n_samples / self.sample_rate


@dataclass(frozen=True, slots=True)
class Project:
    """What a workstation opens."""

    score: SongScore
    tracks: tuple[AudioTrack, ...]
    sample_rate: int


def make_project(
    score: SongScore, stems: Mapping[str, Clip], files: Mapping[str, str], gain_db: float
) -> Project:
    """Make a project from stems, each cut where a segment begins; silent pieces are left out.

    Args:
        score: of the song.
        stems: by name.
        files: their paths relative to the project, by the same names.
        gain_db: of every fader: what brings the files to the level of the mix.
    """
    rate = next(iter(stems.values())).sample_rate if stems else 44_100
    starts = [place.start_s for place in score.places]
    edges = [0.0, *starts[1:], score.seconds]
    names = [place.label for place in score.places]
    tracks = []
    for name, stem in stems.items():
        heard = sounding(stem, [round(edge * rate) for edge in edges])
        pieces = tuple(
            AudioPiece(label, start, end)
            for label, (start, end), here in zip(names, pairwise(edges), heard, strict=True)
            if here
        )
        tracks.append(
            AudioTrack(name, files[name], stem.n_samples, rate, stem.channels, pieces, gain_db)
        )
    return Project(score, tuple(tracks), rate)
