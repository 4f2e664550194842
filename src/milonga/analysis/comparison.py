"""Comparing recordings with a baseline by figures, with controls that say what they are worth."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from milonga import audio
from milonga.analysis import controls
from milonga.analysis.features import Features, features
from milonga.audio.clip import Clip
from milonga.errors import MilongaError
from milonga.runtime.progress import Progress

_LEAST_FOR_SPREAD = 3


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


@dataclass(frozen=True, slots=True)
class Control:
    """The baseline against something whose answer is known; ``reason`` says why it is missing."""

    features: Features | None = None
    differences: Differences | None = None
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "features": self.features and self.features.as_json(),
            "differences": self.differences and asdict(self.differences),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Reference:
    """A measured baseline, to compare any number of candidates with.

    Attributes:
        path: its file, or a name.
        features: its figures.
        controls: ``self``, ``silence``, ``noise`` and ``shuffled``.
    """

    path: str
    features: Features
    controls: Mapping[str, Control]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recording that was compared, or the ``error`` that kept it from being."""

    path: str
    features: Features | None = None
    differences: Differences | None = None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The JSON object."""
        if self.features is None:
            return {"path": self.path, "error": self.error}
        document = {"path": self.path, "features": self.features.as_json()}
        if self.differences is not None:
            document["differences"] = asdict(self.differences)
        return document


@dataclass(frozen=True, slots=True)
class Comparison:
    """A baseline and its candidates, in the order given. Without a baseline, their features."""

    baseline: Reference | None
    candidates: tuple[Candidate, ...]

    @property
    def failed(self) -> tuple[Candidate, ...]:
        """The candidates that could not be read."""
        return tuple(candidate for candidate in self.candidates if candidate.error is not None)

    def as_json(self) -> dict[str, Any]:
        """The document of ``milonga compare --json``."""
        known = self.baseline
        return {
            "baseline": known and {"path": known.path, "features": known.features.as_json()},
            "candidates": [candidate.as_json() for candidate in self.candidates],
            "controls": known and {name: c.as_json() for name, c in known.controls.items()},
        }


def compare(
    baseline: str | os.PathLike[str],
    candidates: Sequence[str | os.PathLike[str]],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compares files. Each is read when its turn comes and dropped after it.

    Args:
        baseline: the recording to compare with.
        candidates: recordings, any rate, channels and length.
        workers: threads; None for one per processor. NumPy releases Python's lock.
        progress: counts recordings.

    Returns:
        The comparison; a candidate that can't be read has its error in its place.

    Raises:
        AudioError: the baseline can't be read.
        Cancelled: the user stopped it.
    """
    progress = progress or Progress()
    with _Pool(workers) as pool, progress.task("Comparing", 1 + len(candidates)) as task:
        clip = audio.read(baseline)
        reference = _start_reference(clip, os.fspath(baseline), pool)
        del clip
        waiting = [pool.start(_measured, os.fspath(path)) for path in candidates]
        known = reference()
        task.advance()
        found = []
        for future in waiting:
            measured = future.result()
            found.append(_against(known, measured))
            task.advance(label=f"Comparing: {Path(measured.path).name}")
    return Comparison(known, tuple(found))


def compare_clips(
    baseline: Clip | Reference | None,
    candidates: Mapping[str, Clip],
    *,
    workers: int | None = None,
) -> Comparison:
    """Compares clips in memory.

    Args:
        baseline: what to compare with; a ``Reference`` from ``measure_baseline`` isn't measured
            again; None gives the candidates' features alone.
        candidates: clips by name; the names stand as paths in the document.
        workers: threads; None for one per processor.

    Raises:
        ComparisonError: a clip is empty.
    """
    with _Pool(workers) as pool:
        if isinstance(baseline, Clip):
            pending = _start_reference(baseline, "baseline", pool)
        waiting = {name: pool.start(features, clip) for name, clip in candidates.items()}
        known = pending() if isinstance(baseline, Clip) else baseline
        found = [Candidate(name, future.result()) for name, future in waiting.items()]
    return Comparison(known, tuple(_against(known, candidate) for candidate in found))


def measure_baseline(
    clip: Clip, path: str = "baseline", *, workers: int | None = None
) -> Reference:
    """The features and controls of a baseline.

    Raises:
        ComparisonError: the clip is empty.
    """
    with _Pool(workers) as pool:
        return _start_reference(clip, path, pool)()


