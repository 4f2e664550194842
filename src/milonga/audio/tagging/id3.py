"""ID3v2.4 tags for MP3 (id3.org, "ID3 tag version 2.4.0", main structure and native frames).

libsndfile hands its texts to LAME as Latin-1, whatever they are: "Título" then reads "TÃ­tulo"
in every player. So milonga writes the tag itself, in UTF-8.
"""

from __future__ import annotations

_UTF8 = b"\x03"
_MOST = 1 << 28
"""Bytes that a tag can't hold."""


def id3_tag(
    *,
    title: str = "",
    artist: str = "",
    software: str = "",
    comment: str = "",
    date: str = "",
    licence: str = "",
) -> bytes:
    """Make the tag that stands before the first MPEG frame; empty where there is no text.

    Args:
        date: ISO 8601 (TDRC). The others: title TIT2, artist TPE1, software TSSE, comment COMM
            in a language not named, licence a TXXX frame called LICENSE.
    """
    frames = b"".join(
        _frame(name, _UTF8 + text.encode())
        for name, text in (("TIT2", title), ("TPE1", artist), ("TDRC", date), ("TSSE", software))
        if text
    )
    if comment:
        frames += _frame("COMM", _UTF8 + b"XXX\0" + comment.encode())
    if licence:
        frames += _frame("TXXX", _UTF8 + b"LICENSE\0" + licence.encode())
    return b"ID3\x04\0\0" + _synchsafe(len(frames)) + frames if frames else b""


def new_id3(description: str, text: str) -> bytes:
    """Make a tag of one frame of our own, as ``id3_with`` adds it."""
    frame = _own_frame(description, text)
    return b"ID3\x04\0\0" + _synchsafe(len(frame)) + frame


def id3_with(data: bytes, description: str, text: str) -> bytes | None:
    """Return an MP3 file with a text of our own (a TXXX frame) in its ID3v2.4 tag; None where its
    tag is another kind, or too large with it."""
    if data[:3] != b"ID3":
        tag = new_id3(description, text)
        return tag + data if len(tag) < _MOST else None
    if data[3] != 4 or data[5] or len(data) < 10:
        return None
    end = 10 + _number(data[6:10])
    kept = b"".join(
        data[start:stop]
        for name, start, stop in _frames(data[:end])
        if not (name == b"TXXX" and description in _texts(data[start + 10 : stop]))
    )
    frames = kept + _own_frame(description, text)
    if len(frames) >= _MOST:
        return None
    return b"ID3\x04\0\0" + _synchsafe(len(frames)) + frames + data[end:]


def id3_texts(data: bytes) -> dict[str, str]:
    """Return the texts of our own and others' (TXXX frames) in a tag, by description.

    Args:
        data: begins with the tag, of version 2.3 or 2.4.
    """
    found: dict[str, str] = {}
    if len(data) < 10 or data[:3] != b"ID3" or data[3] not in (3, 4) or data[5] & 0x80:
        return found
    for name, start, stop in _frames(data[: 10 + _number(data[6:10])]):
        if name == b"TXXX":
            found |= _texts(data[start + 10 : stop])
    return found


def _frames(tag: bytes) -> list[tuple[bytes, int, int]]:
    """The frames of a tag: name, start and end."""
    found, at = [], 10
    while at + 10 <= len(tag) and tag[at] != 0:
        raw = tag[at + 4 : at + 8]
        size = _number(raw) if tag[3] == 4 else int.from_bytes(raw, "big")
        if at + 10 + size > len(tag):
            break
        found.append((tag[at : at + 4], at, at + 10 + size))
        at += 10 + size
    return found


_ENCODINGS = {0: ("latin-1", 1), 1: ("utf-16", 2), 2: ("utf-16-be", 2), 3: ("utf-8", 1)}


def _texts(body: bytes) -> dict[str, str]:
    """The description and the text of a TXXX frame."""
    if not body or body[0] not in _ENCODINGS:
        return {}
    encoding, width = _ENCODINGS[body[0]]
    rest, end = body[1:], bytes(width)
    cut = rest.find(end)
    while cut % width and cut >= 0:
        # Half of one letter and half of the next.
        cut = rest.find(end, cut + 1)
    if cut < 0:
        return {}
    texts = [raw.decode(encoding, "replace") for raw in (rest[:cut], rest[cut + width :])]
    return {texts[0]: texts[1].rstrip("\0")}


def _own_frame(description: str, text: str) -> bytes:
    return _frame("TXXX", _UTF8 + description.encode() + b"\0" + text.encode())


def _number(raw: bytes) -> int:
    """A number of seven bits a byte."""
    found = 0
    for byte in raw:
        found = found << 7 | byte & 0x7F
    return found


def _frame(name: str, content: bytes) -> bytes:
    return name.encode() + _synchsafe(len(content)) + b"\0\0" + content


def _synchsafe(number: int) -> bytes:
    """28 bits in four bytes of seven, so that no byte looks like an MPEG frame's beginning."""
    return bytes((number >> shift) & 0x7F for shift in (21, 14, 7, 0))
