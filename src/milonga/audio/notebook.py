"""Clips as a notebook shows them: a player, a picture and a line of facts."""

from __future__ import annotations

import base64
import io

import numpy as np

from milonga.audio.clip import Clip
from milonga.audio.pictures import clip_png
from milonga.audio.resampling import resample

_LOSSLESS_S, _LONGEST_S = 20.0, 300.0
"""Up to the first a player holds FLAC (3 MB of stereo at 44.1 kHz), up to the second MP3."""

_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""The rates of MP3; FLAC at any of them plays everywhere."""


def clip_html(clip: Clip) -> str:
    """Show a clip as HTML that needs no other file: at most 7 MB, however long the clip is."""
    facts = repr(clip)[len("Clip(") : -1]
    if not clip.n_samples:
        return f"<div><small>{facts}: an empty clip</small></div>"
    if clip.seconds > _LONGEST_S:
        facts += f"; the player has the first {_LONGEST_S / 60:.0f} minutes"
    kind, sound = _playable(clip)
    picture = _data_url("image/png", clip_png(clip))
    return (
        f'<div><img src="{picture}" alt="Waveform and mel-spectrogram" '
        'style="display: block; max-width: 100%">'
        f'<audio controls preload="metadata" src="{_data_url(kind, sound)}"></audio>'
        f"<br><small>{facts}</small></div>"
    )


def _playable(clip: Clip) -> tuple[str, bytes]:
    """The media type and bytes of a file that browsers play, without overload."""
    import soundfile

    clip = clip.between(0, _LONGEST_S)
    if clip.channels > 2:
        clip = clip.with_channels(2)
    if clip.sample_rate not in _RATES:
        clip = resample(clip, 44_100)
    # Below full scale, because lossy coding overshoots.
    samples = clip.samples * np.float32(min(1.0, 0.98 / max(clip.peak, 1e-9)))
    kind, container, subtype = (
        ("audio/flac", "FLAC", "PCM_16")
        if clip.seconds <= _LOSSLESS_S
        else ("audio/mpeg", "MP3", "MPEG_LAYER_III")
    )
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.T, clip.sample_rate, format=container, subtype=subtype)
    return kind, buffer.getvalue()


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
