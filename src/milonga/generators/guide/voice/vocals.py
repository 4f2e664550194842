"""The whole vocal of a segment: who sings which line, how, and where it stands."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import Clip
from milonga.audio.resampling import resample
from milonga.errors import Problem
from milonga.generators.base import LyricLine, Request
from milonga.generators.guide.score import MelodyLine, dice
from milonga.generators.guide.voice import casting, neural
from milonga.generators.guide.voice.alignment import syllables
from milonga.generators.guide.voice.casting import Cast, Singer
from milonga.generators.guide.voice.espeak import Espeak, has_voice
from milonga.generators.guide.voice.phones import Nucleus, nuclei
from milonga.generators.guide.voice.room import RATE, in_room, placed
from milonga.generators.guide.voice.singing import Sung, say, sing
from milonga.generators.guide.voice.speech import Speech, SpeechEngine
from milonga.generators.guide.voice.world import STEP_S, Frames, analyse, pitch_of
from milonga.generators.words import directions
from milonga.generators.words.language import language_code, line_languages, runs
from milonga.generators.words.syllables import words_of
from milonga.runtime.progress import Progress
from milonga.runtime.words import plain

_LEVEL_DB = -20.0
"""RMS of a line while it sounds; everything else is relative to it."""

_ANSWER_DB, _WHISPER_DB, _BEHIND_DB = -5.0, -7.0, -12.0
_ANSWER_PAN, _BEHIND_PAN = 0.35, -0.45
_BEHIND_DELAY_S = 0.07

_DOUBLE_DB = -8.0
_DOUBLES = ((-0.75, -7.0, 0.012), (0.75, 6.0, 0.019))
"""Pan, cents and seconds late of the two that double a layered lead."""

_PAUSE_S = 0.1
"""Between spoken lines, at least."""
_KEPT_LINES = 32
_Key = tuple[str, str, tuple[str, ...], float]
_Spoken = tuple[Frames, list[Nucleus], NDArray[np.float64]]
"""Speech, its vowels, and its pitch at the frames."""


@dataclass(frozen=True, slots=True)
class Manner:
    """Read from stage directions if a line is whispered, spoken, or doubled by a whisper."""

    whispered: bool = False
    behind: bool = False
    spoken: bool = False


@dataclass
class Vocals:
    """Sings segments; keeps what was spoken, so that a chorus costs once."""

    engines: dict[str, SpeechEngine] = field(default_factory=dict, init=False)
    """Those that sang in the last render."""

    _loaded: dict[str, SpeechEngine] = field(default_factory=dict)
    _spoken: dict[_Key, _Spoken] = field(default_factory=dict)

    def render(self, request: Request, melody: Sequence[MelodyLine], progress: Progress) -> Clip:
        """The vocal alone, 44.1 kHz stereo, exactly ``round(seconds * 44100)`` samples long.

        A line's level is -20 dBFS RMS where it sounds; the mix is the caller's. The same request
        and melody give the same clip.

        Raises:
            GeneratorError: a language that no voice speaks.
            Cancelled: the user stopped it.
        """
        self.engines = {}
        frames = max(1, round(request.seconds * RATE))
        total = np.zeros((2, frames), np.float32)
        cast = casting.cast(request.voice)
        languages = line_languages(request.sung)
        manners = line_manners(request.lyrics, spoken=is_spoken(request))
        sung_lines = [line for line in melody if line.words]
        ends = [line.start_s - _PAUSE_S for line in sung_lines[1:]] + [request.seconds - _PAUSE_S]
        with progress.task("Singing", len(sung_lines), "lines") as task:
            for number, line in enumerate(sung_lines):
                manner, language = manners[line.line_index], languages[line.line_index]
                until_s = max(line.end_s, ends[number])
                for sung, pan in self._line(request, cast, number, line, language, manner, until_s):
                    _add(total, sung, pan)
                task.advance()
        in_room(total)
        return Clip(total, RATE, copy=False)

    def _line(
        self,
        request: Request,
        cast: Cast,
        number: int,
        line: MelodyLine,
        language: str,
        manner: Manner,
        until_s: float,
    ) -> Iterator[tuple[Sung, float]]:
        """Everything that sounds for a line, each with its place between the speakers."""
        singer = cast.singer_of(line.line_index, line.answer)
        if manner.whispered or (line.answer and directions.whispers(line.text)):
            singer = replace(singer, whisper=True)
        level = (_WHISPER_DB if singer.whisper else 0.0) + (_ANSWER_DB if line.answer else 0.0)
        pan = _ANSWER_PAN if line.answer else 0.0
        transpose = float(singer.range.low - cast.lead.range.low)

        def sing_as(who: Singer, part: str, semitones: float) -> Iterator[Sung]:
            if manner.spoken:
                return self._said(line, language, who, until_s)
            name = f"{number} {part}"
            return self._phrases(request.seed, name, line, language, who, semitones)

        for sung in sing_as(singer, "lead", transpose):
            yield _levelled(sung, _LEVEL_DB + level), pan
        if cast.layered and not line.answer and not singer.whisper and not manner.spoken:
            for side, cents, late_s in _DOUBLES:
                for sung in sing_as(singer, f"double {side}", transpose + cents / 100):
                    late = replace(sung, start_s=sung.start_s + late_s)
                    yield _levelled(late, _LEVEL_DB + _DOUBLE_DB), side
        if manner.behind and not line.answer:
            for sung in sing_as(replace(cast.answer, whisper=True), "behind", 0.0):
                late = replace(sung, start_s=sung.start_s + _BEHIND_DELAY_S)
                yield _levelled(late, _LEVEL_DB + _BEHIND_DB), _BEHIND_PAN

    def _phrases(
        self,
        seed: int,
        performance: str,
        line: MelodyLine,
        language: str,
        singer: Singer,
        transpose: float,
    ) -> Iterator[Sung]:
        """A line sung, one piece for each language in it; ``performance`` draws what differs."""
        words = words_of(line.text)
        for first, stop, code in runs(words, language):
            engine = self.engine(code)
            frames, spoken, _ = self._speak(engine, code, words[first:stop], engine.pace)
            part = _part(line, first, stop)
            if not spoken or not part.notes:
                continue
            together = syllables(part, spoken)
            if together:
                random = dice(seed, "voice", performance, str(first))
                yield sing(together, frames, singer, random, engine=engine, transpose=transpose)

    def _said(
        self, line: MelodyLine, language: str, singer: Singer, until_s: float
    ) -> Iterator[Sung]:
        """A line spoken from its first note on, faster where it would last into the next one."""
        words = words_of(line.text)
        pieces = []
        for first, stop, code in runs(words, language):
            engine = self.engine(code)
            frames, _, pitch = self._speak(engine, code, words[first:stop], 1.0)
            if len(frames):
                pieces.append((engine, frames, pitch))
        seconds = STEP_S * sum(len(frames) for _, frames, _ in pieces)
        pace = max(1.0, seconds / (until_s - line.start_s))
        at = line.start_s
        for engine, frames, pitch in pieces:
            yield say(frames, pitch, singer, at, engine=engine, pace=pace)
            at += STEP_S * len(frames) / pace

    def engine(self, language: str) -> SpeechEngine:
        """The voice for a language: the neural one for English where it is installed."""
        wanted = "hibari" if language.split("-")[0] == "en" and neural.available() else "espeak"
        if wanted not in self._loaded:
            self._loaded[wanted] = neural.Neural() if wanted == "hibari" else Espeak()
        self.engines[wanted] = self._loaded[wanted]
        return self.engines[wanted]

    def _speak(
        self, engine: SpeechEngine, language: str, words: Sequence[str], pace: float
    ) -> _Spoken:
        key = (engine.name, language, tuple(words), pace)
        if key not in self._spoken:
            speech = engine.speak(_spelled(words), language, pace)
            frames = _analysed(speech)
            self._spoken[key] = (frames, nuclei(speech.phones), pitch_of(speech, len(frames)))
            if len(self._spoken) > _KEPT_LINES:
                del self._spoken[next(iter(self._spoken))]
        return self._spoken[key]


def language_problems(lines: Sequence[LyricLine]) -> list[Problem]:
    """Find lines whose language, as the sheet gives it, no voice speaks."""
    codes = {language_code(line.language): line for line in lines if line.language}
    return [
        Problem(
            f"No voice speaks the language {line.language!r} of the line {line.text[:40]!r}.",
            "lyrics",
            step="Use a code such as en, es, pt, fr, it or de, or leave it out.",
        )
        for code, line in codes.items()
        if not has_voice(code)
    ]


def is_spoken(request: Request) -> bool:
    """Check if a request is for speech throughout: its section, voice, mood or style says so."""
    texts = (request.section, request.voice, request.mood, request.style)
    return any(directions.spoken(text) for text in texts)


def unfollowed(lyrics: Sequence[LyricLine]) -> list[str]:
    """List the stage directions that change nothing in the voice, each once."""
    found = [text for line in lyrics for text in line.directions]
    return [
        text
        for text in dict.fromkeys(found)
        if not directions.whispers(text)
        and not directions.says(plain(text), f"{directions.SPOKEN}|{directions.SUNG}")
    ]


def line_manners(lyrics: Sequence[LyricLine], *, spoken: bool = False) -> list[Manner]:
    """Choose how each line is sung, in the order of ``Request.sung``.

    A direction on a line is for that line. Alone on a line, "whispers" and "spoken" are for the
    lines that follow up to the next direction, "background whispers" for the line before it (or,
    at the start, the one after).

    Args:
        spoken: lines are spoken where no direction says that they are sung.
    """
    manners: list[Manner] = []
    following = behind_next = False
    speaking = spoken
    for line in lyrics:
        whisper = any(directions.whispers(d) and not directions.behind(d) for d in line.directions)
        behind = any(directions.whispers(d) and directions.behind(d) for d in line.directions)
        said = _said_or_sung(line.directions)
        if line.text:
            says = speaking if said is None else said
            manners.append(Manner(whisper or following, behind or behind_next, says))
            behind_next = False
        elif line.directions:
            following, speaking = whisper, spoken if said is None else said
            if behind and manners:
                manners[-1] = replace(manners[-1], behind=True)
            else:
                behind_next = behind
    return manners


def _said_or_sung(texts: Sequence[str]) -> bool | None:
    """True where directions ask for speech, False for song, None where they say neither."""
    if any(directions.spoken(text) for text in texts):
        return True
    sung = any(directions.says(plain(text), directions.SUNG) for text in texts)
    return False if sung else None


def _part(line: MelodyLine, first: int, stop: int) -> MelodyLine:
    """The notes of some of a line's words."""
    if not line.words or (first, stop) == (0, len(line.words)):
        return line
    base = min((note.syllable_index for note in line.notes), default=0)
    begin = base + sum(len(word) for word in line.words[:first])
    end = begin + sum(len(word) for word in line.words[first:stop])
    notes = tuple(note for note in line.notes if begin <= note.syllable_index < end)
    return replace(line, notes=notes, words=line.words[first:stop])


