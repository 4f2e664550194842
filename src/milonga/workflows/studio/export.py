"""A song out into the studio: stems, notes, timed lyrics, projects of workstations."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from milonga import audio
from milonga._version import __version__
from milonga.analysis.words.lrc import write_lrc, write_srt
from milonga.audio.clip import Clip
from milonga.errors import MilongaError, OutputError, UnknownNameError
from milonga.runtime import html
from milonga.runtime.files import (
    atomic_path,
    check_writable,
    dump_json,
    write_bytes,
    write_text,
)
from milonga.runtime.progress import Progress
from milonga.songs.export.c2pa_manifest import sign
from milonga.songs.export.dawproject import write_dawproject
from milonga.songs.export.midi import midi_bytes
from milonga.songs.export.project import Project, make_project
from milonga.songs.export.reaper import reaper_text
from milonga.songs.export.score import SongScore, song_score, timed
from milonga.songs.export.stems import (
    SongMix,
    headroom_db,
    instrument_stems,
    role_stems,
    song_mix,
)
from milonga.songs.output.folder import SONG, OutputFolder
from milonga.songs.output.mix import CEILING_DBTP
from milonga.songs.output.mixing import played_takes
from milonga.songs.rendering.takes import slug
from milonga.workflows.studio.music import TakeMusic

StrPath = str | os.PathLike[str]
EXPORTS: dict[str, str] = {
    "stems": "One file a role and one an instrument group, 24 bit, which sum to the mix.",
    "midi": "The notes, with tempo map, markers and lyrics.",
    "lrc": "Lyrics with the times of lines, and of words.",
    "srt": "Lyrics as subtitles.",
    "reaper": "A project of Reaper, with the stems.",
    "dawproject": "A DAWproject for Bitwig Studio, Studio One, Cubase and others.",
    "c2pa": "song.wav with a signed C2PA manifest of how it was made; only where it is named.",
}
"""What a song can be exported as, in the order in which it is written."""
_ONLY_NAMED = ("c2pa",)
_LIST = "export.json"


@dataclass(frozen=True, slots=True)
class ExportedSong:
    """The files of an export.

    Attributes:
        folder: that holds them.
        files: relative to it, in the order in which they were written.
        score: notes, words, bars.
        notes: what the user should know.
    """

    folder: Path
    files: tuple[str, ...]
    score: SongScore
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """One line on what there is."""
        score = self.score
        count = sum(len(part.notes) for part in score.parts)
        return (
            f"{len(self.files)} files in {self.folder}: {score.seconds:.1f} s, "
            f"{len(score.places)} segments, {count} notes, {len(score.lines)} lines of lyrics"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the export as plain values."""
        return {
            "folder": str(self.folder),
            "files": list(self.files),
            "seconds": self.score.seconds,
            "segments": [place.label for place in self.score.places],
            "parts": {part.name: len(part.notes) for part in self.score.parts},
            "lines": [line.to_dict() for line in self.score.lines],
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        return html.paragraphs([self.summary, *self.files, *self.notes])


def export_song(
    out: StrPath,
    folder: StrPath,
    *,
    what: str | Iterable[str] = (),
    force: bool = False,
    progress: Progress | None = None,
) -> ExportedSong:
    """Write a rendered song for other programs.

    Notes and words are exact where the guide wrote them; words of other takes are timed by a
    recogniser, where one is on this machine.

    Args:
        out: the folder of the rendered song.
        folder: for the files; it need not exist.
        what: of ``EXPORTS``; empty for all but ``c2pa``. Projects come with the stems that they
            show.
        force: replace files that are there.
        progress: shows the work, and stops it.

    Raises:
        UnknownNameError: there is no such export.
        MilongaError: the folder holds no rendered song, or nothing to play.
        OutputError: a file is there, or the folder can't be written.
        Cancelled: the user stopped it.
    """
    names = (what,) if isinstance(what, str) else tuple(what)
    for name in names:
        if name not in EXPORTS:
            raise UnknownNameError("export", name, EXPORTS)
    wanted = [name for name in EXPORTS if name in (names or {*EXPORTS} - {*_ONLY_NAMED})]
    rendered, target = OutputFolder.load(out), Path(folder)
    base = slug(rendered.sheet.title)
    if not force:
        _check_free(target, base, wanted)
    check_writable(target)
    progress = progress or Progress()
    mix = song_mix(played_takes(rendered.arranged()))
    if not mix.segments:
        raise MilongaError(
            "There is nothing to export: no take plays.",
            where=out,
            step="Render the song, or choose takes: milonga takes lists them.",
        )
    music = TakeMusic(rendered.sheet, progress)
    heard: dict[str, Clip] = {}
    if {"stems", "reaper", "dawproject"} & {*wanted}:
        heard = instrument_stems(mix, music.groups)
    score = song_score(rendered.sheet, mix, music.notation)
    writer = _Writer(rendered.out / SONG, target, base, score, mix, heard, music)
    writer.notes += filter(None, [rendered.sheet_note()])
    with progress.task("Exporting", len(wanted), "files") as task:
        for name in wanted:
            progress.check()
            writer.write(name)
            task.advance()
    return writer.finish(wanted)


def _check_free(target: Path, base: str, wanted: Iterable[str]) -> None:
    endings = {
        "stems": (), "midi": (".mid",), "lrc": (".lrc", ".words.lrc"), "srt": (".srt",),
        "reaper": (".rpp",), "dawproject": (".dawproject",), "c2pa": (".c2pa.wav",),
    }  # fmt: skip
    names = [base + ending for name in wanted for ending in endings[name]]
    for name in (*names, "stems", _LIST):
        if (target / name).exists():
            raise OutputError(
                "It is already there.",
                where=target / name,
                step="Choose another folder, or add --force to replace it.",
            )


@dataclass
class _Writer:
    song: Path
    target: Path
    base: str
    score: SongScore
    mix: SongMix
    stems: dict[str, Clip]
    """Those that projects show, by name."""
    music: TakeMusic
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    gains: dict[str, Any] = field(default_factory=dict)

    def write(self, name: str) -> None:
        """Write one of ``EXPORTS``."""
        writers: dict[str, Callable[[], None]] = {
            "stems": self._stems,
            "midi": self._midi,
            "lrc": self._lrc,
            "srt": self._srt,
            "reaper": self._reaper,
            "dawproject": self._dawproject,
            "c2pa": self._c2pa,
        }
        writers[name]()

    def finish(self, wanted: Iterable[str]) -> ExportedSong:
        """Write what the export holds, and how loud, and return it."""
        score = self.score
        notes = [*dict.fromkeys([*self.music.notes, *self.notes])]
        document = {
            "kind": "milonga-song-export",
            "format_version": 1,
            "milonga_version": __version__,
            "title": score.title,
            "artist": score.artist or None,
            "exports": list(wanted),
            "seconds": score.seconds,
            "segments": [
                {
                    "number": place.number, "name": place.name, "start_s": place.start_s,
                    "end_s": place.end_s, "tempo": place.tempo, "time": place.metre.name,
                    "key": place.key, "bar": round(bar, 3),
                }
                for place, bar in zip(score.places, self._bars(), strict=True)
            ],
            "takes": self._takes(),
            "stems": self.gains or None,
            "lines": [line.to_dict() for line in score.lines],
            "estimated": [part.name for part in score.parts if part.estimated],
            "files": self.files,
            "notes": notes,
        }  # fmt: skip
        write_text(self.target / _LIST, dump_json(document))
        return ExportedSong(self.target, (*self.files, _LIST), score, tuple(notes))

    def _bars(self) -> list[float]:
        """The bar in which each segment begins, counted from 1 as workstations do."""
        tempo = self.score.tempo
        found = []
        for place in self.score.places:
            point = [p for p in tempo.points if p.at_s <= place.start_s + 1e-6][-1]
            quarters = tempo.quarters(place.start_s) - point.quarters
            found.append(1 + point.bar + quarters * point.denominator / 4 / point.numerator)
        return found

    def _takes(self) -> list[dict[str, Any]]:
        rate = self.mix.joined.sample_rate
        return [
            {
                "segments": list(take.numbers),
                "role": take.role,
                "take": take.take.name,
                "generator": take.take.receipt.generator,
                "gain_db": round(gain, 4),
                "start_s": start / rate,
                "licences": [licence.name for licence in take.take.receipt.model.licences],
            }
            for segment, gains, start in zip(
                self.mix.segments, self.mix.gains_db, self.mix.starts, strict=True
            )
            for take, gain in zip(segment, gains, strict=True)
        ]

    def _stems(self) -> None:
        if self.gains:
            return
        by_role = role_stems(self.mix)
        gain_db = headroom_db(by_role | self.stems)
        written = []
        for folder, stems in (("roles", by_role), ("instruments", self.stems)):
            for name, stem in stems.items():
                path = f"stems/{folder}/{slug(name)}.wav"
                self._write_stem(path, name, stem.scaled(10 ** (gain_db / 20)))
                written.append({"file": path, "kind": folder[:-1], "name": name})
                if folder == "instruments":
                    self.paths[name] = path
        self.gains = {
            "files": written,
            "bits": 24,
            "sample_rate": self.mix.joined.sample_rate,
            "gain_db": gain_db,
            "to_song_db": self.mix.gain_db - gain_db,
            "ceiling_dbtp": CEILING_DBTP,
            "explanation": "Files of one kind sum to the mix with gain_db. Raised by to_song_db "
            "they are what song.wav's limiter got, which holds true peaks under ceiling_dbtp.",
        }

    def _write_stem(self, path: str, name: str, stem: Clip) -> None:
        tags = audio.Tags(title=f"{self.score.title}: {name}", artist=self.score.artist)
        audio.write(self.target / path, stem, subtype="PCM_24", tags=tags)
        self.files.append(path)

    def _midi(self) -> None:
        if not self.score.parts:
            self.notes.append(
                "The MIDI file has tempo and markers, but no notes: no take's are known."
            )
        self._write_bytes(".mid", midi_bytes(self.score))

    def _lrc(self) -> None:
        if self._words():
            lines, score = timed(self.score.lines), self.score
            heard = ", ".join(score.sources)
            note = f"milonga, times heard by {heard}" if heard else "milonga, exact times"
            for ending, words in ((".lrc", False), (".words.lrc", True)):
                text = write_lrc(
                    lines, title=score.title, artist=score.artist, note=note, words=words
                )
                self._write_bytes(ending, text.encode())

    def _srt(self) -> None:
        if self._words():
            self._write_bytes(".srt", write_srt(timed(self.score.lines)).encode())

    def _words(self) -> bool:
        if not self.score.lines:
            self.notes.append("No timed lyrics were written: no words with known times are sung.")
        return bool(self.score.lines)

    def _reaper(self) -> None:
        self._write_bytes(".rpp", reaper_text(self._project()).encode())

    def _dawproject(self) -> None:
        project = self._project()
        files: Mapping[str, Path] = {
            track.file: self.target / track.file for track in project.tracks
        }
        with atomic_path(self.target / f"{self.base}.dawproject") as part:
            write_dawproject(part, project, files)
        self.files.append(f"{self.base}.dawproject")

    def _c2pa(self) -> None:
        if not self.song.exists():
            raise MilongaError(
                "There is no mix to sign.", where=self.song, step="Make it: milonga mix OUT"
            )
        takes = self._takes()
        sign(
            self.song, self.target / f"{self.base}.c2pa.wav", title=self.score.title,
            trained=any(take["generator"] != "guide" for take in takes),
            facts={"milonga_version": __version__, "takes": takes},
        )  # fmt: skip
        self.files.append(f"{self.base}.c2pa.wav")
        self.notes.append(
            "The manifest is signed with a key of this machine: readers call its signer untrusted."
        )

    def _project(self) -> Project:
        self._stems()
        return make_project(self.score, self.stems, self.paths, -self.gains["gain_db"])

    def _write_bytes(self, ending: str, data: bytes) -> None:
        write_bytes(self.target / (self.base + ending), data)
        self.files.append(self.base + ending)
