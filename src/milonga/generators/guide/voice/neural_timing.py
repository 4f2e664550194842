"""Timing of the neural voice's phones.

The model's durations tell where a phoneme is to within some 30 ms, late by a little, in steps of
25 ms. Its spectra show what really sounds: a dynamic programme moves the boundaries, each within
reach of where the durations put it, to where the frames between them look most like their phones.

References:
    L. Rabiner, B.-H. Juang, "Fundamentals of Speech Recognition", 1993, section 7.5 (segmental
    alignment by dynamic programming).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from milonga.generators.guide.voice.phones import Phone

Array = NDArray[np.float64]
Spectra = Sequence[NDArray[np.float32]]
"""The model's outputs: lh, theta, ln, lr, phi ``[601, frames]`` and f0 ``[frames]``."""

FRAME_S = 0.0125
_LATE_S = 0.045
"""Delay of the durations at the model's own pace (median over sentences, measured)."""

_LOW_BINS, _HIGH_BINS = slice(4, 50), slice(150, 500)
"""80 to 1,000 Hz, where voices have their energy; 3 to 10 kHz, where hisses have theirs."""

_VOICED_DB = 8.0
"""Level of the harmonic branch over which a frame counts as voiced; vowels have 20 to 30."""

_WEAK_DB = 6.0
_REACH = 9
_SHORTEST_VOWEL, _SHORTEST = 4, 2
"""Frames that a vowel and another phone have at least, where there is room."""

_SPREAD_FRAMES = 3.0
_PRIOR = 2.0
_PERIODIC, _STEADY_HISS = frozenset("mnŋlɹjwɾTr"), frozenset("sʃzʒʧʤt")


def voiced_pitch(spectra: Spectra) -> NDArray[np.float32]:
    """The pitch where the harmonic branch of the model really sounds, else 0.

    The model's own pitch runs on through short consonants.
    """
    harmonic, _, _, free, _, pitch = spectra
    level = _decibels(harmonic[_LOW_BINS])
    voiced = (level > _VOICED_DB) & (level > _decibels(free[_LOW_BINS])) & (pitch > 40)
    return np.where(voiced, pitch, np.float32(0))


def aligned(phones: Sequence[Phone], spectra: Spectra, pace: float) -> list[Phone]:
    """The phones of the durations, moved to where they sound.

    Args:
        phones: back to back from 0, as the durations say.
        spectra: what the model made of them.
        pace: that it spoke at.
    """
    count = len(spectra[-1])
    scores = np.concatenate([np.zeros((1, len(phones))), np.cumsum(_fit(phones, spectra), axis=0)])
    prior = [(phone.end_s - _LATE_S / pace) / FRAME_S for phone in phones[:-1]]
    least = [_SHORTEST_VOWEL if phone.nucleus else _SHORTEST for phone in phones]
    bounds = _best_bounds(scores, prior, least, count)
    edges = [0.0, *(bound * FRAME_S for bound in bounds), count * FRAME_S]
    return [
        Phone(phone.symbol, start, end, phone.word)
        for phone, start, end in zip(phones, edges, edges[1:], strict=False)
    ]


def _fit(phones: Sequence[Phone], spectra: Spectra) -> Array:
    """Rate how well each frame suits each phone, ``[frames, phones]``."""
    harmonic, _, noise, free, _, _ = spectra
    low, free_low = _decibels(harmonic[_LOW_BINS]), _decibels(free[_LOW_BINS])
    voice = np.clip((low - np.maximum(_VOICED_DB, free_low)) / 8, -1.5, 1.5)
    # Weak and creaky vowels sound through the free branch: both together tell a vowel's level.
    body = 10 * np.log10(10 ** (low / 10) + 10 ** (free_low / 10))
    usual = np.median(body[voice > 0]) if (voice > 0).any() else 20.0
    loud = np.clip((body - usual + _WEAK_DB) / 6, -1.5, 1.0)
    high = 10 * np.log10(
        np.exp(2 * np.minimum(free[_HIGH_BINS], 7)).mean(axis=0)
        + np.exp(2 * np.minimum(noise[_HIGH_BINS], 7)).mean(axis=0)
        + 1e-12
    )
    quiet, sharp = np.percentile(high, [20, 95])
    hiss = np.clip((high - (quiet + 2 * sharp) / 3) / 6, -1.5, 1.5)
    return np.stack([_likeness(phone, voice, loud, hiss) for phone in phones], axis=1)


def _likeness(phone: Phone, voice: Array, loud: Array, hiss: Array) -> Array:
    letters = phone.symbol.strip("ˈˌː")
    hissing = 0.5 if letters[:1] in _STEADY_HISS and letters else 0.0
    if phone.pause:
        return np.asarray(-voice - 0.5 * hiss)
    if phone.nucleus:
        return np.asarray(0.6 * voice + 0.6 * loud - 0.3 * hiss)
    if letters[0] in _PERIODIC:
        return np.asarray(0.8 * voice - 0.2 * loud - 0.3 * hiss)
    if phone.voiced:
        return np.asarray(0.2 * voice - 0.4 * loud + hissing * hiss)
    return np.asarray(-voice + hissing * hiss)


def _best_bounds(
    scores: Array, prior: Sequence[float], shortest: Sequence[int], count: int
) -> list[int]:
    """Boundaries in frames, ascending by at least one, with the most likeness less penalties."""
    if not prior:
        return []
    offsets = np.arange(-_REACH, _REACH + 1)
    total: Array = np.zeros(0)
    before: NDArray[np.intp] = np.zeros(1, np.intp)
    back: list[NDArray[np.intp]] = []
    places: list[NDArray[np.intp]] = []
    for index, at in enumerate(prior):
        # Room for the phones before and behind, one frame each where there are enough.
        least = min(index + 1, count)
        most = max(least, count - (len(prior) - index))
        here = np.clip(np.round(at).astype(np.intp) + offsets, least, most)
        penalty = _PRIOR * ((here - at) / _SPREAD_FRAMES) ** 2 / 2
        gain = scores[here][:, np.newaxis, index] - scores[before][np.newaxis, :, index]
        lengths = here[:, np.newaxis] - before[np.newaxis, :]
        gain -= 1.5 * np.maximum(shortest[index] - lengths, 0)
        gain = np.where(lengths > 0, gain, -1e6)
        choice = gain + (total[np.newaxis, :] if index else 0.0)
        back.append(choice.argmax(axis=1))
        total = choice.max(axis=1) - penalty
        before = here
        places.append(here)
    best = int((total + scores[-1, -1] - scores[before, -1]).argmax())
    bounds: list[int] = []
    for here, origin in zip(reversed(places), reversed(back), strict=True):
        bounds.append(int(here[best]))
        best = int(origin[best])
    return bounds[::-1]


def _decibels(log_magnitude: NDArray[np.float32]) -> Array:
    power = np.exp(2 * np.minimum(log_magnitude.astype(np.float64), 7)).mean(axis=0)
    return np.asarray(10 * np.log10(power + 1e-12))
