"""A sheet as Markdown: readable, and read back without a guess."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from milonga.generators.measures import DEFAULT_TIME
from milonga.songs.markdown.exact import MARKER, WHOLE_HEADING
from milonga.songs.markdown.marks import escape
from milonga.songs.sheet.document import schema_of
from milonga.songs.sheet.labels import label_of
from milonga.songs.sheet.model import Sheet
from milonga.songs.sheet.text import number_text
from milonga.songs.sheet.yaml_writer import own_layers, own_options, own_whole

_IN_HEADING = ("title", "number", "section", "role")
_BARE = ("bars", "pickup")
"""Numbers whose label says what they count."""
_UNITS = {"tempo": "BPM", "seconds": "seconds", "number": "dB"}


def export_markdown(sheet: Sheet) -> str:
    """Write a sheet as Markdown; ``import_markdown`` makes an equal sheet of it."""
    # Lyrics never hold two empty lines together.
    return re.sub(r"\n{3,}", "\n\n", "\n".join(_document(sheet)).rstrip()) + "\n"


def _document(sheet: Sheet) -> Iterator[str]:
    yield from (MARKER, "", f"# {escape(sheet.title)}", "")
    yield from _items(sheet)
    yield from _options(sheet.options)
    if sheet.whole is not None:
        yield from ("", f"## {WHOLE_HEADING}", "")
        yield from _items(own_whole(sheet))
        yield from _options(own_options(sheet.whole, sheet))
    for segment in sheet.segments:
        yield from ("", f"## Segment {segment.number} - {escape(segment.section)}", "")
        yield from _items(segment)
        yield from _options(own_options(segment, sheet))
        yield from _lyrics(segment.lyrics)
        for layer in own_layers(segment, sheet):
            yield from ("", f"### Layer {layer.role}", "")
            yield from _items(layer)
            yield from _lyrics(layer.lyrics)


def _items(part: BaseModel) -> Iterator[str]:
    """Yield the fields that fit on a line; a heading holds those of ``_IN_HEADING``."""
    for name, kind in schema_of(type(part)).items():
        value = getattr(part, name)
        if name in _IN_HEADING or not value or isinstance(kind, tuple | dict):
            continue
        if name == "seconds" and getattr(part, "bars", None):
            continue  # bars say it exactly
        if name == "time" and isinstance(part, Sheet) and value == DEFAULT_TIME:
            continue
        if kind == "names":
            text = escape(", ".join(value))
        elif kind in _UNITS:
            text = f"{number_text(value)} {_UNITS[kind] if name not in _BARE else ''}".rstrip()
        elif kind not in ("text", "time", "chords"):
            continue
        else:
            code = name == "baseline" and "`" not in value
            text = f"`{value}`" if code else escape(value)
        yield f"- **{label_of('title' if name == 'name' else name)}**: {text}"


def _options(options: dict[str, dict[str, object]]) -> Iterator[str]:
    if options:
        yield from _block("options", [json.dumps(options, ensure_ascii=False)], "json")


def _lyrics(lyrics: str | None) -> Iterator[str]:
    if lyrics:
        yield from _block("lyrics", lyrics.split("\n"))


def _block(name: str, lines: Iterable[str], info: str = "") -> Iterator[str]:
    lines = list(lines)
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from ("", f"**{label_of(name)}**:", "", fence + info, *lines, fence)
