"""Comparisons with a baseline by figures, with yardsticks that show what the figures are worth."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from milonga import audio
from milonga.analysis import yardsticks
from milonga.analysis.differences import Differences, differences
from milonga.analysis.features import Features, features
from milonga.audio.clip import Clip
from milonga.audio.reading.opening import decoder
from milonga.errors import ComparisonError, MilongaError
from milonga.runtime.progress import Progress

FORMAT_VERSION = 2
"""Of the JSON document. In version 1, which had no number, the yardsticks were "controls"."""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """The baseline against something whose answer is known; ``reason`` says why it is missing."""

    features: Features | None = None
    differences: Differences | None = None
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
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
        yardsticks: ``self``, ``silence``, ``noise`` and ``shuffled``.
        decoder: the program that read it, where that wasn't milonga.
    """

    path: str
    features: Features
    yardsticks: Mapping[str, Yardstick]
    decoder: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; the yardsticks have a place of their own."""
        by = {"decoder": self.decoder} if self.decoder else {}
        return {"path": self.path, **by, "features": self.features.to_dict()}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recording that was compared, or the ``error`` that kept it from being.

    Attributes:
        decoder: the program that read it, where that wasn't milonga.
    """

    path: str
    features: Features | None = None
    differences: Differences | None = None
    error: str | None = None
    decoder: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        if self.features is None:
            return {"path": self.path, "error": self.error}
        document = Reference(self.path, self.features, {}, self.decoder).to_dict()
        if self.differences is not None:
            document["differences"] = asdict(self.differences)
        return document


@dataclass(frozen=True, slots=True)
class Comparison:
    """A baseline and its candidates, in the order given. Without a baseline, their features.

    A notebook shows it as a table.

    Attributes:
        baseline: what the candidates are compared with.
        candidates: the recordings compared.
        report: the page about it, where one was written.
    """

    baseline: Reference | None
    candidates: tuple[Candidate, ...]
    report: Path | None = None

    @property
    def failed(self) -> tuple[Candidate, ...]:
        """Candidates that could not be read."""
        return tuple(candidate for candidate in self.candidates if candidate.error is not None)

    def _repr_html_(self) -> str:
        from milonga.analysis.table import comparison_html

        return comparison_html(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return the document of ``milonga compare --json``."""
        known = self.baseline
        return {
            "format_version": FORMAT_VERSION,
            "baseline": known and known.to_dict(),
            "candidates": [candidate.to_dict() for candidate in self.candidates],
            "yardsticks": known and {n: y.to_dict() for n, y in known.yardsticks.items()},
        }


def compare(
    baseline: str | os.PathLike[str],
    candidates: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare files. Each is read when its turn comes and dropped after it.

    Args:
        baseline: the recording to compare with.
        candidates: one or several recordings, any rate, channels and length.
        workers: threads; None for one per processor. NumPy releases Python's lock.
        progress: counts recordings.

    Returns:
        The comparison; a candidate that can't be read has its error in its place.

    Raises:
        AudioError: the baseline can't be read.
        ComparisonError: two of them are standard input (``-``).
        Cancelled: the user stopped it.

    Examples:
        >>> import numpy as np
        >>> import milonga
        >>> from milonga.analysis.comparison import compare
        >>> t = np.arange(2 * 22050) / 22050
        >>> milonga.write("a.wav", milonga.Clip(0.5 * np.sin(2 * np.pi * 220 * t), 22050))
        >>> milonga.write("b.wav", milonga.Clip(0.25 * np.sin(2 * np.pi * 220 * t), 22050))
        >>> comparison = compare("a.wav", ["b.wav", "missing.wav"])
        >>> round(comparison.candidates[0].differences.loudness_diff_lu, 1)
        -6.0
        >>> comparison.failed[0].error
        'There is no such file.'
    """
    progress = progress or Progress()
    if isinstance(candidates, str | os.PathLike):
        candidates = [candidates]
    if [os.fspath(path) for path in (baseline, *candidates)].count("-") > 1:
        raise ComparisonError("Standard input (-) holds one recording, and is named twice.")
    with (
        _pool(workers) as pool,
        progress.task("Comparing", 1 + len(candidates), "recordings") as task,
    ):
        clip = audio.read(baseline)
        reference = _start_reference(clip, os.fspath(baseline), pool, decoder(baseline))
        del clip
        waiting = [pool.submit(_measured, os.fspath(path)) for path in candidates]
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
    """Compare clips in memory.

    Args:
        baseline: what to compare with; a ``Reference`` from ``measure_baseline`` isn't measured
            again; None gives the candidates' features alone.
        candidates: clips by name; the names stand as paths in the document.
        workers: threads; None for one per processor.

    Raises:
        ComparisonError: a clip is empty.

    Examples:
        >>> import numpy as np
        >>> import milonga
        >>> noise = milonga.Clip(np.random.default_rng(0).uniform(-0.5, 0.5, 44100), 22050)
        >>> comparison = milonga.compare_clips(noise, {"the same": noise})
        >>> comparison.candidates[0].differences.timbre_similarity
        1.0
        >>> list(comparison.baseline.yardsticks)
        ['self', 'silence', 'noise', 'shuffled']
    """
    with _pool(workers) as pool:
        if isinstance(baseline, Clip):
            pending = _start_reference(baseline, "baseline", pool)
        waiting = {name: pool.submit(features, clip) for name, clip in candidates.items()}
        known = pending() if isinstance(baseline, Clip) else baseline
        found = [Candidate(name, future.result()) for name, future in waiting.items()]
    return Comparison(known, tuple(_against(known, candidate) for candidate in found))


def measure_baseline(
    clip: Clip, path: str = "baseline", *, workers: int | None = None
) -> Reference:
    """Measure the features and yardsticks of a baseline.

    Raises:
        ComparisonError: the clip is empty.
    """
    with _pool(workers) as pool:
        return _start_reference(clip, path, pool)()


@contextmanager
def _pool(workers: int | None) -> Iterator[ThreadPoolExecutor]:
    """Give a pool of threads that starts nothing new once an error or Ctrl-C leaves the block."""
    threads = ThreadPoolExecutor(workers or os.cpu_count() or 1)
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)


