"""A sheet as Markdown: readable, and read back without a guess."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence

from milonga.songs.markdown.marks import escape
from milonga.songs.markdown.reader import MARKER
from milonga.songs.sheet.model import Layer, Segment, Sheet
from milonga.songs.sheet.text import number_text
from milonga.songs.sheet.yaml_writer import own_layers, own_options

LABELS = {
    "style": "Style Tags", "mood": "Mood", "voice": "Voice", "negative": "Exclude",
}  # fmt: skip


def export_markdown(sheet: Sheet) -> str:
    """The sheet as Markdown; ``import_markdown`` makes an equal sheet of it."""
    # Lyrics never hold two empty lines together.
    return re.sub(r"\n{3,}", "\n\n", "\n".join(_document(sheet)).rstrip()) + "\n"


def _document(sheet: Sheet) -> Iterator[str]:
    yield MARKER
    yield ""
    yield f"# {escape(sheet.title)}"
    yield ""
    if sheet.artist:
        yield _item("Artist", sheet.artist)
    yield _item("Tempo", f"{number_text(sheet.tempo)} BPM")
    yield from _shared(sheet)
    yield from _options(sheet.options)
    for segment in sheet.segments:
        yield ""
        yield from _segment(segment, sheet)


def _segment(segment: Segment, sheet: Sheet) -> Iterator[str]:
    yield f"## Segment {segment.number} - {escape(segment.section)}"
    yield ""
    yield _item("Title", segment.name)
    yield _item("Duration", f"{number_text(segment.seconds)} seconds")
    if segment.tempo is not None:
        yield _item("Tempo", f"{number_text(segment.tempo)} BPM")
    yield from _shared(segment)
    if segment.baseline:
        code = "`" not in segment.baseline
        yield f"- **Baseline**: {f'`{segment.baseline}`' if code else escape(segment.baseline)}"
    yield from _options(own_options(segment, sheet))
    yield from _lyrics(segment.lyrics)
    for layer in own_layers(segment, sheet):
        yield ""
        yield from _layer(layer)


def _layer(layer: Layer) -> Iterator[str]:
    yield f"### Layer {layer.role}"
    yield ""
    if layer.gain_db:
        yield _item("Gain", f"{number_text(layer.gain_db)} dB")
    yield from _texts(layer)
    yield from _generators(layer.generators)
    yield from _lyrics(layer.lyrics)


def _shared(part: Sheet | Segment) -> Iterator[str]:
    if part.key:
        yield _item("Key", part.key)
    yield from _texts(part)
    if part.language:
        yield _item("Language", part.language)
    yield from _generators(part.generators)


def _texts(part: Sheet | Segment | Layer) -> Iterator[str]:
    for name, label in LABELS.items():
        value = getattr(part, name)
        if value:
            yield _item(label, value)


def _generators(names: Sequence[str]) -> Iterator[str]:
    if names:
        yield _item("Generators", ", ".join(names))


def _options(options: dict[str, dict[str, object]]) -> Iterator[str]:
    if options:
        yield from _block("Options", [json.dumps(options, ensure_ascii=False)], "json")


def _lyrics(lyrics: str | None) -> Iterator[str]:
    if lyrics:
        yield from _block("Lyrics", lyrics.split("\n"))


def _block(label: str, lines: Iterable[str], info: str = "") -> Iterator[str]:
    lines = list(lines)
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from ("", f"**{label}**:", "", fence + info, *lines, fence)


def _item(label: str, value: str) -> str:
    return f"- **{label}**: {escape(value)}"
