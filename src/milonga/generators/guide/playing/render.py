"""A score to audio: every part by itself, levelled, placed, and mixed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import Clip
from milonga.audio.limiter import Levelled, levelled
from milonga.audio.resampling import resample
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
_CEILING_DBTP = -1.3
_OFFSET_HZ = 8.0
"""Far under the lowest note, 41 Hz: it loses 0.2 dB."""


VOICE = "voice"
"""The group of the singer, beside those of ``Score.parts``."""
_GROUPS = {
    **{"kick": "drums", "drums": "drums", "bass": "bass", "chords": "chords", "pad": "chords"},
    **dict.fromkeys(("lead", "second", "answer", "sparkle"), "lead"),
}


def group_of(part: ScorePart) -> str:
    """Name the instrument group of a part: drums, bass, chords or lead."""
    return "drums" if part.drums else _GROUPS.get(part.name, "lead")


def render_score(score: Score, lufs: float, progress: Progress, voice: Clip | None = None) -> Clip:
    """The whole score at 44.1 kHz, exactly ``round(seconds * 44100)`` samples long, with a short
    fade at its end, at a loudness, its true peak under -1 dBTP.

    Args:
        lufs: integrated loudness of the result.
        voice: a vocal of the same length and rate to mix in, its lines at -20 dBFS RMS.

    Raises:
        Cancelled: the user stopped it.
    """
    stems = (stem(part, score, progress) for part in score.parts.values())
    return _finished(score, _summed(score, stems), lufs, progress, voice).clip


def render_groups(
    score: Score, lufs: float, progress: Progress, voice: Clip | None = None
) -> dict[str, Clip]:
    """What ``render_score`` gives in its instrument groups, each as it sounds in the whole: their
    sum is the clip, within rounding.

    Arguments and errors are those of ``render_score``.
    """
    stems = {name: stem(part, score, progress) for name, part in score.parts.items()}
    whole = _finished(score, _summed(score, stems.values()), lufs, progress, voice)
    groups: dict[str, list[Samples]] = {}
    for name, samples in stems.items():
        groups.setdefault(group_of(score.parts[name]), []).append(samples)
    faded = _ending(score)
    found = {
        name: whole.same(Clip(_at_rate(score, _summed(score, parts)) * faded, RATE))
        for name, parts in groups.items()
    }
    if voice is not None:
        found[VOICE] = whole.same(Clip(voice.samples * (np.float32(_VOICE) * faded), RATE))
    return found


def _summed(score: Score, stems: Iterable[Samples]) -> Samples:
    total = np.zeros((2, round(score.seconds * midi.RATE)), dtype=np.float32)
    for samples in stems:
        total += samples
    return total


def _at_rate(score: Score, samples: Samples) -> Samples:
    frames = max(1, round(score.seconds * RATE))
    found: Samples = resample(Clip(samples, midi.RATE), RATE).fitted(frames).samples
    return found


def _ending(score: Score) -> NDArray[np.float32]:
    """Gains of the fade at the end, one for each sample."""
    hold_s = score.bars[-1].end_s - score.bars[-1].start_s if score.bars[-1].hold else 0.0
    frames = max(1, round(score.seconds * RATE))
    return _fade_out(frames, max(0.012, min(0.5 * hold_s, 0.8)))


def _finished(
    score: Score, total: Samples, lufs: float, progress: Progress, voice: Clip | None
) -> Levelled:
    mix = _at_rate(score, total)
    if voice is not None:
        mix = mix + voice.samples * np.float32(_VOICE)
    clip = Clip(mix * _ending(score), RATE)
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
        raw = synthesise(part, frames, midi.RATE)
    else:
        raw = _centred(midi.play(_balanced(part), score.seconds, progress))
    placed = _placed(raw * np.float32(_gain(raw, part)), part.pan)
    kicks = score.parts.get("kick")
    if part.duck and kicks is not None:
        placed *= _ducking(kicks, part.duck, frames)
    return placed


def _centred(raw: Samples) -> Samples:
    """Take away an offset: some samples of the soundfont, such as its upright bass, have one."""
    from scipy.signal import butter, sosfilt

    found = sosfilt(butter(1, _OFFSET_HZ, "highpass", fs=midi.RATE, output="sos"), raw, axis=1)
    return np.asarray(found, dtype=np.float32)


def _gain(raw: Samples, part: ScorePart) -> float:
    """Bring a part to its level: drums by a stroke of the kit's kick or snare, the rest by
    its body while it plays."""
    if part.drums:
        drum = _KICK if part.name == "kick" else _SNARE
        firm = midi.drum_peak(part.program, drum) * (_FIRM / midi.STROKE) ** 2
        return float(10 ** ((_DRUM_PEAK_DB + part.level_db) / 20)) / firm
    count = max(1, raw.shape[1] // _BLOCK)
    blocks = raw[:, : count * _BLOCK].astype(np.float64) ** 2
    power = (
        blocks.reshape(2, count, -1).mean(axis=(0, 2))
        if raw.shape[1] >= _BLOCK
        else (np.array([blocks.mean()]))
    )
    playing = power[power > 0.1 * power.max(initial=0.0)]
    if not len(playing) or playing.mean() < 1e-10:
        return 0.0
    return float(10 ** ((_BODY_DB + part.level_db) / 20) / np.sqrt(playing.mean()))


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


def _placed(stem: Samples, pan: float) -> Samples:
    """Balance between left and right, equal power."""
    angle = (pan + 1) * np.pi / 4
    gains = np.array([[np.cos(angle)], [np.sin(angle)]]) * np.sqrt(2)
    placed: Samples = stem * gains.astype(np.float32)
    return placed


def _ducking(kicks: ScorePart, depth: float, frames: int) -> NDArray[np.float32]:
    """A gain that falls with each kick and comes back within a fifth of a second."""
    onsets = np.array(sorted(note.start_s for note in kicks.notes))
    t = np.arange(frames) / midi.RATE
    last = np.searchsorted(onsets, t + 0.004, side="right") - 1
    since = np.where(last >= 0, t - onsets[np.maximum(last, 0)], np.inf)
    # The gain falls within 4 ms before the kick, without a jump.
    fall = np.clip((since + 0.004) / 0.004, 0.0, 1.0)
    gain = 1.0 - depth * fall * np.exp(-np.maximum(since, 0.0) / 0.09)
    return np.asarray(gain, dtype=np.float32)


def _fade_out(frames: int, seconds: float) -> NDArray[np.float32]:
    count = min(round(seconds * RATE), frames)
    gain = np.ones(frames, dtype=np.float32)
    gain[frames - count :] = 0.5 + 0.5 * np.cos(np.linspace(0.0, np.pi, count))
    return gain
