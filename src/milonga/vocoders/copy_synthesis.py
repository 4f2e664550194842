"""Sound through a mel and back: what a vocoder keeps of it, and how fast it is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from milonga.audio.clip import Clip
from milonga.audio.mel.files import Mel
from milonga.audio.mel.spec import MelSpec
from milonga.audio.resampling import resample
from milonga.errors import VocoderError
from milonga.runtime.memory import peak_memory
from milonga.runtime.progress import Progress
from milonga.vocoders.base import VocoderBase
from milonga.vocoders.mel_adapter import MelAdapter


@dataclass(frozen=True, slots=True)
class CopySynthesis:
    """A rendered mel.

    Attributes:
        clip: the sound.
        elapsed_s: seconds that the vocoder took.
        log_mel_distance_db: mean difference between the mel and that of the sound, over all bands
            and frames; None where there is no frame.
        adapted: whether the mel was converted from another convention.
    """

    clip: Clip
    elapsed_s: float
    log_mel_distance_db: float | None
    adapted: bool

    @property
    def real_time_factor(self) -> float | None:
        """Seconds of work for a second of sound."""
        return self.elapsed_s / self.clip.seconds if self.clip.n_samples else None

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        distance, factor = self.log_mel_distance_db, self.real_time_factor
        peak = peak_memory()
        return {
            "seconds": round(self.clip.seconds, 6),
            "sample_rate": self.clip.sample_rate,
            "channels": self.clip.channels,
            "elapsed_s": round(self.elapsed_s, 3),
            "real_time_factor": None if factor is None else round(factor, 4),
            "peak_memory_mb": None if peak is None else round(peak / 1e6, 1),
            "log_mel_distance_db": None if distance is None else round(distance, 3),
            "adapted": self.adapted,
        }


def analyse(clip: Clip, spec: MelSpec) -> Mel:
    """The mel of any clip, resampled where needed, with silence up to the last whole frame."""
    clip = resample(clip, spec.sample_rate)
    whole = -(-clip.n_samples // spec.hop) * spec.hop
    return Mel(spec.analyse(clip.fitted(whole)), spec, clip.n_samples)


def render(
    mel: Mel, vocoder: VocoderBase, *, adapt: bool = False, progress: Progress | None = None
) -> CopySynthesis:
    """Sound of a mel, one channel after the other where there are several.

    Args:
        mel: of any convention.
        vocoder: takes the convention of its own.
        adapt: convert a mel of another convention.
        progress: is told of every chunk.

    Raises:
        VocoderError: the mel is of another convention and ``adapt`` is False.
    """
    values, samples = mel.values, mel.samples
    names = mel.spec.differences(vocoder.mel_spec)
    if names and not adapt:
        raise VocoderError(
            f"The mel is not of the vocoder's convention: {', '.join(names)} differ.",
            step="Add --adapt to convert it (MelAdapter in Python).",
        )
    if names:
        values = MelAdapter(mel.spec, vocoder.mel_spec)(values)
        if samples is not None:
            samples = round(samples * vocoder.sample_rate / mel.spec.sample_rate)
    begun = time.perf_counter()
    wave = vocoder.mel_to_waveform(values, progress=progress)
    elapsed = time.perf_counter() - begun
    clip = Clip(wave[:, 0], vocoder.sample_rate)
    distance = log_mel_distance_db(values, clip, vocoder.mel_spec)
    if samples is not None:
        clip = clip.fitted(min(samples, clip.n_samples))
    return CopySynthesis(clip, elapsed, distance, bool(names))


def log_mel_distance_db(mel: np.ndarray[Any, Any], clip: Clip, spec: MelSpec) -> float | None:
    """Mean absolute difference in dB between a mel and that of a clip.

    Sums below 1e-5 count as 1e-5 in every convention, so that silence is not a difference.
    """
    again = spec.analyse(clip)
    frames = min(mel.shape[2], again.shape[2])
    if not frames:
        return None
    logs = [np.log(np.maximum(spec.expand(m[:, :, :frames]), 1e-5)) for m in (mel, again)]
    return float(np.abs(logs[0] - logs[1]).mean() * (20 / spec.power) / np.log(10.0))
