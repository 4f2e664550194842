"""The network of a sound model: a conditional variational autoencoder of log-mels.

The encoder turns a mel into a latent track, one vector for eight frames (10.8 a second). The
decoder turns that and a track of conditions, one value of each descriptor a frame, back into a
mel. Both begin as the best linear code of the corpus, the principal components of eight frames,
and learn what goes beyond it: a network alone would need hours to find what a decomposition
finds in a second. All is convolutional in time with a bounded reach and nothing normalises over
time, so any length can be decoded in pieces that are exactly what the whole would be.

Two things keep the controls out of the latent by construction. The encoder sees the mel without
its loudness, and the decoder adds the loudness that it is asked for. And once the encoder is
settled, what a linear regression on the descriptors predicts of the latent is taken away from it
and given back by the decoder, from the descriptors that it is asked for: no linear reader finds
them in the latent, and nothing is lost.

The decoder is also told how far the linear code's mel is from the descriptors that it is asked for,
measured on that mel: it learns corrections, not what a descriptor is.

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

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from milonga.audio.mel.spec import MelSpec
from milonga.sounds.controls.descriptors import LOUDNESS, NAMES, Descriptors
from milonga.sounds.mel_spec import MEL_SPEC
from milonga.sounds.model.architecture import FACTOR, Architecture

NOISES, BEATS = 4, 2
CARRIERS = NOISES + BEATS
_NATS_PER_DB = 0.11512925464970229
_KERNEL = 3
_LOG_VARIANCE = -6.0
_FARTHEST = 8.0
_TOOLS = 7
_LOOK_S = 2.2
"""Descriptors look over two windows, so far to either side."""


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
    """Normalised mel ``[B, bands, T]`` to what is added to the linear code, and the log variance
    of the latent, ``[B, latent, T / 8]`` each."""

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        # It only adds to the linear code, and needs half the channels.
        widths = [max(1, width // 2) for width in shape.widths]
        self.into = nn.Conv1d(shape.bands, widths[0], _KERNEL, padding=1)
        self.down = nn.ModuleList(
            nn.Conv1d(fine, coarse, 4, stride=2, padding=1) for fine, coarse in pairwise(widths)
        )
        self.first = _Block(widths[0], 1)
        self.blocks = nn.ModuleList(_Block(width, 1) for width in widths[1:])
        self.out = nn.Conv1d(widths[-1], 2 * shape.latent, 1)
        nn.init.normal_(self.out.weight, std=1e-3)
        nn.init.zeros_(self.out.bias[: shape.latent])  # type: ignore[index]
        nn.init.constant_(self.out.bias[shape.latent :], _LOG_VARIANCE)  # type: ignore[index]

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        x = self.first(self.into(mel))
        for down, block in zip(self.down, self.blocks, strict=True):
            x = block(down(x))
        mean, log_variance = self.out(functional.silu(x)).chunk(2, dim=1)
        return mean, log_variance.clamp(-10.0, 4.0)


class Tools(nn.Module):
    """Changes that conditions make to a mel at once, before the network has learnt anything.

    For each band and frame, the conditions say how much of each is added: a gain (equaliser),
    the mel's contrast over a second, over a tenth of a second and over neighbouring bands, and
    the carriers. The controls are little else: brightness is a gain, pulse a slow contrast or a
    beat, roughness a fast contrast or noise, tension a contrast of bands.
    """

    mixing: Tensor

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        self.amounts = nn.Conv1d(shape.hidden, _TOOLS * shape.bands, 1)
        nn.init.zeros_(self.amounts.weight)
        nn.init.zeros_(self.amounts.bias)  # type: ignore[arg-type]
        # Each band hears the noises in its own mixture, so that bands fluctuate apart.
        bands = torch.arange(shape.bands)[:, None]
        noises = torch.arange(NOISES)[None]
        mixing = torch.cos(bands * (1.0 + 0.7 * noises) + noises) * (2.0 / NOISES) ** 0.5
        self.register_buffer("mixing", mixing, persistent=False)

    def forward(self, condition: Tensor, carriers: Tensor, mel: Tensor) -> Tensor:
        batch, bands, frames = mel.shape
        noise = torch.einsum("bn,xnt->xbt", self.mixing, carriers[:, :NOISES])
        sine, cosine = carriers[:, NOISES : NOISES + 1], carriers[:, NOISES + 1 :]
        across = _around(mel.transpose(1, 2), 9).transpose(1, 2)
        amounts = self.amounts(condition).view(batch, _TOOLS, bands, frames)
        material = (
            mel - _around(mel, 87),
            mel - _around(mel, 9),
            mel - across,
            noise,
            sine,
            cosine,
        )
        added: Tensor = amounts[:, 0]
        for index, one in enumerate(material):
            added = added + amounts[:, index + 1] * one
        return added


def _around(mel: Tensor, places: int) -> Tensor:
    """The mean over a number of places of the last axis, at the ends over those there are."""
    return functional.avg_pool1d(mel, places, 1, places // 2, count_include_pad=False)


class Decoder(nn.Module):
    """Latent track, conditions and the mel of the linear code to what is added to that mel."""

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        widths, hidden = shape.widths, shape.hidden
        given = nn.Conv1d(2 * len(NAMES) + CARRIERS, hidden, _KERNEL, padding=1)
        mixed = nn.Conv1d(hidden, hidden, 1)
        # The usual start would make a whisper of the conditions.
        for layer in (given, mixed):
            nn.init.kaiming_normal_(layer.weight)
        self.condition = nn.Sequential(given, nn.SiLU(), mixed, nn.SiLU())
        self.into = nn.Conv1d(shape.latent, widths[-1], _KERNEL, padding=1)
        self.stages = nn.ModuleList(
            nn.ModuleList(_Block(width, 1 + block % 2, hidden) for block in range(count))
            for width, count in zip(widths, shape.blocks, strict=True)
        )
        self.up = nn.ModuleList(
            nn.Conv1d(coarse, fine, _KERNEL, padding=1) for fine, coarse in pairwise(widths)
        )
        self.tools = Tools(shape)
        self.linear = nn.Conv1d(shape.bands, widths[0], _KERNEL, padding=1)
        self.out = nn.Conv1d(widths[0], shape.bands, _KERNEL, padding=1)
        nn.init.normal_(self.out.weight, std=3e-3)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, latent: Tensor, condition: Tensor, linear: Tensor) -> Tensor:
        tracks = [self.condition(condition)]
        for _ in self.up:
            tracks.append(functional.avg_pool1d(tracks[-1], 2))
        x = self.into(latent)
        for scale in range(len(tracks) - 1, -1, -1):
            if scale == 0:
                x = x + self.linear(linear)
            stage: Any = self.stages[scale]
            for block in stage:
                x = block(x, tracks[scale])
            if scale:
                x = self.up[scale - 1](x.repeat_interleave(2, dim=2))
        added: Tensor = self.tools(tracks[0], condition[:, -CARRIERS:], linear)
        out: Tensor = added + self.out(functional.silu(x))
        return out


class SoundNet(nn.Module):
    """Encoder, decoder and what normalises their input.

    Buffers: ``mel_mean``, ``mel_std`` ``[bands]`` in nats; ``control_mean``, ``control_std``
    ``[7]`` in the units of the descriptors; ``analysis`` and ``synthesis``
    ``[latent, bands, 8]``, the linear code, and ``middle`` ``[bands]``, its mean; ``predicted``
    ``[latent, 7]``, the regression of the encoder's output on the controls.
    """

    mel_mean: Tensor
    mel_std: Tensor
    control_mean: Tensor
    control_std: Tensor
    analysis: Tensor
    synthesis: Tensor
    middle: Tensor
    predicted: Tensor

    def __init__(self, shape: Architecture, spec: MelSpec = MEL_SPEC) -> None:
        super().__init__()
        self.shape = shape
        self.descriptors = Descriptors(spec)
        self.encoder, self.decoder = Encoder(shape), Decoder(shape)
        self.register_buffer("mel_mean", torch.zeros(shape.bands))
        self.register_buffer("mel_std", torch.ones(shape.bands))
        self.register_buffer("control_mean", torch.zeros(len(NAMES)))
        self.register_buffer("control_std", torch.ones(len(NAMES)))
        self.register_buffer("analysis", torch.zeros(shape.latent, shape.bands, FACTOR))
        self.register_buffer("synthesis", torch.zeros(shape.latent, shape.bands, FACTOR))
        self.register_buffer("middle", torch.zeros(shape.bands))
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
        level = self.levelled(mel, controls)
        added, log_variance = self.encoder(level)
        linear = functional.conv1d(level - self.middle[:, None], self.analysis, stride=FACTOR)
        return linear + added - self.prediction(controls), log_variance

    def levelled(self, mel: Tensor, controls: Tensor) -> Tensor:
        """The mel without its loudness, normalised."""
        level = mel - self.gain(controls)
        return (level - self.mel_mean[:, None]) / self.mel_std[:, None]

    def prediction(self, controls: Tensor) -> Tensor:
        """The part of the latent that the controls predict, ``[B, latent, T / 8]``."""
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
        linear = functional.conv_transpose1d(latent, self.synthesis, stride=FACTOR)
        linear = linear + self.middle[:, None]
        with torch.no_grad():
            first = self.bounded(self._loud(linear, controls))
            missing = controls - self.normal(self.descriptors(first))
            missing = missing.clamp(-_FARTHEST, _FARTHEST)
        condition = torch.cat([controls, missing, carriers], dim=1)
        added: Tensor = self.decoder(latent, condition, linear)
        return self._loud(linear + added, controls)

    def _loud(self, level: Tensor, controls: Tensor) -> Tensor:
        """The inverse of ``levelled``."""
        return level * self.mel_std[:, None] + self.mel_mean[:, None] + self.gain(controls)

    def bounded(self, mel: Tensor, leak: float = 0.0) -> Tensor:
        """The mel held within floor and ceiling; with ``leak`` gradients pass beyond them."""
        inside = mel.clamp(self.shape.floor, self.shape.ceiling)
        return inside + leak * (mel - inside) if leak else inside


def reach(shape: Architecture, spec: MelSpec = MEL_SPEC) -> int:
    """Vectors of the latent track on either side that a decoded frame depends on, at most."""
    vectors, scale = 1.0, len(shape.blocks) - 1
    for level in range(scale, -1, -1):
        blocks = sum(1 + (1 + block % 2) for block in range(shape.blocks[level]))
        vectors += (blocks + 1 + (level == 0)) / float(1 << (scale - level))
    return math.ceil(vectors + _LOOK_S * spec.frame_rate / FACTOR) + 1


def encoder_reach(shape: Architecture) -> int:
    """Vectors on either side beyond which frames don't count for a latent vector, at most."""
    frames = sum(4 << level for level in range(len(shape.widths)))
    return math.ceil(frames / FACTOR) + 1
