"""The training losses of a generator and its critics.

References:
    Mao, Li, Xie, Lau, Wang, Smolley, "Least Squares Generative Adversarial Networks", ICCV 2017.
    Kong, Kim, Bae, "HiFi-GAN", NeurIPS 2020: these with feature matching, and their weights.
    Kumar, Seetharaman, Luebs, Kumar, Kumar, "High-Fidelity Audio Compression with Improved
    RVQGAN", NeurIPS 2023: mel distances at several scales, as BigVGAN-v2 takes them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from milonga.audio.mel.filters import filter_bank
from milonga.vocoders.training.discriminators import Verdict

MEL_WEIGHT, FEATURE_WEIGHT = 15.0, 2.0
"""Weights of mel distance and feature matching beside the adversarial loss, as published for
BigVGAN-v2."""

SCALES = ((32, 5), (64, 10), (128, 20), (256, 40), (512, 80), (1024, 160), (2048, 320))
"""Window in samples, and bands."""

_FLOOR = 1e-5


def critics_loss(real: Sequence[Verdict], made: Sequence[Verdict]) -> Tensor:
    """Least squares: real sound towards 1, made sound towards 0, summed over the critics."""
    return torch.stack(
        [
            (1 - a.score).square().mean() + b.score.square().mean()
            for a, b in zip(real, made, strict=True)
        ]
    ).sum()


def adversarial_loss(made: Sequence[Verdict]) -> Tensor:
    """The generator's side: made sound towards 1."""
    return torch.stack([(1 - verdict.score).square().mean() for verdict in made]).sum()


def feature_loss(real: Sequence[Verdict], made: Sequence[Verdict]) -> Tensor:
    """Mean absolute differences of what the critics' layers found, summed."""
    return torch.stack(
        [
            (x.detach() - y).abs().mean()
            for a, b in zip(real, made, strict=True)
            for x, y in zip(a.features, b.features, strict=True)
        ]
    ).sum()


class MelLoss(nn.Module):
    """Mean absolute differences of base-10 log mels, summed over scales.

    Windows overlap by three quarters. Shape: two of ``[B, 1, T]`` to a number.

    Args:
        sample_rate: of the sound, Hz.
        scales: window in samples, and bands, of each mel.
    """

    def __init__(self, sample_rate: int, scales: Sequence[tuple[int, int]] = SCALES) -> None:
        super().__init__()
        self.lengths = [length for length, _ in scales]
        for length, bands in scales:
            bank = filter_bank(
                sample_rate=sample_rate,
                n_fft=length,
                n_mels=bands,
                f_min=0.0,
                f_max=sample_rate / 2,
                scale="slaney",
                norm="slaney",
            )
            self.register_buffer(f"bank_{length}", torch.from_numpy(bank).float(), persistent=False)
            window = torch.hann_window(length)
            self.register_buffer(f"window_{length}", window, persistent=False)

    def forward(self, made: Tensor, real: Tensor) -> Tensor:
        return torch.stack(
            [(self._mel(made, n) - self._mel(real, n)).abs().mean() for n in self.lengths]
        ).sum()

    def _mel(self, wave: Tensor, length: int) -> Tensor:
        bank, window = getattr(self, f"bank_{length}"), getattr(self, f"window_{length}")
        spectrum = torch.stft(wave[:, 0], length, length // 4, window=window, return_complex=True)
        mel: Tensor = bank @ spectrum.abs()
        return mel.clamp_min(_FLOOR).log10()
