"""A score to audio: every part by itself, levelled, placed, and mixed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import Clip
from milonga.audio.limiter import Levelled, levelled
from milonga.audio.resampling import resampled
from milonga.generators.guide.playing import midi
from milonga.generators.guide.playing.synth import Samples, synthesise
from milonga.generators.guide.score import Score, ScorePart
from milonga.runtime.progress import Progress

RATE = 44_100

_BODY_DB = -20.0
"""Level that a pitched part is brought to while it plays, RMS."""

_VOICE = 10 ** (2.0 / 20)
"""A singer stands a little before the instruments."""

_DRUM_PEAK_DB = -5.0
"""Peak of a firm stroke on kick and snare."""
_KICK, _SNARE, _FIRM = 36, 38, 112

_BALANCE = {
    **{37: 0.5, 39: 0.9, 42: 0.45, 46: 0.4, 49: 0.55, 51: 0.4},  # rim, clap and cymbals
    **{54: 0.3, 56: 0.45, 62: 0.4, 63: 0.45, 70: 0.3, 73: 0.3, 75: 0.25},  # hand percussion
}
"""Peaks of strokes of the same velocity, against the snare's."""

_BLOCK = 2048
_CHUNK = 64 * _BLOCK
"""Frames that are worked on at once: a song of ten minutes takes no more memory than its parts."""

_CEILING_DBTP = -1.3
_OFFSET_HZ = 8.0
"""Far under the lowest note, 41 Hz: it loses 0.2 dB."""


Sing = Callable[[], Clip]

VOICE = "voice"
"""The group of the singer, beside those of ``Score.parts``."""
_GROUPS = {
    **{"kick": "drums", "drums": "drums", "bass": "bass", "chords": "chords", "pad": "chords"},
    **dict.fromkeys(("lead", "second", "answer", "sparkle"), "lead"),
}


def group_of(part: ScorePart) -> str:
    """Name the instrument group of a part: drums, bass, chords or lead."""
    return "drums" if part.drums else _GROUPS.get(part.name, "lead")


def render_score(score: Score, lufs: float, progress: Progress, sing: Sing | None = None) -> Clip:
    """The whole score at 44.1 kHz, exactly ``round(seconds * 44100)`` samples long, with a short
    fade at its end, at a loudness, its true peak under -1 dBTP.

    Args:
        lufs: integrated loudness of the result.
        sing: makes a vocal of the same length and rate to mix in, its lines at -20 dBFS RMS;
            called when the band has played, so that the parts and the voice never need memory at
            the same time.

    Raises:
        Cancelled: the user stopped it.
    """
    mix = _at_rate(score, _summed(score, (stem(p, score, progress) for p in score.parts.values())))
    if sing is not None:
        _add(mix, sing().samples, _VOICE)
    return _finished(score, mix, lufs, progress).clip


def render_groups(
    score: Score, lufs: float, progress: Progress, sing: Sing | None = None
) -> dict[str, Clip]:
    """What ``render_score`` gives in its instrument groups, each as it sounds in the whole: their
    sum is the clip, within rounding.

    Arguments and errors are those of ``render_score``.
    """
    groups: dict[str, Samples] = {}

    def stems() -> Iterator[Samples]:
        for part in score.parts.values():
            samples, group = stem(part, score, progress), group_of(part)
            yield samples
            if group in groups:
                groups[group] += samples
            else:
                groups[group] = samples

    mix = _at_rate(score, _summed(score, stems()))
    for name in groups:
        groups[name] = _at_rate(score, groups[name])
    if sing is not None:
        voice = sing().samples * np.float32(_VOICE)
        _add(mix, voice)
        groups[VOICE] = voice
    whole = _finished(score, mix, lufs, progress)
    found = {}
    for name in list(groups):
        part = groups.pop(name)
        _fade_out(score, part)
        found[name] = whole.same(Clip(part, RATE, copy=False))
    return found


def _summed(score: Score, stems: Iterable[Samples]) -> Samples:
    total = np.zeros((2, round(score.seconds * midi.RATE)), dtype=np.float32)
    for samples in stems:
        total += samples
        # Else it would last until the next one has been played.
        del samples
    return total


def _at_rate(score: Score, samples: Samples) -> Samples:
    frames = max(1, round(score.seconds * RATE))
    found = resampled(samples, midi.RATE, RATE)
    lacking = frames - found.shape[1]
    return np.pad(found, ((0, 0), (0, lacking))) if lacking > 0 else found[:, :frames]


def _add(mix: Samples, samples: Samples, gain: float = 1.0) -> None:
    for at in range(0, mix.shape[1], _CHUNK):
        mix[:, at : at + _CHUNK] += samples[:, at : at + _CHUNK] * np.float32(gain)


def _finished(score: Score, mix: Samples, lufs: float, progress: Progress) -> Levelled:
    """What was mixed with its fade, levelled; the array is used up."""
    _fade_out(score, mix)
    clip = Clip(mix, RATE, copy=False)
    progress.check()
    if clip.seconds < 0.5 and clip.peak > 0:
        # Too short for a loudness to be defined.
        gain = 0.4 / clip.peak
        return Levelled(clip.scaled(gain), 20 * math.log10(gain), None)
    return levelled(clip, lufs, ceiling_dbtp=_CEILING_DBTP)


