"""The contract of speech engines: words in, samples and the timing of their phones out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from milonga.generators.base import Licence
from milonga.generators.guide.voice.phones import Phone


@dataclass(frozen=True, eq=False)
class Speech:
    """Spoken words.

    Attributes:
        samples: ``[time]`` float32, mono.
        rate: samples per second.
        phones: in order, without gaps; a word that can't be pronounced has none.
        pitch_hz: fundamental frequency in the middle of every ``pitch_step_s``, 0 where unvoiced.
    """

    samples: NDArray[np.float32]
    rate: int
    phones: tuple[Phone, ...]
    pitch_hz: NDArray[np.float32]
    pitch_step_s: float


class SpeechEngine(ABC):
    """An offline voice.

    Attributes:
        tract: length of its vocal tract relative to an adult woman's: what its spectral envelope
            must be stretched by to become one.
        colour: (Hz, dB) points of a curve that its voiced sounds need to be of one timbre with
            the other engines; in a woman's proportions.
        pace: how fast it speaks what will be sung, relative to its natural speed: slower speech
            has longer vowels to hold.
    """

    name: ClassVar[str]
    distribution: ClassVar[str]
    tract: ClassVar[float]
    colour: ClassVar[tuple[tuple[float, float], ...]] = ()
    pace: ClassVar[float]
    licences: ClassVar[tuple[Licence, ...]]

    @abstractmethod
    def speak(self, words: Sequence[str], language: str, pace: float = 1.0) -> Speech:
        """Speak words, each phone knowing its word.

        Args:
            words: with their punctuation.
            language: ISO 639-1 code, or one of the engine's own.
            pace: relative to the engine's natural one.

        Raises:
            GeneratorError: the engine can't speak.
        """
