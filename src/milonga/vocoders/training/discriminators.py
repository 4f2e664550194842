"""The critics of adversarial training: by period, and by spectrogram.

References:
    Kong, Kim, Bae, "HiFi-GAN", NeurIPS 2020: the multi-period discriminator.
    Jang, Lim, Yoon, Kim, Kim, "UnivNet", Interspeech 2021: the multi-resolution spectrogram
    discriminator, which BigVGAN takes as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from milonga.vocoders.training.distances import RESOLUTIONS

PERIODS = (2, 3, 5, 7, 11)
"""Primes, so that no two look at the same samples side by side."""

_SLOPE = 0.1


@dataclass(frozen=True, slots=True)
class Verdict:
    """One critic's verdict on a batch.

    Attributes:
        score: ``[B, places]``, towards 1 for real.
        features: what every layer found on the way, for feature matching.
    """

    score: Tensor
    features: tuple[Tensor, ...]


class PeriodCritic(nn.Module):
    """Folds ``[B, 1, T]`` into rows of ``period`` samples and looks along the columns, each of
    which holds every ``period``-th sample.

    Args:
        period: samples in a row.
        width: share of the published numbers of channels.
    """

    def __init__(self, period: int, width: float = 1.0) -> None:
        super().__init__()
        self.period = period
        sizes = [1, *(_channels(count, width) for count in (32, 128, 512, 1024, 1024))]
        self.convs = nn.ModuleList(
            weight_norm(
                nn.Conv2d(sizes[i], sizes[i + 1], (5, 1), (3 if i < 4 else 1, 1), padding=(2, 0))
            )
            for i in range(5)
        )
        self.conv_post = weight_norm(nn.Conv2d(sizes[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, wave: Tensor) -> Verdict:
        batch, _, length = wave.shape
        missing = -length % self.period
        wave = functional.pad(wave, (0, missing), mode="reflect")
        return _judge(self, wave.view(batch, 1, -1, self.period))


class SpectrogramCritic(nn.Module):
    """Looks at the magnitudes of one spectrogram of ``[B, 1, T]``.

    Args:
        resolution: transform, hop and window, samples.
        width: share of the published number of channels.
    """

    window: Tensor

    def __init__(self, resolution: tuple[int, int, int], width: float = 1.0) -> None:
        super().__init__()
        self.resolution = resolution
        count = _channels(32, width)
        strides = (1, 2, 2, 2)
        self.convs = nn.ModuleList(
            weight_norm(
                nn.Conv2d(1 if i == 0 else count, count, (3, 9), (1, stride), padding=(1, 4))
            )
            for i, stride in enumerate(strides)
        )
        self.convs.append(weight_norm(nn.Conv2d(count, count, (3, 3), padding=(1, 1))))
        self.conv_post = weight_norm(nn.Conv2d(count, 1, (3, 3), padding=(1, 1)))
        self.register_buffer("window", torch.hann_window(resolution[2]), persistent=False)

    def forward(self, wave: Tensor) -> Verdict:
        n_fft, hop, length = self.resolution
        reach = (n_fft - hop) // 2
        wave = functional.pad(wave, (reach, reach), mode="reflect")
        spectrum = torch.stft(
            wave[:, 0], n_fft, hop, length, self.window, center=False, return_complex=True
        )
        return _judge(self, spectrum.abs()[:, None])


class Critics(nn.Module):
    """All of them.

    Args:
        width: share of the published numbers of channels; at 1 they have 41 million parameters.
    """

    def __init__(
        self,
        width: float = 1.0,
        periods: Sequence[int] = PERIODS,
        resolutions: Sequence[tuple[int, int, int]] = RESOLUTIONS,
    ) -> None:
        super().__init__()
        self.by_period = nn.ModuleList(PeriodCritic(period, width) for period in periods)
        self.by_spectrogram = nn.ModuleList(
            SpectrogramCritic(resolution, width) for resolution in resolutions
        )

    def forward(self, wave: Tensor) -> list[Verdict]:
        """Collect each one's verdict on ``[B, 1, T]``."""
        return [critic(wave) for critic in (*self.by_period, *self.by_spectrogram)]


def _judge(critic: PeriodCritic | SpectrogramCritic, x: Tensor) -> Verdict:
    features = []
    for conv in critic.convs:
        x = functional.leaky_relu(conv(x), _SLOPE)
        features.append(x)
    x = critic.conv_post(x)
    return Verdict(x.flatten(1), (*features, x))


def _channels(published: int, width: float) -> int:
    return max(1, int(published * width))
