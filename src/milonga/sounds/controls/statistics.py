"""The spread of the descriptors over a corpus, which limits what its controls can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from milonga.audio.mel.spec import MelSpec
from milonga.errors import ModelFileError
from milonga.sounds.controls.descriptors import CONTROLS, NAMES, describe, sounding
from milonga.sounds.controls.report import ControlReport
from milonga.sounds.corpus.segments import MelTrack, consecutive

_STRETCHES, _FRAMES = 600, 1024


def control_statistics(tracks: Sequence[MelTrack], spec: MelSpec) -> dict[str, ControlReport]:
    """Measure mean, spread and range of each control over the frames that sound.

    Args:
        tracks: of the corpus; variations are left out where there are others.
        spec: of their mels.
    """
    real = [track for track in tracks if not track.augmented] or list(tracks)
    values = []
    for mel in consecutive(real, _FRAMES, _STRETCHES):
        found = describe(mel, spec)[0]
        keep = sounding(mel)[0]
        values.append(found[:, keep] if keep.any() else found)
    return summary(np.concatenate(values, axis=1))


def summary(values: NDArray[np.float32]) -> dict[str, ControlReport]:
    """``control_statistics`` of descriptors ``[7, T]``."""
    made = {}
    for control, row in zip(CONTROLS, values.astype(np.float64), strict=True):
        spread = float(row.std())
        low, high = np.percentile(row, [1, 99])
        enabled = spread >= control.least_spread
        made[control.name] = ControlReport(
            term=control.term,
            unit=control.unit,
            mean=float(row.mean()),
            spread=spread,
            low=float(low),
            high=float(high),
            enabled=enabled,
            reason=None
            if enabled
            else f"The {control.term} of the recordings hardly differs: its spread is "
            f"{spread:.2g} {control.unit}, and {control.least_spread:g} is needed.",
        )
    return made


def column(controls: Mapping[str, ControlReport], field: str) -> NDArray[np.float64]:
    """One number of every control, in their order.

    Raises:
        ModelFileError: it is missing.
    """
    try:
        return np.array([float(getattr(controls[name], field)) for name in NAMES])
    except KeyError as error:
        raise ModelFileError(f"The model has no control {error.args[0]!r}.") from None


def network_scale(
    controls: Mapping[str, ControlReport],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and spread by which the network's conditions are normalised, ``[7]`` each."""
    least = np.array([control.least_spread for control in CONTROLS])
    return column(controls, "mean"), np.maximum(column(controls, "spread"), least)
