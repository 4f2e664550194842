"""Several songs in one document: told apart, and one of them chosen."""

from __future__ import annotations

from collections.abc import Sequence

from milonga.songs.markdown.heading import read_heading
from milonga.songs.markdown.parts import Fence, Heading, Labelled, Left, Part, Prose, lines_of
from milonga.songs.markdown.tags import section_tag


def songs_in(parts: Sequence[Part]) -> list[range]:
    """Return the places of the songs in a document; none where it holds one song or no song.

    Songs begin with headings of one level that are no sections, or with a label for a title; each
    has lyrics.
    """
    sections = [at for at, part in enumerate(parts) if _is_section(part)]
    lyrics = {at for at, part in enumerate(parts) if _has_lyrics(part)} | set(sections)
    for level in (1, 2, 3):
        heads = [at for at, p in enumerate(parts)
                 if isinstance(p, Heading) and p.level <= level and at not in lyrics]  # fmt: skip
        found = [
            song
            for song in _ranges(heads, len(parts))
            if _level(parts[song[0]]) == level
            and not lyrics.isdisjoint(song)
            and (level == 1 or any(_describes(parts[at]) for at in song))
        ]
        if len(found) > 1:
            return found
    if sections:  # the titles are those of segments
        return []
    titles = [at for at, p in enumerate(parts) if isinstance(p, Labelled) and p.field == "title"]
    found = [song for song in _ranges(titles, len(parts)) if not lyrics.isdisjoint(song)]
    return found if len(found) > 1 else []


def song_name(part: Part) -> str:
    """Return the title that the first part of a song gives."""
    if isinstance(part, Labelled):
        return part.values[0].text if part.values else ""
    return part.line.text if isinstance(part, Heading) else ""


def only_song(parts: Sequence[Part], songs: Sequence[range], number: int) -> list[Part]:
    """Return the parts of one of several songs, and the others' as lines that have no place."""
    owner = {at: n for n, song in enumerate(songs, 1) for at in song}
    kept: list[Part] = []
    for at, part in enumerate(parts):
        shared = at < songs[0][0] and not isinstance(part, Heading)
        if at == songs[number - 1][0] and isinstance(part, Heading):
            kept.append(Heading(part.line, 1))
        elif owner.get(at) == number or shared:
            kept.append(part)
        else:
            reason = f"of song {owner[at]}" if at in owner else ""
            kept += [Left(line, reason) for line in lines_of(part)]
    return kept


def _ranges(heads: Sequence[int], end: int) -> list[range]:
    return [range(a, b) for a, b in zip(heads, [*heads[1:], end], strict=False)]


def _level(part: Part) -> int:
    return part.level if isinstance(part, Heading) else 0


def _is_section(part: Part) -> bool:
    return isinstance(part, Heading) and read_heading(part.line.text) is not None


def _describes(part: Part) -> bool:
    return isinstance(part, Labelled) and part.field in ("style", "tempo", "key", "lyrics")


def _has_lyrics(part: Part) -> bool:
    if isinstance(part, Labelled):
        return part.field == "lyrics" and bool(part.values)
    if isinstance(part, Fence):
        return any(section_tag(line.text) for line in part.values)
    return isinstance(part, Prose) and section_tag(part.line.text, gap=part.gap) is not None
