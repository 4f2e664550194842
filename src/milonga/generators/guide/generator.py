"""``Guide``: the generator that needs no download."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field, field_validator

from milonga.audio.clip import Clip
from milonga.errors import MilongaError, Problem
from milonga.generators.base import (
    Assessment,
    Followed,
    Generator,
    Licence,
    Model,
    Request,
    Role,
    problem_of,
    refuse,
)
from milonga.generators.guide.arrange import arrange
from milonga.generators.guide.band.harmony import parse_key
from milonga.generators.guide.band.instruments import INSTRUMENTS
from milonga.generators.guide.band.styles import elsewhere, unheard
from milonga.generators.guide.notation import joined_notation, notation_of
from milonga.generators.guide.playing import midi
from milonga.generators.guide.playing.render import RATE, render_groups, render_score
from milonga.generators.guide.score import MelodyLine, Score
from milonga.generators.guide.sections import SHAPES
from milonga.generators.guide.songs import joined, joined_clips, segments_of
from milonga.generators.guide.tune.melody import compose_melody
from milonga.generators.guide.tune.phrasing import FASTEST, breaths_of, set_lines
from milonga.generators.measures import metre_of, parse_chords
from milonga.generators.notation import Notation
from milonga.generators.words.sections import section_kind
from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    from milonga.generators.guide.voice.speech import SpeechEngine
    from milonga.generators.guide.voice.vocals import Vocals

SLOWEST_BPM, FASTEST_BPM = 20.0, 400.0
SHORTEST_S, LONGEST_S = 0.1, 1200.0

_MEMORY, _MEMORY_A_SECOND = 420_000_000, 800_000
"""Bytes of a process that renders: measured with songs of 10 to 600 s."""

_LEADS = tuple(sorted(name for name, i in INSTRUMENTS.items() if "lead" in i.jobs))


class Guide(Generator):
    """A scratch track: a small band that plays what the style words say, in the segment's tempo
    and key, with the tune that the singing guide sings. A song in one take is its segments, one
    after the other.

    Clips are 44.1 kHz stereo, exactly as long as asked, the same for the same request.

    Raises:
        MissingExtraError: the extra 'guide' isn't installed.
    """

    name: ClassVar[str] = "guide"
    roles: ClassVar[frozenset[Role]] = frozenset(
        ("vocals", "backing", "instrumental", "texture", "song")
    )
    length: ClassVar[Literal["exact", "natural"]] = "exact"
    follows: ClassVar[frozenset[Followed]] = frozenset(("time", "chords", "pickup", "parts"))

    class Options(Generator.Options):
        """Settings of the guide; the rest follows from the style words."""

        lead: str | None = Field(
            default=None,
            description="The instrument that plays the tune, in place of what the style says: "
            + ", ".join(_LEADS),
        )
        drums: bool | None = Field(
            default=None, description="Whether there are drums; by default what the style says."
        )
        a_cappella: bool = Field(
            default=False,
            description="Vocals without the band, also where no other layer plays under them.",
        )

        @field_validator("lead")
        @classmethod
        def _known_lead(cls, value: str | None) -> str | None:
            if value is not None and value not in _LEADS:
                raise ValueError(f"no lead instrument {value!r}; known: {', '.join(_LEADS)}")
            return value

    options: Options

    def __init__(self, options: BaseModel | None = None) -> None:
        super().__init__(options)
        midi.soundfont_path()
        self._vocals: Vocals | None = None
        self._engines: dict[str, SpeechEngine] = {}
        """Those that sang in the last render."""

    def assess(self, request: Request) -> Assessment:
        """Problems: a key that can't be read, a tempo or length out of range, and for vocals words
        that nobody could sing in the seconds."""
        return joined([self._assess(part) for part in segments_of(request)])

    def _assess(self, request: Request) -> Assessment:
        problems = [*_range_problems(request), *_key_problems(request), *_time_problems(request)]
        if problems:
            return Assessment(problems=tuple(problems))
        notes = []
        if request.sung:
            setting = set_lines(request)
            if request.role == "vocals" and not setting.fits:
                problems.append(_too_fast(request, setting.needed_s))
            if self._sings(request):
                problems += _language_problems(request)
            silent = [line.text for line in request.sung if not breaths_of(line)]
            if silent:
                notes.append(f"No words to sing in: {', '.join(silent)}.")
        notes += self._unfollowed(request)
        pace = 0.2 if self._sings(request) else 0.06
        return Assessment(
            problems=tuple(problems),
            notes=tuple(notes),
            estimate_s=0.5 + pace * request.seconds,
            memory=_MEMORY + round(_MEMORY_A_SECOND * request.seconds),
        )

    def prompts(self, request: Request) -> tuple[str, ...]:
        return tuple(text for part in segments_of(request) for text in self._prompt(part))

    def _prompt(self, request: Request) -> tuple[str, ...]:
        words = [", ".join(filter(None, (request.style, request.mood)))]
        if request.role == "vocals":
            words += [line.text for line in request.sung]
        return ("\n".join(filter(None, words)),)

    def score(self, request: Request) -> Score:
        """Write the score that will be played, of a song in one take that of its first segment.

        Raises:
            GeneratorError: the request has problems that ``assess`` names.
        """
        refuse(self.assess(request).problems)
        request = segments_of(request)[0]
        return arrange(
            request,
            lead=self.options.lead or "",
            drums=self.options.drums,
            tune=False if self._sings(request) else None,
            band=not (request.role == "vocals" and self._alone(request)),
        )

    def render(self, request: Request, progress: Progress | None = None) -> Clip:
        progress = progress or Progress()
        refuse(self.assess(request).problems)
        self._engines = {}
        parts = segments_of(request)
        if len(parts) == 1:
            return self._play(parts[0], progress)

        def clips() -> Iterator[Clip]:
            with progress.task("Playing", len(parts), "segments") as task:
                for part in parts:
                    yield self._play(part, progress)
                    task.advance()

        return joined_clips(clips(), [part.seconds for part in parts], RATE)

    def _play(self, request: Request, progress: Progress) -> Clip:
        return render_score(*self._played(request, progress))

    def _played(
        self, request: Request, progress: Progress
    ) -> tuple[Score, float, Progress, Callable[[], Clip] | None]:
        """What ``render_score`` needs of a segment."""
        score = self.score(request)
        lufs = SHAPES[section_kind(request.section)].lufs
        sing = partial(self._sing, request, progress) if self._sings(request) else None
        return score, lufs, progress, sing

    def groups(self, request: Request, progress: Progress | None = None) -> dict[str, Clip]:
        progress = progress or Progress()
        refuse(self.assess(request).problems)
        parts = segments_of(request)
        found = [render_groups(*self._played(part, progress)) for part in parts]
        if len(parts) == 1:
            return found[0]
        lengths = [part.seconds for part in parts]
        silent = Clip(np.zeros((2, 1), np.float32), RATE)
        return {
            name: joined_clips((group.get(name, silent) for group in found), lengths, RATE)
            for name in dict.fromkeys(name for group in found for name in group)
        }

    def notation(self, request: Request) -> Notation:
        refuse(self.assess(request).problems)
        written = [
            notation_of(
                part, self.score(part), self._melody(part) if self._sings(part) else ()
            )
            for part in segments_of(request)
        ]  # fmt: skip
        return written[0] if len(written) == 1 else joined_notation(written)

    def model(self) -> Model:
        engines = list(self._engines.values())
        libraries = ["midirenderer", "pretty_midi", "numpy", "soxr"]
        if engines:
            libraries += ["pyworld-prebuilt", *(engine.distribution for engine in engines)]
        return Model(
            name="guide",
            files={midi.soundfont_path().name: _soundfont_hash()},
            libraries={name: version(name) for name in libraries},
            licences=LICENCES + tuple(one for engine in engines for one in engine.licences),
        )

    def _sings(self, request: Request) -> bool:
        """Check if there is a voice for the words; else an instrument plays their tune."""
        words = any(breaths_of(line) for line in request.sung)
        return request.role == "vocals" and words and voice_installed()

    def _melody(self, request: Request) -> list[MelodyLine]:
        """Compose what the voice sings."""
        from milonga.generators.guide.voice.casting import cast

        return [*compose_melody(request, cast(request.voice).lead.range)]

    def _sing(self, request: Request, progress: Progress) -> Clip:
        from milonga.generators.guide.voice.vocals import Vocals

        self._vocals = self._vocals or Vocals()
        voice = self._vocals.render(request, self._melody(request), progress)
        self._engines |= self._vocals.engines
        return voice

    def _unfollowed(self, request: Request) -> Iterable[str]:
        """Name the words that it does nothing for."""
        for metre, names in elsewhere(request).items():
            yield (
                f"{', '.join(names)}: that is {metre}; the sheet has {request.time}. To have it: "
                f"time: {metre}."
            )
        words = unheard(request) if request.role != "vocals" or not self._alone(request) else []
        if words:
            yield f"The guide doesn't know these words, and plays without them: {', '.join(words)}."
        if self._sings(request):
            from milonga.generators.guide.voice.vocals import unfollowed

            if left := unfollowed(request.lyrics):
                listed = "".join(f" [{text}]" for text in left)
                yield f"The guide's voice does nothing for{listed}."

    def _alone(self, request: Request) -> bool:
        return self.options.a_cappella or request.accompanied


def voice_installed() -> bool:
    """Check if the libraries that sing are there."""
    return all(find_spec(name) is not None for name in ("pyworld", "espeakng_loader"))


LICENCES = (
    Licence(
        what="soundfont TimGM6mb.sf2 (instruments of the guide)",
        name="GPL-2.0",
        url="https://github.com/craffel/pretty-midi",
        commercial_use="yes",
        note="The licence covers the soundfont file. Music played with a soundfont is commonly "
        "regarded as the musician's own, but this licence does not say so in words.",
    ),
    Licence(
        what="midirenderer (plays the soundfont)",
        name="MIT",
        url="https://github.com/ryzhakar/midirenderer",
    ),
)


@lru_cache(maxsize=1)
def _soundfont_hash() -> str:
    return sha256(midi.soundfont_path().read_bytes()).hexdigest()


def _range_problems(request: Request) -> Iterable[Problem]:
    if not SLOWEST_BPM <= request.tempo <= FASTEST_BPM:
        yield Problem(
            f"A tempo of {request.tempo:g} BPM can't be played.",
            "tempo",
            step=f"Use {SLOWEST_BPM:g} to {FASTEST_BPM:g}.",
        )
    if not SHORTEST_S <= request.seconds <= LONGEST_S:
        yield Problem(
            f"{request.seconds:g} seconds can't be played.",
            "seconds",
            step=f"Use {SHORTEST_S:g} to {LONGEST_S:g}.",
        )


def _key_problems(request: Request) -> Iterable[Problem]:
    try:
        parse_key(request.key)
    except MilongaError as error:
        yield problem_of(error, "key")


def _time_problems(request: Request) -> Iterable[Problem]:
    for field, read in (("time", metre_of), ("chords", parse_chords)):
        try:
            read(getattr(request, field))
        except ValueError as error:
            yield Problem(str(error), field)
    if request.pickup * 60.0 / request.tempo > request.seconds / 2:
        yield Problem(
            f"A pickup of {request.pickup:g} beats is more than half of {request.seconds:g} s.",
            "pickup",
        )


def _language_problems(request: Request) -> Iterable[Problem]:
    from milonga.generators.guide.voice.vocals import language_problems

    return language_problems(request.sung)


def _too_fast(request: Request, needed_s: float) -> Problem:
    count = sum(breath.syllables for line in request.sung for breath in breaths_of(line))
    needed = int(10 * needed_s + 1) / 10
    lines = "1 line" if len(request.sung) == 1 else f"{len(request.sung)} lines"
    return Problem(
        f"{count} syllables in {lines} don't fit into {request.seconds:g} s at "
        f"{request.tempo:g} BPM: sung at {FASTEST:g} syllables a second, with a breath after each "
        f"phrase and each line on a bar, they take {needed:g} s.",
        "seconds",
        step=f"Give the segment {needed:g} seconds or more, or fewer words.",
    )
