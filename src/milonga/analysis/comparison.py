"""Comparing recordings with a baseline by figures, with controls that say what they are worth."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

from milonga import audio
from milonga.analysis import yardsticks
from milonga.analysis.differences import Differences, differences
from milonga.analysis.features import Features, features
from milonga.audio.clip import Clip
from milonga.errors import MilongaError
from milonga.runtime.progress import Progress


@dataclass(frozen=True, slots=True)
class Control:
    """The baseline against something whose answer is known; ``reason`` says why it is missing."""

    features: Features | None = None
    differences: Differences | None = None
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "features": self.features and self.features.to_dict(),
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

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        if self.features is None:
            return {"path": self.path, "error": self.error}
        document = {"path": self.path, "features": self.features.to_dict()}
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

    def to_dict(self) -> dict[str, Any]:
        """The document of ``milonga compare --json``."""
        known = self.baseline
        return {
            "baseline": known and {"path": known.path, "features": known.features.to_dict()},
            "candidates": [candidate.to_dict() for candidate in self.candidates],
            "controls": known and {name: c.to_dict() for name, c in known.controls.items()},
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
    with (
        _Pool(workers) as pool,
        progress.task("Comparing", 1 + len(candidates), "recordings") as task,
    ):
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
            task.advance()
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
        "silence": pool.start(_of_control, yardsticks.silence, clip),
        "noise": pool.start(_of_control, yardsticks.noise, clip),
        "shuffled": pool.start(_of_control, yardsticks.shuffled, clip),
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
        # Stationary controls may be shorter than what they stand for.
        return replace(features(make(clip)), duration_s=clip.seconds)
    except yardsticks.NoYardstickError as reason:
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
