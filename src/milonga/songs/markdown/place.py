"""Placing text from Markdown: labelled values, tags and headings become fields of a draft."""

from __future__ import annotations

import re
from collections.abc import Callable

from milonga.audio import SUFFIXES
from milonga.generators.measures import METRES
from milonga.runtime.words import plain
from milonga.songs.markdown.draft import Draft
from milonga.songs.markdown.heading import SegmentHeading
from milonga.songs.markdown.marks import shown, unescape
from milonga.songs.markdown.parts import Labelled, Line
from milonga.songs.sheet.fields import PICKUP, SECONDS, TEMPO, TEXTS, check_baseline
from milonga.songs.sheet.labels import field_of
from milonga.songs.sheet.quantities import find_duration, find_tempo, number
from milonga.songs.sheet.sections import section_phrase
from milonga.songs.sheet.text import number_text

_GENERATORS = {
    "guide": "guide", "bark": "bark", "stable audio": "stable-audio", "musicgen": "musicgen",
    "stable audio open": "stable-audio", "stable audio open 1.0": "stable-audio", "sound": "sound",
}  # fmt: skip
_LANGUAGES = {
    "english": "en", "ingles": "en", "spanish": "es", "espanol": "es", "castellano": "es",
    "portuguese": "pt", "portugues": "pt", "french": "fr", "frances": "fr", "german": "de",
    "aleman": "de", "italian": "it", "italiano": "it", "japanese": "ja", "japones": "ja",
}  # fmt: skip
_TAG = re.compile(r"^\s*([^:：\[\]]{1,40}?)\s*[:：]\s*(\S.*)$")
_TAG_FIELDS = (
    "tempo",
    "time",
    "key",
    "seconds",
    "bars",
    "chords",
    "section",
    "language",
    "artist",
    *TEXTS,
)
_INSTRUMENTAL = re.compile(
    r"(?:fully |purely |solo )?instrumental(?: only)?"
    r"(?:\W+(?:no|without) (?:vocals?|voices?|lyrics))?"
    r"|(?:no|without) (?:vocals?|voices?|lyrics)|sin (?:voz|voces|letra)|(?:solo )?instrumental"
    r"\W+sin (?:voz|voces|letra)"
)
_KEY = re.compile(
    r"(?:key of )?[a-g](?:\s?(?:#|♯|b|♭|sharp|flat))?\s?(?:m|maj|min|major|minor|mayor|menor)"
)
_FACT_KEY = re.compile(
    r"(?:key(?: of)?:? )?[a-g](?:\s?(?:#|♯|b|♭|sharp|flat))? ?"
    r"(?:m|maj|min|major|minor|mayor|menor|dur|moll)"
)
_TIME = re.compile(r"\d{1,2}/\d{1,2}")
_FILLER = re.compile(
    r"\b(?:about|around|approx\w*|aprox\w*|roughly|circa|ca|target|long|total|unos|de|of|the|each|"
    r"max|up|to|hasta|minimum|maximum|in|at|for)\b"
)


def take(draft: Draft, part: Labelled) -> None:
    """Put a labelled value where its label says."""
    if part.field in (None, "other"):
        draft.leave_part(part)
        return
    draft.labelled = True
    if part.field == "lyrics":
        if part.beside is not None:
            draft.leave(part.beside, "stands beside the lyrics")
        if draft.lyrics:
            draft.lyrics.append(Line(part.label.number, ""))
        draft.lyrics += part.values
    elif not part.values:
        draft.leave(part.label, "has no value")
    elif part.field == "style":
        for value in part.values:
            put_style(draft, value)
    else:
        for value in part.values:
            inner = re.fullmatch(r"\s*\[([^\[\]]*)\]\s*", value.text)
            put(
                draft, str(part.field), Line(value.number, _item(inner[1] if inner else value.text))
            )


def put(draft: Draft, name: str, value: Line) -> None:
    """Put a value into a field, or list it as not placed."""
    if not value.text.strip():
        return
    if name in ("key", "tempo") and re.search(r"[,;|·•]", value.text) and put_facts(draft, value):
        return
    handler: Callable[[Draft, Line], None] | None = {
        "tempo": _put_tempo, "seconds": _put_seconds, "style": put_style,
        "section": _put_section, "language": _put_language, "baseline": _put_baseline,
        "generators": _put_generators, "number": _put_number, "time": _put_time,
        "bars": _put_bars, "pickup": _put_pickup, "chords": lambda d, v: d.chords.append(v),
    }.get(name)  # fmt: skip
    if handler is not None:
        handler(draft, value)
    elif name in TEXTS:
        draft.add(name, value.text)
    elif name == "artist" and not draft.song:
        draft.leave(value, "the artist is the song's")
    elif name in ("title", "name", "artist", "key"):
        draft.once({"title": "name"}.get(name, name), value)
    else:
        draft.leave(value, f"{name} can't be given in this form")