def stem(part: ScorePart, score: Score, progress: Progress) -> Samples:
    """One part by itself, ``[2, time]`` at 48 kHz, with its level and place in the mix."""
    frames = round(score.seconds * midi.RATE)
    if part.synth:
        progress.check()
        samples = synthesise(part, frames, midi.RATE)
    else:
        samples = midi.play(_balanced(part), score.seconds, progress)
        _centre(samples)
    gain, sides = np.float32(_gain(samples, part)), _sides(part.pan)
    kicks = score.parts.get("kick")
    for at in range(0, frames, _CHUNK):
        chunk = samples[:, at : at + _CHUNK]
        chunk *= gain
        chunk *= sides
        if part.duck and kicks is not None:
            chunk *= _ducking(kicks, part.duck, at, chunk.shape[1])
    return samples


def _centre(samples: Samples) -> None:
    """Take away an offset: some samples of the soundfont, such as its upright bass, have one."""
    from scipy.signal import butter, sosfilt

    sections = butter(1, _OFFSET_HZ, "highpass", fs=midi.RATE, output="sos")
    state = np.zeros((len(sections), 2, 2))
    for at in range(0, samples.shape[1], _CHUNK):
        chunk = samples[:, at : at + _CHUNK]
        chunk[:], state = sosfilt(sections, chunk, axis=1, zi=state)


def _gain(raw: Samples, part: ScorePart) -> float:
    """Bring a part to its level: drums by a stroke of the kit's kick or snare, the rest by
    its body while it plays."""
    if part.drums:
        drum = _KICK if part.name == "kick" else _SNARE
        firm = midi.drum_peak(part.program, drum) * (_FIRM / midi.STROKE) ** 2
        return float(10 ** ((_DRUM_PEAK_DB + part.level_db) / 20)) / firm
    power = _powers(raw)
    playing = power[power > 0.1 * power.max(initial=0.0)]
    if not len(playing) or playing.mean() < 1e-10:
        return 0.0
    return float(10 ** ((_BODY_DB + part.level_db) / 20) / np.sqrt(playing.mean()))


def _powers(raw: Samples) -> NDArray[np.float64]:
    """Mean square of each block, of all where there isn't a whole one."""
    whole = raw.shape[1] // _BLOCK * _BLOCK
    if not whole:
        return np.array([(raw.astype(np.float64) ** 2).mean()])
    powers = []
    for at in range(0, whole, _CHUNK):
        squares = raw[:, at : min(at + _CHUNK, whole)].astype(np.float64) ** 2
        powers.append(squares.reshape(2, -1, _BLOCK).mean(axis=(0, 2)))
    return np.concatenate(powers)


def _balanced(part: ScorePart) -> ScorePart:
    """Drums at the levels that ``_BALANCE`` asks for, whatever the kit's own are."""
    if not part.drums:
        return part
    snare = midi.drum_peak(part.program, _SNARE)
    factors = {
        # A stroke's amplitude goes with the square of its velocity.
        drum: (level * snare / midi.drum_peak(part.program, drum)) ** 0.5
        for drum in {note.pitch for note in part.notes}
        if (level := _BALANCE.get(drum)) is not None
    }
    notes = tuple(
        replace(
            note, velocity=min(max(round(note.velocity * factors.get(note.pitch, 1.0)), 1), 127)
        )
        for note in part.notes
    )
    return replace(part, notes=notes)


def _sides(pan: float) -> NDArray[np.float32]:
    """Gains ``[2, 1]`` of left and right, equal power."""
    angle = (pan + 1) * np.pi / 4
    gains = np.array([[np.cos(angle)], [np.sin(angle)]]) * np.sqrt(2)
    return np.asarray(gains, dtype=np.float32)


def _ducking(kicks: ScorePart, depth: float, first: int, frames: int) -> NDArray[np.float32]:
    """A gain that falls with each kick and comes back within a fifth of a second, from the frame
    ``first`` on."""
    onsets = np.array(sorted(note.start_s for note in kicks.notes))
    t = np.arange(first, first + frames) / midi.RATE
    last = np.searchsorted(onsets, t + 0.004, side="right") - 1
    since = np.where(last >= 0, t - onsets[np.maximum(last, 0)], np.inf)
    # The gain falls within 4 ms before the kick, without a jump.
    fall = np.clip((since + 0.004) / 0.004, 0.0, 1.0)
    gain = 1.0 - depth * fall * np.exp(-np.maximum(since, 0.0) / 0.09)
    return np.asarray(gain, dtype=np.float32)


def _fade_out(score: Score, samples: Samples) -> None:
    """Fade the end of a song, a chord that is held for longer."""
    hold_s = score.bars[-1].end_s - score.bars[-1].start_s if score.bars[-1].hold else 0.0
    seconds = max(0.012, min(0.5 * hold_s, 0.8))
    count = min(round(seconds * RATE), samples.shape[1])
    gain = 0.5 + 0.5 * np.cos(np.linspace(0.0, np.pi, count))
    samples[:, samples.shape[1] - count :] *= gain.astype(np.float32)
