"""Tags among lyrics: lines that begin a section, and what stands behind its name."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from milonga.runtime.words import plain
from milonga.songs.markdown.marks import plain_text
from milonga.songs.sheet.sections import certain_section, section_label, section_phrase

MOST_TIMES = 8
"""More repeats than this are listed, not sung."""
_LONGEST = 400
_BRACKETS = str.maketrans("【】［］〔〕", "[][][]")
_TAG = re.compile(r"^\[+\s*(?P<inner>[^\[\]]+?)\s*\]+\s*:?\s*(?P<rest>.*)$")
_SPLIT = re.compile(r"\s*[:：,(;|]\s*|\s+[-–—/]+\s*|\s*[–—]+\s*")
_PIECE = re.compile(r"\[([^\[\]]*)\]|\(([^()]*)\)|([^\[\](]+|[\[(])")
_TIMES = re.compile(
    r"(?:repeat(?:ed|s)?|play|sing|repetir|repite)?\s*"
    r"(?:[x×]\s*(\d{1,9})|(\d{1,9})\s*[x×]|(\d{1,9}) (?:times|veces|fois|mal|vezes)|(twice|bis))"
)
_AGAIN = re.compile(r"(?:repeat|again|reprise|repetir|repite|same)(?: (?:chorus|coro|estribillo))?")
_SOLO = re.compile(
    r"[\w'-]+(?: [\w'-]+)? (solo|interlude|interludio|break|intro|outro)s?"
    r"|(solo|interludio) de [\w'-]+(?: [\w'-]+)?"
)
_DESCRIBED = re.compile(
    r"(?!(?:to|into|in|before|after|no|like|with|without|during|for|of|from|back|end|on|every)\b)"
    r"([\w'-]+(?: [\w'-]+)?) ((?:verse|(?:pre-?|post-?)?chorus|bridge|hook|refrain|outro|intro|"
    r"verso|estrofa|estribillo|coro|puente)(?: \d{1,2})?)"
)


_MANNER = re.compile(
    r"(?:half[- ])?(?:spoken|sung|rapped)|whisper(?:ed|ing)|(?:shout|scream)(?:ed|ing)|growled|"
    r"susurrado|susurrando|hablado|gritado|gesprochen|geflustert|parle|chuchote|falado|sussurrado"
)
_CUES = re.compile(
    rf"{_MANNER.pattern}|"
    r"humm?(?:ed|ing)|falsetto|belted|a ?cappella|acapella|breathy|instrumental|solo|interlude|"
    r"ad[- ]?libs?|(?:double|half)[- ]time|fade(?:s|d)?[- ]?(?:in|out)|call and response|"
    r"harmon(?:y|ies)|backing vocals|"
    r"guitars?|piano|drums?|bass|synths?|strings|sax(?:ophone)?|violin|harmonica|organ|"
    r"trumpet|pedal steel|accordion|bandoneon|flute"
)
_CUE_WORDS = re.compile(
    rf"(?:{_CUES.pattern}|soft(?:ly)?|quiet(?:ly)?|loud(?:ly)?|gentl[ey]|slow(?:ly)?|fast(?:er)?|only|no|"
    r"vocals?|voice|break|riff|part|music|the|and|with|over|lead|acoustic|electric|clean|long|short|[,&+])"
)
"""Words for how a line is sung or what is played; one of the first kind makes a text a cue."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A section that begins: its name in a sheet, the words for it, and what stands behind them.

    ``times`` is how often it is sung, ``again`` that an earlier one comes again, ``sung`` a text
    behind the name of a section without brackets, ``direction`` the line as a stage direction,
    ``behind`` what stood behind the brackets.
    """

    section: str
    written: str
    directions: tuple[str, ...] = ()
    times: int = 1
    again: bool = False
    sung: str = ""
    direction: str = ""
    behind: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()


def squared(text: str) -> str:
    """Return a line with the brackets of other scripts as square ones."""
    return text.translate(_BRACKETS)


@lru_cache(4096)
def section_tag(text: str, *, gap: bool = False) -> Tag | None:
    """Read a line that begins a section; None for any other line.

    ``[Chorus - layered vocals] (x2)``, ``**[Verse 2: Ana]**``, ``[Guitar Solo]``; without brackets
    ``Verse 2:``, ``CHORUS x2``, ``(Chorus)``, and, where ``gap`` says that an empty line stands
    above, ``Solo``.
    """
    if len(text) > _LONGEST:
        return None
    text = squared(plain_text(" ".join(text.split()).lstrip("#> ")))
    match = _TAG.match(text)
    if match is None:
        return _bare(text, gap)
    found = _named(match["inner"])
    if found is None:
        return None
    section, written, tail = found
    behind = _pieces(match["rest"])
    tag = _tag(section, written, [tail, *behind])
    shown = " ".join(f"[{piece}]" for piece in (match["inner"], *behind))
    return replace(tag, direction=shown, behind=tuple(p for p in behind if p in tag.directions))


def _named(inner: str) -> tuple[str, str, str] | None:
    """Return the section, its words and what follows them of the text between brackets."""
    head, *rest = _SPLIT.split(inner, maxsplit=1)
    tail = rest[0].strip() if rest else ""
    if "(" in inner and tail.endswith(")") and tail.count(")") > tail.count("("):
        tail = tail[:-1]
    section = section_phrase(head)
    if section is not None:
        spoken = "spoken" in plain(head) and "spoken" not in plain(tail)
        return section, head.strip(), f"spoken {tail}".strip() if spoken else tail
    words = plain(head)
    solo = _SOLO.fullmatch(words)
    if solo:
        return section_phrase(solo[1] or solo[2]) or "instrumental", head.strip(), inner
    described = _DESCRIBED.fullmatch(words)
    if described:
        section = section_phrase(described[2])
        return (section, head.strip(), inner) if section else None
    return None


def described_section(text: str) -> str | None:
    """Return the section of a text such as "Guitar Solo" or "Solo de bandoneón"; else None."""
    match = _SOLO.fullmatch(plain(text))
    return section_phrase(match[1] or match[2]) if match else None


def _bare(text: str, gap: bool) -> Tag | None:
    label = section_label(text)
    if label is not None:
        return _tag(section_phrase(label[0]) or "", label[0], [], sung=label[1])
    match = re.match(r"^[^\w(\[]*(\w[^(\[:：]{0,60}?)[\s:：]*((?:\([^()]*\)\s*)*)[^\w\s]*$", text)
    section = section_phrase(match[1]) if match else None
    if match is None or section is None or match[1][0].islower():
        return None
    # "Verse 1 (Ana)", or a weak name such as "Solo" behind an empty line.
    if (match[2] and certain_section(match[1])) or gap:
        return _tag(section, match[1], _pieces(match[2]))
    return None


def _tag(section: str, written: str, pieces: list[str], *, sung: str = "") -> Tag:
    directions, unclear, times, again = [], [], 1, False
    counted = re.search(r"(?<!\w)(?:x\d{1,9}|\d{1,9}x)(?!\w)", plain(written))
    for piece in [*([counted[0]] if counted else []), *pieces]:
        count = times_of(piece)
        if count is not None and 1 <= count <= MOST_TIMES:
            times = count
        elif count is not None:
            unclear.append(piece)
        elif _AGAIN.fullmatch(plain(piece)):
            again = True
        elif piece:
            directions.append(piece)
    again = again or re.match(r"repeat", plain(written)) is not None
    if counted:
        written = re.sub(r"\s*(?<!\w)[xX]?\d{1,9}[xX]?$", "", written) or written
    shown = " ".join(f"[{piece}]" for piece in (written, *directions))
    return Tag(
        section, written, tuple(directions), times, again, sung, shown, unclear=tuple(unclear)
    )


def says_again(text: str) -> bool:
    """Tell if a line only says that an earlier section comes again, as "(Repeat)" does."""
    words = plain(text.strip("()[]{}. "))
    return _AGAIN.fullmatch(words) is not None and (text[:1] in "([" or " " in words)


def _pieces(text: str) -> list[str]:
    parts = (m[1] or m[2] or m[3] or "" for m in _PIECE.finditer(text))
    return [
        piece for part in parts if (piece := part.strip(" -–—:,;|*_/")) and re.search(r"\w", piece)
    ]


def times_of(text: str) -> int | None:
    """Return how often to sing by a text such as "x2", "repeat 3 times" or "bis"; else None."""
    match = _TIMES.fullmatch(plain(text).replace("×", "x").strip(" ().,;:-[]"))
    if match is None:
        return None
    return 2 if match[4] else int(match[1] or match[2] or match[3])


def is_manner(text: str) -> bool:
    """Tell if a text says nothing but how a voice says what follows it."""
    return len(text) <= 60 and _MANNER.fullmatch(plain(text).strip(" .():")) is not None


def is_cue(text: str) -> bool:
    """Tell if a text in round brackets is not sung, but says how to sing or what is played."""
    words = plain(text).strip(" .()")
    if len(words) > 60 or not _CUES.search(words):
        return False
    return re.fullmatch(rf"(?:{_CUE_WORDS.pattern}(?:\W+|$))+", words) is not None
