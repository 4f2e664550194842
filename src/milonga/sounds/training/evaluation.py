"""Errors of a network on recordings that it hasn't learnt from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from milonga.audio.mel.spec import MelSpec
from milonga.sounds.controls.descriptors import Descriptors
from milonga.sounds.controls.reach import Reach
from milonga.sounds.corpus.segments import MelTrack, Segments, consecutive
from milonga.sounds.model.architecture import FACTOR
from milonga.sounds.model.network import SoundNet
from milonga.sounds.training.losses import carriers, changed

_FRAMES, _STRETCHES = 512, 48
_PROBE_STEPS, _PROBE_FIRST = 60, 1 << 40
_RIDGE = 1e-2


class Evaluation:
    """Errors on held-out mels; the same for the same network.

    Args:
        tracks: held out.
        spec: of their mels.
        device: where to compute.
    """

    def __init__(self, tracks: Sequence[MelTrack], spec: MelSpec, device: str = "cpu") -> None:
        self._device = device
        self._mels = list(consecutive(tracks, _FRAMES, _STRETCHES))
        self._descriptors = Descriptors(spec)
        values = np.concatenate([mel[0] for mel in self._mels], axis=1)
        middle = np.median(values, axis=1, keepdims=True)
        self.constant = max(float(np.abs(values - middle).mean()), 0.01)
        """Mean absolute error, nats, of the best prediction that is constant for each band: the
        medians of the held-out mels themselves."""

    @torch.no_grad()
    def __call__(self, net: SoundNet, reach: Reach) -> dict[str, float]:
        """``likeness``, the mean absolute error of the mel in nats; ``asked``, the mean absolute
        error in spreads of descriptors that were asked for."""
        draw = torch.Generator().manual_seed(0)
        likeness, asked, frames = 0.0, 0.0, 0
        for values in self._mels:
            mel = torch.from_numpy(values).to(self._device)
            count = mel.shape[2]
            own = net.normal(self._descriptors(mel)).clamp(-8.0, 8.0)
            latent, _ = net.encode(mel, own)
            rate = self._descriptors.spec.frame_rate
            drive = carriers(1, count, rate, draw).to(self._device)
            made = net.bounded(net.decode(latent, own, drive))
            wanted = changed(own, reach, draw)
            other = net.bounded(net.decode(latent, wanted, drive))
            found = net.normal(self._descriptors(other))
            likeness += float((made - mel).abs().mean()) * count
            asked += float((found - wanted).abs().mean()) * count
            frames += count
        return {"likeness": likeness / frames, "asked": asked / frames}


@torch.no_grad()
def latent_track(net: SoundNet, descriptors: Descriptors, mel: Tensor) -> tuple[Tensor, Tensor]:
    """Mean latent ``[B, latent, T / 8]`` and normalised descriptors ``[B, 7, T]`` of mels."""
    own = net.normal(descriptors(mel)).clamp(-8.0, 8.0)
    mean, _ = net.encode(mel, own)
    return mean, own


def probe(
    net: SoundNet, segments: Segments, spec: MelSpec, device: str = "cpu"
) -> dict[str, list[float]]:
    """Measure how much of the descriptors a linear reader finds in the latent.

    A ridge regression from three neighbouring latent vectors (``latent``), from what the encoder
    gives before the controls are taken away (``encoder``), and from the mel averaged over as
    many frames (``mel``: what there is to be found), is fitted to varied segments as training
    draws them and judged on others.

    Returns:
        The share of the variance explained, R2, for each control; 0 where it predicts worse
        than the mean does.
    """
    descriptors = Descriptors(spec)
    rows: dict[str, list[NDArray[np.float64]]] = {"latent": [], "encoder": [], "mel": []}
    truth: list[NDArray[np.float64]] = []
    for step in range(_PROBE_STEPS):
        mels = torch.from_numpy(segments.batch(_PROBE_FIRST + step, 8)).to(device)
        for index in range(len(mels)):
            mel = mels[index : index + 1]
            mean, own = latent_track(net, descriptors, mel)
            pooled = torch.nn.functional.avg_pool1d(mel, FACTOR)
            truth.append(_table(torch.nn.functional.avg_pool1d(own, FACTOR)))
            rows["latent"].append(_context(_table(mean)))
            rows["encoder"].append(_context(_table(mean + net.prediction(own))))
            rows["mel"].append(_context(_table(pooled)))
    return {name: _explained(tables, truth) for name, tables in rows.items()}


def _table(values: Tensor) -> NDArray[np.float64]:
    return np.asarray(values[0].T.cpu().numpy(), np.float64)


def _context(table: NDArray[np.float64]) -> NDArray[np.float64]:
    wide = np.pad(table, ((1, 1), (0, 0)), mode="edge")
    return np.concatenate([wide[:-2], wide[1:-1], wide[2:]], axis=1)


def _explained(
    tables: Sequence[NDArray[np.float64]], truth: Sequence[NDArray[np.float64]]
) -> list[float]:
    half = 2 * len(tables) // 3
    x_fit, y_fit = np.concatenate(tables[:half]), np.concatenate(truth[:half])
    x_new, y_new = np.concatenate(tables[half:]), np.concatenate(truth[half:])
    centre, spread = x_fit.mean(0), x_fit.std(0) + 1e-9
    a, b = (x_fit - centre) / spread, (x_new - centre) / spread
    mean = y_fit.mean(0)
    ridge = _RIDGE * len(a) * np.eye(a.shape[1])
    weights = np.linalg.solve(a.T @ a + ridge, a.T @ (y_fit - mean))
    error = ((b @ weights + mean - y_new) ** 2).mean(0)
    variance = ((y_new - y_new.mean(0)) ** 2).mean(0) + 1e-9
    found: list[float] = np.clip(1.0 - error / variance, 0.0, 1.0).round(3).tolist()
    return found
