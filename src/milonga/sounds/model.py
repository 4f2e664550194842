"""The network of a sound model: a conditional variational autoencoder of log-mels.

The encoder turns a mel into a latent track, one vector for eight frames (10.8 a second). The
decoder turns that and a track of conditions, one value of each descriptor a frame, back into a
mel. All is convolutional in time with a bounded reach and nothing normalises over time, so any
length can be decoded in pieces that are exactly what the whole would be.

Two things keep the controls out of the latent by construction. The encoder sees the mel without
its loudness, and the decoder adds the loudness that it is asked for. And once the encoder is
settled, what a linear regression on the descriptors predicts of the latent is taken away from it
and given back by the decoder, from the descriptors that it is asked for: no linear reader finds
them in the latent, and nothing is lost.

Carriers (noise, and sine and cosine of a beat) go into the decoder beside the conditions: from
a steady latent a deterministic convolution could make neither roughness nor pulse.

References:
    Kingma, Welling, "Auto-encoding variational Bayes" (2014).
    Perez et al., "FiLM: visual reasoning with a general conditioning layer" (2018).
    Belrose et al., "LEACE: perfect linear concept erasure in closed form" (2023): a latent whose
        covariance with an attribute is zero tells no linear reader of it. Here the attribute is
        known to the decoder, so that its regression can be subtracted whole.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from milonga.errors import ModelFileError
from milonga.sounds.descriptors import LOUDNESS, NAMES

FACTOR = 8
"""Frames for one vector of the latent track."""

NOISES, BEATS = 4, 2
CARRIERS = NOISES + BEATS
_NATS_PER_DB = 0.11512925464970229
_KERNEL = 3


@dataclass(frozen=True, slots=True)
class Architecture:
    """What rebuilds the network, kept in the model's file.

    Attributes:
        bands: of the mel.
        latent: dimensions of the latent.
        widths: channels at each time scale, from every frame to every eighth.
        blocks: residual blocks at each time scale, likewise.
        hidden: channels of the conditions.
        floor: the mel's lowest value, nats.
        ceiling: the highest that is decoded, nats.
    """

    bands: int = 128
    latent: int = 40
    widths: tuple[int, ...] = (128, 160, 192, 256)
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    hidden: int = 64
    floor: float = -11.512925
    ceiling: float = 3.0

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return {
            **dataclasses.asdict(self),
            "widths": list(self.widths),
            "blocks": list(self.blocks),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Architecture:
        """The inverse of ``to_dict``; entries of other parts are left alone.

        Raises:
            ModelFileError: a field is missing or out of the range that this version makes.
        """
        try:
            made = cls(
                bands=int(values["bands"]),
                latent=int(values["latent"]),
                widths=tuple(int(width) for width in values["widths"]),
                blocks=tuple(int(count) for count in values["blocks"]),
                hidden=int(values["hidden"]),
                floor=float(values["floor"]),
                ceiling=float(values["ceiling"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"The architecture is damaged: {error}.") from None
        scales = FACTOR.bit_length()
        sound = (
            1 <= made.bands <= 512
            and 1 <= made.latent <= 256
            and len(made.widths) == len(made.blocks) == scales
            and all(1 <= width <= 1024 for width in made.widths)
            and all(1 <= count <= 16 for count in made.blocks)
            and 1 <= made.hidden <= 512
            and -30.0 <= made.floor < made.ceiling <= 30.0
        )
        if not sound:
            raise ModelFileError("The architecture is out of the range that milonga makes.")
        return made


class _Block(nn.Module):
    """Residual block; with conditions, they scale and shift its hidden channels."""

    def __init__(self, width: int, dilation: int, hidden: int = 0) -> None:
        super().__init__()
        self.first = nn.Conv1d(width, width, _KERNEL, padding=dilation, dilation=dilation)
        self.second = nn.Conv1d(width, width, _KERNEL, padding=1)
        self.film = nn.Conv1d(hidden, 2 * width, 1) if hidden else None
        # A block that starts as the identity needs no normalisation.
        nn.init.normal_(self.second.weight, std=1e-3)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        y = self.first(functional.silu(x))
        if self.film is not None and condition is not None:
            scale, shift = self.film(condition).chunk(2, dim=1)
            y = y * (1.0 + scale) + shift
        out: Tensor = x + self.second(functional.silu(y))
        return out


class Encoder(nn.Module):
    """Normalised mel ``[B, bands, T]`` to mean and log variance ``[B, latent, T / 8]``."""

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        widths = shape.widths
        self.into = nn.Conv1d(shape.bands, widths[0], _KERNEL, padding=1)
        self.down = nn.ModuleList(
            nn.Conv1d(fine, coarse, 4, stride=2, padding=1) for fine, coarse in pairwise(widths)
        )
        self.first = _Block(widths[0], 1)
        self.blocks = nn.ModuleList(_Block(width, 1) for width in widths[1:])
        self.out = nn.Conv1d(widths[-1], 2 * shape.latent, 1)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        x = self.first(self.into(mel))
        for down, block in zip(self.down, self.blocks, strict=True):
            x = block(down(x))
        mean, log_variance = self.out(functional.silu(x)).chunk(2, dim=1)
        return mean, log_variance.clamp(-10.0, 4.0)


class Decoder(nn.Module):
    """Latent track and conditions to a normalised mel without its loudness."""

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        widths, hidden = shape.widths, shape.hidden
        self.condition = nn.Sequential(
            nn.Conv1d(len(NAMES) + CARRIERS, hidden, _KERNEL, padding=1),
            nn.SiLU(),
            nn.Conv1d(hidden, hidden, 1),
            nn.SiLU(),
        )
        self.into = nn.Conv1d(shape.latent, widths[-1], _KERNEL, padding=1)
        self.stages = nn.ModuleList(
            nn.ModuleList(_Block(width, 1 + block % 2, hidden) for block in range(count))
            for width, count in zip(widths, shape.blocks, strict=True)
        )
        self.up = nn.ModuleList(
            nn.Conv1d(coarse, fine, _KERNEL, padding=1) for fine, coarse in pairwise(widths)
        )
        self.out = nn.Conv1d(widths[0], shape.bands, _KERNEL, padding=1)

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        tracks = [self.condition(condition)]
        for _ in self.up:
            tracks.append(functional.avg_pool1d(tracks[-1], 2))
        x = self.into(latent)
        for scale in range(len(tracks) - 1, -1, -1):
            stage: Any = self.stages[scale]
            for block in stage:
                x = block(x, tracks[scale])
            if scale:
                x = self.up[scale - 1](x.repeat_interleave(2, dim=2))
        out: Tensor = self.out(functional.silu(x))
        return out


class SoundNet(nn.Module):
    """Encoder, decoder and what normalises their input.

    Buffers: ``mel_mean``, ``mel_std`` ``[bands]`` in nats; ``control_mean``, ``control_std``
    ``[7]`` in the units of the descriptors; ``predicted`` ``[latent, 7]``, the regression of the
    encoder's output on the controls.
    """

    mel_mean: Tensor
    mel_std: Tensor
    control_mean: Tensor
    control_std: Tensor
    predicted: Tensor

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        self.shape = shape
        self.encoder, self.decoder = Encoder(shape), Decoder(shape)
        self.register_buffer("mel_mean", torch.zeros(shape.bands))
        self.register_buffer("mel_std", torch.ones(shape.bands))
        self.register_buffer("control_mean", torch.zeros(len(NAMES)))
        self.register_buffer("control_std", torch.ones(len(NAMES)))
        self.register_buffer("predicted", torch.zeros(shape.latent, len(NAMES)))

    def normal(self, descriptors: Tensor) -> Tensor:
        """Descriptors ``[B, 7, T]`` in spreads from the mean of the corpus."""
        return (descriptors - self.control_mean[:, None]) / self.control_std[:, None]

    def natural(self, controls: Tensor) -> Tensor:
        """The inverse of ``normal``."""
        return controls * self.control_std[:, None] + self.control_mean[:, None]

    def gain(self, controls: Tensor) -> Tensor:
        """Nats ``[B, 1, T]`` by which the loudness asked for differs from the corpus mean."""
        one = slice(LOUDNESS, LOUDNESS + 1)
        return controls[:, one] * (self.control_std[one, None] * _NATS_PER_DB)

    def encode(self, mel: Tensor, controls: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latent track.

        Args:
            mel: ``[B, bands, T]`` in nats, T a multiple of 8.
            controls: ``[B, 7, T]``, normalised: what is taken away.

        Returns:
            Two ``[B, latent, T / 8]``.
        """
        level = mel - self.gain(controls)
        mean, log_variance = self.encoder((level - self.mel_mean[:, None]) / self.mel_std[:, None])
        return mean - self.prediction(controls), log_variance

    def prediction(self, controls: Tensor) -> Tensor:
        """What the controls tell of the latent, ``[B, latent, T / 8]``."""
        slow = functional.avg_pool1d(controls, FACTOR)
        return torch.einsum("dc,bct->bdt", self.predicted, slow)

    def decode(self, latent: Tensor, controls: Tensor, carriers: Tensor) -> Tensor:
        """The mel in nats, ``[B, bands, T]``, not yet held within floor and ceiling.

        Args:
            latent: ``[B, latent, T / 8]``.
            controls: ``[B, 7, T]``, normalised.
            carriers: ``[B, 6, T]``: noise of variance 1, then sine and cosine of the beat.
        """
        latent = latent + self.prediction(controls)
        shape: Tensor = self.decoder(latent, torch.cat([controls, carriers], dim=1))
        return shape * self.mel_std[:, None] + self.mel_mean[:, None] + self.gain(controls)

    def bounded(self, mel: Tensor, leak: float = 0.0) -> Tensor:
        """The mel held within floor and ceiling; with ``leak`` gradients pass beyond them."""
        inside = mel.clamp(self.shape.floor, self.shape.ceiling)
        return inside + leak * (mel - inside) if leak else inside


def reach(shape: Architecture) -> int:
    """Vectors of the latent track on either side that a decoded frame depends on, at most."""
    vectors, scale = 1.0, len(shape.blocks) - 1
    for level in range(scale, -1, -1):
        blocks = sum(1 + (1 + block % 2) for block in range(shape.blocks[level]))
        vectors += (blocks + 1 + (level == 0)) / float(1 << (scale - level))
    return math.ceil(vectors) + 1


def encoder_reach(shape: Architecture) -> int:
    """Vectors on either side beyond which frames don't count for a latent vector, at most."""
    frames = sum(4 << level for level in range(len(shape.widths)))
    return math.ceil(frames / FACTOR) + 1
