"""The sounds of a listening test: at one level and rate, and so that their bytes tell nothing."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping

import numpy as np
import soundfile as sf
from scipy.signal import firwin, oaconvolve

from milonga.analysis.listening.design import ANCHORS, Key
from milonga.audio.clip import Clip
from milonga.audio.loudness import loudness_lufs
from milonga.audio.resampling import resample
from milonga.errors import MilongaError

TARGET_LUFS = -23.0
"""Level of all sounds, unless one of them would clip: then all of an item are lower."""
_HIGHEST_RATE, _CEILING = 48_000, 0.98
_ANCHOR_TAPS_S = 0.008
"""Length of the low-pass: 60 dB within about 500 Hz."""


def matched(clips: Mapping[str, Clip], item: str) -> dict[str, Clip]:
    """Bring recordings of one item to one rate, two channels and one loudness.

    Mono is heard from both loudspeakers, so it is measured as two channels.

    Args:
        clips: by condition.
        item: for messages.

    Raises:
        MilongaError: one is silent or shorter than 0.4 s, so it has no loudness.
    """
    rate = min(_HIGHEST_RATE, max(clip.sample_rate for clip in clips.values()))
    stereo = {name: resample(clip.with_channels(2), rate) for name, clip in clips.items()}
    gains = {}
    for name, clip in stereo.items():
        loudness = loudness_lufs(clip)
        if loudness is None:
            raise MilongaError(
                f"{item}: {name} is silent or shorter than 0.4 s, so nobody can judge it.",
                step="Leave that recording out.",
            )
        gains[name] = 10 ** ((TARGET_LUFS - loudness) / 20)
    loudest = max(clip.peak * gains[name] for name, clip in stereo.items())
    less = min(1.0, _CEILING / loudest)
    return {name: clip.scaled(gains[name] * less) for name, clip in stereo.items()}


def low_passed(clip: Clip, corner_hz: float) -> Clip:
    """Return an anchor: everything above a corner is gone, the rest as it was.

    Args:
        clip: to filter.
        corner_hz: at half the amplitude; a corner above the clip's band changes nothing.
    """
    if corner_hz >= clip.sample_rate / 2:
        return clip
    taps = firwin(round(_ANCHOR_TAPS_S * clip.sample_rate) | 1, corner_hz, fs=clip.sample_rate)
    samples = oaconvolve(clip.samples, taps[None], "same", axes=1)
    return Clip(samples.astype(np.float32), clip.sample_rate)


def sounds_of(key: Key, item: str, clips: Mapping[str, Clip]) -> dict[str, Clip]:
    """Return the sound of every stimulus of an item's trials, by the stimulus's name.

    Args:
        key: the test.
        item: one of its items.
        clips: by condition, as read.
    """
    level = matched(clips, item)
    if key.kind == "mushra":
        # Of the matched reference: an anchor isn't turned up for what it lacks.
        level |= {name: low_passed(level[key.reference], hz) for name, hz in ANCHORS.items()}
    length = max(clip.n_samples for clip in level.values())
    whole = {name: clip.fitted(length) for name, clip in level.items()}
    trials = (trial for trial in key.trials if trial.item == item)
    return {s.name: whole[s.condition] for trial in trials for s in trial.stimuli}


def encoded(clip: Clip, rng: np.random.Generator) -> str:
    """Encode a clip as FLAC (24 bits, no tags) in Base64, with its last bit drawn: X and the sound
    that it is have no bytes in common."""
    dithered = clip.samples + rng.uniform(-1, 1, clip.samples.shape).astype(np.float32) / 2**23
    data = io.BytesIO()
    sf.write(data, dithered.T, clip.sample_rate, format="FLAC", subtype="PCM_24")
    return base64.b64encode(data.getvalue()).decode()