def _spelled(words: Sequence[str]) -> list[str]:
    """Words as an engine should read them: numbers digit by digit, as their notes were counted,
    shouted words as words, letters of fancy alphabets as letters."""
    plain = [unicodedata.normalize("NFKC", word) for word in words]
    letters = [word for word in plain if word.isalpha()]
    shouted = len(letters) > 1 and all(word.isupper() for word in letters)
    return [
        " ".join(word)
        if word.isdigit()
        else word.lower()
        if word.isupper() and len(word) > 1 and (shouted or len(word) > 3) and _sayable(word)
        else word
        for word in plain
    ]


def _sayable(word: str) -> bool:
    """Check if a word in capitals has a vowel; "MTV" is spelled out."""
    return not word.isascii() or any(letter in "AEIOUY" for letter in word)


def _analysed(speech: Speech) -> Frames:
    if not len(speech.samples):
        return Frames(np.zeros((0, 513)), np.zeros((0, 513)), np.zeros(0, np.bool_), speech.rate)
    return analyse(speech)


def _levelled(sung: Sung, decibels: float) -> Sung:
    """The phrase at an RMS level, measured where it sounds."""
    power = sung.samples**2
    sounding = power > 1e-3 * power.max(initial=0.0)
    if not sounding.any():
        return sung
    gain = 10 ** (decibels / 20) / np.sqrt(power[sounding].mean())
    return replace(sung, samples=sung.samples * gain)


def _add(total: NDArray[np.float32], sung: Sung, pan: float) -> None:
    mono = resample(Clip(sung.samples.astype(np.float32), sung.sample_rate), RATE).samples[0]
    at = round(sung.start_s * RATE)
    room = total.shape[1] - at
    if room <= 0:
        return
    if len(mono) > room:
        mono = mono[:room].copy()
        fade = min(room, round(0.01 * RATE))
        mono[room - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    total[:, at : at + len(mono)] += placed(mono, pan)
