"""A sung phrase: the parameters of speech, warped in time onto notes, on the notes' pitch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milonga.generators.guide.voice.alignment import Stretch, Syllable, stretches
from milonga.generators.guide.voice.casting import Singer
from milonga.generators.guide.voice.contour import pitch_contour
from milonga.generators.guide.voice.phones import Phone
from milonga.generators.guide.voice.speech import SpeechEngine
from milonga.generators.guide.voice.world import STEP_S, Frames, synthesise

Array = NDArray[np.float64]

_FADE_S = 0.012
_MARGIN_S = 0.03
_EVENNESS = 0.7
"""Share of the differences in level between spoken vowels that is taken away."""

_LARGEST_GAIN_DB = 12.0
_HISS_UNDER_DB = 12.0
"""Least distance of voiceless sounds under the vowels."""

_NEPER = math.log(10) / 10
"""A decibel in the natural logarithm of a power."""

_SPEAKS_ABOVE = -1
"""Semitones from the lowest sung note to the usual pitch of speech: a woman's is near 208 Hz."""

_SILENCE = -28.0
"""Natural logarithm of the power envelope in rests."""


@dataclass(frozen=True, eq=False)
class Sung:
    """Samples ``[time]`` at a rate, and where they start in the song."""

    samples: Array
    sample_rate: int
    start_s: float


def sing(
    placed: Sequence[Syllable],
    frames: Frames,
    singer: Singer,
    random: np.random.Generator,
    *,
    engine: SpeechEngine,
    transpose: float = 0.0,
) -> Sung:
    """Sing syllables on their notes.

    Args:
        placed: at least one syllable.
        frames: the speech that the syllables' phones lie in.
        singer: manner and vocal tract.
        random: draws what differs from one performance to another.
        engine: who spoke; its tract and colour are turned into the singer's.
        transpose: semitones.
    """
    pieces = stretches(placed)
    start = max(0.0, pieces[0].target_s[0] - _MARGIN_S)
    count = int(np.ceil((pieces[-1].target_s[1] + _MARGIN_S - start) / STEP_S)) + 1
    times: Array = start + STEP_S * np.arange(count, dtype=np.float64)
    source, held = _source(pieces, times)
    sounding = ~np.isnan(source)
    warped = _warped(frames, source, held)
    notes = [note for syllable in placed for note in syllable.notes]
    pitch = pitch_contour(notes, times, random, transpose=transpose, vibrato=singer.vibrato)
    level = _gain_db(frames, placed, source, warped) + _dynamics_db(placed, times)
    samples = _in_the_voice_of(singer, engine, warped, pitch, sounding, level)
    return Sung(samples, frames.rate, start)


def say(
    frames: Frames,
    pitch_hz: Array,
    singer: Singer,
    start_s: float,
    *,
    engine: SpeechEngine,
    pace: float = 1.0,
) -> Sung:
    """Speak as the singer: the speech's own rhythm and melody, about the pitch of their speech.

    Args:
        frames: the speech.
        pitch_hz: its pitch at the frames.
        singer: manner and vocal tract.
        start_s: where it starts in the song.
        engine: who spoke.
        pace: how many times faster.
    """
    count = max(1, int(len(frames) / pace))
    source: Array = STEP_S * pace * np.arange(count, dtype=np.float64)
    voiced = pitch_hz > 0
    usual = float(np.median(pitch_hz[voiced])) if voiced.any() else 1.0
    wanted = 440 * 2 ** ((singer.range.low + _SPEAKS_ABOVE - 69) / 12)
    nearest = np.minimum(np.round(source / STEP_S).astype(np.intp), len(frames) - 1)
    pitch = pitch_hz[nearest] * wanted / usual
    warped = _warped(frames, source, np.zeros(len(source), np.bool_))
    sounding = np.ones(len(source), np.bool_)
    samples = _in_the_voice_of(singer, engine, warped, pitch, sounding, np.zeros(len(source)))
    return Sung(samples, frames.rate, start_s)


def _in_the_voice_of(
    singer: Singer,
    engine: SpeechEngine,
    speech: Frames,
    pitch: Array,
    sounding: NDArray[np.bool_],
    level_db: Array,
) -> Array:
    """Samples of speech with a singer's tract and manner, on a pitch."""
    envelope = _resized(speech.log_envelope, singer.tract / engine.tract)
    envelope += level_db[:, np.newaxis] * _NEPER
    noise = speech.aperiodicity
    voiced = speech.voiced & sounding
    if engine.colour:
        hertz = np.arange(envelope.shape[1]) * speech.rate / (2 * (envelope.shape[1] - 1))
        points = np.array(engine.colour)
        colour = np.interp(hertz * singer.tract, points[:, 0], points[:, 1])
        envelope[voiced] += colour * _NEPER
    if singer.whisper:
        envelope += _whisper_tilt(envelope.shape[1], speech.rate)
        voiced, noise = np.zeros_like(voiced), np.ones_like(noise)
    elif singer.air:
        noise = np.sqrt(noise**2 * (1 - singer.air) + singer.air * _airiness(noise.shape[1]))
    samples = synthesise(np.where(voiced, pitch, 0.0), Frames(envelope, noise, voiced, speech.rate))
    return samples * _fades(sounding, len(samples), speech.rate)


