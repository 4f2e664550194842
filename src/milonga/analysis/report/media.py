"""The files beside the page: named by their content, so that the old page holds until the new
one is in place, and a file that isn't ours is recognised."""

from __future__ import annotations

import hashlib
import math
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from milonga import audio
from milonga.audio.files import Info
from milonga.audio.reading.opening import on_disk
from milonga.errors import OutputError
from milonga.runtime.files import atomic_path, output_error, part_folder, sweep_parts

AUDIO, PICTURES = "audio", "pictures"

_PLAYED: dict[str, tuple[str, tuple[str, ...]]] = {
    "WAV": (".wav", ("PCM_U8", "PCM_16", "PCM_24")),
    "WAVEX": (".wav", ("PCM_U8", "PCM_16", "PCM_24")),
    "FLAC": (".flac", ("PCM_S8", "PCM_16", "PCM_24")),
    "MP3": (".mp3", ("MPEG_LAYER_III",)),
}
"""Formats that Chromium, Firefox and Safari all play, and the suffix they expect. Float WAV, AIFF
and Ogg each fail in one of them."""

_PLAYED_RATES = range(8_000, 192_001)
_SAFE_RATE = 48_000
_DIGEST = re.compile(r"\.([0-9a-f]{16})\.[a-z0-9]+$")


@dataclass(frozen=True, slots=True)
class Playable:
    """A recording that browsers play.

    Attributes:
        url: relative to the page, percent-encoded.
        gain_db: its level against the original; below 0 where full scale forced it.
        note: what was changed for playing, for the reader; empty where nothing was.
    """

    url: str
    gain_db: float = 0.0
    note: str = ""


class Folder:
    """The report's folder while it is written; remembers what the new page uses.

    Args:
        path: the folder of ``index.html``.
        tree: recordings under this folder are linked where they are; others are copied.
            None copies all.
    """

    def __init__(self, path: Path, tree: Path | None) -> None:
        self.path = path.resolve()
        self._tree = None if tree is None else tree.resolve()
        self._used: set[str] = set()
        self._made: dict[Path, Playable] = {}

    def playable(self, source: Path) -> Playable:
        """Make a recording reachable from the page: linked, copied, or converted to FLAC.

        Raises:
            AudioError: it can't be read.
            OutputError: the folder can't be written.
        """
        source = on_disk(source).resolve()
        if source not in self._made:
            self._made[source] = self._make(source)
        return self._made[source]

    def _make(self, source: Path) -> Playable:
        info = audio.probe(source)
        suffix, subtypes = _PLAYED.get(info.format, ("", ()))
        plays = (
            info.subtype in subtypes
            and suffix == source.suffix.lower()
            and info.sample_rate in _PLAYED_RATES
            and info.channels <= 2
        )
        if not plays:
            return self._convert(source, info)
        if self._tree is not None and source.is_relative_to(self._tree):
            return Playable(quote(Path(os.path.relpath(source, self.path)).as_posix()))
        name = f"{_stem(source)}.{_file_digest(source)}{suffix}"
        with atomic_path(self.path / AUDIO / name) as temporary:
            shutil.copyfile(source, temporary)
        return Playable(self._use(AUDIO, name))

    def _convert(self, source: Path, info: Info) -> Playable:
        clip = audio.read(source)
        kind = f"{info.format} {info.subtype}".strip()
        changes = [f"{kind} became FLAC, which every browser plays"]
        if clip.channels > 2:
            clip = clip.with_channels(2)
            changes.append(f"{info.channels} channels became 2")
        if clip.sample_rate not in _PLAYED_RATES:
            clip = audio.resample(clip, _SAFE_RATE)
            changes.append(f"{info.sample_rate:,} Hz became {_SAFE_RATE:,} Hz")
        gain_db = 0.0
        if clip.peak > 1.0:
            gain_db = -20 * math.log10(clip.peak / 0.999)
            changes.append(f"lowered by {-gain_db:.1f} dB, since its peaks exceed full scale")
            clip = clip.scaled(10 ** (gain_db / 20))
        # The name needs the digest, which needs the file: written first, named after.
        with part_folder(self.path / AUDIO) as folder:
            draft = folder / "draft.flac"
            audio.write(draft, clip)
            name = f"{_stem(source)}.{_file_digest(draft)}.flac"
            os.replace(draft, self.path / AUDIO / name)
        return Playable(self._use(AUDIO, name), gain_db, "; ".join(changes) + ".")

    def picture(self, stem: str, data: bytes) -> str:
        """Write a PNG; return its relative URL."""
        name = f"{stem}.{hashlib.sha256(data).hexdigest()[:16]}.png"
        with atomic_path(self.path / PICTURES / name) as temporary:
            temporary.write_bytes(data)
        return self._use(PICTURES, name)

    def _use(self, folder: str, name: str) -> str:
        self._used.add(f"{folder}/{name}")
        return quote(f"{folder}/{name}")

    def sweep(self) -> None:
        """Remove what earlier reports left: files whose name carries their content's digest.

        Any other file stays, whatever its name.
        """
        for folder in (AUDIO, PICTURES):
            here = self.path / folder
            if here.is_symlink() or not here.is_dir():
                continue
            sweep_parts(here)
            for file in self._stale(folder, here.iterdir()):
                file.unlink(missing_ok=True)
            if not any(here.iterdir()):
                here.rmdir()

    def _stale(self, folder: str, files: Iterable[Path]) -> list[Path]:
        stale = []
        for file in files:
            named = _DIGEST.search(file.name)
            if named is None or f"{folder}/{file.name}" in self._used:
                continue
            if file.is_file() and not file.is_symlink() and _file_digest(file) == named[1]:
                stale.append(file)
        return stale


def check_page_is_ours(page: Path, mark: str) -> None:
    """Refuse to replace a page that something else wrote.

    Raises:
        OutputError: ``page`` exists and its first 4 KB don't hold ``mark``.
    """
    try:
        with open(page, "rb") as handle:
            head = handle.read(4096)
    except FileNotFoundError:
        return
    except OSError as error:
        raise output_error(error, page) from error
    if mark.encode() not in head:
        raise OutputError(
            "Another page is in the way; milonga replaces only its own reports.",
            where=page,
            step="Choose another folder for the report, or move this file.",
        )


def _stem(source: Path) -> str:
    words = re.sub(r"[^\w-]+", "-", source.stem).strip("-_")
    # Half of the 255 bytes that file systems allow, for the digest and URL-unfriendly letters.
    return words.encode()[:80].decode(errors="ignore") or "recording"


def _file_digest(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:16]
