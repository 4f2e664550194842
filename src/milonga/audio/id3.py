"""ID3v2.4 tags for MP3 (id3.org, "ID3 tag version 2.4.0", main structure and native frames).

libsndfile hands its texts to LAME as Latin-1, whatever they are: "Título" then reads "TÃ­tulo"
in every player. So milonga writes the tag itself, in UTF-8.
"""

from __future__ import annotations

_UTF8 = b"\x03"


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


def _frame(name: str, content: bytes) -> bytes:
    return name.encode() + _synchsafe(len(content)) + b"\0\0" + content


def _synchsafe(number: int) -> bytes:
    """28 bits in four bytes of seven, so that no byte looks like an MPEG frame's beginning."""
    return bytes((number >> shift) & 0x7F for shift in (21, 14, 7, 0))
