"""Distances between sets of recordings: is what a model makes, as a whole, like what it should be?

A recording becomes a vector (its embedding); two sets are compared as clouds of vectors.

The **Fréchet distance** takes each cloud for a Gaussian. From few recordings it comes out too
large, by an amount that shrinks with one over their number; so it is computed for several numbers
and extrapolated to infinitely many. The **kernel distance** (maximum mean discrepancy, here with
the cubic kernel of KID) assumes no Gaussian, and its unbiased estimate is right on average for
every number; around 0 it is often negative.

References:
    Dowson, Landau, "The Fréchet distance between multivariate normal distributions",
    J. Multivariate Analysis 12 (1982).
    Heusel et al., "GANs Trained by a Two Time-Scale Update Rule ...", NeurIPS 2017 (FID).
    Chong, Forsyth, "Effectively Unbiased FID and Inception Score ...", CVPR 2020.
    Gui et al., "Adapting Frechet Audio Distance for Generative Music Evaluation", ICASSP 2024.
    Binkowski et al., "Demystifying MMD GANs", ICLR 2018 (KID).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.filters import dct_matrix, mel_bank
from milonga.analysis.spectra import decibels, magnitudes
from milonga.analysis.statistics import LEVEL, Interval
from milonga.audio.clip import Clip
from milonga.audio.loudness import loudness_lufs
from milonga.audio.resampling import resample
from milonga.errors import ComparisonError

Vectors = NDArray[np.float64]

_RATE, _LUFS, _TOP_DB = 22_050, -23.0, 80.0
_FEWEST_KERNEL = 10
"""Recordings in each set under which the kernel distance is refused: its interval would be wider
than the distance between most sets."""
_PER_DIMENSION = 2
"""Recordings for each number of the embedding under which the Fréchet distance is refused: a
covariance of fewer is singular, or nearly."""
_SIZES, _DRAWS, _ROUNDS = 5, 8, 200


def mfcc_embedding(clip: Clip) -> Vectors:
    """Describe a recording by means and deviations of 13 MFCCs, ``[26]``.

    At one rate (22.05 kHz), mono and one loudness, so that formats don't count. Frames more than
    80 dB under the loudest are held there.

    Raises:
        ComparisonError: it is silent or shorter than 0.4 s.
    """
    mono = resample(Clip(clip.mono[None], clip.sample_rate), _RATE)
    loudness = loudness_lufs(mono)
    if loudness is None:
        raise ComparisonError(
            "A silent recording, or one under 0.4 s, can't be placed in a set.",
            step="Leave it out.",
        )
    level = mono.scaled(10 ** ((_LUFS - loudness) / 20)).mono
    bank = mel_bank(_RATE)
    levels = np.concatenate([decibels(bank(m * m)) for m in magnitudes(level)])
    levels = np.maximum(levels, levels.max() - _TOP_DB).astype(np.float64)
    cepstra = levels @ dct_matrix().T
    return np.concatenate([cepstra.mean(axis=0), cepstra.std(axis=0)])


@dataclass(frozen=True, slots=True)
class SetDistance:
    """Two distances between sets of recordings.

    Attributes:
        sizes: recordings in each set.
        embedding: its name.
        frechet: None where the sets are too small, with the reason in ``refused``.
        kernel: the same.
        refused: reasons by distance.
    """

    sizes: tuple[int, int]
    embedding: str
    frechet: Interval | None
    kernel: Interval | None
    refused: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "sizes": list(self.sizes),
            "embedding": self.embedding,
            "level": LEVEL,
            "frechet": self.frechet.to_dict() if self.frechet else None,
            "kernel": self.kernel.to_dict() if self.kernel else None,
            "refused": dict(self.refused),
        }


def compare_sets(
    first: Sequence[Clip],
    second: Sequence[Clip],
    *,
    embed: Callable[[Clip], Vectors] = mfcc_embedding,
    name: str = "mfcc",
    seed: int = 0,
) -> SetDistance:
    """Measure how far two sets of recordings are from each other.

    Args:
        first: of them.
        second: of them.
        embed: describes a recording by ``[d]`` numbers, the same d for all.
        name: of the embedding, for the record.
        seed: of the draws.

    Raises:
        ComparisonError: a recording can't be embedded.
    """
    a, b = (np.array([embed(clip) for clip in clips]) for clips in (first, second))
    return compare_vectors(a, b, name=name, seed=seed)


def compare_vectors(a: Vectors, b: Vectors, *, name: str = "", seed: int = 0) -> SetDistance:
    """Measure how far two sets of embeddings, ``[n, d]`` and ``[m, d]``, are from each other.

    Vectors are scaled by the deviations of the second set, so that no number of the embedding
    counts more for its unit.
    """
    sizes, refused = (len(a), len(b)), dict[str, str]()
    rng = np.random.default_rng(seed)
    frechet = kernel = None
    dimensions = a.shape[1] if a.ndim == 2 else b.shape[1] if b.ndim == 2 else 0
    need = _PER_DIMENSION * dimensions
    if min(sizes) >= max(2, _FEWEST_KERNEL):
        scale = b.std(axis=0)
        scale[scale < 1e-9 * (np.abs(b).max() or 1.0)] = 1.0
        a, b = a / scale, b / scale
        kernel = _kernel_interval(a, b, rng)
    else:
        refused["kernel"] = (
            f"it takes {_FEWEST_KERNEL} recordings in each set; there are {min(sizes)}"
        )
    if min(sizes) >= max(need, _FEWEST_KERNEL):
        frechet = _frechet_interval(a, b, rng)
    else:
        needed = max(need, _FEWEST_KERNEL)
        refused["frechet"] = (
            f"it takes {needed} recordings in each set with {dimensions} numbers a recording; "
            f"there are {min(sizes)}"
        )
    return SetDistance(sizes, name, frechet, kernel, refused)


def frechet_distance(a: Vectors, b: Vectors) -> float:
    """Compute the squared Fréchet distance of Gaussians fitted to ``[n, d]`` and ``[m, d]``.

    ``|mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2))``; the trace of the root is the sum of the
    roots of the eigenvalues of ``A^(1/2) B A^(1/2)``, which is symmetric.
    """
    mean = a.mean(axis=0) - b.mean(axis=0)
    one, two = (np.atleast_2d(np.cov(each, rowvar=False)) for each in (a, b))
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    both = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ two @ root), 0)).sum()
    return float(mean @ mean + np.trace(one) + np.trace(two) - 2 * both)


def kernel_distance(a: Vectors, b: Vectors) -> float:
    """Compute the unbiased squared maximum mean discrepancy of ``[n, d]`` and ``[m, d]``.

    Its kernel is ``(x y / d + 1)^3``.
    """
    return _mmd(*_kernels(a, b), np.ones(len(a)), np.ones(len(b)))


def _kernels(a: Vectors, b: Vectors) -> tuple[Vectors, Vectors, Vectors]:
    d = a.shape[1]
    return (a @ a.T / d + 1) ** 3, (b @ b.T / d + 1) ** 3, (a @ b.T / d + 1) ** 3


def _mmd(aa: Vectors, bb: Vectors, ab: Vectors, wa: Vectors, wb: Vectors) -> float:
    """The estimate where each vector counts so often; no vector meets itself."""

    def within(kernel: Vectors, w: Vectors) -> float:
        return float((w @ kernel @ w - (w * w) @ np.diag(kernel)) / (w.sum() ** 2 - w @ w))

    return within(aa, wa) + within(bb, wb) - 2 * float(wa @ ab @ wb / (wa.sum() * wb.sum()))


def _kernel_interval(a: Vectors, b: Vectors, rng: np.random.Generator) -> Interval:
    # About the common mean: the kernel isn't blind to where the origin lies.
    centre = np.concatenate([a, b]).mean(axis=0)
    kernels = _kernels(a - centre, b - centre)
    value = _mmd(*kernels, np.ones(len(a)), np.ones(len(b)))
    drawn = [
        _mmd(*kernels, *(np.bincount(rng.integers(0, n, n), minlength=n).astype(float)
                         for n in (len(a), len(b))))
        for _ in range(_ROUNDS)
    ]  # fmt: skip
    return _interval(value, drawn)


def _frechet_interval(a: Vectors, b: Vectors, rng: np.random.Generator) -> Interval:
    value = _extrapolated(a, b, rng)
    drawn = []
    for _ in range(_ROUNDS // 4):
        # Without replacement: a vector twice would look like less variety than there is.
        one, two = (each[rng.permutation(len(each))[: max(2, len(each) // 2)]] for each in (a, b))
        drawn.append(_extrapolated(one, two, rng))
    # Halves vary by sqrt(2) more than wholes.
    spread = (np.array(drawn) - np.mean(drawn)) / 2**0.5
    return _interval(value, (value + spread).tolist())


def _extrapolated(a: Vectors, b: Vectors, rng: np.random.Generator) -> float:
    """The distance for infinitely many recordings: the line over ``1 / n``, at 0."""
    n = min(len(a), len(b))
    sizes = np.unique(np.linspace(max(2, n // 2), n, _SIZES).astype(int))
    values = [
        np.mean([
            frechet_distance(*(each[rng.permutation(len(each))[:size]] for each in (a, b)))
            for _ in range(1 if size == len(a) == len(b) else _DRAWS)
        ])
        for size in sizes
    ]  # fmt: skip
    return float(np.polyfit(1 / sizes, values, 1)[1]) if len(sizes) > 1 else float(values[0])


def _interval(value: float, drawn: list[float]) -> Interval:
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return Interval(value, float(low), float(high))
