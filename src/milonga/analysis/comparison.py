"""Comparisons with a baseline by figures, with yardsticks that show what the figures are worth."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from milonga import audio
from milonga._version import __version__
from milonga.analysis import yardsticks
from milonga.analysis.differences import Differences, differences
from milonga.analysis.features import Features, features
from milonga.analysis.measured import Measured, Recording, measure
from milonga.analysis.pairs.figures import LEAST_S, SIMILARITIES, Common
from milonga.analysis.pairs.measure import common
from milonga.analysis.pairs.sketch import BANDS, HIGH_HZ, HOP_S, LOW_HZ, sketch
from milonga.analysis.verdicts.damages import RATE
from milonga.analysis.verdicts.judge import SHARE, Verdict
from milonga.analysis.verdicts.others import others
from milonga.analysis.verdicts.worth import Worth
from milonga.audio.clip import Clip
from milonga.audio.reading.opening import decoder
from milonga.errors import ComparisonError, MilongaError
from milonga.runtime.progress import Progress

FORMAT_VERSION = 3
"""Of the JSON document. In version 1, which had no number, the yardsticks were "controls"; in
version 2 there were only the figures as published elsewhere."""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """The baseline against something whose answer is known; ``reason`` says why it is missing.

    Attributes:
        features: its figures as published elsewhere; None for noise that has only a course.
        common: on common ground with the baseline.
    """

    features: Features | None = None
    differences: Differences | None = None
    reason: str | None = None
    common: Common | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "features": self.features and self.features.to_dict(),
            "differences": self.differences and asdict(self.differences),
            "common": self.common and self.common.to_dict(),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Reference:
    """A measured baseline, to compare any number of candidates with.

    Attributes:
        path: its file, or a name.
        features: its figures.
        yardsticks: ``self``, ``silence``, ``noise``, ``shadow``, ``shaped`` and ``shuffled``.
        decoder: the program that read it, where that wasn't milonga.
        measured: its tempo, tuning, image and the findings of the take checks.
        worth: judges candidates.
        sha256: of its file; empty for a clip.
    """

    path: str
    features: Features
    yardsticks: Mapping[str, Yardstick]
    decoder: str = ""
    measured: Measured | None = None
    worth: Worth | None = None
    sha256: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; the yardsticks have a place of their own."""
        return {
            "path": self.path,
            **({"sha256": self.sha256} if self.sha256 else {}),
            **({"decoder": self.decoder} if self.decoder else {}),
            "features": self.features.to_dict(),
            **(self.measured.to_dict() if self.measured else {}),
        }


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recording that was compared, or the ``error`` that kept it from being.

    Attributes:
        features, differences: the figures as published elsewhere: at its own rate and level.
        decoder: the program that read it, where that wasn't milonga.
        measured: its tempo, tuning, image and the findings of the take checks.
        common: on common ground with the baseline; None for one that is broken.
        verdicts: what the similarities are worth, by their names.
        sentence: what all of them together are worth.
        warnings: what to know before reading the figures as published elsewhere.
        sha256: of its file; empty for a clip.
    """

    path: str
    features: Features | None = None
    differences: Differences | None = None
    error: str | None = None
    decoder: str = ""
    measured: Measured | None = None
    common: Common | None = None
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    sentence: str = ""
    warnings: tuple[str, ...] = ()
    sha256: str = ""

    @property
    def broken(self) -> bool:
        """Whether the take checks found anything: it enters no mean."""
        return self.measured is not None and bool(self.measured.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        if self.features is None:
            return {"path": self.path, "error": self.error}
        document = Reference(
            self.path, self.features, {}, self.decoder, self.measured, sha256=self.sha256
        ).to_dict()
        if self.differences is not None:
            document["differences"] = asdict(self.differences)
            document["common"] = self.common and self.common.to_dict()
            document["verdicts"] = {n: v.to_dict() for n, v in self.verdicts.items()}
            document["sentence"] = self.sentence
            document["warnings"] = list(self.warnings)
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
        from milonga.analysis.shown.table import comparison_html

        return comparison_html(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return the document of ``milonga compare --json``."""
        known = self.baseline
        worth = known.worth if known else None
        return {
            "format_version": FORMAT_VERSION,
            "milonga": __version__,
            "settings": settings(),
            "baseline": known and known.to_dict(),
            "candidates": [candidate.to_dict() for candidate in self.candidates],
            "yardsticks": known and {n: y.to_dict() for n, y in known.yardsticks.items()},
            "impostors": worth
            and {who: similarities(common) for who, common in worth.impostors.items()},
            "ladder": worth
            and worth.ladder
            and [
                {"damage": r.damage, "step": r.step, "label": r.label, **similarities(r.common)}
                for r in worth.ladder
            ],
        }