def differences(baseline: Features, candidate: Features) -> Differences:
    """Candidate minus baseline."""
    centroid, bandwidth, rolloff, tempo = (
        _changes(getattr(baseline, name), getattr(candidate, name))
        for name in (
            "spectral_centroid_hz",
            "spectral_bandwidth_hz",
            "spectral_rolloff_hz",
            "tempo_bpm",
        )
    )
    return Differences(
        duration_diff_s=candidate.duration_s - baseline.duration_s,
        tempo_diff_bpm=tempo[0],
        tempo_diff_pct=tempo[1],
        spectral_centroid_diff_hz=centroid[0],
        spectral_centroid_diff_pct=centroid[1],
        spectral_bandwidth_diff_hz=bandwidth[0],
        spectral_bandwidth_diff_pct=bandwidth[1],
        spectral_rolloff_diff_hz=rolloff[0],
        spectral_rolloff_diff_pct=rolloff[1],
        mfcc_similarity=similarity(baseline.mfcc_mean, candidate.mfcc_mean),
        timbre_similarity=similarity(baseline.mfcc_mean[1:], candidate.mfcc_mean[1:]),
        chroma_similarity=similarity(baseline.chroma_mean, candidate.chroma_mean),
        zcr_diff=candidate.zcr_mean - baseline.zcr_mean,
        rms_diff=candidate.rms_mean - baseline.rms_mean,
        loudness_diff_lu=_changes(baseline.loudness_lufs, candidate.loudness_lufs)[0],
        true_peak_diff_db=_changes(baseline.true_peak_dbtp, candidate.true_peak_dbtp)[0],
    )


def similarity(first: Sequence[float] | None, second: Sequence[float] | None) -> float | None:
    """Cosine of the angle between two vectors; None if either is missing or all zeros."""
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
    """One figure over several candidates.

    Attributes:
        n: candidates that have it.
        mean: None without any.
        spread: sample standard deviation; None under three candidates, where it says nothing.
    """

    n: int
    mean: float | None
    spread: float | None


def summarise(comparison: Comparison) -> dict[str, Summary]:
    """Each difference over all candidates, by name."""
    found = [c.differences for c in comparison.candidates if c.differences is not None]
    summaries = {}
    for field in fields(Differences):
        values = [v for v in (getattr(d, field.name) for d in found) if v is not None]
        summaries[field.name] = Summary(
            len(values),
            float(np.mean(values)) if values else None,
            float(np.std(values, ddof=1)) if len(values) >= _LEAST_FOR_SPREAD else None,
        )
    return summaries


class _Pool:
    """Threads that start nothing new once an error or Ctrl-C leaves the block."""

    def __init__(self, workers: int | None) -> None:
        self._threads = ThreadPoolExecutor(workers or os.cpu_count() or 1)

    def start(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        return self._threads.submit(function, *args)

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *exc: object) -> None:
        self._threads.shutdown(cancel_futures=True)


def _start_reference(clip: Clip, path: str, pool: _Pool) -> Callable[[], Reference]:
    made = {
        "silence": pool.start(_of_control, controls.silence, clip),
        "noise": pool.start(_of_control, controls.noise, clip),
        "shuffled": pool.start(_of_control, controls.shuffled, clip),
    }
    own = pool.start(features, clip)

    def finish() -> Reference:
        known: Features = own.result()
        found = {"self": Control(known, differences(known, known))}
        for name, future in made.items():
            measured = future.result()
            if isinstance(measured, str):
                found[name] = Control(reason=measured)
            else:
                found[name] = Control(measured, differences(known, measured))
        return Reference(path, known, found)

    return finish


def _of_control(make: Callable[[Clip], Clip], clip: Clip) -> Features | str:
    try:
        return features(make(clip))
    except controls.NoControlError as reason:
        return str(reason)


def _measured(path: str) -> Candidate:
    try:
        return Candidate(path, features(audio.read(path)))
    except MilongaError as error:
        return Candidate(path, error=f"{error.message} {error.step or ''}".strip())


def _against(known: Reference | None, candidate: Candidate) -> Candidate:
    if known is None or candidate.features is None:
        return candidate
    return Candidate(
        candidate.path, candidate.features, differences(known.features, candidate.features)
    )


def _changes(before: float | None, after: float | None) -> tuple[float | None, float | None]:
    """The difference, and it in percent of ``before``."""
    if before is None or after is None:
        return None, None
    return after - before, 100 * (after - before) / before if before else None
