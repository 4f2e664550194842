"""Headers of WAV and FLAC that a program wrote into a pipe, where it couldn't fill in the length.

Sources: RIFF and RF64 (EBU Tech 3306); FLAC (RFC 9639, 8.2 and 9.1).
"""

from __future__ import annotations

import io
import os
from pathlib import Path

_PLACEHOLDERS = (0x7F000000, 0x7FFFF000, 2_000_000_000)
"""Sizes that sox, espeak-ng and others write for want of the real one."""

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


def is_placeholder(size: int) -> bool:
    """Tell whether a size in a header stands for "until the end"."""
    near = any(0 <= size - each <= 0x100 for each in _PLACEHOLDERS)
    return size == 0 or near or size >= 0x7FFFFF00


def mended_wav(path: Path) -> Path | Patched:
    """Fill in a size of 0 where sound follows; other placeholders libsndfile understands."""
    size = path.stat().st_size
    long_sizes = 0
    with open(path, "rb") as handle:
        at = 12
        while at + 8 <= size:
            handle.seek(at)
            head = handle.read(8)
            name, length = head[:4], int.from_bytes(head[4:], "little")
            if name == b"ds64":
                long_sizes = at + 8
                handle.seek(long_sizes + 8)
                long_length = int.from_bytes(handle.read(8), "little")
            if name == b"data":
                break
            at += 8 + length + length % 2
        else:
            return path
        rest = size - at - 8
        if not rest or (long_length if long_sizes else length) or _chunks_follow(path, at + 8):
            return path
    if long_sizes:
        return Patched(path, {long_sizes + 8: rest.to_bytes(8, "little")})
    return Patched(path, {at + 4: min(rest, 0xFFFFFFFE).to_bytes(4, "little")})


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
