"""Make ``others.npz``: what ``compare`` keeps of sixteen unlike recordings by the guide.

``python -m tools.make_others`` renders them anew; they change only when the guide does or the
sketch's grid.
"""

from __future__ import annotations

from pathlib import Path

from milonga.analysis.pairs.sketch import sketch
from milonga.analysis.verdicts.others import FILE, packed
from milonga.generators.base import Request
from milonga.generators.registry import generator

SONGS = (
    ("reggaeton", 95, "A minor"),
    ("drum and bass", 174, "F minor"),
    ("trap", 140, "C# minor"),
    ("milonga", 112, "D minor"),
    ("tango", 126, "G minor"),
    ("cumbia", 90, "E major"),
    ("salsa", 184, "Bb major"),
    ("bossa nova", 128, "F major"),
    ("flamenco", 104, "E minor"),
    ("house", 124, "G# minor"),
    ("rock", 132, "D major"),
    ("jazz", 148, "Eb major"),
    ("folk", 80, "G major"),
    ("ambient", 66, "C major"),
    ("cinematic strings", 74, "B minor"),
    ("piano ballad", 58, "A major"),
)
SECONDS = 8.0


def main() -> None:
    """Render the songs and write the file."""
    guide = generator("guide")
    kept = {}
    for seed, (style, tempo, key) in enumerate(SONGS):
        request = Request(
            role="instrumental",
            section="chorus",
            style=style,
            seconds=SECONDS,
            tempo=tempo,
            key=key,
            seed=seed,
        )
        kept[style] = sketch(guide.render(request))
    path = Path(__file__).parent.parent / "src/milonga/analysis/verdicts" / FILE
    path.write_bytes(packed(kept))
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
