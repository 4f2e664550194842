"""Known damage to a recording, in steps from hardly audible to severe."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from milonga import audio
from milonga.analysis.filters import fast_length, hann
from milonga.analysis.spectra import quantile
from milonga.audio.clip import Clip

Floats = NDArray[np.float32]

RATE = 24_000
"""All damage is done at this rate: steps mean the same for every recording."""

_SEED = 7
_GAP_S = 0.05


@dataclass(frozen=True, slots=True)
class Damage:
    """One kind of damage.

    Attributes:
        name: a word for programs.
        steps: how much of it, in rising order of harm.
        words: the damage with ``{}`` for the step.
        apply: from mono samples at ``RATE`` and a step to damaged ones.
    """

    name: str
    steps: tuple[float, ...]
    words: str
    apply: Callable[[Floats, float], Floats]

    def label(self, step: float) -> str:
        """Name a step, as in "a low-pass at 4 kHz"."""
        return self.words.format(f"{step:g}")


def working(clip: Clip) -> Floats:
    """Return the mono mix at ``RATE``."""
    mono = Clip(clip.mono, clip.sample_rate, copy=False)
    return audio.resample(mono, RATE).mono


def _noise(wave: Floats, snr_db: float) -> Floats:
    hiss = np.random.default_rng(_SEED).standard_normal(len(wave), dtype=np.float32)
    return wave + hiss * np.float32(_rms(wave) * 10 ** (-snr_db / 20))


def _low_pass(wave: Floats, khz: float) -> Floats:
    size = fast_length(len(wave) + RATE // 10)
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    # A cosine edge, a tenth of the frequency wide.
    edge = np.clip((1.05 * khz * 1000 - hertz) / (0.1 * khz * 1000), 0, 1)
    gain = 0.5 - 0.5 * np.cos(np.pi * edge)
    return np.fft.irfft(np.fft.rfft(wave, size) * gain, size)[: len(wave)].astype(np.float32)


def _mp3(wave: Floats, kbits: float) -> Floats:
    import soundfile

    # MPEG-2 layer III: 160 kbit/s down to 8; the scale ends just before 1.
    level = min((160 - kbits) / 152, 0.99)
    peak = max(1.0, float(np.abs(wave).max(initial=0)) / 0.9)
    file = io.BytesIO()
    soundfile.write(
        file, wave / peak, RATE, format="MP3", bitrate_mode="CONSTANT", compression_level=level
    )
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    return _fitted(decoded * np.float32(peak), len(wave))


def _clip(wave: Floats, percent: float) -> Floats:
    limit = float(quantile(np.abs(wave), 1 - percent / 100))
    return np.clip(wave, -limit, limit) if limit > 0 else wave


def _dropouts(wave: Floats, percent: float) -> Floats:
    gap = round(_GAP_S * RATE)
    slots = -(-len(wave) // gap)
    lost = np.random.default_rng(_SEED).permutation(slots)[: round(slots * percent / 100)]
    # A fade of 2 ms: a gap, not a click.
    fade = np.hanning(2 * round(0.002 * RATE))
    half = len(fade) // 2
    one = np.concatenate((fade[:half], np.ones(gap), fade[half:]))
    mask = np.zeros(slots * gap + len(fade))
    for slot in lost:
        part = slice(slot * gap, slot * gap + len(one))
        mask[part] = np.maximum(mask[part], one)
    return (wave * (1 - mask[half : half + len(wave)])).astype(np.float32)


def _reverb(wave: Floats, seconds: float) -> Floats:
    """Mix with a hall of this reverberation time, as loud as the sound itself."""
    length = round(1.2 * seconds * RATE)
    noise = np.random.default_rng(_SEED).standard_normal(length)
    tail = noise * 10 ** (-3 * np.arange(length) / (seconds * RATE))
    size = fast_length(len(wave) + length)
    spectrum = np.fft.rfft(wave, size)
    wet = np.fft.irfft(spectrum * np.fft.rfft(tail, size), size)[: len(wave)].astype(np.float32)
    loudness = _rms(wet)
    return wave + wet * np.float32(_rms(wave) / loudness) if loudness > 0 else wave


def _stretch(wave: Floats, percent: float) -> Floats:
    return stretched(wave, 1 + percent / 100)


def _pitch(wave: Floats, cents: float) -> Floats:
    factor = 2 ** (cents / 1200)
    longer = stretched(wave, factor)
    at = np.arange(len(wave)) * factor
    # Four points each: the spectrum ends well below half the rate.
    return _fitted(np.interp(at, np.arange(len(longer)), longer).astype(np.float32), len(wave))


def stretched(wave: Floats, factor: float) -> Floats:
    """Make it longer without changing its pitch, by a phase vocoder with locked peaks.

    Laroche and Dolson, "Improved phase vocoder time-scale modification of audio", IEEE
    Transactions on Speech and Audio Processing 7, 1999 (their loose locking by sums of
    neighbours is Puckette's, 1995).
    """
    length, hop = 1024, 256
    window = hann(length)
    step = hop / factor
    padded = np.pad(wave, (length, 2 * length))
    count = int(len(wave) * factor / hop) + 1
    starts = np.round(np.arange(count) * step).astype(np.int64) + length - length // 2
    frames = sliding_window_view(padded, length)
    here = np.fft.rfft(frames[starts] * window)
    earlier = np.fft.rfft(frames[np.maximum(starts - hop, 0)] * window)
    turns = np.angle(here * np.conj(earlier))
    phase = np.cumsum(np.concatenate((np.angle(here[:1]), turns[1:])), axis=0)
    made = np.abs(here) * np.exp(1j * phase)
    locked = made.copy()
    locked[:, 1:-1] -= made[:, 2:] + made[:, :-2]
    size = np.abs(locked)
    locked *= np.abs(here) / np.maximum(size, 1e-12)
    blocks = np.fft.irfft(locked, length) * window
    out = np.zeros(count * hop + length)
    total = np.zeros_like(out)
    for index in range(length // hop):
        part = blocks[:, index * hop : (index + 1) * hop].reshape(-1)
        out[index * hop : index * hop + len(part)] += part
        weight = np.tile(window[index * hop : (index + 1) * hop] ** 2, count)
        total[index * hop : index * hop + len(part)] += weight
    done = out / np.maximum(total, 0.1)
    return _fitted(done[length // 2 :].astype(np.float32), round(len(wave) * factor))


def _fitted(wave: Floats, length: int) -> Floats:
    return np.pad(wave[:length], (0, max(0, length - len(wave))))


def _rms(wave: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64)))) if len(wave) else 0.0


DAMAGES = (
    Damage("noise", (40, 30, 20, 10, 0, -10), "hiss {} dB under it", _noise),
    Damage("low_pass", (8, 6, 4, 2, 1, 0.5), "a low-pass at {} kHz", _low_pass),
    Damage("bit_rate", (64, 48, 32, 24, 16, 8), "MP3 at {} kbit/s", _mp3),
    Damage("pitch", (25, 50, 100, 200, 300, 400), "{} cents up", _pitch),
    Damage("stretch", (2, 4, 8, 16, 24, 32), "{} % longer", _stretch),
    Damage("reverb", (0.2, 0.5, 1, 2, 3, 5), "a hall of {} s", _reverb),
    Damage("clipping", (1, 5, 10, 20, 40, 60), "{} % of it clipped", _clip),
    Damage("dropouts", (2, 5, 10, 20, 40, 60), "{} % dropped out", _dropouts),
)
"""Each in six steps; the ladder of a comparison takes every other one."""
