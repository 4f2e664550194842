"""A comment of our own among the Vorbis comments of FLAC, Ogg Vorbis and Opus files.

libsndfile writes a fixed set of fields. Here another is added by writing the header anew:
the block of FLAC (RFC 9639, 8.6), the second packet of Ogg (RFC 3533; Vorbis I, 5; RFC 7845, 5.2).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_FLAC, _OGG = b"fLaC", b"OggS"
_COMMENTS = 4
"""Type of FLAC's block of comments."""
_HEADS = {b"\x03vorbis": 3, b"OpusTags": 2}
"""How the packet of comments begins, and the number of header packets."""
_MOST = 1 << 24
_FAULTS = (struct.error, IndexError, ValueError, StopIteration)
"""What reading a damaged header comes to."""
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def with_comment(data: bytes, field: str, text: str) -> bytes | None:
    """Return a file with a comment more, in place of one of the same field; None where it has no
    place for it."""
    try:
        if data.startswith(_FLAC):
            return _flac_with(data, field, text)
        return _ogg_with(data, field, text) if data.startswith(_OGG) else None
    except _FAULTS:
        return None


def comment(data: bytes, field: str) -> str | None:
    """Return a comment of a file; None where there is none.

    Args:
        data: the file, or as much of its beginning as holds the header.
        field: of the comment, upper case.
    """
    try:
        if data.startswith(_FLAC):
            block = next((body for kind, body in _blocks(data)[0] if kind == _COMMENTS), None)
            return None if block is None else _fields(block).get(field)
        if data.startswith(_OGG):
            packets = _header(data)[0]
            head = next(head for head in _HEADS if packets[1].startswith(head))
            return _fields(packets[1][len(head) :]).get(field)
    except _FAULTS:
        pass
    return None


def _blocks(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """FLAC's blocks, and where the frames begin."""
    found, at, last = [], len(_FLAC), False
    while not last:
        (head,) = struct.unpack_from(">I", data, at)
        last, kind, size = bool(head >> 31), head >> 24 & 0x7F, head & 0xFFFFFF
        body = data[at + 4 : at + 4 + size]
        if len(body) < size:
            raise ValueError("cut short")
        found.append((kind, body))
        at += 4 + size
    return found, at


def _flac_with(data: bytes, field: str, text: str) -> bytes | None:
    blocks, frames = _blocks(data)
    old = next((body for kind, body in blocks if kind == _COMMENTS), b"\0" * 8)
    new = _with(old, field, text)
    if len(new) >= _MOST:
        return None
    # The stream's own block stays first.
    kept = [blocks[0], (_COMMENTS, new), *(b for b in blocks[1:] if b[0] != _COMMENTS)]
    out = [_FLAC]
    for place, (kind, body) in enumerate(kept):
        last = (place == len(kept) - 1) << 31
        out.append(struct.pack(">I", last | kind << 24 | len(body)) + body)
    return b"".join((*out, data[frames:]))


def _fields(block: bytes) -> dict[str, str]:
    return dict(_pairs(block)[1])


def _pairs(block: bytes) -> tuple[bytes, list[tuple[str, str]], bytes]:
    """The vendor, the comments, and what follows them."""
    (size,) = struct.unpack_from("<I", block)
    vendor, at = block[4 : 4 + size], 4 + size
    (count,) = struct.unpack_from("<I", block, at)
    at += 4
    found = []
    for _ in range(count):
        (size,) = struct.unpack_from("<I", block, at)
        name, _, text = block[at + 4 : at + 4 + size].decode(errors="replace").partition("=")
        found.append((name.upper(), text))
        at += 4 + size
    return vendor, found, block[at:]


def _with(block: bytes, field: str, text: str) -> bytes:
    vendor, found, rest = _pairs(block)
    kept = [(name, value) for name, value in found if name != field]
    out = struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(kept) + 1)
    for name, value in (*kept, (field, text)):
        raw = f"{name}={value}".encode()
        out += struct.pack("<I", len(raw)) + raw
    return out + rest


@dataclass(frozen=True, slots=True)
class _Page:
    """A page of Ogg: its head without segments and checksum, their sizes, its content."""

    flags: int
    position: int
    serial: int
    sizes: bytes
    body: bytes

    def written(self, number: int) -> bytes:
        head = _OGG + struct.pack(
            "<BBqIIIB", 0, self.flags, self.position, self.serial, number, 0, len(self.sizes)
        )
        page = head + self.sizes + self.body
        return page[:22] + struct.pack("<I", _checksum(page)) + page[26:]


def _pages(data: bytes) -> Iterator[tuple[_Page, int]]:
    """The pages, each with where the next begins."""
    at = 0
    while at < len(data):
        if data[at : at + 4] != _OGG:
            raise ValueError("no page")
        _, flags, position, serial, _, _, count = struct.unpack_from("<BBqIIIB", data, at + 4)
        sizes = data[at + 27 : at + 27 + count]
        start = at + 27 + count
        at = start + sum(sizes)
        if at > len(data):
            raise ValueError("cut short")
        yield _Page(flags, position, serial, sizes, data[start:at]), at


def _header(data: bytes) -> tuple[list[bytes], int, int]:
    """The packets of the header, the serial number of its stream, and where the sound begins."""
    packets: list[bytes] = []
    part: list[bytes] = []
    wanted, serial = 2, 0
    for page, after in _pages(data):
        serial, at = page.serial, 0
        for size in page.sizes:
            part.append(page.body[at : at + size])
            at += size
            if size < 255:
                packets.append(b"".join(part))
                part = []
        if len(packets) > 1:
            wanted = next(n for head, n in _HEADS.items() if packets[1].startswith(head))
        if len(packets) >= wanted:
            if part or len(packets) > wanted:
                raise ValueError("sound begins on a page of the header")
            return packets, serial, after
    raise ValueError("cut short")


def _ogg_with(data: bytes, field: str, text: str) -> bytes | None:
    packets, serial, sound = _header(data)
    head = next(head for head in _HEADS if packets[1].startswith(head))
    packets[1] = head + _with(packets[1][len(head) :], field, text)
    pages = [_Page(2, 0, serial, *_laced([packets[0]])[0]), *_header_pages(packets[1:], serial)]
    pages += [page for page, _ in _pages(data[sound:])]
    if any(page.serial != serial for page in pages):
        # Another stream lies between: its pages have numbers of their own.
        return None
    return b"".join(page.written(number) for number, page in enumerate(pages))


def _header_pages(packets: list[bytes], serial: int) -> Iterator[_Page]:
    goes_on = False
    for sizes, body in _laced(packets):
        ends = any(size < 255 for size in sizes)
        yield _Page(1 if goes_on else 0, 0 if ends else -1, serial, sizes, body)
        goes_on = sizes[-1] == 255


def _laced(packets: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Packets in segments of 255 bytes, up to 255 a page."""
    sizes = b"".join(bytes([255] * (len(p) // 255) + [len(p) % 255]) for p in packets)
    body = b"".join(packets)
    pages, at = [], 0
    for first in range(0, len(sizes), 255):
        own = sizes[first : first + 255]
        pages.append((own, body[at : at + sum(own)]))
        at += sum(own)
    return pages


def _checksum(page: bytes) -> int:
    """Ogg's CRC: zlib's polynomial with the bits of each byte, and of the result, turned round."""
    found = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{found:032b}"[::-1], 2)
