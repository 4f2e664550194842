"""Comparisons with a baseline by figures, with yardsticks that show what the figures are worth."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import zip_longest

from milonga import audio
from milonga.analysis.comparing.baseline import Begun
from milonga.analysis.comparing.model import Candidate, Comparison, Reference
from milonga.analysis.differences import differences
from milonga.analysis.features import Features
from milonga.analysis.measured import Recording, measure
from milonga.audio.clip import Clip
from milonga.audio.reading.opening import decoder
from milonga.errors import ComparisonError, MilongaError
from milonga.runtime.devices import one_blas_thread
from milonga.runtime.progress import Progress


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
        begun = Begun(clip, pool, workers)
        # One is measured while the baseline's impostors are; more would wait in memory.
        early = [pool.submit(_measured, os.fspath(path)) for path in candidates[:1]]
        known = begun.reference(os.fspath(baseline), decoder(baseline), _hash(baseline))
        del clip, begun
        task.advance()
        waiting = [
            pool.submit(_compared, os.fspath(path), known, one)
            for path, one in zip_longest(candidates, early)
        ]
        found = []
        for future in waiting:
            found.append(future.result())
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
        ['self', 'silence', 'noise', 'shadow', 'shaped', 'shuffled']
        >>> comparison.candidates[0].sentence
        'The same recording, as far as these figures can tell.'
    """
    with _pool(workers) as pool:
        known = (
            Begun(baseline, pool, workers).reference("baseline")
            if isinstance(baseline, Clip)
            else baseline
        )
        waiting = [pool.submit(_against, known, name, clip) for name, clip in candidates.items()]
        return Comparison(known, tuple(future.result() for future in waiting))


def measure_baseline(
    clip: Clip, path: str = "baseline", *, workers: int | None = None
) -> Reference:
    """Measure the features and yardsticks of a baseline.

    Raises:
        ComparisonError: the clip is empty.
    """
    with _pool(workers) as pool:
        return Begun(clip, pool, workers).reference(path)


@contextmanager
def _pool(workers: int | None) -> Iterator[ThreadPoolExecutor]:
    """Give a pool of threads that starts nothing new once an error or Ctrl-C leaves the block."""
    threads = ThreadPoolExecutor(workers or os.cpu_count() or 1)
    with one_blas_thread():
        try:
            yield threads
        finally:
            threads.shutdown(cancel_futures=True)


def _measured(path: str) -> Recording | str:
    """Read and measure a candidate; what kept it from that, in words."""
    try:
        return measure(audio.read(path))
    except MilongaError as error:
        return f"{error.message} {error.step or ''}".strip()


def _compared(path: str, known: Reference, early: Future[Recording | str] | None) -> Candidate:
    recording = _measured(path) if early is None else early.result()
    if isinstance(recording, str):
        return Candidate(path, error=recording)
    found = _against(known, path, recording)
    return replace(found, decoder=decoder(path), sha256=_hash(path))


def _against(known: Reference | None, path: str, sound: Clip | Recording) -> Candidate:
    recording = measure(sound) if isinstance(sound, Clip) else sound
    own, measured = recording.features, recording.measured
    if known is None:
        return Candidate(path, own, measured=measured)
    found = Candidate(
        path,
        own,
        differences(known.features, own),
        measured=measured,
        warnings=_warnings(known.features, own),
    )
    if measured.broken or known.worth is None:
        return replace(found, sentence=measured.broken)
    held, verdicts, sentence = known.worth.judged(recording.sketch)
    taken = known.worth.borrowed(recording.sketch)
    # A recording that is alike from end to end has its sentence already.
    whole = (held.sound_similarity or 0.0) >= _WHOLE
    if taken is not None and not whole and taken.seconds < _WHOLE * recording.sketch.seconds:
        sentence = f"{sentence} {taken.text}"
    return replace(found, common=held, verdicts=verdicts, sentence=sentence, borrowed=taken)


_WHOLE = 0.8


def _warnings(baseline: Features, own: Features) -> tuple[str, ...]:
    if own.sample_rate == baseline.sample_rate:
        return ()
    return (
        f"It has {own.sample_rate:,} Hz, the baseline {baseline.sample_rate:,} Hz: the figures "
        "as published elsewhere differ for that alone.",
    )


def _hash(path: str | os.PathLike[str]) -> str:
    """Hash the bytes of a file; empty for standard input."""
    if os.fspath(path) == "-":
        return ""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
