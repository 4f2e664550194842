"""Which figure moves steadily with which damage, on real recordings, and how much with format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from milonga import audio
from milonga.analysis.pairs.figures import SIMILARITIES, Common
from milonga.analysis.pairs.measure import common
from milonga.analysis.pairs.sketch import sketch
from milonga.analysis.verdicts.damages import DAMAGES, RATE, working
from milonga.analysis.verdicts.ladder import EXCERPT_S, rung
from milonga.audio import Clip

SAMPLES = Path("/usr/share/sonic-pi/samples")
PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "ladder.svg"
LEAST_S = 4.0
STEADY = 0.95

FIGURES: dict[str, Callable[[Common], float | None]] = {
    **{name: lambda found, name=name: getattr(found, name) for name in SIMILARITIES},  # type: ignore[misc]
    "sound_distance_db": lambda found: found.sound_distance_db,
    "centroid": lambda found: found.centroid_diff_pct,
    "rolloff": lambda found: found.rolloff_diff_pct,
    "crest": lambda found: found.crest_diff_db,
    "decay": lambda found: found.decay_diff_pct,
    "sounding": lambda found: found.sounding_diff_pct,
    "pitch_shift": lambda found: found.pitch_shift_semitones,
    "tempo_ratio": lambda found: found.tempo_ratio,
}
FORMATS: dict[str, Callable[[Clip], Clip]] = {
    "16 kHz": lambda clip: audio.resample(clip, 16_000),
    "22.05 kHz": lambda clip: audio.resample(clip, 22_050),
    "96 kHz": lambda clip: audio.resample(clip, 96_000),
    "-20 dB": lambda clip: clip.scaled(0.1),
    "mono": lambda clip: Clip(clip.mono, clip.sample_rate),
}


def run(quick: bool = False) -> str:
    clips = _recordings()[: 4 if quick else None]
    steady = {damage.name: {name: [] for name in FIGURES} for damage in DAMAGES}
    least = {damage.name: {name: [] for name in SIMILARITIES} for damage in DAMAGES}
    lowest: dict[str, list[list[float]]] = {d.name: [[] for _ in d.steps] for d in DAMAGES}
    moved: dict[str, float] = dict.fromkeys(SIMILARITIES, 0.0)
    for clip in clips:
        wave = working(clip)[: round(EXCERPT_S * RATE)]
        own = sketch(Clip(wave, RATE))
        for damage in DAMAGES:
            found = [rung(own, wave, damage, step).common for step in damage.steps]
            for name, figure in FIGURES.items():
                steady[damage.name][name].append(_steadiness([figure(one) for one in found]))
            for name in SIMILARITIES:
                value = getattr(found[-1], name)
                if value is not None:
                    least[damage.name][name].append(1 - value)
            for step, one in enumerate(found):
                if one.sound_similarity is not None:
                    lowest[damage.name][step].append(one.sound_similarity)
        whole = sketch(clip)
        for change in FORMATS.values():
            other = common(whole, sketch(change(clip)))
            for name in SIMILARITIES:
                value = getattr(other, name)
                if value is not None:
                    moved[name] = max(moved[name], 1 - value)
    if not quick:
        PICTURE.write_text(_picture(lowest))
    rows = []
    for damage in DAMAGES:
        table = {name: np.array(values) for name, values in steady[damage.name].items()}
        best = max(table, key=lambda name: (np.sum(table[name] >= STEADY), table[name].mean()))
        any_ = np.max(list(table.values()), axis=0)
        rows.append(
            f"| {damage.label(damage.steps[0])} ... {damage.steps[-1]:g} | {best} "
            f"| {np.sum(table[best] >= STEADY)} | {np.sum(any_ >= STEADY)} | {any_.min():.2f} |"
        )
    formats = []
    for name in SIMILARITIES:
        strongest = max(
            (float(np.median(least[d.name][name])) for d in DAMAGES if least[d.name][name]),
            default=0.0,
        )
        formats.append(f"| {name} | {moved[name]:.5f} | {strongest:.3f} |")
    return f"""## The ladder of known damage

{len(clips)} recordings of sonic-pi from {LEAST_S:g} s on, each damaged in six steps. A figure
moves steadily where the rank correlation (Spearman) of its value with the step is at least
{STEADY}, which for six steps means without a single exception.

| damage | steadiest figure | steady on | any figure steady on | lowest of the best |
| --- | --- | --- | --- | --- |
{chr(10).join(rows)}

The same sound in another format (16, 22.05 and 96 kHz, -20 dB, mono): the most that 1 is missed
by, beside the median under the damage that moves the figure most.

| figure | by format | by damage |
| --- | --- | --- |
{chr(10).join(formats)}

![Similarity of sound under each damage, median of all recordings](pictures/ladder.svg)
"""


def _recordings() -> list[Clip]:
    clips = (audio.read(path) for path in sorted(SAMPLES.glob("*.flac")))
    return [clip for clip in clips if clip.seconds >= LEAST_S]


def _steadiness(values: list[float | None]) -> float:
    """Correlate the ranks of a figure with those of the steps; 0 where it isn't defined."""
    from scipy.stats import spearmanr

    known = [value for value in values if value is not None]
    if len(known) < len(values) or len(set(known)) < 2:
        return 0.0
    return abs(float(spearmanr(range(len(known)), known).statistic))


def _picture(lowest: dict[str, list[list[float]]]) -> str:
    """Draw a small panel for each damage: the median similarity of sound over its steps."""
    width, height, gap, left, top = 190, 110, 40, 44, 44
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + 4 * (width + gap)} '
        f'{top + 2 * (height + 64)}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        '<text x="12" y="22" font-size="15">Similarity of sound, median (line) and the middle '
        "half of the recordings</text>",
    ]
    for index, damage in enumerate(DAMAGES):
        x0 = left + (index % 4) * (width + gap)
        y0 = top + (index // 4) * (height + 64) + 16
        places = [x0 + width * step / 5 for step in range(6)]

        def y(value: float, y0: int = y0) -> float:
            return round(y0 + height * (1 - max(0.0, value)), 1)

        quarters = [np.quantile(values, (0.25, 0.5, 0.75)) for values in lowest[damage.name]]
        upper = [f"{x:.1f},{y(q[2])}" for x, q in zip(places, quarters, strict=True)]
        lower = [f"{x:.1f},{y(q[0])}" for x, q in zip(places, quarters, strict=True)]
        middle = [f"{x:.1f},{y(q[1])}" for x, q in zip(places, quarters, strict=True)]
        parts.append(f'<text x="{x0}" y="{y0 - 8}">{damage.words.format("…")}</text>')
        parts.extend(
            f'<path d="M{x0} {y(tick)}h{width}" stroke="#e2dbd7"/>'
            f'<text x="{x0 - 6}" y="{y(tick) + 4}" text-anchor="end" fill="#685d5f">{tick:g}</text>'
            for tick in (0, 0.5, 1)
        )
        parts.append(f'<polygon points="{" ".join(upper + lower[::-1])}" fill="#ecd9df"/>')
        parts.append(
            f'<polyline points="{" ".join(middle)}" fill="none" stroke="#8f1d3f" stroke-width="2"/>'
        )
        parts.extend(
            f'<text x="{x:.1f}" y="{y0 + height + 16}" text-anchor="middle" fill="#685d5f">'
            f"{step:g}</text>"
            for x, step in zip(places, damage.steps, strict=True)
        )
    return "\n".join([*parts, "</svg>\n"])
