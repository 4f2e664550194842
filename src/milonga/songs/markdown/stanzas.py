"""Lyrics that name no sections: stanzas parted by empty lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median

from milonga.runtime.words import plain
from milonga.songs.markdown.draft import Draft
from milonga.songs.markdown.parts import Line
from milonga.songs.sheet.lyrics import has_words

_LONGEST, _USUAL = 80, 50
"""Lines of lyrics are short: none longer, and half of them shorter, in characters."""
_MARKED = re.compile(r"^[\w ]{1,20}[:：]|[*_|#<>`\\{}]")
"""A label or a mark, which lyrics alone don't have."""


def stanza_drafts(lines: Sequence[Line]) -> list[Draft]:
    """Make a segment of each stanza; none where the lines are prose and not lyrics.

    A stanza that comes again word for word is a chorus, the others are verses.
    """
    stanzas = _divided(lines)
    sung = [line.text for stanza in stanzas for line in stanza if has_words(line.text)]
    lengths = [len(text) for text in sung]
    if not any(len(stanza) > 1 for stanza in stanzas) or len(sung) < 2:
        return []
    if max(lengths) > _LONGEST or median(lengths) > _USUAL or any(map(_MARKED.search, sung)):
        return []
    texts = [plain("\n".join(line.text for line in stanza)) for stanza in stanzas]
    drafts, verses = [], 0
    for stanza, text in zip(stanzas, texts, strict=True):
        draft = Draft(line=stanza[0].number, lyrics=list(stanza))
        again = texts.count(text) > 1
        verses += not again
        draft.values["section"] = "chorus" if again else f"verse {verses}"
        draft.values["fallback"] = "Chorus" if again else f"Verse {verses}"
        reason = "a stanza that comes again" if again else "a stanza without a name"
        draft.guess("section", reason, draft.line)
        drafts.append(draft)
    return drafts


def _divided(lines: Sequence[Line]) -> list[list[Line]]:
    stanzas: list[list[Line]] = [[]]
    for line in lines:
        if line.text.strip():
            stanzas[-1].append(line)
        elif stanzas[-1]:
            stanzas.append([])
    return [stanza for stanza in stanzas if stanza]
