"""The frames of an MP3, counted (ISO/IEC 11172-3, 2.4.2.3, and 13818-3).

Decoders learn the length of an MP3 from its first frame: a Xing or Info header that a good encoder
leaves there, else an estimate from one bit rate. Streams have no header, cut and joined files
a wrong one. So milonga walks through the frames and gives the decoder a header that is right.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from dataclasses import dataclass

_BIT_RATES = (
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
)
"""Kilobits per second of layer III: MPEG-2 and 2.5, then MPEG-1."""

_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""Hz by the two bits of the version: MPEG-1, 2 and 2.5."""

_LAYER_III = 1
_SYNC = re.compile(rb"\xff[\xe0-\xff]")


@dataclass(frozen=True, slots=True)
class Header:
    """The four bytes before each frame.

    Attributes:
        kind: version, sampling rate and one or two channels: the same in all frames of a stream.
        size: bytes of the frame, with the header.
    """

    kind: tuple[int, int, bool]
    size: int

    @property
    def tag_at(self) -> int:
        """Offset of a Xing header: after the side information."""
        version, _, mono = self.kind
        return 4 + ((17 if mono else 32) if version == 3 else (9 if mono else 17))


@dataclass(frozen=True, slots=True)
class Mp3:
    """The frames of a file.

    Attributes:
        kinds: how many frames there are of each kind.
        frames: start and stop of each frame that holds sound.
        infos: start and stop of each Xing, Info or VBRI header.
        cut: whether the file ends within a frame.
        promised: frames by the first header; None where there is none.
        head: the tags before the first frame.
    """

    kinds: Counter[tuple[int, int, bool]]
    frames: list[tuple[int, int]]
    infos: list[tuple[int, int]]
    cut: bool
    promised: int | None
    head: bytes

    @property
    def is_exact(self) -> bool:
        """Whether a decoder learns the length from the file as it is."""
        gaps = any(a[1] != b[0] for a, b in zip(self.frames, self.frames[1:], strict=False))
        return self.promised == len(self.frames) and len(self.infos) == 1 and not gaps


def scan_mp3(content: bytes) -> Mp3 | None:
    """Find the frames in the bytes of a file; None where it isn't layer III with bit rates."""
    at = _skip_tags(content, 0)
    if content[at : at + 4] == b"fLaC":
        return None
    found = Mp3(Counter(), [], [], False, None, content[:at])
    cut, promised = False, None
    while at < len(content):
        header = _header(content, at)
        if header is None:
            after = _skip_tags(content, at)
            at = after if after > at else _next_frame(content, at + 1)
            continue
        stop = at + header.size
        if stop > len(content):
            cut = True
            break
        found.kinds[header.kind] += 1
        tag = content[at + header.tag_at : at + header.tag_at + 12]
        if tag[:4] in (b"Xing", b"Info") or content[at + 36 : at + 40] == b"VBRI":
            if not found.infos and not found.frames and tag[:4] in (b"Xing", b"Info"):
                promised = int.from_bytes(tag[8:12], "big") if tag[7] & 1 else None
            found.infos.append((at, stop))
        else:
            found.frames.append((at, stop))
        at = stop
    sound = sum(stop - start for start, stop in found.frames)
    # Chance finds frames in other data, too, but few.
    if not found.frames or 2 * sound < len(content) - len(found.head):
        return None
    return Mp3(found.kinds, found.frames, found.infos, cut, promised, found.head)


def mended_mp3(content: bytes, mp3: Mp3) -> io.BytesIO:
    """Make a file of the same frames whose header tells how many there are.

    Where there is one header, its delay and padding stay (LAME's "gapless" values).
    """
    first, last = mp3.frames[0][0], mp3.frames[-1][1]
    count = len(mp3.frames).to_bytes(4, "big")
    sound = b"".join(content[start:stop] for start, stop in mp3.frames)
    if len(mp3.infos) == 1 and mp3.promised is not None and mp3.infos[0][1] <= first:
        info = bytearray(content[slice(*mp3.infos[0])])
        tag = _tag_at(info)
        info[tag + 8 : tag + 12] = count
        if info[tag + 7] & 2:
            info[tag + 12 : tag + 16] = (len(info) + len(sound)).to_bytes(4, "big")
    else:
        info = _info_frame(content[first : first + 4])
        tag = _tag_at(info)
        info[tag : tag + 12] = b"Xing\0\0\0\x01" + count
    id3v1 = content[-128:] if content[-128:-125] == b"TAG" and last <= len(content) - 128 else b""
    return io.BytesIO(mp3.head + bytes(info) + sound + id3v1)


def _info_frame(header: bytes) -> bytearray:
    """A frame of silence like the others, with room for a Xing header."""
    for bits in range(1, 15):
        # No checksum, no padding.
        head = bytes((0xFF, header[1] | 1, bits << 4 | header[2] & 0x0C, header[3]))
        found = _header(head, 0)
        if found and found.size >= 64:
            break
    return bytearray(head + bytes(found.size - 4 if found else 0))


def _tag_at(frame: bytes | bytearray) -> int:
    header = _header(frame, 0)
    return header.tag_at if header else 0


def _header(content: bytes | bytearray, at: int) -> Header | None:
    if len(content) < at + 4 or content[at] != 0xFF or content[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = content[at + 1] >> 3 & 3, content[at + 1] >> 1 & 3
    bits, rate, padding = content[at + 2] >> 4, content[at + 2] >> 2 & 3, content[at + 2] >> 1 & 1
    if layer != _LAYER_III or version == 1 or rate == 3 or not 0 < bits < 15:
        return None
    hertz = _RATES[version][rate]
    samples = 1152 if version == 3 else 576
    size = samples * 125 * _BIT_RATES[version == 3][bits] // hertz + padding
    return Header((version, hertz, content[at + 3] >> 6 == 3), size)


def _next_frame(content: bytes, at: int) -> int:
    """Find the next frame that is followed by another, by a tag or by the end."""
    while match := _SYNC.search(content, at):
        at = match.start()
        header = _header(content, at)
        if header:
            stop = at + header.size
            after = _header(content, stop)
            if stop == len(content) or (after and after.kind == header.kind):
                return at
            if _skip_tags(content, stop) > stop:
                return at
        at += 1
    return len(content)


def _skip_tags(content: bytes, at: int) -> int:
    """Find where the ID3v2, ID3v1 and APE tags end that begin here."""
    while True:
        if content[at : at + 3] == b"ID3" and len(content) >= at + 10:
            size = 0
            for byte in content[at + 6 : at + 10]:
                size = size << 7 | byte & 0x7F
            # A footer repeats the ten bytes of the header.
            at += 10 + size + (10 if content[at + 5] & 0x10 else 0)
        elif content[at : at + 3] == b"TAG":
            at += 128
        elif content[at : at + 8] == b"APETAGEX" and len(content) >= at + 32:
            size = int.from_bytes(content[at + 12 : at + 16], "little")
            at += size + (32 if content[at + 23] & 0x20 else 0)
        else:
            return min(at, len(content))
