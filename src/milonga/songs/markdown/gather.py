"""Gathering the parts of a Markdown document into a song and its segments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from milonga.songs.markdown.draft import Draft
from milonga.songs.markdown.heading import read_heading
from milonga.songs.markdown.lyrics import marker, split_song
from milonga.songs.markdown.place import put, put_heading, put_tag, take
from milonga.songs.markdown.reader import Fence, Heading, Labelled, Line, Part, Prose
from milonga.songs.sheet.lyrics import has_words

_TAG_LINE = re.compile(r"^\s*\[([^\[\]]+[:：][^\[\]]+)\]\s*$")


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

    def take(self, part: Part) -> None:
        if isinstance(part, Heading):
            self._heading(part)
        elif isinstance(part, Labelled):
            self._labelled(part)
        elif isinstance(part, Fence):
            self._fence(part)
        else:
            self._prose(part)

    def _heading(self, part: Heading) -> None:
        found = read_heading(part.line.text)
        if found is not None:
            draft = Draft(line=part.line.number)
            put_heading(draft, found, part.line)
            self.drafts.append(draft)
            self._target, self._level = draft, part.level
            return
        untitled = "name" not in self.song.values and not self.drafts and part.level <= 2
        if untitled and re.search(r"\w", part.line.text):
            put(self.song, "title", part.line)
        else:
            (self._target or self.song).leave(part.line)
        # A heading below a segment's own leaves the segment open, another one ends it.
        if self.drafts and part.level <= self._level:
            self._target = None

    def _labelled(self, part: Labelled) -> None:
        target = self._target
        if target is None:
            self.song.leave_labelled(part)
        elif part.field in ("artist",) and not target.song:
            take(self.song, part)
        else:
            take(target, part)

    def _fence(self, part: Fence) -> None:
        target = self._target
        if target is not None and not target.lyrics and not target.song:
            target.lyrics += part.values
            target.guess("lyrics", "a block without a label", part.values[0].number)
        elif target is not None and target.song and any(map(marker, part.values)):
            target.lyrics += part.values
        else:
            for value in part.values:
                (target or self.song).leave(value)

    def _prose(self, part: Prose) -> None:
        target = self._target
        tag = _TAG_LINE.match(part.line.text)
        if target is None:
            self.song.leave(part.line)
        elif tag and not target.prose and not target.lyrics and marker(part.line) is None:
            put_tag(target, Line(part.line.number, tag[1]))
        else:
            target.prose.append(part.line)

    def finish(self) -> tuple[Draft, list[Draft]]:
        song = self.song
        if not self.drafts:
            self._whole_song()
        for draft in self.drafts:
            if draft.prose and not draft.labelled and not draft.lyrics:
                draft.lyrics = list(_with_rests(draft.prose))
                draft.guess("lyrics", "text without a label", draft.prose[0].number)
            else:
                for line in draft.prose:
                    draft.leave(line)
        for line in (*song.prose, *song.lyrics):
            song.leave(line)
        return song, self.drafts

    def _whole_song(self) -> None:
        """Make segments from the section markers in lyrics that no heading divides."""
        song = self.song
        lines = song.lyrics
        if not lines:
            first = next((n for n, line in enumerate(song.prose) if marker(line)), len(song.prose))
            lines, song.prose = list(_with_rests(song.prose[first:])), song.prose[:first]
        if not lines and not (song.joined.get("style") and song.labelled):
            return
        song.lyrics = []
        for mark, part in split_song(lines):
            if mark is None and not any(has_words(line.text) for line in part):
                for line in part:
                    self._opening(line)
                continue
            draft = Draft(line=part[0].number, lyrics=list(part))
            self.drafts.append(draft)
        if not self.drafts:  # a song without words
            self.drafts.append(Draft(line=song.line))
        if len(self.drafts) == 1:
            self._only(self.drafts[0])

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
        draft.instrumental, song.instrumental = song.instrumental, None

    def _opening(self, line: Line) -> None:
        tag = _TAG_LINE.match(line.text)
        if tag:
            put_tag(self.song, Line(line.number, tag[1]))
        else:
            self.song.leave(line)


def _with_rests(lines: Sequence[Line]) -> Iterator[Line]:
    """Return the lines, with an empty one wherever some were skipped."""
    last = None
    for line in lines:
        if last is not None and line.number > last + 1:
            yield Line(last + 1, "")
        yield line
        last = line.number
