"""Generators that an ordinary processor can train from nothing."""

from __future__ import annotations

from typing import Any

from milonga.audio.mel.spec import MelSpec
from milonga.errors import UnknownNameError

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {
        "upsample_rates": [8, 8, 8],
        "upsample_kernel_sizes": [16, 16, 16],
        "upsample_initial_channel": 64,
        "resblock_kernel_sizes": [3, 7],
        "resblock_dilation_sizes": [[1, 3], [1, 3]],
    },
    "small": {
        "upsample_rates": [8, 8, 4, 2],
        "upsample_kernel_sizes": [16, 16, 8, 4],
        "upsample_initial_channel": 128,
        "resblock_kernel_sizes": [3, 7],
        "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5]],
    },
    "medium": {
        "upsample_rates": [8, 8, 4, 2],
        "upsample_kernel_sizes": [16, 16, 8, 4],
        "upsample_initial_channel": 256,
        "resblock_kernel_sizes": [3, 7, 11],
        "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    },
}
"""By name, in the form of a published ``config.json``: 0.2, 0.6 and 3.7 million parameters."""


def config_of(size: str, spec: MelSpec) -> dict[str, Any]:
    """The whole configuration of a size for mels of a spec.

    Raises:
        UnknownNameError: lists the sizes there are.
    """
    if size not in SIZES:
        raise UnknownNameError("vocoder size", size, SIZES)
    return {
        **SIZES[size],
        "resblock": "1",
        "activation": "snakebeta",
        "snake_logscale": True,
        "use_tanh_at_final": False,
        "use_bias_at_final": False,
        "sampling_rate": spec.sample_rate,
        "num_mels": spec.n_mels,
        "n_fft": spec.n_fft,
        "win_size": spec.win_length,
        "hop_size": spec.hop,
        "fmin": spec.f_min,
        "fmax": None if spec.f_max == spec.sample_rate / 2 else spec.f_max,
    }
