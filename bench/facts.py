"""How often tempo, metre, key, chords and voice are read right, on takes that are known."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np

from milonga import audio
from milonga.analysis.facts.held import held, measures, reading
from milonga.analysis.facts.key import relation
from milonga.analysis.facts.model import Asked
from milonga.analysis.facts.voice import voice_of
from milonga.analysis.pairs.beat import tempo
from milonga.analysis.pairs.ground import onset_strength
from milonga.analysis.pairs.sketch import sketch
from milonga.audio import Clip
from milonga.generators.base import LyricLine, Request
from milonga.generators.measures import METRES
from milonga.generators.registry import generator
from milonga.workflows.scoring.facts import asked_of

TEMPI = (60, 90, 120, 150, 180)
KEYS = ("C major", "A minor", "G major", "E minor", "F major", "D minor", "Bb major", "F# minor",
        "Eb major", "C minor", "D major", "B minor")  # fmt: skip
STYLES = ("folk", "pop", "ballad", "rock", "jazz", "reggaeton")
CHORDS = ("Am F C G", "D G A Bm")
LINES = (
    LyricLine(text="We laugh at the chaos, we play with the luck"),
    LyricLine(text="Dreams synthetic but hearts imperfect"),
)
VOICES = ("smooth male lead", "deep male voice", "female singer", "bright female voice")
SONGS = Path("/usr/share/asterisk/moh")
SURE = 0.8


def run(quick: bool = False) -> str:
    guide = generator("guide")
    read: Counter[str] = Counter()
    keys: Counter[str] = Counter()
    sure: Counter[bool] = Counter()
    verdicts: Counter[str] = Counter()
    wanted = list(_grooves())[:: 20 if quick else 1]
    for request in wanted:
        found = measures(sketch(guide.render(request)))
        asked = asked_of(request)
        bpm = found.tempo.bpm
        octave = None if bpm is None else reading(bpm, request.tempo)
        read["no tempo" if bpm is None else "other" if octave is None
             else "right" if octave == 1 else "half or double, named"] += 1  # fmt: skip
        key = found.key
        assert asked.tonic is not None
        same = (key.tonic, key.minor) == (asked.tonic, asked.minor)
        related = (
            "" if key.tonic is None else relation(asked.tonic, asked.minor, key.tonic, key.minor)
        )
        keys["right" if same else related or "other"] += 1
        if key.confidence >= SURE:
            sure[same] += 1
        verdicts.update(fact.verdict for fact in held(found, asked) if fact.name == "key")
    metres, chords = _metres(guide, 2 if quick else len(STYLES))
    noise = _noise(4 if quick else 40)
    voices = _voices(guide, quick)
    total, listed = len(wanted), ", ".join(f"{n} {name}" for name, n in keys.most_common())
    rows = "\n".join(
        f"| {time} | {row['met']} | {row['not met']} | {row[TELLS_NOTHING]} | {row['others']} |"
        for time, row in metres.items()
    )
    return f"""## What the sheet asked for

**Tempo.** The guide's takes of {total // len(TEMPI)} grooves at {", ".join(map(str, TEMPI))} BPM,
12 s each, no hint from the sheet: {read["right"]} right (2 %),
{read["half or double, named"]} half or double and named so, {read["other"]} other,
{read["no tempo"]} none: {(read["right"] + read["half or double, named"]) / total:.1%} right or
rightly named. Of {noise[1]} noises (white, pink, 4 to 30 s) {noise[0]} got a tempo.

**Key**, of the same takes: {listed}. Of the {sum(sure.values())} held for {SURE:.0%} sure and
more, {sure[True]} are right. Against the sheet: {verdicts["met"]} met,
{verdicts[TELLS_NOTHING]} can't tell, {verdicts["not met"]} not met (all should be met).

**Metre.** Takes in five metres, {len(STYLES)} styles; the last column holds the same takes against
the metres that they aren't in:

| time | met | not met | can't tell | another metre met |
| --- | --- | --- | --- | --- |
{rows}

2/4 and 4/4 aren't told apart, nor are 6/8 and 12/8.

**Chords.** {chords["met"]} of {chords["count"]} of these takes have the chords that were asked
for; of the same chords in another order {chords["wrong"]} are called met, a tone higher
{chords["moved"]}.