def _start_reference(
    clip: Clip, path: str, pool: ThreadPoolExecutor, decoder: str = ""
) -> Callable[[], Reference]:
    made = {
        "silence": pool.submit(_of_yardstick, yardsticks.silence, clip),
        "noise": pool.submit(_of_yardstick, yardsticks.noise, clip),
        "shuffled": pool.submit(_of_yardstick, yardsticks.shuffled, clip),
    }
    own = pool.submit(features, clip)

    def finish() -> Reference:
        known: Features = own.result()
        found = {"self": Yardstick(known, differences(known, known))}
        for name, future in made.items():
            measured = future.result()
            if isinstance(measured, str):
                found[name] = Yardstick(reason=measured)
            else:
                found[name] = Yardstick(measured, differences(known, measured))
        return Reference(path, known, found, decoder)

    return finish


def _of_yardstick(make: Callable[[Clip], Clip], clip: Clip) -> Features | str:
    try:
        # Stationary yardsticks may be shorter than what they stand for.
        return replace(features(make(clip)), duration_s=clip.seconds)
    except yardsticks.NoYardstickError as reason:
        return reason.message


def _measured(path: str) -> Candidate:
    try:
        return Candidate(path, features(audio.read(path)), decoder=decoder(path))
    except MilongaError as error:
        return Candidate(path, error=f"{error.message} {error.step or ''}".strip())


def _against(known: Reference | None, candidate: Candidate) -> Candidate:
    if known is None or candidate.features is None:
        return candidate
    return replace(candidate, differences=differences(known.features, candidate.features))
