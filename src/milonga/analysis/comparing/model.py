"""A comparison as objects, and as the document of ``milonga compare --json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from milonga._version import __version__
from milonga.analysis.differences import Differences
from milonga.analysis.features import Features
from milonga.analysis.measured import Measured
from milonga.analysis.pairs.figures import LEAST_S, SIMILARITIES, Common
from milonga.analysis.pairs.sketch import BANDS, HIGH_HZ, HOP_S, LOW_HZ
from milonga.analysis.verdicts.borrowed import Borrowed
from milonga.analysis.verdicts.damages import RATE
from milonga.analysis.verdicts.judge import SHARE, Verdict
from milonga.analysis.verdicts.worth import Worth

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
        borrowed: a passage that is the baseline's, beyond what chance gives.
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
    borrowed: Borrowed | None = None
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
            document["borrowed"] = self.borrowed and self.borrowed.to_dict()
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
