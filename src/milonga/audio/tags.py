"""The tags of audio files: texts that every format holds in fields of its own."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from milonga.runtime.words import readable

if TYPE_CHECKING:
    import soundfile


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of a file. AIFF has no field for ``date`` and ``licence``.

    A text that is longer than a format holds is cut when it is written, and ends in "…": after
    1,900 bytes in WAV and AIFF, 8,000 in Opus, a million elsewhere; ``software`` after 100.

    Attributes:
        date: ISO 8601: a year, or a day as 2026-03-01.
        licence: what may be done with the sound; in WAV it stands in the field for copyright.
    """

    title: str = ""
    artist: str = ""
    software: str = ""
    comment: str = ""
    date: str = ""
    licence: str = ""


_OWN_NAME = re.compile(r" \(libsndfile-[\d.]+\).*$")
_MOST_TEXT = {".wav": 1_900, ".aiff": 1_900, ".aif": 1_900, ".opus": 8_000}
"""Bytes; of longer ones libsndfile makes an unreadable file, or the texts vanish."""


def tag_fields(container: str) -> dict[str, str]:
    """Map each tag that a format can hold to libsndfile's name."""
    fields = {name: name for name in ("title", "artist", "software", "comment")}
    if container != "AIFF":
        fields["date"] = "date"
    if container in ("FLAC", "OGG"):
        fields["licence"] = "license"
    elif container in ("WAV", "WAVEX", "RF64"):
        # RIFF's list of texts has no licence.
        fields["licence"] = "copyright"
    return fields


def tags_of(file: soundfile.SoundFile) -> Tags:
    """Read the tags of an open file."""
    texts = {name: getattr(file, field) or "" for name, field in tag_fields(file.format).items()}
    # libsndfile appends its own name to the software tag, and in AIFF a stray byte after it.
    return Tags(**{name: _OWN_NAME.sub("", text) for name, text in texts.items()})


def fitting(tags: Tags, suffix: str) -> dict[str, str]:
    """Return texts that the format of a suffix can hold."""
    most = _MOST_TEXT.get(suffix, 1_000_000)
    found = {}
    for name, text in asdict(tags).items():
        # A zero would end it.
        raw = readable(text).replace("\0", " ").encode()
        room = 100 if name == "software" else most
        cut = raw[: room - 3].decode(errors="ignore") + "…"
        found[name] = raw.decode() if len(raw) <= room else cut
    return found
