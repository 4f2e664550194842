"""Names of sections in many languages: in headings, in tags, in lyrics.

A sheet keeps a section as its author wrote it; generators read it in their own way.
"""

from __future__ import annotations

import re
from functools import lru_cache

from milonga.runtime.words import plain

# In order: a longer name stands before one that it contains. Behind each name: the words for it;
# words for it that are sung as well; words in scripts that have no blanks between words.
_NAMES: tuple[tuple[str, str, str, str], ...] = (
    ("pre-chorus",
     "pre[- ]?(?:chorus|coro|estribillo|hook|refrain|refrao|ritornello)|precoro|пред?припев",
     "build(?:[- ]?up)?", "预副歌|前副歌|导歌|導歌|프리 ?코러스|Bメロ"),
    ("post-chorus", "post[- ]?(?:chorus|coro|estribillo|refrain|refrao)", "",
     "后副歌|포스트 ?코러스"),
    ("chorus",
     "chorus|hook|refrain|coro|estribillo|refrao|refrein|refren|refrang|ritornello|nakarat|припев|"
     "приспів|ρεφρεν|פזמון|كورس|لازمة", "reff",
     "副歌|大サビ|ラスサビ|落ちサビ|サビ|コーラス|후렴구|후렴|코러스"),
    ("intro",
     "intro(?:duccion|ducao|duzione)?|preludio?|prelude|vorspiel|вступление|интро|מבוא|مقدمة",
     "opening|apertura", "前奏|イントロ|인트로"),
    ("outro", "outro|coda|nachspiel|аутро|концовка|סיום|خاتمة",
     "end|ending|finale|cierre|fin|schluss", "尾声|尾聲|尾奏|アウトロ|아웃트로"),
    ("bridge", "bridge|puente|middle (?:8|eight)|brucke|бридж|γεφυρα|גשר",
     "ponte|pont|brug|most|brygga", "桥段|橋段|Cメロ|ブリッジ|브릿지"),
    ("breakdown", "breakdown|quiebre", "", ""),
    ("instrumental", "instrumental(?: break| solo| interlude)?|inst|strumentale|проигрыш|соло",
     "solo|drop", "器乐|ソロ|솔로"),
    ("interlude", "interlude|interludio|zwischenspiel", "transition|transicion|break",
     "间奏|間奏|간주"),
    ("verse", "verse|verso|estrofa|estrofe|strophe|strofa|zwrotka|куплет|στροφη|בית|مقطع",
     "rap|spoken(?: word)?|couplet|vers", "主歌|Aメロ|バース|벌스|절"),
)  # fmt: skip
SECTIONS = tuple(name for name, *_ in _NAMES)
_CERTAIN = re.compile(
    rf"\b(?:{'|'.join(words for _, words, _, _ in _NAMES)})s?\b"
    rf"|{'|'.join(plain(words) for *_, words in _NAMES if words)}"
)
_PATTERNS = tuple(
    (name, re.compile(rf"\b(?:{'|'.join(filter(None, (words, sung)))})s?\b"
                      + (f"|{plain(unspaced)}" if unspaced else "")))
    for name, words, sung, unspaced in _NAMES
)  # fmt: skip
_ANY = re.compile("|".join(["final", *(pattern.pattern for _, pattern in _PATTERNS)]))
_BESIDE = re.compile(
    r"the|a|final|last|first|second|third|1st|2nd|3rd|big|double|main|short|long|part|section|and|"
    r"reprise|repeat|repeated|again|alt|alternate|el|la|los|las|y|primera?|segund[oa]|ultim[oa]|gran|"
    r"les?|dernier|premier|erste|zweite|letzter?|hablad[oa]|cantad[oa]|rapead[oa]|x\d{1,9}|\d{1,9}x"
)
"""Words beside the name of a section that change nothing for a sheet."""
_COUNTS = {
    word: str(number)
    for words in ("one two three four five six seven eight", "uno dos tres cuatro cinco seis")
    for number, word in enumerate(words.split(), 1)
}
_LONGEST = 80
_AROUND = " \t#*_=~<>()-–—.,;|"


def section_in(text: str) -> tuple[str, re.Match[str]] | None:
    """Find the first section in a text, and its place in ``plain(text)``; else None."""
    words = plain(text)
    found = [(match, name) for name, p in _PATTERNS if (match := p.search(words))]
    if not found:
        return None
    match, name = min(found, key=lambda pair: (pair[0].start(), -pair[0].end()))
    return name, match


def section_named(text: str) -> str | None:
    """Return the section that a text is about ("Final Chorus 2" gives "chorus"), else None."""
    found = section_in(text)
    return found[0] if found else None


@lru_cache(4096)
def section_phrase(text: str) -> str | None:
    """Return the section of a text that says nothing else: "Final Chorus 2" gives "chorus 2".

    None for a text that says more ("Bridge the gap") or names no section.

    Example:
        >>> section_phrase("Verse One"), section_phrase("Rap Verse"), section_phrase("[副歌 2]")
        ('verse 1', 'verse', 'chorus 2')
    """
    if len(text) > _LONGEST or not _ANY.search(plain(text)):
        return None
    words = " ".join(re.sub(r"[^\w\s-]|_", " ", plain(text)).split())
    if words == "final":
        return "outro"
    sections: list[tuple[int, str]] = []
    for name, pattern in _PATTERNS:
        for match in pattern.finditer(words):
            # A verse that is rapped is a verse, a chorus that is spoken a chorus.
            sung = re.fullmatch(r"rap|spoken(?: word)?", match[0]) is not None
            sections.append((match.start() + (_LONGEST if sung else 0), name))
        words = pattern.sub(lambda m: "\0" * len(m[0]), words)
    if not sections:
        return None
    name, begun, number = min(sections)[1], words.index("\0"), None
    for match in re.finditer(r"[^\s\0-]+", words):
        word = _COUNTS.get(match[0], match[0])
        counts = re.fullmatch(r"\d{1,2}", word) or (
            match.start() > begun and re.fullmatch(r"[ivx]{1,4}|[a-d]", word)
        )
        if counts and number is None:
            number = word
        elif _BESIDE.fullmatch(word) is None:
            return None
    return f"{name} {number}" if number else name


def certain_section(text: str) -> bool:
    """Tell if a text that is a section's name would hardly be sung: "Verse", not "Solo"."""
    return _CERTAIN.search(plain(text)) is not None


def section_label(line: str) -> tuple[str, str] | None:
    """Read the label of a section in a line of lyrics, and the text behind it; else None.

    Example:
        >>> section_label("Verse 2:"), section_label("Chorus: la la"), section_label("solo")
        (('Verse 2', ''), ('Chorus', 'la la'), None)
    """
    head, colon, sung = line.replace("：", ":").partition(":")
    head, sung = head[:_LONGEST].strip(_AROUND), sung.strip(" \t*_")
    said = re.search(r"[,(]|^(?:the|a|el|la) ", head, re.IGNORECASE)
    if said or section_phrase(head) is None:
        return None
    alone = colon and not sung
    named = certain_section(head) and (colon or head[-1].isdigit() or not head[0].islower())
    return (head, sung) if alone or named else None


def is_instrumental(section: str) -> bool:
    """Tell if the name of a section means that it has no words."""
    return section_named(section) == "instrumental"
