"""Makes the pictures of docs/studio.md from a real export.

    python docs/pictures/make_studio_pictures.py

It renders examples/waltz, exports it, and draws what a workstation shows of it: the stems with bars
and markers (studio-stems.svg), and the notes of the verse with its words (studio-notes.svg).
"""

from __future__ import annotations

import json
import tempfile
from html import escape
from itertools import pairwise
from pathlib import Path

import numpy as np

import milonga
from milonga.workflows.studio.export import ExportedSong

HERE = Path(__file__).parent
SHEET = HERE.parents[1] / "examples" / "waltz" / "song.yaml"
WIDTH, LEFT, TRACK = 1000, 90, 54
LOUD = 0.3
COLOURS = {
    "drums": "#b4532a", "bass": "#2a6fb4", "chords": "#3b8a4f", "lead": "#8a5bb0",
    "voice": "#c2337a",
}  # fmt: skip
TEXT = 'font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#444"'


def main() -> None:
    """Draw both pictures."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out"
        milonga.render_song(SHEET, out, report=False)
        found = milonga.export_song(out, Path(scratch) / "studio")
        (HERE / "studio-stems.svg").write_text(stems(found), encoding="utf-8")
        (HERE / "studio-notes.svg").write_text(notes(found), encoding="utf-8")


def stems(found: ExportedSong) -> str:
    """The instrument stems under each other, with bars and markers."""
    document = json.loads((found.folder / "export.json").read_text())
    files = [f for f in document["stems"]["files"] if f["kind"] == "instrument"]
    scale = (WIDTH - LEFT - 10) / found.score.seconds
    height = 40 + TRACK * len(files) + 10
    parts = [head("The stems of a song with bars and markers", height)]
    parts += bars(found, 0.0, found.score.seconds, scale, 36, height - 10)
    for place in found.score.places:
        x = LEFT + place.start_s * scale
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="22" y2="{height - 10}" stroke="#222"/>')
        label = f"{place.label}, {place.metre.name}"
        parts.append(f'<text x="{x + 4:.1f}" y="18" {TEXT}>{escape(label)}</text>')
    for row, file in enumerate(files):
        middle = 40 + TRACK * row + TRACK / 2
        name = file["name"]
        parts.append(f'<text x="8" y="{middle + 4:.1f}" {TEXT}>{escape(name)}</text>')
        wave = milonga.read(found.folder / file["file"]).mono
        edges = np.linspace(0, len(wave), WIDTH - LEFT - 9, dtype=int)
        peaks = [np.abs(wave[a:b]).max(initial=0.0) for a, b in pairwise(edges)]
        tall = (TRACK / 2 - 3) / 0.6
        up = " ".join(f"{LEFT + i},{middle - min(p, 0.6) * tall:.1f}" for i, p in enumerate(peaks))
        down = " ".join(
            f"{LEFT + i},{middle + min(p, 0.6) * tall:.1f}"
            for i, p in reversed([*enumerate(peaks)])
        )
        parts.append(f'<polygon points="{up} {down}" fill="{COLOURS.get(name, "#666")}"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def notes(found: ExportedSong) -> str:
    """The notes of the first segment with words: band and voice, and the syllables."""
    place = next(p for p in found.score.places if p.section == "verse")
    begin, end = place.start_s, place.end_s
    scale = (WIDTH - LEFT - 10) / (end - begin)
    shown = [
        (part, note)
        for part in found.score.parts
        if not part.drums
        for note in part.notes
        if begin <= note.start_s < end
    ]
    low = min(note.pitch for _, note in shown) - 2
    high = max(note.pitch for _, note in shown) + 3
    step = 6
    height = 40 + step * (high - low) + 20
    parts = [head("The notes of a verse and its words", height)]
    parts += bars(found, begin, end, scale, 20, height - 20)
    for part, note in shown:
        x = LEFT + (note.start_s - begin) * scale
        y = 30 + step * (high - note.pitch)
        wide = max(2.0, (min(note.end_s, end) - note.start_s) * scale - 1)
        colour = COLOURS[part.group]
        parts.append(
            f'<rect x="{x:.1f}" y="{y}" width="{wide:.1f}" height="{step - 1}" fill="{colour}"/>'
        )
        if note.syllable:
            text = escape(note.syllable.strip())
            parts.append(f'<text x="{x:.1f}" y="{y - 3}" {TEXT}>{text}</text>')
    groups = dict.fromkeys(part.group for part, _ in shown)
    for row, group in enumerate(groups):
        y = 50 + 18 * row
        parts.append(f'<rect x="8" y="{y - 9}" width="10" height="10" fill="{COLOURS[group]}"/>')
        parts.append(f'<text x="24" y="{y}" {TEXT}>{escape(group)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def bars(
    found: ExportedSong, begin: float, end: float, scale: float, top: float, bottom: float
) -> list[str]:
    """A line at each bar, by the tempo map that the projects have."""
    tempo, lines = found.score.tempo, []
    points = [*tempo.points]
    for index, point in enumerate(points):
        last = points[index + 1].quarters if index + 1 < len(points) else tempo.quarters(end)
        size = 4 * point.numerator / point.denominator
        for count in range(1000):
            quarters = point.quarters + count * size
            if quarters > last - 1e-6:
                break
            at = tempo.seconds(quarters)
            if begin - 1e-6 <= at <= end:
                x = LEFT + (at - begin) * scale
                lines.append(
                    f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}" stroke="#ddd"/>'
                )
    return lines


def head(title: str, height: float) -> str:
    """The beginning of a picture on white, which dark pages show as it is."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}">\n<title>{escape(title)}</title>\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    )


if __name__ == "__main__":
    main()