**Voice.** {voices}
"""


TELLS_NOTHING = "can't tell"


def _grooves() -> Iterator[Request]:
    table = files("milonga.generators.guide.band").joinpath("grooves.toml").read_text()
    for number, style in enumerate(tomllib.loads(table)):
        for place, bpm in enumerate(TEMPI):
            yield Request(
                role="instrumental", section="chorus" if place % 2 else "verse", style=style,
                seconds=12.0, tempo=bpm, key=KEYS[(number * 5 + place) % len(KEYS)],
                seed=number * 10 + place,
            )  # fmt: skip


def _metres(guide, styles: int) -> tuple[dict[str, Counter[str]], Counter[str]]:
    table, chords = {time: Counter() for time in METRES}, Counter()
    alike = {"2/4": {"2/4", "4/4"}, "4/4": {"2/4", "4/4"}, "6/8": {"6/8", "12/8"},
             "12/8": {"6/8", "12/8"}, "3/4": {"3/4"}}  # fmt: skip
    for number, (time, style) in enumerate((t, s) for t in METRES for s in STYLES[:styles]):
        request = Request(
            role="instrumental", section="verse", style=style, seconds=14.0,
            tempo=(80, 120)[number % 2], key=("A minor", "D major")[number % 2], seed=number,
            time=time, chords=CHORDS[number % 2],
        )  # fmt: skip
        found, asked = measures(sketch(guide.render(request))), asked_of(request)
        for other in METRES:
            wish = asked_of(request.model_copy(update={"time": other, "chords": ""}))
            verdict = next(f.verdict for f in held(found, wish) if f.name == "metre")
            if other == time:
                table[time][str(verdict)] += 1
            elif other not in alike[time]:
                table[time]["others"] += verdict == "met"
        names = [asked.chords[place] for place in (2, 0, 3, 1)]
        moved = [
            type(c)(c.name, tuple((one + 2) % 12 for one in c.classes), c.bars)
            for c in asked.chords
        ]
        for name, progression in (("met", asked.chords), ("wrong", names), ("moved", moved)):
            wish = Asked(tempo=asked.tempo, beats=asked.beats, chords=tuple(progression))
            chords[name] += next(
                f.verdict == "met" for f in held(found, wish) if f.name == "chords"
            )
        chords["count"] += 1
    return table, chords


def _noise(count: int) -> tuple[int, int]:
    found = 0
    for seed in range(count):
        rng = np.random.default_rng(seed)
        samples = rng.standard_normal(22_050 * (4, 8, 15, 30)[seed % 4])
        if seed % 2:
            spectrum = np.fft.rfft(samples)
            spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 30))
            samples = np.fft.irfft(spectrum)
        clip = Clip((0.1 * samples / samples.std()).astype(np.float32), 22_050)
        found += tempo(onset_strength(sketch(clip))).bpm is not None
    return found, count


def _voices(guide, quick: bool) -> str:
    heard, right, told = Counter(), 0, 0
    for number, voice in enumerate(VOICES[:1] if quick else VOICES):
        for key in ("C major", "A minor"):
            for accompanied in (True, False):
                request = Request(
                    role="vocals", section="verse", style="pop", voice=voice, lyrics=LINES,
                    seconds=10.0, tempo=100, key=key, seed=number, accompanied=accompanied,
                )  # fmt: skip
                clip = guide.render(request)
                facts = {fact.name: fact for fact in held(
                    measures(sketch(clip), voice_of(clip)), asked_of(request)
                )}  # fmt: skip
                heard[accompanied] += facts["voice"].verdict == "met"
                heard[accompanied, "all"] += 1
                if accompanied and (fact := facts.get("register")):
                    right += fact.verdict == "met"
                    told += fact.verdict != TELLS_NOTHING
    clips = [audio.read(path) for path in sorted(SONGS.glob("*.wav"))]
    clips += [guide.render(request) for request in list(_grooves())[:: 40 if quick else 5]]
    wrong = 0
    for clip in clips:
        part = Clip(clip.samples[:, : 20 * clip.sample_rate], clip.sample_rate)
        wrong += voice_of(part).share >= 0.2
    return (
        f"The guide's voice alone is heard in {heard[True]} of {heard[True, 'all']} takes, into "
        f"its band in {heard[False]} of {heard[False, 'all']} (the rest: can't tell). High or low "
        f"is told in {told} of the former, {right} of them rightly. Of {len(clips)} recordings "
        f"without a voice {wrong} got one."
    )
