"""``Clip``: samples and their rate, checked once at the boundary."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from milonga.audio.layout import Layout, stereo_gains, to_mono, usual_layout
from milonga.errors import AudioError

MIN_RATE, MAX_RATE = 1_000, 768_000
"""Sampling rates taken seriously, in Hz: beyond them a header is damaged, not exotic."""

MAX_CHANNELS = 64


@dataclass(frozen=True, eq=False)
class Clip:
    """Audio in memory.

    The samples can't be changed, so clips can be shared, sliced and cached without surprises:
    work on ``clip.samples.copy()`` and make a new clip. ``np.asarray(clip)`` gives
    ``clip.samples``, ``len(clip)`` the samples per channel, and ``==`` compares samples,
    channels and rate. A notebook shows a clip as a player and a picture.

    Args:
        samples: ``[channels, time]`` or ``[time]``; kept as float32 ``[channels, time]``,
            full scale 1.0, never clipped. May be empty in time.
        sample_rate: samples per second, 1,000 to 768,000, a whole number.
        copy: True copies an array that you could still change. False takes it over as it is,
            without the memory of a copy (an hour of stereo has 1.3 GB): then don't change it.
        layout: the loudspeaker of each channel (``milonga.audio.layout``); by default the usual
            one of so many channels: 5.1 for six.

    Raises:
        AudioError: wrong rank, no channel, ``[time, channels]`` instead of
            ``[channels, time]``, an integer or complex type, NaN or infinite samples, a rate
            that is out of range or no whole number, a layout of another number of channels.

    Examples:
        >>> import numpy as np
        >>> import milonga
        >>> t = np.arange(44100) / 44100
        >>> clip = milonga.Clip(0.5 * np.sin(2 * np.pi * 440 * t), 44100)
        >>> clip
        Clip(1.000 s, 1 channel, 44100 Hz)
        >>> clip.seconds, clip.channels, len(clip)
        (1.0, 1, 44100)
        >>> clip[:1000] == clip.between(0, 1000 / 44100)
        True
        >>> clip.with_channels(2).samples.shape
        (2, 44100)
    """

    samples: NDArray[np.float32]
    sample_rate: int
    layout: Layout

    def __init__(
        self,
        samples: ArrayLike,
        sample_rate: SupportsIndex | float,
        *,
        copy: bool = True,
        layout: Layout | None = None,
    ) -> None:
        array = np.asarray(samples)
        if array.ndim == 1:
            array = array[np.newaxis]
        if array.ndim != 2:
            raise AudioError(f"Samples have {array.ndim} dimensions, not [channels, time].")
        if array.shape[0] > MAX_CHANNELS >= array.shape[1] > 0:
            raise AudioError(
                f"Samples of shape {array.shape} have no usable channel count: "
                "they look like [time, channels].",
                step="Transpose them: Clip(samples.T, sample_rate).",
            )
        if not 1 <= array.shape[0] <= MAX_CHANNELS:
            raise AudioError(f"Samples of shape {array.shape} have no usable channel count.")
        if array.dtype.kind != "f":
            raise AudioError(f"Samples are {array.dtype}, not floating point with full scale 1.0.")
        rate = check_rate(sample_rate)
        layout = layout or usual_layout(len(array))
        if len(layout) != len(array):
            raise AudioError(f"{len(array)} channels can't have the layout {' '.join(layout)}.")
        kept = np.ascontiguousarray(array, dtype=np.float32)
        if copy and kept.flags.writeable and np.may_share_memory(kept, array):
            kept = kept.copy()
        # A new view, whose strides say what its shape is: a cut row keeps those of the whole.
        kept = kept.view() if len(kept) > 1 else kept[0].reshape(1, kept.shape[1])
        kept.flags.writeable = False
        if not all_finite(kept):
            raise AudioError("Samples hold NaN or infinite values.")
        object.__setattr__(self, "samples", kept)
        object.__setattr__(self, "sample_rate", rate)
        object.__setattr__(self, "layout", layout)

    def __repr__(self) -> str:
        channels = f"{self.channels} channel{'s' if self.channels > 1 else ''}"
        return f"Clip({self.seconds:.3f} s, {channels}, {self.sample_rate} Hz)"

    def _repr_html_(self) -> str:
        # By name, because players and pictures are made from clips themselves.
        html: str = import_module("milonga.audio.notebook").clip_html(self)
        return html

    def __len__(self) -> int:
        return self.n_samples

    def __bool__(self) -> bool:
        # An empty clip is still a clip: "if clip" asks for None.
        return True

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Clip):
            return NotImplemented
        same_rate = self.sample_rate == other.sample_rate
        return same_rate and np.array_equal(self.samples, other.samples)

    def __getitem__(self, part: slice) -> Clip:
        """Cut out samples ``clip[start:stop]``, all channels; negative numbers count from the end.

        Raises:
            AudioError: not a slice, or one with a step.
        """
        if not isinstance(part, slice) or part.step not in (None, 1):
            raise AudioError(
                "A clip is cut with clip[start:stop], in samples.",
                step="Use clip.samples for single samples, milonga.resample for another rate.",
            )
        return self._with(self.samples[:, part])

    def _with(self, samples: NDArray[np.float32]) -> Clip:
        """The same channels at the same rate."""
        return Clip(samples, self.sample_rate, copy=False, layout=self.layout)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.samples, dtype=dtype, copy=copy)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[0])

    @property
    def n_samples(self) -> int:
        """Samples per channel."""
        return int(self.samples.shape[1])

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.n_samples / self.sample_rate

    @cached_property
    def mono(self) -> NDArray[np.float32]:
        """The mean of left and right, ``[time]``; more channels are first mixed to stereo."""
        mono: NDArray[np.float32] = self.samples[0]
        if self.channels > 1:
            mono = to_mono(self.samples, self.layout)
            mono.flags.writeable = False
        return mono

    @property
    def peak(self) -> float:
        """Largest absolute sample; 0 for an empty clip."""
        if not self.n_samples:
            return 0.0
        return float(max(self.samples.max(), -self.samples.min()))

    def between(self, start_s: float, end_s: float | None = None) -> Clip:
        """Cut out ``start_s`` to ``end_s`` in seconds, rounded to whole samples.

        Like a slice, it stops at the clip's end, and without ``end_s`` it goes up to it.

        Raises:
            AudioError: a negative time, or an end before the start.
        """
        end_s = self.seconds if end_s is None else end_s
        if not 0 <= start_s <= end_s:
            raise AudioError(f"There is nothing between {start_s:g} s and {end_s:g} s.")
        last = min(end_s, self.seconds)
        first = min(start_s, last)
        return self[round(first * self.sample_rate) : round(last * self.sample_rate)]

    def scaled(self, gain: float) -> Clip:
        """Multiply by a linear gain."""
        return self._with(self.samples * np.float32(gain))

    def fitted(self, n_samples: int) -> Clip:
        """Cut to ``n_samples``, or pad with silence at the end."""
        if n_samples <= self.n_samples:
            return self[:n_samples]
        padded = np.pad(self.samples, ((0, 0), (0, n_samples - self.n_samples)))
        return self._with(padded)

    def with_channels(self, channels: int) -> Clip:
        """Change the number of channels: mono by the mean, equal channels from mono.

        More than two become stereo after ITU-R BS.775: centre and surrounds 3 dB lower, the LFE
        left out. The level stays as it comes, so peaks may exceed full scale.

        Raises:
            AudioError: any other change.
        """
        if channels == self.channels:
            return self
        if channels == 1:
            mixed = self.mono
        elif self.channels == 1:
            mixed = np.repeat(self.samples, channels, axis=0)
        elif channels == 2:
            mixed = stereo_gains(self.layout) @ self.samples
        else:
            raise AudioError(f"Can't turn {self.channels} channels into {channels}.")
        return Clip(mixed, self.sample_rate, copy=False)


def check_rate(rate: SupportsIndex | SupportsFloat) -> int:
    """Check a sampling rate in Hz; return it as an ``int``.

    Raises:
        AudioError: it isn't a whole number, or is out of the range that we accept.
    """
    whole = _whole(rate)
    if whole is None:
        raise AudioError(f"A sampling rate of {rate!r} is not a whole number of Hz.")
    if not MIN_RATE <= whole <= MAX_RATE:
        raise AudioError(
            f"A sampling rate of {whole} Hz is not between {MIN_RATE:,} and {MAX_RATE:,} Hz."
        )
    return whole


def _whole(number: object) -> int | None:
    """The integer that a number is (44100.0, too); None for anything else."""
    if isinstance(number, bool | np.bool_):
        return None
    if isinstance(number, float | np.floating):
        return int(number) if float(number).is_integer() else None
    try:
        return operator.index(number)  # type: ignore[arg-type]
    except TypeError:
        return None


def all_finite(array: NDArray[np.floating[Any]]) -> bool:
    """Tell whether no value is NaN or infinite, without an array of booleans for long audio."""
    if array.size == 0:
        return True
    # min and max propagate NaN and show infinities.
    return bool(np.isfinite(array.min()) and np.isfinite(array.max()))
