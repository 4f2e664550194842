"""Pictures of recordings: mel-spectrogram and chromagram as PNG, the waveform as a path or PNG."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import Clip
from milonga.audio.colours import palette
from milonga.audio.mel.spec import MelSpec
from milonga.audio.resampling import resample

WIDTH = 1120
"""Pixels of a section's time scale: a column of the page at two pixels per point."""

RANGE_DB = 70.0
"""Level of the darkest colour under the loudest point, in dB."""

WAVE_COLUMNS = 400
_LEVELS = 64
"""Colours of a picture: 1.1 dB apart, and half the bytes of 256."""

CHROMA_ROW = 7

_CLIP_COLUMNS, _CLIP_WAVE_ROWS = 560, 64
_CLIP_LONGEST_S = 600.0
_GROUND, _INK = (16, 16, 24, 255), (130, 180, 220, 255)


def clip_png(clip: Clip) -> bytes:
    """Draw the waveform of a clip above its mel-spectrogram; of over ten minutes the beginning.

    Args:
        clip: ``[channels, time]``, at least one sample.

    Returns:
        A PNG of 560 by 192 pixels.
    """
    from PIL import Image

    spec = MelSpec.preset("bigvgan-v2-44khz-128band-512x")
    mono = resample(clip.between(0, _CLIP_LONGEST_S).with_channels(1), spec.sample_rate)
    levels = spec.analyse(mono.fitted(max(mono.n_samples, spec.hop)))[0] * (20 / np.log(10))
    shown = spectrogram_png(
        levels.astype(np.float32), mono.seconds, mono.seconds, float(levels.max())
    )
    mel = Image.open(io.BytesIO(shown)).convert("RGBA").resize((_CLIP_COLUMNS, spec.n_mels))
    columns = wave(mono, mono.seconds)
    scale = max(columns.peak, 1e-9)
    at = np.arange(_CLIP_COLUMNS) * len(columns.low) // _CLIP_COLUMNS
    middle = (_CLIP_WAVE_ROWS - 1) / 2
    rows = np.arange(_CLIP_WAVE_ROWS)[:, np.newaxis]
    inside = (rows >= middle - 0.5 - middle * columns.high[at] / scale) & (
        rows <= middle + 0.5 - middle * columns.low[at] / scale
    )
    image = Image.new("RGBA", (_CLIP_COLUMNS, _CLIP_WAVE_ROWS + spec.n_mels), _GROUND)
    ink = np.where(inside[..., np.newaxis], _INK, _GROUND)
    image.paste(Image.fromarray(ink.astype(np.uint8), "RGBA"), (0, 0))
    image.paste(mel, (0, _CLIP_WAVE_ROWS), mel)
    buffer = io.BytesIO()
    image.convert("P", palette=Image.Palette.ADAPTIVE, colors=96).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def spectrogram_png(
    levels_db: NDArray[np.float32], seconds: float, span: float, top_db: float
) -> bytes:
    """Draw a mel-spectrogram, low bands at the bottom.

    Args:
        levels_db: ``[bands, columns]`` in dB, columns evenly over ``seconds``. NaN where a
            recording has no band (above half its sampling rate).
        seconds: duration of the recording.
        span: duration of the time scale; the picture is transparent beyond ``seconds``.
        top_db: level of the lightest colour.
    """
    fitted = fit_columns(levels_db, _share(seconds, span))
    return _png((fitted - (top_db - RANGE_DB)) / RANGE_DB)


def chromagram_png(chroma: NDArray[np.float32], seconds: float, span: float) -> bytes:
    """Draw a chromagram, C at the bottom.

    Args:
        chroma: ``[12, columns]``, 0 to 1, columns evenly over ``seconds``.
        seconds: duration of the recording.
        span: duration of the time scale.
    """
    fitted = fit_columns(chroma, _share(seconds, span))
    return _png(np.repeat(fitted, CHROMA_ROW, axis=0))


