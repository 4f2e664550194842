"""Everything that is measured of one recording, before it is compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from milonga.analysis.checks.defects import Defect
from milonga.analysis.checks.remarks import examined
from milonga.analysis.features import Features, features
from milonga.analysis.pairs.beat import Tempo, tempo
from milonga.analysis.pairs.ground import onset_strength
from milonga.analysis.pairs.pitch import tuning
from milonga.analysis.pairs.sketch import Sketch, sketch
from milonga.analysis.pairs.stereo import Image, image
from milonga.audio.clip import Clip


@dataclass(frozen=True, slots=True)
class Measured:
    """What is measured of a recording at its own rate, beside ``Features``.

    Attributes:
        tempo: with its resolution and the related tempi that fit nearly as well.
        tuning_cents: deviation from A440.
        image: width, correlation and balance of its channels; None for silence.
        findings: what the take checks found.
        remarks: what they name without calling it a defect, because it may be meant.
    """

    tempo: Tempo
    tuning_cents: float
    image: Image | None
    findings: tuple[Defect, ...] = ()
    remarks: tuple[Defect, ...] = ()

    @property
    def broken(self) -> str:
        """Why there is nothing to compare; empty where there is."""
        codes = {"silent", "empty", "not_finite"}
        return next((found.message for found in self.findings if found.code in codes), "")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "tempo": asdict(self.tempo),
            "tuning_cents": self.tuning_cents,
            "image": self.image and asdict(self.image),
            "findings": [asdict(found) for found in self.findings],
            "remarks": [asdict(remark) for remark in self.remarks],
        }


@dataclass(frozen=True, slots=True)
class Recording:
    """A measured recording, with what others are held against."""

    features: Features
    measured: Measured
    sketch: Sketch


def measure(clip: Clip) -> Recording:
    """Measure a clip.

    Raises:
        ComparisonError: the clip is empty.
    """
    known = features(clip)
    kept = sketch(clip)
    findings, noted = examined(clip, loudness=known.loudness_lufs)
    found = Measured(
        tempo=tempo(onset_strength(kept)),
        tuning_cents=100 * tuning(kept.pitch),
        image=image(kept.channels),
        findings=findings,
        remarks=noted,
    )
    return Recording(known, found, kept)
