"""The range within which each control can be asked for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from milonga.sounds.controls.descriptors import CONTROLS, NAMES
from milonga.sounds.controls.report import ControlReport
from milonga.sounds.controls.statistics import column

_ROOM = 1.5
"""Spreads beyond the corpus's own range that a control may be asked for."""
_LEAST_ROOM = 0.1


class Reach:
    """Limits of the controls, in spreads from the corpus mean.

    Between ``low`` and ``high`` a value is taken as it is; beyond, it approaches a limit that is
    the control's room further, so that larger settings still do more.

    Args:
        low, high: ``[7]``, the range within the corpus.
        room_low, room_high: ``[7]``, positive.
        enabled: ``[7]`` booleans.
    """

    def __init__(
        self, low: Tensor, high: Tensor, room_low: Tensor, room_high: Tensor, enabled: Tensor
    ) -> None:
        self.low, self.high = low[:, None], high[:, None]
        self.room_low, self.room_high = room_low[:, None], room_high[:, None]
        self.enabled = enabled

    @classmethod
    def of(
        cls,
        controls: Mapping[str, ControlReport],
        mean: NDArray[np.float64],
        std: NDArray[np.float64],
        device: str = "cpu",
    ) -> Reach:
        """The limits of a corpus's controls, in the network's units.

        Args:
            controls: as ``control_statistics`` gives them.
            mean, std: of the network's conditions, ``[7]``.
            device: of the tensors.
        """
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
        enabled = torch.tensor([controls[name].enabled for name in NAMES], device=device)
        return cls(below, above, room_below, room_above, enabled)

    def __call__(self, controls: Tensor) -> Tensor:
        """Normalised controls ``[B, 7, T]`` within reach."""
        over = torch.relu(controls - self.high)
        under = torch.relu(self.low - controls)
        inside = torch.minimum(torch.maximum(controls, self.low), self.high)
        above = self.room_high * -torch.expm1(-over / self.room_high)
        below = self.room_low * -torch.expm1(-under / self.room_low)
        return inside + above - below
