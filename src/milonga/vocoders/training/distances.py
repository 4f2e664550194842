"""Distances of rendered sound from the recording: they decide between vocoders.

Neither measure looks at phase.

Reference:
    Yamamoto, Song, Kim, "Parallel WaveGAN: A fast waveform generation model based on generative
    adversarial networks with multi-resolution spectrogram", ICASSP 2020: the second measure.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from milonga.audio.clip import Clip
from milonga.audio.mel.spec import MelSpec, stft
from milonga.runtime.record import Record

Floats = NDArray[np.float32]
Number = Annotated[float, Field(ge=0, allow_inf_nan=False)]

RESOLUTIONS = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))
"""Transform, hop and window of each spectrogram, in samples."""

_FLOOR = 1e-5
_BLOCK = 1024


class Distances(Record):
    """Both are 0 for equal sound and have no upper limit.

    Attributes:
        log_mel: mean absolute difference of the log mels, in nats (1 nat is 8.7 dB).
        stft: spectral convergence plus mean absolute difference of log magnitudes in nats, the
            mean over three resolutions.
    """

    log_mel: Number
    stft: Number

    def better_than(self, other: Distances) -> bool:
        """Check if both are smaller."""
        return self.log_mel < other.log_mel and self.stft < other.stft


class Meter:
    """Distances over several clips, as if they were one: a mean over clips would be ruled by the
    quietest of them, where spectral convergence divides by almost nothing.

    Args:
        spec: of the mels; its rate is that of the sound.
    """

    def __init__(self, spec: MelSpec) -> None:
        self._spec = spec
        self._grids = [
            MelSpec(
                sample_rate=spec.sample_rate,
                n_fft=n_fft,
                win_length=window,
                hop=hop,
                n_mels=1,
                f_min=0.0,
                f_max=spec.sample_rate / 2,
                padding="centre",
            )
            for n_fft, hop, window in RESOLUTIONS
        ]
        self._mel, self._mel_count = 0.0, 0
        # For each resolution: squared differences, squares, differences of logs, their number.
        self._sums = np.zeros((len(self._grids), 4))

    def add(self, made: Floats, real: Floats) -> None:
        """One clip, ``[samples]`` rendered and as many recorded.

        Raises:
            AudioError: samples aren't finite.
        """
        rate = self._spec.sample_rate
        mels = [self._spec.analyse(Clip(wave, rate)) for wave in (made, real)]
        self._mel += float(np.abs(mels[0] - mels[1]).sum(dtype=np.float64))
        self._mel_count += mels[0].size
        for grid, sums in zip(self._grids, self._sums, strict=True):
            count = grid.frames(len(real))
            for at in range(0, count, _BLOCK):
                a, b = (
                    np.maximum(np.abs(stft(grid, wave, at, min(_BLOCK, count - at))), _FLOOR)
                    for wave in (made, real)
                )
                logs = np.abs(np.log(b / a))
                sums += (((b - a) ** 2).sum(), (b**2).sum(), logs.sum(), logs.size)

    def result(self) -> Distances:
        """Over all that was added, which must be something."""
        missing, energy, logs, count = self._sums.T
        stfts = np.sqrt(missing / energy) + logs / count
        return Distances(log_mel=self._mel / self._mel_count, stft=float(stfts.mean()))


def distances(made: Floats, real: Floats, spec: MelSpec) -> Distances:
    """Of rendered from recorded sound, ``[samples]`` each and of the same length.

    Raises:
        AudioError: samples aren't finite.
    """
    meter = Meter(spec)
    meter.add(made, real)
    return meter.result()
