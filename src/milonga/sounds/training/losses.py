"""The training losses."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from milonga.sounds.controls.descriptors import Descriptors
from milonga.sounds.controls.reach import Reach
from milonga.sounds.model.architecture import FACTOR
from milonga.sounds.model.network import NOISES, SoundNet
from milonga.sounds.training.settings import Weights

Losses = dict[str, Tensor]


def carriers(batch: int, frames: int, rate: float, draw: torch.Generator) -> Tensor:
    """Carriers for training: noise, and beats of 60 to 180 a minute in any phase."""
    noise = torch.randn(batch, NOISES, frames, generator=draw)
    tempo = 1.0 + 2.0 * torch.rand(batch, 1, generator=draw)
    phase = torch.rand(batch, 1, generator=draw)
    angle = 2 * torch.pi * (tempo * torch.arange(frames)[None] / rate + phase)
    return torch.cat([noise, torch.sin(angle)[:, None], torch.cos(angle)[:, None]], dim=1)


def changed(controls: Tensor, reach: Reach, draw: torch.Generator) -> Tensor:
    """Controls ``[B, 7, T]`` as a player may ask for them: one slider moved, several, or all
    those of another segment."""
    batch, count, _ = controls.shape
    device = controls.device
    kind = torch.rand(batch, 1, generator=draw).to(device)
    moved = (8.0 * torch.rand(batch, count, generator=draw) - 4.0).to(device)
    one = functional.one_hot(torch.randint(count, (batch,), generator=draw), count).to(device)
    several = (torch.rand(batch, count, generator=draw) < 0.5).to(device)
    mask = torch.where(kind < 0.6, one.bool(), several) & reach.enabled
    other = controls[torch.randperm(batch, generator=draw).to(device)]
    base = torch.where(kind[:, :, None] < 0.85, controls, other)
    return reach(base + (moved * mask)[:, :, None])


class Objective:
    """The whole loss of a batch.

    Args:
        net: the model.
        descriptors: for the corpus's mel convention.
        reach: of the controls.
        weights: of the terms.
    """

    def __init__(
        self,
        net: SoundNet,
        descriptors: Descriptors,
        reach: Reach,
        weights: Weights,
    ) -> None:
        self.net, self.descriptors = net, descriptors
        self.reach, self.weights = reach, weights

    def __call__(self, mel: Tensor, draw: torch.Generator, warmth: float) -> tuple[Tensor, Losses]:
        """The sum that is minimised, and each term unweighted.

        Args:
            mel: ``[B, bands, T]`` in nats, T a multiple of 8.
            draw: of the noise; made for this step.
            warmth: 0 to 1, how far all terms but the likeness have been faded in.
        """
        net, w = self.net, self.weights
        device = mel.device
        batch, _, frames = mel.shape
        rate = self.descriptors.spec.frame_rate
        with torch.no_grad():
            own = net.normal(self.descriptors(mel)).clamp(-8.0, 8.0)
            asked = changed(own, self.reach, draw)
        mean, log_variance = net.encode(mel, own)
        noise = torch.randn(mean.shape, generator=draw).to(device)
        latent = mean + torch.exp(0.5 * log_variance) * noise
        drive = carriers(2 * batch, frames, rate, draw).to(device)
        both = net.decode(torch.cat([latent, latent]), torch.cat([own, asked]), drive)
        both = net.bounded(both, leak=0.1)
        found = net.normal(self.descriptors(both))
        same, other = both.chunk(2)

        scale = net.mel_std.mean()
        kl = 0.5 * (mean**2 + log_variance.exp() - 1.0 - log_variance).mean(dim=(0, 2))
        terms = {
            "likeness": (same - mel).abs().mean() / scale,
            "own": functional.huber_loss(found[:batch], own),
            "asked": functional.huber_loss(found[batch:], asked),
            "near": (other - same.detach() - net.gain(asked - own)).abs().mean() / scale,
            "kl": torch.clamp(kl, min=w.free).sum() / (FACTOR * mel.shape[1]),
        }
        total = mel.new_zeros(())
        for name, value in terms.items():
            total = total + getattr(w, name) * (1.0 if name == "likeness" else warmth) * value
        terms["nats"] = kl.sum()
        return total, {name: value.detach() for name, value in terms.items()}
