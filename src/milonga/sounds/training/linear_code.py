"""The linear part of a sound model, found in closed form before and between the training.

References:
    Pearson, "On lines and planes of closest fit to systems of points in space" (1901).
    Belrose et al., "LEACE: perfect linear concept erasure in closed form" (2023).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d

from milonga.sounds.controls.descriptors import Descriptors
from milonga.sounds.model.architecture import FACTOR
from milonga.sounds.model.network import SoundNet
from milonga.sounds.training.evaluation import latent_track

_LEAST_VARIANCE = 1e-4
_RIDGE = 1e-4


@torch.no_grad()
def fit_code(net: SoundNet, descriptors: Descriptors, mels: Iterable[Tensor]) -> None:
    """Set the network's linear code: principal components of eight frames, of variance 1.

    Args:
        net: its normalisation must be set.
        descriptors: for the mels' convention.
        mels: ``[B, bands, T]`` in nats, T a multiple of 8; many times as many vectors as there
            are latent dimensions.
    """
    bands, latent = net.shape.bands, net.shape.latent
    size = bands * FACTOR
    total, square, count = torch.zeros(bands).double(), torch.zeros(size, size).double(), 0
    for mel in mels:
        own = net.normal(descriptors(mel)).clamp(-8.0, 8.0)
        level = net.levelled(mel, own).cpu()
        frames = level.shape[2]
        total += level.double().sum(dim=(0, 2))
        blocks = level.reshape(level.shape[0], bands, frames // FACTOR, FACTOR)
        rows = blocks.permute(0, 2, 1, 3).reshape(-1, size)
        square += (rows.T @ rows).double()
        count += len(rows)
    middle = total / (count * FACTOR)
    whole = middle.repeat_interleave(FACTOR)
    values, vectors = torch.linalg.eigh(square / count - torch.outer(whole, whole))
    kept = min(latent, size)
    spread = values.flip(0)[:kept].clamp(min=_LEAST_VARIANCE).sqrt()[:, None]
    directions = vectors.T.flip(0)[:kept]
    # A direction's sign is arbitrary: that of its largest entry makes it repeatable.
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    directions = directions * largest.sign()
    net.middle.copy_(middle)
    net.analysis[:kept].copy_((directions / spread).reshape(kept, bands, FACTOR))
    net.synthesis[:kept].copy_((directions * spread).reshape(kept, bands, FACTOR))


@torch.no_grad()
def fit_prediction(net: SoundNet, descriptors: Descriptors, mels: Iterable[Tensor]) -> None:
    """Set what a linear regression on the controls predicts of the encoder's output."""
    net.predicted.zero_()
    latents, controls = [], []
    for mel in mels:
        mean, own = latent_track(net, descriptors, mel)
        latents.append(mean.transpose(0, 1).flatten(1).cpu().double())
        controls.append(avg_pool1d(own, FACTOR).transpose(0, 1).flatten(1).cpu().double())
    latent, control = torch.cat(latents, 1), torch.cat(controls, 1)
    latent = latent - latent.mean(1, keepdim=True)
    control = control - control.mean(1, keepdim=True)
    ridge = _RIDGE * latent.shape[1] * torch.eye(len(control), dtype=torch.float64)
    found = torch.linalg.solve(control @ control.T + ridge, control @ latent.T)
    net.predicted.copy_(found.T)
