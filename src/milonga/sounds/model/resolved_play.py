"""Settings that a player can play: numbers, and recordings that have been read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedPlay:
    """Settings whose recordings have been read (``PlaySettings.resolve`` makes them).

    Attributes:
        seconds: any length; None takes that of the recording it starts from, or 10 s.
        seed: the same seed plays the same.
        controls: by name, in spreads of the corpus from where the sound is by itself, -4 to 4.
        start: "walk" (anywhere), "corpus:NAME" or "corpus:NUMBER" (a recording that the model
            learnt from), or the mel ``[1, bands, T]`` of any recording. Its latent track is
            replayed, and where that ends a walk goes on from it.
        pace: how fast it goes; 1 as recorded, 0 stands still.
        to: as ``start``: the sound turns from the one into the other over its length.
        axes: by free axis ("pca1", ...), in spreads, -4 to 4.
        tempo: beats a minute of the pulse that the control adds.
        recordings: what a receipt says of the recordings, under "start" and "to".
    """

    seconds: float | None = None
    seed: int = 0
    controls: Mapping[str, float] = field(default_factory=dict)
    start: str | NDArray[np.float32] = "walk"
    pace: float = 1.0
    to: str | NDArray[np.float32] | None = None
    axes: Mapping[str, float] = field(default_factory=dict)
    tempo: float = 120.0
    recordings: Mapping[str, dict[str, Any]] = field(default_factory=dict)