def fit_columns(picture: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
    """Fit a picture ``[rows, have]`` to ``columns``: means of several, or repeated ones."""
    have = picture.shape[1]
    if have <= columns:
        return picture[:, (np.arange(columns) * have) // columns]
    edges = (np.arange(columns) * have) // columns
    counts = np.diff(np.append(edges, have))
    return np.asarray(np.add.reduceat(picture, edges, axis=1) / counts, dtype=np.float32)


def _share(seconds: float, span: float, width: int = WIDTH) -> int:
    return max(1, min(width, round(width * seconds / span)))


def _png(value: NDArray[np.float32]) -> bytes:
    """Draw ``value`` from 0 to 1, ``[rows, columns]``, row 0 at the bottom; NaN is transparent."""
    from PIL import Image

    missing = np.isnan(value)
    clipped = np.clip(np.where(missing, 0.0, value), 0.0, 1.0)
    index = np.zeros((value.shape[0], WIDTH), dtype=np.uint8)
    index[:, : value.shape[1]] = np.where(missing, 0, 1 + np.round(clipped * (_LEVELS - 1)))
    image = Image.fromarray(index[::-1])
    # Index 0 is the ground of the page.
    colours = np.concatenate([np.zeros((1, 3), dtype=np.uint8), palette(_LEVELS)])
    image.putpalette(colours.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=0, optimize=True)
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Wave:
    """A waveform in columns: lowest and highest sample of any channel, RMS over channels."""

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    rms: NDArray[np.float32]

    @property
    def peak(self) -> float:
        """Largest magnitude."""
        return float(max(self.high.max(), -self.low.min()))


def wave(clip: Clip, span: float) -> Wave:
    """Compute the waveform over its share of ``WAVE_COLUMNS`` columns.

    Args:
        clip: ``[channels, time]``, at least one sample.
        span: duration of the time scale.
    """
    columns = min(clip.n_samples, _share(clip.seconds, span, WAVE_COLUMNS))
    edges = (np.arange(columns) * clip.n_samples) // columns
    sizes = np.diff(np.append(edges, clip.n_samples))
    low = np.full(columns, np.inf, dtype=np.float32)
    high = -low
    power = np.zeros(columns, dtype=np.float64)
    for channel in clip.samples:
        low = np.minimum(low, np.minimum.reduceat(channel, edges))
        high = np.maximum(high, np.maximum.reduceat(channel, edges))
        for at, (start, size) in enumerate(zip(edges.tolist(), sizes.tolist(), strict=True)):
            part = channel[start : start + size]
            power[at] += float(np.dot(part, part))
    rms = np.sqrt(power / (sizes * clip.channels))
    return Wave(low, high, rms.astype(np.float32))


def wave_paths(wave: Wave, full_scale: float) -> tuple[str, str]:
    """Draw SVG paths of the peaks and of the RMS, in a box ``WAVE_COLUMNS`` wide and 100 high.

    Args:
        wave: the columns.
        full_scale: the magnitude that reaches the edge of the box.
    """
    return (
        _outline(wave.high / full_scale, wave.low / full_scale),
        _outline(wave.rms / full_scale, -wave.rms / full_scale),
    )


def _outline(upper: NDArray[np.float32], lower: NDArray[np.float32]) -> str:
    """Draw a closed path around a band; thin places keep a line's width."""
    top = np.floor(49.5 - 49 * np.clip(upper, 0, 1)).astype(int).tolist()
    bottom = np.ceil(50.5 - 49 * np.clip(lower, -1, 0)).astype(int).tolist()
    columns = len(top)
    points = [f"{x} {y}" for x, y in enumerate(top)] + [f"{columns} {top[-1]}"]
    points += [f"{columns} {bottom[-1]}"]
    points += [f"{x} {bottom[x]}" for x in range(columns - 1, -1, -1)]
    return f"M{'L'.join(points)}Z"
