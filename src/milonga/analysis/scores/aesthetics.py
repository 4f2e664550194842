"""How would people rate a recording? By a model of listeners' ratings (audiobox-aesthetics).

Four figures of 1 to 10. They were learned from speech, sounds and music that people rated; nobody
knows what they are worth for a given recording. So noise and silence are rated, too, and the
recording with everything above 1 kHz gone, which no listener rates as high.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.scores.wavlm_heads import AXES, RATE, WINDOW_S, WavLMHeads
from milonga.analysis.scores.windows import windows
from milonga.analysis.verdicts.damages import DAMAGES, working
from milonga.analysis.verdicts.damages import RATE as DAMAGE_RATE
from milonga.audio.clip import Clip
from milonga.runtime.progress import Progress

FIGURES = ("enjoyment", "usefulness", "complexity", "quality")
"""In the order of the network's axes: of the content, of the content, of the production, of the
production."""
_MERITS = ("enjoyment", "usefulness", "quality")
_WINDOW, _SPOILT_WINDOWS = RATE * WINDOW_S, 3
_LOW_PASS = next(each for each in DAMAGES if each.name == "low_pass")
_KHZ = 1.0


@dataclass(frozen=True, slots=True)
class Aesthetics:
    """Ratings of a recording.

    Attributes:
        figures: 1 to 10, by ``FIGURES``; a high complexity is no merit in itself.
        noise: the same of noise of the recording's level.
        silence: the same of silence.
        opening: the same of its first 30 s.
        spoilt: the same of its first 30 s with everything above 1 kHz gone.
    """

    figures: Mapping[str, float]
    noise: Mapping[str, float]
    silence: Mapping[str, float]
    opening: Mapping[str, float]
    spoilt: Mapping[str, float]

    @property
    def verdict(self) -> str:
        """One sentence on what the figures are worth."""
        empty = [
            name
            for name in _MERITS
            if max(self.noise[name], self.silence[name]) >= self.figures[name]
        ]
        if empty:
            says = "this figure says" if len(empty) == 1 else "these figures say"
            return f"Noise or silence gets as much in {', '.join(empty)}: {says} nothing."
        loss = self.opening["quality"] - self.spoilt["quality"]
        if loss <= 0:
            return "Without anything above 1 kHz it gets as much in quality: that says nothing."
        return f"More than noise and silence; {loss:.1f} less in quality without all above 1 kHz."

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        parts = ("figures", "noise", "silence", "opening", "spoilt")
        return {part: dict(getattr(self, part)) for part in parts} | {"verdict": self.verdict}


class AestheticsListener:
    """Rates recordings.

    Args:
        network: loaded.
    """

    def __init__(self, network: WavLMHeads) -> None:
        self._network = network

    def windows(
        self, clip: Clip, progress: Progress | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rate windows of 10 s, mono and at 16 kHz, as the model's authors do.

        Returns:
            Ratings ``[n, 4]`` and lengths in seconds ``[n]``; only the last one can be shorter.

        Raises:
            ComparisonError: the recording is empty.
            Cancelled: the user stopped it; checked for every window.
        """
        import torch

        rows, lengths = [], []
        for part in windows(clip, RATE, WINDOW_S, progress):
            wave = np.zeros(_WINDOW, np.float32)
            wave[: len(part)] = part
            found = self._network(torch.from_numpy(wave), len(part))
            rows.append([found[axis] for axis in AXES])
            lengths.append(len(part) / RATE)
        return np.array(rows), np.array(lengths)

    def rate(self, clip: Clip, progress: Progress | None = None) -> Aesthetics:
        """Rate a recording, with its yardsticks: the mean of its windows, by their lengths.

        Raises:
            ComparisonError, Cancelled: as ``windows``.
        """
        own, lengths = self.windows(clip, progress)
        opening = clip.fitted(
            min(clip.n_samples, _SPOILT_WINDOWS * WINDOW_S * clip.sample_rate)
        )  # fmt: skip
        dull = Clip(_LOW_PASS.apply(working(opening), _KHZ)[None], DAMAGE_RATE)
        level = float(np.sqrt(np.mean(clip.samples**2))) or 0.1
        noise = np.random.default_rng(0).normal(0, level, (1, _WINDOW))
        others = [
            _mean(*self.windows(each, progress))
            for each in (Clip(noise, RATE), Clip(np.zeros((1, _WINDOW)), RATE), dull)
        ]
        first = slice(_SPOILT_WINDOWS)
        return Aesthetics(
            _mean(own, lengths), others[0], others[1], _mean(own[first], lengths[first]), others[2]
        )


def _mean(rows: NDArray[np.float64], lengths: NDArray[np.float64]) -> dict[str, float]:
    means = np.average(rows, axis=0, weights=lengths)
    return {name: float(value) for name, value in zip(FIGURES, means, strict=True)}
