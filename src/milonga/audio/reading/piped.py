"""What headers promise: those that a program wrote into a pipe, and files that are cut short.

Sources: RIFF and RF64 (EBU Tech 3306); FLAC (RFC 9639, 8.2 and 9.1); AIFF 1.3.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

_PLACEHOLDERS = (0x7F000000, 0x7FFFF000, 2_000_000_000)
"""Sizes that sox, espeak-ng and others write for want of the real one."""


class _Chunks(NamedTuple):
    """How a format keeps its chunks: bytes of the name and of the head, where they begin."""

    sound: bytes
    order: Literal["little", "big"] = "little"
    first: int = 12
    name: int = 4
    head: int = 8
    wide: bool = False


_WAV, _W64 = _Chunks(b"data"), _Chunks(b"data", first=40, name=16, head=24, wide=True)
_AIFF = _Chunks(b"SSND", "big")
_CHUNKS = {b"RIFF": _WAV, b"RF64": _WAV, b"BW64": _WAV, b"riff": _W64, b"FORM": _AIFF}
_AU: dict[bytes, Literal["little", "big"]] = {b".snd": "big", b"dns.": "little"}

_STREAMINFO_END = 42
_LONGEST_FRAME = 1 << 21
_BLOCK_SIZES = {1: 192, **{n: 576 << (n - 2) for n in range(2, 6)}} | {
    n: 256 << (n - 8) for n in range(8, 16)
}


class Patched(io.BufferedIOBase):
    """A file with some bytes replaced, as if it had been written so."""

    def __init__(self, path: Path, patches: dict[int, bytes]) -> None:
        super().__init__()
        self._file = open(path, "rb")  # noqa: SIM115
        self._patches = patches

    def close(self) -> None:
        self._file.close()
        super().close()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int | None = -1) -> bytes:
        start = self._file.tell()
        found = bytearray(self._file.read(size))
        for at, patch in self._patches.items():
            for index, byte in enumerate(patch, at - start):
                if 0 <= index < len(found):
                    found[index] = byte
        return bytes(found)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


def _is_placeholder(size: int) -> bool:
    """Tell whether a size in a header stands for "until the end"."""
    near = any(0 <= size - each <= 0x100 for each in _PLACEHOLDERS)
    return size == 0 or near or size >= 0x7FFFFF00


def mended_wav(path: Path) -> Path | Patched:
    """Fill in a size of 0 where sound follows; other placeholders libsndfile understands."""
    found = _promised(path)
    if found is None:
        return path
    rest = path.stat().st_size - found.start
    if rest <= 0 or found.length or _chunks_follow(path, found.start):
        return path
    if found.size_at:
        return Patched(path, {found.size_at: rest.to_bytes(8, "little")})
    return Patched(path, {found.start - 4: min(rest, 0xFFFFFFFE).to_bytes(4, "little")})


def missing_sound(path: Path) -> tuple[int, int] | None:
    """Return how many bytes of sound are there and how many the header promises, if more.

    libsndfile shortens the length silently, and its log ends before that after long tags.
    """
    found = _promised(path)
    if found is None:
        return None
    rest = path.stat().st_size - found.start
    unknown = found.length >> 62 if found.wide else _is_placeholder(found.length)
    return None if unknown or rest >= found.length else (rest, found.length)


@dataclass(frozen=True, slots=True)
class _Sound:
    start: int
    length: int
    wide: bool = False
    size_at: int = 0


def _promised(path: Path) -> _Sound | None:
    """Find the sound in a WAV, AIFF, W64 or AU file, and how long its header says it is."""
    size = path.stat().st_size
    with open(path, "rb") as handle:
        head = handle.read(12)
        if head[:4] in _AU:
            start, length = (int.from_bytes(head[n : n + 4], _AU[head[:4]]) for n in (4, 8))
            return _Sound(start, length)
        if head[:4] not in _CHUNKS:
            return None
        chunks = _CHUNKS[head[:4]]
        at, size_at, length_64 = chunks.first, 0, 0
        while at + chunks.head <= size:
            handle.seek(at)
            name = handle.read(chunks.name)[:4]
            if not any(name):  # Else a file of nothing but zeros takes minutes.
                return None
            length = int.from_bytes(handle.read(chunks.head - chunks.name), chunks.order)
            start = at + chunks.head
            if chunks.wide:  # Its size counts the head, too.
                length = max(0, length - chunks.head)
            if name == chunks.sound:
                wide = chunks.wide or bool(size_at)
                return _Sound(start, length_64 if size_at else length, wide, size_at)
            if name == b"ds64":
                size_at = start + 8
                handle.seek(size_at)
                length_64 = int.from_bytes(handle.read(8), "little")
            at = start + length + -length % (8 if chunks.wide else 2)
    return None


def _chunks_follow(path: Path, at: int) -> bool:
    """Tell whether chunks go on to the end of the file: then there is no sound between."""
    size = path.stat().st_size
    with open(path, "rb") as handle:
        while at + 8 <= size:
            handle.seek(at)
            head = handle.read(8)
            if not head[:4].isascii() or not head[:4].decode("ascii").isprintable():
                return False
            length = int.from_bytes(head[4:], "little")
            at += 8 + length + length % 2
    return at in (size, size + 1)


def mended_flac(path: Path) -> Path | Patched:
    """Fill in the number of samples where a FLAC has none: from its last frame."""
    with open(path, "rb") as handle:
        head = handle.read(_STREAMINFO_END)
        if len(head) < _STREAMINFO_END or head[21] & 0x0F or any(head[22:26]):
            return path
        size = handle.seek(0, os.SEEK_END)
        handle.seek(max(_STREAMINFO_END, size - _LONGEST_FRAME))
        tail = handle.read()
    samples = _last_sample(tail, int.from_bytes(head[8:10], "big"))
    if samples is None:
        return path
    return Patched(path, {21: bytes([head[21] & 0xF0 | samples >> 32]) + _big(samples)})


def _big(samples: int) -> bytes:
    return (samples & 0xFFFFFFFF).to_bytes(4, "big")


def _last_sample(tail: bytes, block: int) -> int | None:
    """Count the samples up to the end of the last frame; None where none is whole."""
    at = len(tail)
    while (at := tail.rfind(b"\xff", 0, at)) >= 0:
        frame = tail[at:]
        if frame[1:2] not in (b"\xf8", b"\xf9") or len(frame) < 9:
            continue
        code, kind = frame[2] >> 4, frame[2] & 0x0F
        # The number is coded like a character of UTF-8, of up to seven bytes.
        lead = frame[4]
        width = 1 if lead < 0x80 else 8 - (lead ^ 0xFF).bit_length()
        if not code or width == 0 or (width == 1 and lead >= 0x80):
            continue
        number = lead if width == 1 else lead & (0x7F >> width)
        for byte in frame[5 : 4 + width]:
            number = number << 6 | byte & 0x3F
        end = 4 + width
        length = _BLOCK_SIZES.get(code, 0)
        if code in (6, 7):
            length = int.from_bytes(frame[end : end + code - 5], "big") + 1
            end += code - 5
        end += {12: 1, 13: 2, 14: 2}.get(kind, 0)
        if len(frame) < end + 3 or _crc(frame[:end], 8, 0x07) != frame[end]:
            continue
        if _crc(frame, 16, 0x8005):
            continue
        return number + length if frame[1] == 0xF9 else number * block + length
    return None


def _crc(data: bytes, bits: int, polynomial: int) -> int:
    top, mask = 1 << (bits - 1), (1 << bits) - 1
    value = 0
    for byte in data:
        value ^= byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & mask
    return value
