"""A short take in two precisions: how far int8 is from what the model would compute without it.

The error of a step is measured on the same inputs, that of a take on what is heard.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import Clip
from milonga.audio.mel.spec import MelSpec
from milonga.compute.products.precision import Precision

if TYPE_CHECKING:
    import torch

TRIAL_STEPS, TRIAL_S = 4, 2.0
"""Steps and seconds of a trial's take."""

_AUDIBLE_DB = 60.0
"""Bands further below the loudest are left out: no one hears them."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A short take in one precision.

    Attributes:
        inputs: of each step, as ``trial`` wants them back.
        velocities: what the network gave for each of them (velocity, or noise).
        samples: the decoded take, ``[channels, samples]``.
        rate: of the samples.
    """

    inputs: Sequence[Any]
    velocities: Sequence[torch.Tensor]
    samples: NDArray[np.float32]
    rate: int


@dataclass(frozen=True, slots=True)
class Step:
    """A call of a network, and what it gave."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: torch.Tensor


Try = Callable[[Precision, Sequence[Any] | None], Trial]
"""Makes a short take in a precision, always from the same seed; where inputs are given, the
velocities are those of these inputs instead of the take's own."""


def compare(trial: Try, usual: Precision) -> tuple[float, float]:
    """Measure int8 against another precision.

    Returns:
        The relative error of the velocities on the same inputs, and the log-mel distance of the
        takes in dB.
    """
    known = trial(usual, None)
    found = trial("int8", known.inputs)
    off = sum(
        float((a.double() - b.double()).square().sum())
        for a, b in zip(found.velocities, known.velocities, strict=True)
    )
    whole = sum(float(b.double().square().sum()) for b in known.velocities)
    return math.sqrt(off / max(whole, 1e-30)), mel_distance(
        known.samples, found.samples, known.rate
    )


def mel_distance(one: NDArray[np.float32], other: NDArray[np.float32], rate: int) -> float:
    """Measure how far two recordings are apart: the mean difference of their audible bands, in dB.

    Args:
        one: ``[channels, samples]``; what is audible is decided by it.
        other: the same.
        rate: in Hz.
    """
    spec = MelSpec(
        sample_rate=rate, n_fft=2048, win_length=2048, hop=512, n_mels=64, f_min=0.0,
        f_max=rate / 2, scale="slaney", norm=None, power=2, padding="centre", pad_mode="reflect",
        epsilon=0.0, compression="log10", floor=1e-20,
    )  # fmt: skip
    first, second = (
        10 * spec.analyse(Clip(np.mean(sound, axis=0, keepdims=True), rate))
        for sound in (one, other)
    )
    # What is silent in both is alike, how far down the one may be.
    floor = max(float(first.max()), float(second.max())) - _AUDIBLE_DB
    audible = first > floor
    if not audible.any():
        return 0.0
    return float(np.abs(np.maximum(second, floor) - first)[audible].mean())


@contextlib.contextmanager
def recording(model: torch.nn.Module) -> Iterator[list[Step]]:
    """Keep what goes into a network and comes out of it within the block: its output is a tensor,
    or a tuple that begins with one."""
    steps: list[Step] = []

    def keep(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        steps.append(Step(args, kwargs, output[0] if isinstance(output, tuple) else output))

    handle = model.register_forward_hook(keep, with_kwargs=True)
    try:
        yield steps
    finally:
        handle.remove()
