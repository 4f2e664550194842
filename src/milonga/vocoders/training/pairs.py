"""Pairs of mel and sound for training, cut from recordings on disk as they are needed.

A mel is that of the whole recording, cut, not that of a short cut, whose ends would look different.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import Clip
from milonga.audio.mel.spec import MelSpec
from milonga.errors import VocoderError

Floats = NDArray[np.float32]

_GAIN_DB = (-9.0, 0.0)
_PEAK = 0.99
"""A generator's output ends at 1, so must what it is compared with."""
_QUIET = 1e-3
_TRIES = 4


class Remake(Protocol):
    """A sound model's idea of a mel: encoded and decoded.

    Attributes:
        context: frames that it should see to each side of those that count.
    """

    context: int

    def __call__(self, mel: Floats) -> Floats:
        """``[n_mels, T]`` to the same shape."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A mel and the sound that should come of it: ``[n_mels, T]`` and ``[T * hop]``."""

    mel: Floats
    wave: Floats


class Pairs:
    """Draws and cuts pairs.

    Args:
        waves: sound ``[samples]`` at the spec's rate, in memory or mapped from disk.
        spec: of the mels; padding "same".
        remake: makes mels of the model's own; None without a model.

    Raises:
        VocoderError: there is no sound, or the spec's frames don't start with the samples.
    """

    def __init__(
        self, waves: Sequence[Floats], spec: MelSpec, remake: Remake | None = None
    ) -> None:
        self._waves = [wave for wave in waves if len(wave)]
        if not self._waves:
            raise VocoderError(
                "There is no sound to train a vocoder on.", step="Add recordings to the corpus."
            )
        if spec.padding != "same":
            raise VocoderError("A vocoder is trained on mels whose padding is 'same'.")
        self.spec, self._remake = spec, remake
        lengths = np.array([len(wave) for wave in self._waves], np.float64)
        self._ends = np.cumsum(lengths) / lengths.sum()

    @property
    def seconds(self) -> float:
        """Sound in all."""
        return sum(len(wave) for wave in self._waves) / self.spec.sample_rate

    def batch(
        self, draw: np.random.Generator, size: int, frames: int, remade: float
    ) -> tuple[Floats, Floats]:
        """Random pairs, every moment as likely as any other; near silence is drawn again.

        Args:
            draw: decides everything.
            size: pairs.
            frames: of each.
            remade: share of the pairs whose mel is the model's.

        Returns:
            Mels ``[size, n_mels, frames]`` and waves ``[size, 1, frames * hop]``.
        """
        pairs = [self._random(draw, frames, remade) for _ in range(size)]
        mels = np.stack([pair.mel for pair in pairs])
        return mels, np.stack([pair.wave for pair in pairs])[:, np.newaxis]

    def excerpts(self, most_s: float, longest_s: float = 8.0) -> list[tuple[int, int, int]]:
        """Choose where to test: recording, first frame and number of frames.

        The beginning of every recording first, then what follows it, until there are ``most_s``
        seconds; where the beginnings alone are more, an even choice of them.
        """
        hop, most = self.spec.hop, max(1.0, most_s * self.spec.frame_rate)
        longest = max(1, int(longest_s * self.spec.frame_rate))
        places = [
            (index, at, min(longest, -(-len(wave) // hop) - at))
            for index, wave in enumerate(self._waves)
            for at in range(0, -(-len(wave) // hop), longest)
        ]
        places.sort(key=lambda place: (place[1], place[0]))
        beginnings = [place for place in places if not place[1]]
        total = sum(count for _, _, count in beginnings)
        if total > most:
            count = max(1, int(len(beginnings) * most / total))
            return [beginnings[i * len(beginnings) // count] for i in range(count)]
        chosen = []
        for place in places:
            if most <= 0:
                break
            chosen.append(place)
            most -= place[2]
        return chosen

    def excerpts_of(self, most_s: float, *, remade: bool) -> list[Pair]:
        """The pairs of ``excerpts``.

        Args:
            most_s: seconds of sound, spread over all recordings.
            remade: their mels are the model's, not those of the sound.
        """
        return [self.pair(*place, remade=remade) for place in self.excerpts(most_s)]

    def pair(self, index: int, first: int, frames: int, *, remade: bool, gain: float = 1.0) -> Pair:
        """One pair; what lies beyond the end of the recording is silence.

        Args:
            index: of the recording.
            first: frame.
            frames: how many.
            remade: the mel is the model's, not that of the sound.
            gain: linear.
        """
        spec = self.spec
        # The first and last two frames of a cut mirror its ends, if they are not the true ones.
        margin = 2 + (self._remake.context if remade and self._remake else 0)
        start, stop = max(0, first - margin), first + frames + margin
        samples = np.array(self._waves[index][start * spec.hop : stop * spec.hop], np.float32)
        inside = (first - start) * spec.hop
        wave = samples[inside : inside + frames * spec.hop]
        peak = float(np.abs(wave).max(initial=0.0)) * gain
        samples *= np.float32(gain * (min(1.0, _PEAK / peak) if peak else 1.0))
        whole = -(-len(samples) // spec.hop) * spec.hop
        clip = Clip(samples, spec.sample_rate).fitted(
            max(whole, (first + frames - start) * spec.hop)
        )
        mel = spec.analyse(clip)[0]
        if remade and self._remake is not None:
            mel = self._remake(mel)
        wave = clip.samples[0, inside : inside + frames * spec.hop]
        return Pair(mel[:, first - start : first - start + frames], wave)

    def _random(self, draw: np.random.Generator, frames: int, remade: float) -> Pair:
        by_model = bool(draw.random() < remade) and self._remake is not None
        gain = float(10 ** (draw.uniform(*_GAIN_DB) / 20))
        for _ in range(_TRIES):
            index = int(np.searchsorted(self._ends, draw.random(), side="right"))
            index = min(index, len(self._waves) - 1)
            wave = self._waves[index]
            first = int(draw.integers(0, max(1, len(wave) // self.spec.hop - frames + 1)))
            heard = wave[first * self.spec.hop : (first + frames) * self.spec.hop]
            if np.abs(heard).max() >= _QUIET:
                break
        return self.pair(index, first, frames, remade=by_model, gain=gain)
