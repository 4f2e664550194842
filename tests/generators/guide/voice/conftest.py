"""A tune to sing, a song to render, and an independent listener for the tests of the voice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from milonga.generators.base import LyricLine, Request
from milonga.generators.guide.score import MelodyLine, MelodyNote
from milonga.generators.guide.voice.espeak import Espeak
from milonga.generators.guide.voice.neural import Neural
from milonga.generators.words.syllables import split_syllables


@pytest.fixture(scope="session")
def neural() -> Neural:
    return Neural()


@pytest.fixture(scope="session")
def espeak() -> Espeak:
    return Espeak()


@pytest.fixture(scope="session")
def make_request() -> Callable[..., Request]:
    def make(*lines: str | LyricLine, seconds: float = 8.0, **fields: object) -> Request:
        lyrics = tuple(LyricLine(text=x) if isinstance(x, str) else x for x in lines)
        given = {"role": "vocals", "section": "verse", "tempo": 100.0, "key": "A minor", "seed": 1}
        return Request(lyrics=lyrics, seconds=seconds, **{**given, **fields})

    return make


@pytest.fixture(scope="session")
def make_line() -> Callable[..., MelodyLine]:
    """A line of notes, one a syllable, of equal length from ``start``, with gaps between."""

    def make(
        text: str,
        pitches: Sequence[int],
        *,
        start: float = 0.5,
        each: float = 0.5,
        gap: float = 0.0,
        language: str | None = None,
    ) -> MelodyLine:
        words = tuple(tuple(word) for word in split_syllables(text, language))
        count = sum(map(len, words))
        notes = tuple(
            MelodyNote(
                start + i * each,
                start + (i + 1) * each - gap,
                pitches[i % len(pitches)],
                i,
                each >= 0.45,
            )
            for i in range(count)
        )
        return MelodyLine(0, text, start, notes[-1].end_s, 0, notes, words=words)

    return make


def _bench_module(name: str) -> ModuleType:
    path = Path(__file__).parents[4] / "bench" / f"{name}.py"
    spec = spec_from_file_location(f"milonga_bench_{name}", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_listening = _bench_module("listener")


@pytest.fixture(scope="session")
def listener() -> object:
    """An independent recogniser of English."""
    return _listening.Listener()


@pytest.fixture(scope="session")
def word_errors() -> Callable[[str, str], int]:
    return _listening.word_errors
