"""The guide's singing voice: how fast it sings, and how many words are still understood."""

from __future__ import annotations

import statistics
import sys

import numpy as np

from bench.listener import Listener, word_errors, words
from bench.timing import run_process

SECONDS = 60.0
VERSE = (
    "The city is dancing under broken lights",
    "I hear your voice inside the old machine",
    "Every step we take becomes a song",
    "Hold on to me until the morning comes",
)
CHORUS = ("Susurra conmigo en la noche", "El futuro nos llama otra vez")
MORE = (
    "Everybody is waiting for the summer rain",
    "Under the silver moon I call your name",
    "There is no other road that leads me home",
    "Tomorrow never knows what we have done",
    "Shadows and fire are falling from the sky",
    "We laugh at the chaos, we play with the luck",
)
SONGS = {
    "English": (*VERSE, *MORE, *VERSE),
    "Spanish": (*CHORUS, "La vida es un sueño de metal", "Bailamos entre luces y sombras") * 3,
    "English verses, a Spanish chorus": (*VERSE, *CHORUS, *MORE[:4], *CHORUS),
}

_PROCESS = """
import sys
from milonga.generators.base import LyricLine, Request
from milonga.generators.registry import generator_class
from milonga.runtime.progress import Progress
kind = generator_class("guide")
lines = tuple(LyricLine(text=text) for text in sys.argv[3:])
request = Request(role="vocals", section="verse", style="pop", lyrics=lines, tempo=100,
                  seconds=float(sys.argv[1]), key="A minor", seed=0)
guide = kind(kind.Options(a_cappella=sys.argv[2] == "alone"))
clip = guide.render(request, Progress())
assert clip.n_samples == round(request.seconds * clip.sample_rate) and clip.peak > 0.1
"""


def run(quick: bool = False) -> str:
    runs = 2 if quick else 5
    rows = []
    cases = [(name, how) for name in SONGS for how in ("alone", "with the band")]
    taken: dict[tuple[str, str], list[float]] = {case: [] for case in cases}
    for _ in range(runs):
        for name, how in cases:
            command = [sys.executable, "-c", _PROCESS, str(SECONDS), how, *SONGS[name]]
            taken[name, how].append(run_process(command).seconds)
    for name, how in cases:
        median = statistics.median(taken[name, how])
        rows.append(f"| {name} | {how} | {median:.1f} s | {SECONDS / median:.1f} times |")
    table = "\n".join(rows)
    return f"""## The singing guide

| {SECONDS:.0f} s song | voice | whole process | faster than real time |
| --- | --- | --- | --- |
{table}

Whole processes with imports and loading, in turns, medians of {runs} (goal: at least 5 times).

{_intelligibility(quick)}"""


def _intelligibility(quick: bool) -> str:
    from milonga.generators.guide.voice.espeak import Espeak
    from milonga.generators.guide.voice.neural import Neural

    lines = (*VERSE, *MORE)[: 3 if quick else None]
    listener = Listener()
    rows = []
    for engine in (Neural(), Espeak()):
        spoken = [engine.speak(line.split(), "en") for line in lines]
        errors = [
            word_errors(line, listener.hear(speech.samples, speech.rate))
            for line, speech in zip(lines, spoken, strict=True)
        ]
        total = sum(len(words(line)) for line in lines)
        figures = [sum(errors) / total]
        figures += [_sung_errors(engine, lines, voice, listener) for voice in ("female", "male")]
        cells = " | ".join(f"{100 * figure:.0f} %" for figure in figures)
        rows.append(f"| {engine.name} | {cells} |")
    table = "\n".join(rows)
    return f"""| English voice | word errors, spoken | sung by a woman | sung by a man |
| --- | --- | --- | --- |
{table}

{len(lines)} lines at 100 BPM, each heard by itself by Whisper "tiny.en".
"""


def _sung_errors(engine, lines, voice: str, listener: Listener) -> float:  # type: ignore[no-untyped-def]
    from milonga.generators.base import LyricLine, Request
    from milonga.generators.guide.tune.melody import compose_melody
    from milonga.generators.guide.voice.alignment import syllables
    from milonga.generators.guide.voice.casting import cast
    from milonga.generators.guide.voice.phones import nuclei
    from milonga.generators.guide.voice.singing import sing
    from milonga.generators.guide.voice.world import analyse
    from milonga.generators.words.syllables import words_of

    singer = cast(voice).lead
    request = Request(
        role="vocals",
        section="verse",
        lyrics=tuple(LyricLine(text=line) for line in lines),
        seconds=5.0 * len(lines),
        tempo=100,
        key="A minor",
        seed=0,
    )
    errors = total = 0
    for line in compose_melody(request, singer.range):
        speech = engine.speak(words_of(line.text), "en", engine.pace)
        placed = syllables(line, nuclei(speech.phones))
        sung = sing(placed, analyse(speech), singer, np.random.default_rng(0), engine=engine)
        errors += word_errors(line.text, listener.hear(sung.samples, sung.sample_rate))
        total += len(words(line.text))
    return errors / total