def _source(pieces: Sequence[Stretch], times: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Time in the speech for each time in the song (NaN in rests), and whether it is a vowel."""
    source = np.full(len(times), np.nan)
    held = np.zeros(len(times), np.bool_)
    for piece in pieces:
        (left, right), (start, end) = piece.source_s, piece.target_s
        inside = (times >= start) & (times < end)
        source[inside] = left + (times[inside] - start) * (right - left) / (end - start)
        held[inside] = piece.held
    return source, held


def _warped(frames: Frames, source: Array, held: NDArray[np.bool_]) -> Frames:
    """Frames at other times, between their neighbours; vowels are voiced throughout."""
    position = np.clip(np.nan_to_num(source) / STEP_S, 0, len(frames) - 1)
    low = np.minimum(position.astype(np.intp), len(frames) - 1)
    high = np.minimum(low + 1, len(frames) - 1)
    share = (position - low)[:, np.newaxis]
    envelope = frames.log_envelope[low] * (1 - share) + frames.log_envelope[high] * share
    noise = frames.aperiodicity[low] * (1 - share) + frames.aperiodicity[high] * share
    spoken = frames.voiced[np.round(position).astype(np.intp)]
    voiced = spoken | held
    if frames.voiced.any():
        usual = np.median(frames.aperiodicity[frames.voiced], axis=0)
        noise[held & ~spoken] = usual
        # Between a voiced and an unvoiced frame the mean is neither.
        noise[held] = np.minimum(noise[held], usual + 0.15)
    envelope[np.isnan(source)] = _SILENCE
    return Frames(envelope, noise, voiced, frames.rate)


def _resized(log_envelope: Array, ratio: float) -> Array:
    """The envelope of a vocal tract ``ratio`` times as long: formants divided by it."""
    if abs(ratio - 1) < 1e-3:
        return log_envelope.copy()
    bins = log_envelope.shape[1]
    position = np.minimum(np.arange(bins) * ratio, bins - 1)
    low = np.minimum(position.astype(np.intp), bins - 2)
    share = position - low
    out = log_envelope[:, low] * (1 - share) + log_envelope[:, low + 1] * share
    # Above the old limit there is nothing: it falls off from there.
    beyond = np.arange(bins) * ratio - (bins - 1)
    return np.asarray(out - 0.04 * np.maximum(beyond, 0.0))


def _gain_db(frames: Frames, placed: Sequence[Syllable], source: Array, warped: Frames) -> Array:
    """Gain that evens out the vowels and holds voiceless sounds under them.

    Voiced consonants keep their level against their vowels. Hisses are never raised with a weak
    vowel, and stay under the vowels: singers open their mouths for these, not for those.
    """
    levels = np.array([_level_db(frames, syllable.nucleus.phone) for syllable in placed])
    at = np.array([_middle(syllable.nucleus.phone) for syllable in placed])
    usual = float(np.median(levels))
    wanted = np.clip(_EVENNESS * (usual - levels), -_LARGEST_GAIN_DB, _LARGEST_GAIN_DB)
    gain = np.interp(np.nan_to_num(source), at, wanted)
    own = 10 * np.log10(np.exp(warped.log_envelope).sum(axis=1) + 1e-20)
    held_down = np.minimum(np.minimum(gain, 0.0), usual - _HISS_UNDER_DB - own)
    return np.asarray(np.where(warped.voiced, gain, held_down))


def _middle(phone: Phone) -> float:
    return (phone.start_s + phone.end_s) / 2


def _level_db(frames: Frames, phone: Phone) -> float:
    first = min(int(phone.start_s / STEP_S), len(frames) - 1)
    last = max(first + 1, int(phone.end_s / STEP_S))
    power = np.exp(frames.log_envelope[first:last]).sum(axis=1)
    return float(10 * np.log10(power.max() + 1e-20))


def _dynamics_db(placed: Sequence[Syllable], times: Array) -> Array:
    """Phrasing: stressed syllables come forward, the phrase swells a little and lets go."""
    start, end = placed[0].start_s, placed[-1].end_s
    along = np.clip((times - start) / max(end - start, 1e-3), 0.0, 1.0)
    level = 1.5 * np.sin(np.pi * along**0.8) - 0.75
    for syllable in placed:
        if syllable.nucleus.phone.stressed:
            level[(times >= syllable.start_s) & (times < syllable.end_s)] += 1.0
    last = placed[-1].notes[-1]
    letting_go = np.clip((times - last.start_s) / max(last.end_s - last.start_s, 1e-3), 0, 1)
    level -= 4.0 * letting_go**2
    return np.convolve(np.pad(level, 6, mode="edge"), np.full(13, 1 / 13), mode="valid")


def _whisper_tilt(bins: int, rate: int) -> Array:
    """Whispered vowels lose the low end that the vocal folds gave (about 12 dB below 500 Hz)."""
    hertz = np.arange(bins) * rate / (2 * (bins - 1))
    decibels = -14.0 / (1 + (hertz / 600.0) ** 2) - 3.0
    return decibels * _NEPER


def _airiness(bins: int) -> Array:
    return np.linspace(0.1, 1.0, bins) ** 0.5


def _fades(sounding: NDArray[np.bool_], count: int, rate: int) -> Array:
    """Amplitude 0 in rests and 1 in sound, with short slopes, so that nothing clicks."""
    width = max(1, round(2 * _FADE_S / STEP_S))
    window = np.hanning(width + 2)[1:-1]
    soft = np.convolve(sounding.astype(np.float64), window / window.sum(), mode="same")
    soft[0] = soft[-1] = 0.0
    return np.interp(np.arange(count) / rate, STEP_S * np.arange(len(soft)), soft)
