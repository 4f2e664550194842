"""Augmentation: more examples from few recordings, by the library audiomentations."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from milonga.errors import needs_extra
from milonga.runtime.seeding import GLOBAL_RANDOM

if TYPE_CHECKING:
    from audiomentations import Compose

Floats = NDArray[np.float32]


class Augmenter:
    """Variations of mono audio; the same samples and seed always give the same one.

    Safe with threads: one draws at a time.

    Raises:
        MissingExtraError: the extra 'sounds' isn't installed.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._chain = _chain()

    def vary(self, samples: Floats, seed: int) -> Floats:
        """Make one variation.

        Args:
            samples: ``[time]``, full scale 1.0.
            seed: 0 to 2**32 - 1.

        Returns:
            ``[time]``, up to a tenth longer or shorter; it may pass full scale.
        """
        with _seeded(seed):
            varied = self._chain(samples=np.array(samples, order="C"), sample_rate=self._rate)
        return np.ascontiguousarray(varied, dtype=np.float32)


def _chain() -> Compose:
    with needs_extra("Training a sound model", "sounds"):
        import audiomentations as am
    return am.Compose(
        [
            # Two semitones and a tenth in speed keep an instrument that instrument; beyond
            # them formants and attacks are those of another one.
            am.PitchShift(min_semitones=-2.0, max_semitones=2.0, p=0.6),
            am.TimeStretch(min_rate=0.9, max_rate=1.1, leave_length_unchanged=False, p=0.4),
            # As a microphone a step nearer or a mixer with other tone controls would do.
            am.OneOf(
                [
                    am.LowShelfFilter(
                        min_center_freq=80.0, max_center_freq=400.0, min_gain_db=-4.0,
                        max_gain_db=4.0,
                    ),
                    am.HighShelfFilter(
                        min_center_freq=3_000.0, max_center_freq=9_000.0, min_gain_db=-4.0,
                        max_gain_db=4.0,
                    ),
                    am.PeakingFilter(
                        min_center_freq=300.0, max_center_freq=4_000.0, min_gain_db=-4.0,
                        max_gain_db=4.0, min_q=0.5, max_q=1.5,
                    ),
                ],
                p=0.6,
            ),
            am.Gain(min_gain_db=-6.0, max_gain_db=3.0, p=0.6),
            # 40 dB under the sound: heard in its pauses alone, and seldom, since the model
            # would otherwise learn that its corpus hisses.
            am.AddColorNoise(min_snr_db=40.0, max_snr_db=55.0, p=0.2),
        ]
    )  # fmt: skip


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the global states of Python and NumPy, from which the library draws; put them back."""
    with GLOBAL_RANDOM:
        before: tuple[Any, Any] = random.getstate(), np.random.get_state()  # noqa: NPY002
        try:
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])  # noqa: NPY002