def put_style(draft: Draft, value: Line) -> None:
    """Take a line of style: plain text, or tags in square brackets."""
    text = _item(value.text)
    if not text.startswith("[") and _put_tagged(draft, Line(value.number, text)):
        return
    at = 0
    for match in re.finditer(r"(?<!\\)\[([^\[\]]*)\]", text):
        draft.add("style", text[at : match.start()])
        put_tag(draft, Line(value.number, match[1]))
        at = match.end()
    draft.add("style", text[at:])


def put_tag(draft: Draft, value: Line) -> None:
    """Take a text in square brackets: a field with a label, or style."""
    words = " ".join(plain(value.text).split())
    if _put_tagged(draft, value):
        return
    label = _TAG.match(value.text)
    if label and draft.song and field_of(label[1]) in ("title", "name"):
        put(draft, "title", Line(value.number, label[2]))
        return
    if label and draft.song:
        draft.leave(value)
        return
    if _INSTRUMENTAL.fullmatch(words):
        draft.instrumental = draft.instrumental or value
        if re.search(r"\b(?:no|sin|without)\b", words):
            draft.add("negative", "vocals")
            draft.guess("negative", f"from {value.text!r}", value.number)
    elif re.fullmatch(r"~?\d{2,3}(?:\.\d+)?\s*bpm", words):
        _put_tempo(draft, value)
    elif _KEY.fullmatch(words):
        draft.once("key", value)
    elif "section" not in draft.values and not draft.song and section_phrase(words):
        _put_section(draft, value)
    else:
        draft.add("style", value.text)


def put_facts(draft: Draft, line: Line) -> bool:
    """Take a line of nothing but tempo, key, time and length: "120BPM, D minor, 240seconds"."""
    if len(line.text) > 120:
        return False
    found: list[tuple[str, str]] = []
    for part in re.split(r"\s*[,;|·•]\s*", shown(line.text)):
        words = plain(part)
        tempo, length = find_tempo(part, need_unit=True), find_duration(part)
        if tempo and tempo.end - tempo.start == len(part):
            found.append(("tempo", part))
        elif _FACT_KEY.fullmatch(words):
            found.append(("key", part))
        elif _TIME.fullmatch(words):
            found.append(("time", part))
        elif length and length.end - length.start == len(part) and re.search(r"[a-z:]", words):
            found.append(("seconds", part))
        else:
            return False
    # "Am" alone is sung or played, "4/4" alone may be anything.
    if not any(name in ("tempo", "seconds") or len(part) > 5 for name, part in found):
        return False
    for name, part in found:
        put(draft, name, Line(line.number, part))
    return True


def _put_tagged(draft: Draft, value: Line) -> bool:
    match = _TAG.match(value.text)
    name = field_of(match[1]) if match else None
    if match is None or name not in _TAG_FIELDS:
        return False
    if name == "style":
        draft.add("style", match[2])
    else:
        put(draft, name, Line(value.number, match[2]))
    return True


def put_heading(draft: Draft, found: SegmentHeading, line: Line) -> None:
    """Take number, section, name and more from a segment's heading."""
    draft.number = found.number
    draft.times, draft.again, draft.directions = found.times, found.again, found.directions
    if found.section:
        draft.values["section"] = found.section
        if plain(found.section_text) != found.section:
            draft.guess("section", f"from {found.section_text!r}", line.number)
    if found.name:
        draft.values["heading"] = found.name
    elif found.section_text:
        draft.values["fallback"] = found.section_text
    if found.tempo is not None:
        _put_tempo(draft, Line(line.number, f"{number_text(found.tempo)} BPM"))
    if found.seconds is not None:
        _put_seconds(draft, Line(line.number, f"{number_text(found.seconds)} s"))
        draft.guess("seconds", f"from {found.seconds_from!r} in the heading", line.number)
    if found.played_by:
        draft.add("style", found.played_by)
        draft.guess("style", "from the heading", line.number)
    if found.bars:
        _put_seconds(draft, Line(line.number, found.bars))
    if found.instrumental:
        draft.instrumental = Line(line.number, found.instrumental)
    if found.with_backing:
        draft.with_backing = Line(line.number, found.with_backing)
    for rest in found.rest:
        draft.leave(Line(line.number, rest), "stands in the heading")


def _put_section(draft: Draft, value: Line) -> None:
    text = shown(value.text)
    phrase = section_phrase(text)
    draft.once("section", Line(value.number, phrase or text))
    if phrase and phrase != plain(text):
        draft.guess("section", f"from {text!r}", value.number)


