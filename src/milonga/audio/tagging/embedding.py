"""A long text in a sound file's own tags: the receipt that travels with the sound.

In WAV it is an ID3 tag in a chunk of its own, in MP3 a frame of its ID3 tag, in FLAC, Ogg Vorbis
and Opus a Vorbis comment. Programs that convert between these keep it; those that write plain WAV
or another format may drop it.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from milonga.audio.tagging.id3 import id3_texts, id3_with, new_id3
from milonga.audio.tagging.vorbis import comment, with_comment
from milonga.runtime.files import atomic_path

FIELD = "MILONGA_RECEIPT"
LONGEST = 4 << 20
"""Bytes of a text."""
_HEAD = 16 << 20
"""Bytes of a file in which its tags are looked for."""
_CHUNKS = (b"id3 ", b"ID3 ")
_MOST_CHUNKS = 4096
"""A WAV has a dozen; a damaged one may seem to have millions."""


def embed_text(path: str | os.PathLike[str], text: str) -> bool:
    """Put a text into the tags of a sound file; its samples stay as they are.

    Args:
        path: WAV, FLAC, OGG, Opus or MP3. A WAV is written on in place, which is for a file that
            is being made; others are replaced as a whole.
        text: up to ``LONGEST`` bytes.

    Returns:
        False where the file has no place for it, and is as it was.
    """
    path = Path(path)
    if len(text.encode()) > LONGEST:
        return False
    with open(path, "rb") as handle:
        start = handle.read(12)
    if start[:4] == b"RIFF" and start[8:] == b"WAVE":
        return _embed_in_wave(path, new_id3(FIELD, text))
    data = path.read_bytes()
    if start[:4] in (b"fLaC", b"OggS"):
        new = with_comment(data, FIELD, text)
    elif path.suffix.lower() == ".mp3":
        new = id3_with(data, FIELD, text)
    else:
        new = None
    if new is None:
        return False
    with atomic_path(path) as part:
        part.write_bytes(new)
    return True


def embedded_text(path: str | os.PathLike[str]) -> str | None:
    """Return the text in a sound file's tags; None where there is none, or no such file."""
    try:
        with open(path, "rb") as handle:
            start = handle.read(12)
            if start[:4] == b"RIFF" and start[8:] == b"WAVE":
                return _wave_text(handle.fileno())
            handle.seek(0)
            data = handle.read(_HEAD)
    except OSError:
        return None
    if data[:3] == b"ID3":
        return id3_texts(data).get(FIELD)
    return comment(data, FIELD)


def _embed_in_wave(path: Path, tag: bytes) -> bool:
    with open(path, "rb+") as handle:
        size = handle.seek(0, os.SEEK_END)
        padding = size % 2
        new = size + padding + 8 + len(tag) + len(tag) % 2
        if new - 8 > 0xFFFFFFFF or any(name in _CHUNKS for name, _, _ in _chunks(handle.fileno())):
            return False
        handle.write(b"\0" * padding + b"id3 " + struct.pack("<I", len(tag)) + tag)
        handle.write(b"\0" * (len(tag) % 2))
        handle.seek(4)
        handle.write(struct.pack("<I", new - 8))
    return True


def _wave_text(descriptor: int) -> str | None:
    for name, at, size in _chunks(descriptor):
        if name in _CHUNKS and size <= LONGEST + (1 << 16):
            found = id3_texts(_read(descriptor, at, size)).get(FIELD)
            if found is not None:
                return found
    return None


def _chunks(descriptor: int) -> list[tuple[bytes, int, int]]:
    """The chunks of a WAV: name, where its content lies, and its size."""
    found: list[tuple[bytes, int, int]] = []
    at = 12
    while len(head := _read(descriptor, at, 8)) == 8 and len(found) < _MOST_CHUNKS:
        (size,) = struct.unpack_from("<I", head, 4)
        found.append((head[:4], at + 8, size))
        at += 8 + size + size % 2
    return found


def _read(descriptor: int, at: int, size: int) -> bytes:
    with open(descriptor, "rb", closefd=False) as handle:
        handle.seek(at)
        return handle.read(size)
