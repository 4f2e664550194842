"""How alike two recordings are on common ground: figures of their sound and of their course."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from milonga.analysis.pairs.stereo import Image

LEAST_S: dict[str, float] = {
    "timbre_similarity": 0.5,
    "harmony_similarity": 1.0,
    "sound_similarity": 2.0,
    "notes_similarity": 2.0,
    "rhythm_similarity": 3.0,
    "dynamics_similarity": 3.0,
    "form_similarity": 8.0,
}
"""Seconds of sound that both recordings need for each figure."""


@dataclass(frozen=True, slots=True)
class Common:
    """Two recordings on common ground: one band, one layout, one level, one tuning.

    A figure that isn't defined is None; ``reasons`` says why, and what length would do.
    Similarities are correlations: 1 is the same, 0 nothing in common.

    Attributes:
        band_hz: upper edge of the band that both have.
        timbre_similarity: cosine of the mean cepstra (1 to 12) over sounding frames.
        harmony_similarity: cosine of the mean chroma, both in the baseline's tuning.
        sound_similarity: spectrum over time, after alignment: what sounds when.
        notes_similarity: chroma over time, after alignment and transposition.
        rhythm_similarity: onset strength over time, after alignment.
        dynamics_similarity: loudness over time, after alignment.
        form_similarity: which parts resemble which (self-similarity).
        sound_distance_db: mean difference of the aligned spectra, level apart.
        centroid_diff_pct, bandwidth_diff_pct, rolloff_diff_pct: over sounding frames.
        pitch_shift_semitones: transposition of the candidate; None where notes don't agree.
        tempo_ratio: speed of the candidate against the baseline, by the alignment; None where
            the two don't agree.
        sounding_diff_pct: change of the share of time that isn't rest.
        crest_diff_db: change of the loudest frame over the mean.
        decay_diff_pct: change of how fast bands fall, which reverberation slows.
        image: width, correlation and balance of the candidate; None for silence.
        changes: what happened to it, in words that a program can read: ``transposed``,
            ``faster``, ``slower``, ``swapped``, ``inverted`` (one channel), ``mono``,
            ``polarity`` (the whole wave upside down).
        matched_s: part of the baseline that the candidate was compared with.
        reasons: why figures are missing, by name.
    """

    band_hz: float
    timbre_similarity: float | None = None
    harmony_similarity: float | None = None
    sound_similarity: float | None = None
    notes_similarity: float | None = None
    rhythm_similarity: float | None = None
    dynamics_similarity: float | None = None
    form_similarity: float | None = None
    sound_distance_db: float | None = None
    centroid_diff_pct: float | None = None
    bandwidth_diff_pct: float | None = None
    rolloff_diff_pct: float | None = None
    pitch_shift_semitones: float | None = None
    tempo_ratio: float | None = None
    sounding_diff_pct: float | None = None
    crest_diff_db: float | None = None
    decay_diff_pct: float | None = None
    image: Image | None = None
    changes: tuple[str, ...] = ()
    matched_s: tuple[float, float] | None = None
    reasons: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        document = {f.name: getattr(self, f.name) for f in fields(self)}
        seen = self.image
        document["image"] = seen and {f.name: getattr(seen, f.name) for f in fields(seen)}
        document["changes"] = list(self.changes)
        document["matched_s"] = self.matched_s and list(self.matched_s)
        return document


SIMILARITIES = tuple(LEAST_S)
"""The names of the similarities, in the order shown."""
