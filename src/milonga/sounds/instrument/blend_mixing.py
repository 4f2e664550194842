"""The choice of what is blended of several sound models, and the mixing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from milonga.audio.mel.spec import MelSpec
from milonga.sounds.model.resolved_play import ResolvedPlay

if TYPE_CHECKING:
    from milonga.sounds.instrument.blend_part import BlendPart
    from milonga.sounds.model.player import SoundPlayer

Floats = NDArray[np.float32]
How = Literal["alone", "mels", "latents"]

DRIFT = 0.5
"""Two encoders agree if what they make of one sound differs by less than this share of its own
variation."""


def mix_mels(mels: Sequence[Floats], weights: Sequence[float], spec: MelSpec) -> Floats:
    """Mix mels.

    Each is brought to the weighted mean of their levels, then their logarithms are interpolated,
    and the result is brought to that level, too (a geometric mean is quieter than either).

    Args:
        mels: natural logarithms of magnitudes ``[1, bands, T]``, all of one shape.
        weights: from 0; their sum is 1.
        spec: of the mels.

    Returns:
        ``[1, bands, T]``; with one weight of 1 that mel itself.
    """
    sounding = [(mel, weight) for mel, weight in zip(mels, weights, strict=True) if weight > 0]
    if len(sounding) == 1:
        return sounding[0][0]
    levels = [_level(mel, spec) for mel, _ in sounding]
    target = sum(weight * level for (_, weight), level in zip(sounding, levels, strict=True))
    mixed = np.zeros(sounding[0][0].shape)
    for (mel, weight), level in zip(sounding, levels, strict=True):
        mixed += weight * (mel.astype(np.float64) + target - level)
    return np.asarray(mixed + target - _level(mixed, spec), np.float32)


def _level(mel: NDArray[Any], spec: MelSpec) -> float:
    """The level of the control "loudness": K-weighted, the mean power over time, in nats."""
    from milonga.sounds.controls.descriptors import LOUDNESS, describe

    loudness = describe(np.asarray(mel, np.float32), spec)[0, LOUDNESS]
    return 0.5 * math.log(float(np.mean(10 ** (loudness.astype(np.float64) / 10))))


def method_of(parts: Sequence[BlendPart]) -> tuple[How, str]:
    """Choose what of the parts is blended; say why, for the user."""
    if len(parts) == 1:
        return "alone", f"{parts[0].model} alone."
    lines = [_lineage(part) for part in parts]
    common = set.intersection(*lines)
    shapes = {str(sorted(part.player.net.shape.to_dict().items())) for part in parts}
    if not common or len(shapes) > 1:
        return "mels", "Their mels are blended: the models share no training."
    drift = max(_drift(parts[0], part) for part in parts[1:])
    if drift > DRIFT:
        return "mels", (
            "Their mels are blended: the models were trained from one ancestor, but have drifted "
            f"apart since ({drift:.0%} of the variation)."
        )
    return "latents", (
        "Their latents are blended: the models were trained from one ancestor, and still agree "
        f"({drift:.0%} of the variation apart)."
    )


def _lineage(part: BlendPart) -> set[str]:
    """The model and those that it was trained on from, by how they sound."""
    earlier = part.instrument.header.training.get("lineage", [])
    known = [each for each in earlier if isinstance(each, str)] if isinstance(earlier, list) else []
    return {part.instrument.sha256, *known}


def _drift(one: BlendPart, other: BlendPart) -> float:
    """The disagreement of two encoders, as a share of the latents' own variation."""
    from milonga.sounds.model.latents import encode_mel

    tracks = []
    for source in (one, other):
        mel = source.player.mel(ResolvedPlay(seconds=6.0))
        tracks.append(
            [encode_mel(part.player.net, mel, part.player.spec).latents for part in (one, other)]
        )
    apart = math.sqrt(float(np.mean([np.mean((a - b) ** 2) for a, b in tracks])))
    spread = math.sqrt(float(np.mean([np.mean((a - a.mean(0)) ** 2) for a, _ in tracks])))
    return apart / max(spread, 1e-9)


def guided(
    players: Sequence[SoundPlayer], requests: Sequence[ResolvedPlay], weights: Sequence[float]
) -> list[SoundPlayer]:
    """Make players that all follow one blended latent track."""
    from milonga.sounds.model.architecture import FACTOR
    from milonga.sounds.model.player import SoundPlayer

    class Guided(SoundPlayer):
        """A player on a given track."""

        def __init__(self, player: SoundPlayer, latents: Floats, controls: Floats) -> None:
            self.__dict__.update(player.__dict__)
            self._given = (latents, controls)

        def _vectors(self, request: ResolvedPlay, count: int) -> Iterator[tuple[Floats, Floats]]:
            yield self._given

    count = -(-players[0].frames(requests[0]) // FACTOR)
    latents: Any = 0.0
    values: Any = 0.0
    for player, request, weight in zip(players, requests, weights, strict=True):
        track, normalised = _joined(player, request, count)
        latents = latents + weight * track
        mean, std = _statistics(player)
        values = values + weight * (mean + std * normalised)
    made: list[SoundPlayer] = []
    for player in players:
        mean, std = _statistics(player)
        controls = np.asarray((values - mean) / std, np.float32)
        made.append(Guided(player, np.asarray(latents, np.float32), controls))
    return made


def _joined(player: SoundPlayer, request: ResolvedPlay, count: int) -> tuple[Floats, Floats]:
    parts: list[tuple[Floats, Floats]] = []
    have = 0
    for block in player._vectors(request, count):
        parts.append(block)
        have += len(block[0])
        if have >= count:
            break
    latents, controls = (np.concatenate([part[side] for part in parts]) for side in range(2))
    return latents[:count], controls[:count]


def _statistics(player: SoundPlayer) -> tuple[Floats, Floats]:
    net = player.net
    return net.control_mean.numpy(), net.control_std.numpy()
