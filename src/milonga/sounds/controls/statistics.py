"""How the descriptors of a corpus are spread, and so what its controls can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from milonga.audio.mel.spec import MelSpec
from milonga.errors import ModelFileError
from milonga.sounds.controls.descriptors import CONTROLS, NAMES, describe, sounding
from milonga.sounds.corpus.segments import MelTrack, consecutive

if TYPE_CHECKING:
    from milonga.sounds.training.losses import Reach

_STRETCHES, _FRAMES = 600, 1024
_ROOM = 1.5
"""Spreads beyond the corpus's own range that a control may be asked for."""
_LEAST_ROOM = 0.1


def control_statistics(tracks: Sequence[MelTrack], spec: MelSpec) -> dict[str, dict[str, Any]]:
    """Mean, spread and range of each control over the frames that sound.

    Args:
        tracks: of the corpus; variations are left out where there are others.
        spec: of their mels.

    Returns:
        By control: ``term``, ``unit``, ``mean``, ``spread`` (standard deviation), ``low`` and
        ``high`` (1st and 99th percentile), ``enabled`` and ``reason``, None or why it is not.
    """
    real = [track for track in tracks if not track.augmented] or list(tracks)
    values = []
    for mel in consecutive(real, _FRAMES, _STRETCHES):
        found = describe(mel, spec)[0]
        keep = sounding(mel)[0]
        values.append(found[:, keep] if keep.any() else found)
    return summary(np.concatenate(values, axis=1))


def summary(values: NDArray[np.float32]) -> dict[str, dict[str, Any]]:
    """``control_statistics`` of descriptors ``[7, T]``."""
    made = {}
    for control, row in zip(CONTROLS, values.astype(np.float64), strict=True):
        spread = float(row.std())
        low, high = np.percentile(row, [1, 99])
        enabled = spread >= control.least_spread
        made[control.name] = {
            "term": control.term,
            "unit": control.unit,
            "mean": float(row.mean()),
            "spread": spread,
            "low": float(low),
            "high": float(high),
            "enabled": enabled,
            "reason": None
            if enabled
            else f"The {control.term} of the recordings hardly differs: its spread is "
            f"{spread:.2g} {control.unit}, and {control.least_spread:g} is needed.",
        }
    return made


def column(controls: Mapping[str, Mapping[str, Any]], field: str) -> NDArray[np.float64]:
    """One number of every control, in their order.

    Raises:
        ModelFileError: it is missing.
    """
    try:
        return np.array([float(controls[name][field]) for name in NAMES])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"The controls are damaged: {error}.") from None


def network_scale(
    controls: Mapping[str, Mapping[str, Any]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and spread by which the network's conditions are normalised, ``[7]`` each."""
    least = np.array([control.least_spread for control in CONTROLS])
    return column(controls, "mean"), np.maximum(column(controls, "spread"), least)


def reach_of(
    controls: Mapping[str, Mapping[str, Any]],
    mean: NDArray[np.float64],
    std: NDArray[np.float64],
    device: str = "cpu",
) -> Reach:
    """How far the controls go, in the network's units.

    Args:
        controls: as ``control_statistics`` gives them.
        mean, std: of the network's conditions, ``[7]``.
        device: where the tensors are.
    """
    import torch

    from milonga.sounds.training.losses import Reach

    bottom = (np.array([control.low for control in CONTROLS]) - mean) / std
    top = (np.array([control.high for control in CONTROLS]) - mean) / std
    spread = np.maximum(column(controls, "spread") / std, 0.0)
    low = np.clip((column(controls, "low") - mean) / std, bottom, top)
    high = np.clip((column(controls, "high") - mean) / std, bottom, top)
    room_low = np.clip(np.minimum(_ROOM * spread, low - bottom), _LEAST_ROOM, None)
    room_high = np.clip(np.minimum(_ROOM * spread, top - high), _LEAST_ROOM, None)
    below, above, room_below, room_above = (
        torch.tensor(value, dtype=torch.float32, device=device)
        for value in (low, high, room_low, room_high)
    )
    enabled = torch.tensor([bool(controls[name]["enabled"]) for name in NAMES], device=device)
    return Reach(below, above, room_below, room_above, enabled)
