"""Gathering the parts of a Markdown document into a song and its segments."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import takewhile

from milonga.runtime.words import plain
from milonga.songs.markdown.draft import Draft
from milonga.songs.markdown.heading import read_heading, song_title
from milonga.songs.markdown.lyrics import split_song
from milonga.songs.markdown.parts import Fence, Heading, Labelled, Left, Line, Part, Prose, Rule
from milonga.songs.markdown.place import put, put_facts, put_heading, put_tag, take
from milonga.songs.markdown.stanzas import stanza_drafts
from milonga.songs.markdown.tags import section_tag
from milonga.songs.sheet.labels import field_of
from milonga.songs.sheet.lyrics import has_words

_TAG_LINE = re.compile(r"^\[([^\[\]]+[:：][^\[\]]+)\]$")
_CHAT = re.compile(
    r"\W*(?:(?:do you )?want me to|would you like|shall i|should i|i can also|"
    r"feel free|let me know (?:if|what|which|how)|if you(?:'d| would)? (?:like|want|prefer)|"
    r"hope (?:you|this)|need (?:a|any|another)|just (?:say|tell me|let me)|here(?:'s| is)|"
    r"this (?:song|version)|"
    r"the (?:song|lyrics|structure)|quieres que|te gustaria|dime si|avisame|espero que|puedo)\b.*"
    r"\b(?:versions?|song|lyrics?|style|verse|chorus|bridge|tweak\w*|adjust\w*|chang\w*|prompt|suno|"
    r"udio|title|genre|translat\w*|letra|cancion|estrofa|estribillo|cambi\w*|ajust\w*)\b.*"
)
"""What chat programs say below the song that they wrote."""
_CHAT_LINES = 3


def gather(parts: Sequence[Part]) -> tuple[Draft, list[Draft]]:
    """Return the draft of the song and one for each segment; none where there is no song."""
    gatherer = _Gatherer()
    for part in parts:
        gatherer.take(part)
    return gatherer.finish()


class _Gatherer:
    def __init__(self) -> None:
        self.song = Draft(song=True)
        self.drafts: list[Draft] = []
        self._target: Draft | None = self.song
        self._level = 0
        self._begun = self._closed = False  # the song's lyrics without a label
        self._ruled: list[Line] | None = None  # the lines behind the last rule
        self._first_label = math.inf  # its line

    def take(self, part: Part) -> None:
        if isinstance(part, Rule):
            self._ruled = []
            return
        if not isinstance(part, Prose | Left):
            self._ruled = None
        if isinstance(part, Heading):
            self._heading(part)
        elif isinstance(part, Labelled):
            self._labelled(part)
        elif isinstance(part, Fence):
            self._fence(part)
        elif isinstance(part, Prose):
            self._prose(part)
        else:
            (self._target or self.song).leave_part(part)

    def _heading(self, part: Heading) -> None:
        found = read_heading(part.line.text)
        if found is not None:
            draft = Draft(line=part.line.number)
            put_heading(draft, found, part.line)
            self.drafts.append(draft)
            self._target, self._level = draft, part.level
            return
        untitled = "heading" not in self.song.values and not self.drafts and part.level <= 2
        if untitled and re.search(r"\w", part.line.text):
            self.song.values["heading"] = part.line.text
            self.song.lines["heading"] = part.line.number
        else:
            (self._target or self.song).leave(part.line)
        self._closed = self._closed or (self._begun and part.level < 7)
        # A heading below a segment's own leaves the segment open, another one ends it.
        if self.drafts and part.level <= self._level:
            self._target = None

    def _labelled(self, part: Labelled) -> None:
        self._first_label = min(self._first_label, part.label.number)
        if part.level and self.drafts and part.level <= self._level:
            self._target = self.song
        target = self._target
        if target is None:
            self.song.leave_part(part)
        elif part.field == "artist" and not target.song:
            take(self.song, part)
        else:
            take(target, part)
        self._begun = self._begun or (part.field == "lyrics" and bool(part.values))

    def _fence(self, part: Fence) -> None:
        target = self._target
        if target is not None and not target.lyrics and not target.song:
            target.lyrics += part.values
            target.guess("lyrics", "a block without a label", part.values[0].number)
        elif target is not None and target.song and any(section_tag(v.text) for v in part.values):
            target.lyrics += part.values
            self._begun = True
        else:
            (target or self.song).leave_part(part)

    def _prose(self, part: Prose) -> None:
        target, line = self._target, part.line
        section = section_tag(line.text, gap=part.gap)
        tag = _TAG_LINE.match(line.text)
        if section is not None:
            self._begun, self._ruled = True, None
        if target is None or (target.song and self._closed):
            (target or self.song).leave(line)
        elif (
            tag
            and section is None
            and not target.lyrics
            and (not target.prose or (target.song and not self._begun))
        ):
            put_tag(target, Line(line.number, tag[1]))
        elif not target.lyrics and put_facts(target, line):
            pass
        else:
            if part.gap and target.prose:
                target.prose.append(Line(line.number - 1, ""))
            target.prose.append(line)
            if self._ruled is not None:
                self._ruled.append(line)

    def finish(self) -> tuple[Draft, list[Draft]]:
        song = self.song
        song_title(song)
        last = self.drafts[-1] if self.drafts else song
        self._leave_closing(last)
        if not self.drafts:
            self._whole_song()
        for draft in self.drafts:
            if draft.prose and not draft.labelled and not draft.lyrics:
                draft.lyrics = draft.prose
                draft.guess("lyrics", "text without a label", draft.prose[0].number)
            else:
                for line in draft.prose:
                    draft.leave(line)
        for line in (*song.prose, *song.lyrics):
            song.leave(line)
        return song, self.drafts

    def _leave_closing(self, draft: Draft) -> None:
        """List what a chat program says below the song."""
        lines = draft.lyrics or draft.prose
        begun = max(len(lines) - _CHAT_LINES, 0)
        for at, line in enumerate(lines[begun:], begun):
            # One line alone below a rule is a footer.
            if _CHAT.fullmatch(plain(line.text[:300])) or self._ruled == [line] == lines[at:]:
                for found in lines[at:]:
                    draft.leave(found, "stands below the song")
                del lines[at:]
                return

    def _whole_song(self) -> None:
        """Make segments from the section tags in lyrics that no heading divides."""
        song = self.song
        lines = song.lyrics
        if not lines:
            begun = next((part[0].number for tag, part in split_song(song.prose) if tag), None)
            lines = [line for line in song.prose if begun is not None and line.number >= begun]
            if begun is None and self._stanzas():
                return
            song.prose = [line for line in song.prose if begun is None or line.number < begun]
            self._untagged_title(song.prose)
        if not lines and not (song.joined.get("style") and song.labelled):
            return
        song.lyrics = []
        for tag, part in split_song(lines):
            sung = (line.text for line in part if not line.text.startswith(("//", "# ")))
            if tag is None and not any(map(has_words, sung)):
                for line in part:
                    self._opening(line)
                continue
            self.drafts.append(Draft(line=part[0].number, lyrics=list(part)))
        if not self.drafts:  # a song without words
            self.drafts.append(Draft(line=song.line))
        if len(self.drafts) == 1:
            self._only(self.drafts[0])

    def _stanzas(self) -> bool:
        """Make segments from stanzas where nothing names a section; tell if there are any."""
        song = self.song
        above = list(takewhile(lambda line: line.text, song.prose))
        below = song.prose[len(above) :]
        titled = len(above) == 1 and any(line.text for line in below)
        drafts = stanza_drafts(below if titled else song.prose)
        if drafts:
            song.prose = above if titled else []
            self._untagged_title(song.prose)
            self.drafts = drafts
        return bool(drafts)

    def _untagged_title(self, above: Sequence[Line]) -> None:
        """Take the one line above the first section of plain lyrics, and above all labels, as the
        title."""
        song = self.song
        filled = [line for line in above if line.text]
        if len(filled) == 1 and "name" not in song.values and filled[0].number < self._first_label:
            (line,) = filled
            if (
                field_of(line.text) is None
                and len(line.text) <= 60
                and not re.search(r"[:>]|[.!?]$", line.text)
            ):
                put(song, "title", line)
                song.guess("title", "the line above the first section", line.number)
                song.prose = []

    def _only(self, draft: Draft) -> None:
        """Give the only segment the song's values that only segments can have."""
        song = self.song
        if "name" in song.values:
            draft.values["name"] = song.values["name"]
        for name in ("section", "baseline"):
            if name in song.values:
                draft.values[name] = song.values.pop(name)
        if "seconds" in song.numbers:
            draft.numbers["seconds"] = song.numbers.pop("seconds")
        draft.bars, song.bars = song.bars, None
        draft.chords, song.chords = [*song.chords, *draft.chords], []
        draft.instrumental, song.instrumental = song.instrumental, None

    def _opening(self, line: Line) -> None:
        tag = _TAG_LINE.match(line.text.strip())
        if tag:
            put_tag(self.song, Line(line.number, tag[1]))
        else:
            self.song.leave(line)