def _put_tempo(draft: Draft, value: Line) -> None:
    text = unescape(" ".join(value.text.split()))
    found = find_tempo(text)
    if found is None or not TEMPO[0] <= found.value <= TEMPO[1]:
        if found is None:
            draft.add("style", text)
            draft.guess("style", f"the words of the tempo {text!r}", value.number)
        else:
            draft.leave(value, "no tempo in beats per minute from 20 to 300")
        return
    there = draft.numbers.setdefault("tempo", found.value)
    if there != found.value:
        draft.leave(value, f"the tempo is {number_text(there)} already")
        return
    if found.ranged:
        draft.guess("tempo", f"the middle of {text!r}", value.number)
    rest = _words_left(text, found.start, found.end)
    if rest:
        draft.add("style", rest)


def _put_time(draft: Draft, value: Line) -> None:
    match = _TIME.search(value.text)
    name = match[0] if match else value.text.strip()
    if name in METRES:
        draft.once("time", Line(value.number, name))
    else:
        draft.leave(value, f"no metre that is known here: {', '.join(METRES)}")


def _put_bars(draft: Draft, value: Line) -> None:
    bare = number(value.text)
    _put_seconds(draft, value if bare is None else Line(value.number, f"{value.text} bars"))


def _put_pickup(draft: Draft, value: Line) -> None:
    match = re.match(r"\s*(\d+(?:\.\d+)?)", value.text)
    if match is None or not PICKUP[0] <= float(match[1]) <= PICKUP[1]:
        draft.leave(value, "no number of beats")
    else:
        draft.numbers.setdefault("pickup", float(match[1]))


def _put_seconds(draft: Draft, value: Line) -> None:
    text = unescape(" ".join(value.text.split()))
    found = find_duration(text)
    if _TIME.fullmatch(text.strip()):
        _put_time(draft, value)
        return
    if found is None:
        draft.leave(value, "no length in seconds")
        return
    rest = _words_left(text, found.start, found.end)
    draft.lines.setdefault("seconds", value.number)
    if found.unit == "bars":
        draft.bars = draft.bars or (found.value, value)
    elif not SECONDS[0] <= found.value <= SECONDS[1]:
        draft.leave(value, "a segment lasts from 0.5 to 600 seconds")
        return
    elif draft.numbers.setdefault("seconds", found.value) != found.value:
        draft.leave(value, f"the length is {number_text(draft.numbers['seconds'])} s already")
        return
    elif found.ranged:
        draft.guess("seconds", f"the upper end of {text!r}", value.number)
    if _FILLER.sub("", plain(rest)).strip(" .,()[]~"):
        draft.leave(Line(value.number, rest), "stands beside the length")


def _put_language(draft: Draft, value: Line) -> None:
    words = plain(shown(value.text))
    code = _LANGUAGES.get(words, words)
    if re.fullmatch(r"[a-z]{2}(?:-[a-z]{2})?", code):
        draft.once("language", Line(value.number, code))
    else:
        draft.bilingual = re.search(r"\w\s*[/&+,]\s*\w", words) is not None
        draft.leave(value, "not one language; generators find each line's by themselves")


def _put_baseline(draft: Draft, value: Line) -> None:
    text = shown(value.text)
    link = re.fullmatch(r"!?\[[^\]]*\]\(<?([^()<>]+)>?\)", text)
    text = link[1] if link else text
    if not text.lower().endswith((*SUFFIXES, ".m4a")):
        draft.leave(value, "not the name of a recording")
        return
    try:
        draft.once("baseline", Line(value.number, check_baseline(text)))
    except ValueError as error:
        draft.leave(value, str(error))


def _put_generators(draft: Draft, value: Line) -> None:
    names = [plain(shown(name)).replace("-", " ") for name in value.text.split(",")]
    known = [_GENERATORS[name] for name in names if name in _GENERATORS]
    if len(known) == len(names) and not draft.generators:
        draft.generators = tuple(dict.fromkeys(known))
    else:
        names_known = ", ".join(sorted(set(_GENERATORS.values())))
        draft.leave(value, f"not among the generators {names_known}")


def _put_number(draft: Draft, value: Line) -> None:
    match = re.fullmatch(r"#?(\d{1,4})", shown(value.text))
    if match and draft.number in (None, int(match[1])) and not draft.song:
        draft.number = int(match[1])
    else:
        draft.leave(value, "no number of a segment")


def _words_left(text: str, start: int, end: int) -> str:
    """Return the words of a text outside the part from ``start`` to ``end``."""
    rest = re.sub(r"\(\s*[,;]?\s*\)|\[\s*\]", " ", f"{text[:start]} {text[end:]}")
    rest = " ".join(rest.split()).strip(" ,;:~≈@=♩.–—-")
    return rest if re.search(r"\w", rest) else ""


def _item(text: str) -> str:
    return re.sub(r"^\s*(?:[-*+•]|\d{1,2}[.)])\s+", "", text).strip()
