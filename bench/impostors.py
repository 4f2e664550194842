"""How often ``milonga compare`` speaks in favour of what isn't the baseline, and of what is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bench.checks import recordings
from milonga import audio
from milonga.analysis import yardsticks
from milonga.analysis.comparison import compare_clips, measure_baseline
from milonga.analysis.pairs.sketch import Sketch, backwards, sketch
from milonga.analysis.verdicts.damages import DAMAGES, RATE, working
from milonga.audio import Clip

LEAST_S, LONGEST_S = 4.0, 12.0
_NEUTRAL = ("Nothing", "It needs", "The baseline", "All parts", "No figure")
A_PACKAGE = 12
"""Recordings of each package of Debian, the longest first."""

ALIKE = {"noise": 30, "bit_rate": 64, "low_pass": 8, "pitch": 50, "stretch": 4, "reverb": 0.5}
"""Damage after which a recording is still that recording, and how much of it."""


def run(quick: bool = False) -> str:
    clips = chosen(2 if quick else A_PACKAGE)
    sketches = {name: sketch(clip) for name, clip in clips.items()}
    made = {name: sketch(clip) for name, clip in _sounds().items()}
    asked: Counter[str] = Counter()
    favoured: Counter[str] = Counter()
    figures: Counter[str] = Counter()
    cases: list[str] = []
    for name, clip in clips.items():
        known = measure_baseline(clip)
        worth = known.worth
        assert worth is not None
        for kind, one in _takes(name, clip, sketches, made):
            asked[kind] += 1
            _, verdicts, sentence = worth.judged(one)
            counting = [figure for figure, verdict in verdicts.items() if verdict.counts]
            figures[kind] += len(counting)
            taken = worth.borrowed(one) is not None
            neutral = sentence.startswith(_NEUTRAL)
            if bool(counting) or taken or not neutral:
                favoured[kind] += 1
                if "itself" not in kind:
                    cases.append(f"{name}, {kind}{_which(one, sketches)}: {sentence}")
        (silent,) = compare_clips(known, {"silence": _silence()}).candidates
        asked["silence"] += 1
        favoured["silence"] += silent.common is not None or not silent.sentence.startswith("It is")
    rows = [
        f"| {kind} | {count} | {favoured[kind]} ({favoured[kind] / count:.1%}) | {figures[kind]} |"
        for kind, count in asked.items()
    ]
    unlike = [kind for kind in asked if not kind.startswith("itself")]
    wrong, of = sum(favoured[kind] for kind in unlike), sum(asked[kind] for kind in unlike)
    return f"""## What isn't the baseline

{len(clips)} recordings of Debian's packages ({LEAST_S:g} to {LONGEST_S:g} s: loops, drones,
instruments, songs, speech, signals), each the baseline of all others and of noise, hum, silence and
itself backwards; of prompts and signals one of each family, whose others share passages with it. \
In favour: any figure counts, a passage is called the baseline's, or the sentence
says that anything is alike.

| candidate | pairs | in favour | figures that count |
| --- | --- | --- | --- |
{chr(10).join(rows)}

Favourable words for what isn't the baseline: {wrong} of {of} ({wrong / of:.2%}).

{chr(10).join(f"- {case}" for case in cases)}
"""


def _which(one: Sketch, sketches: dict[str, Sketch]) -> str:
    """Name the recording that a sketch is of; empty for what was made."""
    return next((f" ({name})" for name, other in sketches.items() if other.bands is one.bands), "")


def chosen(most: int) -> dict[str, Clip]:
    """Read the longest recordings of each package, the middle of those over 12 s."""
    found: dict[str, list[tuple[float, str, Clip]]] = {}
    for kind, clip, name in recordings(80):
        if clip.seconds >= LEAST_S and clip.peak > 0.01:
            start = max(0.0, (clip.seconds - LONGEST_S) / 2)
            part = clip.between(start, min(clip.seconds, start + LONGEST_S))
            found.setdefault(kind, []).append((clip.seconds, name, part))
    kept: dict[str, Clip] = {}
    for kind, each in found.items():
        families: dict[str, tuple[str, Clip]] = {}
        for _, name, clip in sorted(each, key=lambda one: (-one[0], one[1])):
            # Prompts and signals of one name share words and tunes: there they are alike.
            alone = kind.startswith(("speech", "signals"))
            families.setdefault(name.partition("-")[0] if alone else name, (name, clip))
        kept |= dict(list(families.values())[:most])
    return kept


def _takes(
    name: str, clip: Clip, sketches: dict[str, Sketch], made: dict[str, Sketch]
) -> Iterator[tuple[str, Sketch]]:
    for other, one in sketches.items():
        if other != name:
            yield "another recording", replace(one, views={})
    for kind, one in made.items():
        yield kind, replace(one, views={})
    yield "noise of its colour", sketch(yardsticks.noise(clip, seed=11))
    yield "noise of its mean levels", sketch(yardsticks.shadow(clip, seed=11))
    yield "noise in its shape", sketch(yardsticks.shaped(clip, seed=11))
    yield "it backwards", backwards(sketches[name])
    wave = working(clip)
    for damage in DAMAGES:
        if damage.name in ALIKE:
            step = ALIKE[damage.name]
            harmed = Clip(damage.apply(wave, step), RATE, copy=False)
            yield f"itself with {damage.label(step)}", sketch(harmed)


def _sounds() -> dict[str, Clip]:
    rng = np.random.default_rng(4)
    length = round(8 * RATE)
    white = rng.standard_normal(length)
    brown = np.cumsum(rng.standard_normal(length))
    brown -= np.convolve(brown, np.ones(1200) / 1200, "same")
    hum = np.sin(2 * np.pi * 50 * np.arange(length) / RATE)
    sounds = {"white noise": white, "brown noise": brown, "hum of 50 Hz": hum}
    return {
        name: Clip(0.1 * (wave / wave.std()).astype(np.float32), RATE)
        for name, wave in sounds.items()
    }


def _silence() -> Clip:
    return audio.Clip(np.zeros((1, 8 * RATE), dtype=np.float32), RATE)