def settings() -> dict[str, Any]:
    """Return the numbers that define the figures on common ground, as plain values."""
    return {
        "hop_s": HOP_S,
        "bands": BANDS,
        "band_hz": [LOW_HZ, HIGH_HZ],
        "least_s": dict(LEAST_S),
        "verdict_share": SHARE,
        "ladder_rate": RATE,
    }


def similarities(common: Common) -> dict[str, float | None]:
    """Return the similarities among the figures on common ground."""
    return {name: getattr(common, name) for name in SIMILARITIES}


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
        started = _start_measuring(clip, pool)
        # One is measured while the baseline's impostors are; more would wait in memory.
        early = [pool.submit(_measured, os.fspath(path)) for path in candidates[:1]]
        known = _reference(
            clip, os.fspath(baseline), pool, decoder(baseline), _hash(baseline), started
        )
        del clip, started
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
        known = _reference(baseline, "baseline", pool) if isinstance(baseline, Clip) else baseline
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
        return _reference(clip, path, pool)


@contextmanager
def _pool(workers: int | None) -> Iterator[ThreadPoolExecutor]:
    """Give a pool of threads that starts nothing new once an error or Ctrl-C leaves the block."""
    threads = ThreadPoolExecutor(workers or os.cpu_count() or 1)
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)


def conditions(candidates: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    """Group takes that differ only in their seed: ``NAME-s0.wav``, ``NAME-s1.wav`` of a folder.

    Takes that the checks found broken are left out, and so are groups under three.
    """
    groups: dict[tuple[str, str], list[Candidate]] = {}
    for candidate in candidates:
        path = Path(candidate.path)
        seeded = _SEEDED.fullmatch(path.stem)
        if seeded and candidate.common is not None and not candidate.broken:
            groups.setdefault((str(path.parent), seeded[1]), []).append(candidate)
    kept = {key: found for key, found in groups.items() if len(found) >= _LEAST_TAKES}
    folders = {folder for folder, _ in kept}
    return {
        name if len(folders) == 1 else str(Path(folder, name)): found
        for (folder, name), found in kept.items()
    }


_SEEDED = re.compile(r"(.+)-s\d+(?:\.\d+)?")
_LEAST_TAKES = 3


_Started = tuple["Future[Recording]", dict[str, "Future[Clip | str]"]]


def _start_measuring(clip: Clip, pool: ThreadPoolExecutor) -> _Started:
    own = pool.submit(measure, clip)
    return own, {name: pool.submit(_made, make, clip) for name, make in _MADE.items()}


def _reference(
    clip: Clip,
    path: str,
    pool: ThreadPoolExecutor,
    decoder: str = "",
    sha256: str = "",
    started: _Started | None = None,
) -> Reference:
    own, made = started or _start_measuring(clip, pool)
    known = own.result()
    against = pool.map(lambda other: common(known.sketch, other), others().values())
    waiting = {
        name: pool.submit(_yardstick, name, future.result(), clip, known)
        for name, future in made.items()
    }
    itself = differences(known.features, known.features)
    found = {"self": Yardstick(known.features, itself, None, common(known.sketch, known.sketch))}
    found |= {name: future.result() for name, future in waiting.items()}
    measured = {name: y.common for name, y in found.items() if y.common is not None}
    worth = Worth(clip, known.sketch, measured, dict(zip(others(), against, strict=True)))
    return Reference(path, known.features, found, decoder, known.measured, worth, sha256)


_MADE: dict[str, Callable[[Clip], Clip]] = {
    "silence": yardsticks.silence,
    "noise": yardsticks.noise,
    "shadow": yardsticks.shadow,
    "shaped": yardsticks.shaped,
    "shuffled": yardsticks.shuffled,
}


_STEADY_S = 10.0
"""Noise is the same all along: more of it would change no figure on common ground."""


def _made(make: Callable[[Clip], Clip], clip: Clip) -> Clip | str:
    try:
        return make(clip)
    except yardsticks.NoYardstickError as reason:
        return reason.message


def _yardstick(name: str, made: Clip | str, clip: Clip, known: Recording) -> Yardstick:
    if isinstance(made, str):
        return Yardstick(reason=made)
    steady = name in ("silence", "noise", "shadow")
    brief = made.between(0, _STEADY_S) if steady else made
    held = common(known.sketch, sketch(brief))
    # The alignment of what isn't the baseline has a slope, too.
    held = replace(held, tempo_ratio=None, pitch_shift_semitones=None, changes=())
    if name == "shaped":
        return Yardstick(common=held)
    # Stationary yardsticks may be shorter than what they stand for.
    own = features(brief if name == "shadow" else made)
    own = replace(own, duration_s=clip.seconds)
    return Yardstick(own, differences(known.features, own), None, held)


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
    return replace(found, common=held, verdicts=verdicts, sentence=sentence)


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
