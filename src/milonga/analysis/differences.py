"""Differences between two recordings' features, and what several of them have in common."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from milonga.analysis.features import Features

_LEAST_FOR_INTERVAL = 3


@dataclass(frozen=True, slots=True)
class Differences:
    """Candidate minus baseline; percentages are of the baseline. None where undefined.

    Levels are compared as they are. ``mfcc_similarity`` depends on them through coefficient 0,
    which is also so much larger than the others that it hides them; ``timbre_similarity``
    leaves it out.

    Attributes:
        mfcc_similarity: cosine between the 13 mean MFCCs.
        timbre_similarity: the same without coefficient 0: hardly depends on the level.
        chroma_similarity: cosine between the 12 mean chroma values.
    """

    duration_diff_s: float
    tempo_diff_bpm: float | None
    tempo_diff_pct: float | None
    spectral_centroid_diff_hz: float | None
    spectral_centroid_diff_pct: float | None
    spectral_bandwidth_diff_hz: float | None
    spectral_bandwidth_diff_pct: float | None
    spectral_rolloff_diff_hz: float | None
    spectral_rolloff_diff_pct: float | None
    mfcc_similarity: float | None
    timbre_similarity: float | None
    chroma_similarity: float | None
    zcr_diff: float
    rms_diff: float
    loudness_diff_lu: float | None
    true_peak_diff_db: float | None


def differences(baseline: Features, candidate: Features) -> Differences:
    """Subtract the baseline from a candidate, figure by figure."""
    changes = {}
    spectral = (f"spectral_{what}_hz" for what in ("centroid", "bandwidth", "rolloff"))
    for name in ("tempo_bpm", *spectral):
        what, _, unit = name.rpartition("_")
        changes[f"{what}_diff_{unit}"], changes[f"{what}_diff_pct"] = _changes(
            getattr(baseline, name), getattr(candidate, name)
        )
    return Differences(
        **changes,
        duration_diff_s=candidate.duration_s - baseline.duration_s,
        mfcc_similarity=similarity(baseline.mfcc_mean, candidate.mfcc_mean),
        timbre_similarity=similarity(baseline.mfcc_mean[1:], candidate.mfcc_mean[1:]),
        chroma_similarity=similarity(baseline.chroma_mean, candidate.chroma_mean),
        zcr_diff=candidate.zcr_mean - baseline.zcr_mean,
        rms_diff=candidate.rms_mean - baseline.rms_mean,
        loudness_diff_lu=_changes(baseline.loudness_lufs, candidate.loudness_lufs)[0],
        true_peak_diff_db=_changes(baseline.true_peak_dbtp, candidate.true_peak_dbtp)[0],
    )


def similarity(first: Sequence[float] | None, second: Sequence[float] | None) -> float | None:
    """Compute the cosine between two vectors; None if either is missing or all zeros."""
    if first is None or second is None:
        return None
    a, b = np.asarray(first), np.asarray(second)
    lengths = math.sqrt(float(a @ a) * float(b @ b))
    # MFCCs of silence are zero but for rounding.
    if lengths < 1e-9:
        return None
    return max(-1.0, min(1.0, float(a @ b) / lengths))


@dataclass(frozen=True, slots=True)
class Summary:
    """One figure over several takes of one condition.

    Attributes:
        n: takes that have it.
        mean: None without any.
        half_interval: half of the 95 % interval of the mean (Student's t); None under three
            takes, where it says nothing.
    """

    n: int
    mean: float | None
    half_interval: float | None


def summarised(found: Iterable[float | None]) -> Summary:
    """Summarise a figure over several takes of one condition."""
    values = [value for value in found if value is not None]
    if not values:
        return Summary(0, None, None)
    half = None
    if len(values) >= _LEAST_FOR_INTERVAL:
        from scipy.special import stdtrit

        error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
        half = float(stdtrit(len(values) - 1, 0.975)) * error
    return Summary(len(values), float(np.mean(values)), half)


def _changes(before: float | None, after: float | None) -> tuple[float | None, float | None]:
    """Return the difference, and it in percent of ``before``."""
    if before is None or after is None:
        return None, None
    return after - before, 100 * (after - before) / before if before else None
