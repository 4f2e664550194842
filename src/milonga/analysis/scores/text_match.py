"""Does a recording sound like its description? By a model that hears and reads (CLAP).

The model places sounds and texts in one space; the cosine between them says little by itself (any
music is near any words about music). So a description is held against others that nobody asked for,
and the recording against noise and silence: the figure is a rank, with those beside it.

References:
    Wu et al., "Large-scale Contrastive Language-Audio Pretraining with Feature Fusion ...", ICASSP
    2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.scores.windows import windows
from milonga.audio.clip import Clip
from milonga.runtime.progress import Progress
from milonga.runtime.seeding import seeded

RATE, WINDOW_S = 48_000, 10.0
OTHERS = (
    "solo piano, classical",
    "death metal, screaming, blast beats",
    "bluegrass, banjo and fiddle",
    "dark ambient drone",
    "techno, four on the floor, 130 BPM",
    "string quartet",
    "hip hop beat, dusty samples",
    "reggae, offbeat guitar, deep bass",
    "rain and distant thunder",
    "gospel choir, hand claps",
    "8-bit chiptune",
    "flamenco guitar",
    "big band swing, brass",
    "drum and bass, 174 BPM",
    "Gregorian chant in a cathedral",
    "accordion waltz",
    "tango, bandoneón and violin",
    "trap beats, 808 bass, hi-hat rolls",
    "a man speaking",
)
"""Descriptions that nobody asked for."""


@dataclass(frozen=True, slots=True)
class TextMatch:
    """A recording against its description.

    Attributes:
        text: the description.
        cosine: between the two, -1 to 1; comparable only with the figures beside it.
        rank: of the description among ``OTHERS`` and itself, 1 the nearest.
        among: how many those are.
        others: mean cosine of the others.
        noise: cosine of noise of the recording's level with the description.
        silence: the same of silence.
    """

    text: str
    cosine: float
    rank: int
    among: int
    others: float
    noise: float
    silence: float

    @property
    def verdict(self) -> str:
        """One sentence."""
        if max(self.noise, self.silence) >= self.cosine:
            return "Noise or silence matches these words as well: the figure says nothing."
        if self.rank == 1:
            return f"It is nearer to these words than to {self.among - 1} other descriptions."
        if self.rank <= self.among / 4:
            return f"{self.rank - 1} of {self.among - 1} other descriptions are nearer."
        return (
            f"{self.rank - 1} of {self.among - 1} other descriptions are nearer: the model doesn't "
            "hear these words in it."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "text": self.text, "cosine": self.cosine, "rank": self.rank, "among": self.among,
            "others": self.others, "noise": self.noise, "silence": self.silence,
            "verdict": self.verdict,
        }  # fmt: skip


class ClapListener:
    """Places sounds and texts in the space of a loaded CLAP model.

    Args:
        model: a ``ClapModel`` of transformers, in float32.
        tokenizer: its tokenizer.
        extractor: its ``ClapFeatureExtractor``.
    """

    def __init__(self, model: Any, tokenizer: Any, extractor: Any) -> None:
        self._model, self._tokenizer, self._extractor = model, tokenizer, extractor

    def of_sound(self, clip: Clip, progress: Progress | None = None) -> NDArray[np.float64]:
        """Place a recording: the mean over windows of 10 s, of length 1, ``[d]``.

        The last window is what is left; the model's own preparation repeats a short one.

        Raises:
            ComparisonError: the recording is empty.
            Cancelled: the user stopped it; checked for every window.
        """
        import torch

        found: list[NDArray[np.float64]] = []
        with torch.inference_mode():
            for part in windows(clip, RATE, WINDOW_S, progress):
                if found and len(part) < WINDOW_S * RATE / 4:
                    break
                # The library draws which window it calls long; none is.
                with seeded(0):
                    inputs = self._extractor(part, sampling_rate=RATE, return_tensors="pt")
                long = torch.zeros_like(inputs["is_longer"])
                vectors = self._model.get_audio_features(inputs["input_features"], is_longer=long)
                found.append(_array(vectors)[0])
        return _unit(np.mean([_unit(vector) for vector in found], axis=0))

    def of_texts(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Place texts, each of length 1, ``[n, d]``."""
        import torch

        with torch.inference_mode():
            inputs = self._tokenizer(
                list(texts), padding=True, truncation=True, max_length=77, return_tensors="pt"
            )
            vectors = self._model.get_text_features(
                input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]
            )
        return np.array([_unit(vector) for vector in _array(vectors)])

    def match(self, clip: Clip, text: str, progress: Progress | None = None) -> TextMatch:
        """Hold a recording against its description.

        Args:
            clip: the recording.
            text: the description, not empty.
            progress: stops the work.
        """
        others = [other for other in OTHERS if other.casefold() != text.casefold()]
        own, *rest = self.of_texts([text, *others])
        sound = self.of_sound(clip, progress)
        near = np.array(rest) @ sound
        length = min(clip.n_samples, round(WINDOW_S * clip.sample_rate))
        level = float(np.sqrt(np.mean(clip.samples**2))) or 0.1
        noise = np.random.default_rng(0).normal(0, level, (1, length))
        silence = np.zeros((1, length))
        controls = [
            float(self.of_sound(Clip(wave, clip.sample_rate)) @ own) for wave in (noise, silence)
        ]
        cosine = float(sound @ own)
        return TextMatch(
            text, cosine, 1 + int(np.count_nonzero(near > cosine)), len(rest) + 1,
            float(near.mean()), *controls,
        )  # fmt: skip


def _array(found: Any) -> NDArray[np.float64]:
    # Newer versions of transformers return an output with the pooled vectors in it.
    tensor = getattr(found, "pooler_output", found)
    array: NDArray[np.float64] = tensor.float().numpy().astype(np.float64)
    return array


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
