"""Time and memory of a training, measured on a short stretch before it starts."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from milonga.errors import VocoderError
from milonga.runtime.memory import available_memory
from milonga.runtime.words import size_text
from milonga.vocoders.bigvgan.generator import BigVGANGenerator
from milonga.vocoders.training.activation import quicken
from milonga.vocoders.training.discriminators import Critics
from milonga.vocoders.training.losses import MelLoss, adversarial_loss, critics_loss, feature_loss
from milonga.vocoders.training.settings import VocoderSettings

_FRAMES = 8
_RUNTIME = 500e6
"""Bytes that torch, the sound model and the recordings take."""
_WORKSPACE = 1.0
"""Short-lived signals, relative to those that are kept for the gradient."""


@dataclass(frozen=True, slots=True)
class TrainingOutlook:
    """Estimates.

    Attributes:
        parameters: of the generator.
        memory: bytes at the peak.
        step_s: seconds of a step with critics.
        mel_step_s: seconds of a step without.
    """

    parameters: int
    memory: int
    step_s: float
    mel_step_s: float

    def steps_in(self, minutes: float, critics_from: int) -> int:
        """Count the steps that fit into a budget."""
        seconds = 60 * minutes
        before = min(critics_from, int(seconds / self.mel_step_s))
        return before + int((seconds - before * self.mel_step_s) / self.step_s)

    def describe(self, settings: VocoderSettings) -> str:
        """In one line."""
        text = (
            f"{self.parameters / 1e6:.1f} million parameters; about {size_text(self.memory)} of "
            f"memory and {self.step_s:.2g} s a step ({self.mel_step_s:.2g} s before the critics)"
        )
        if settings.steps is None and settings.minutes is not None:
            steps = self.steps_in(settings.minutes, settings.critics_from)
            return f"{text}: some {steps} steps in {settings.minutes:g} minutes."
        steps = settings.steps or 0
        before = min(steps, settings.critics_from)
        seconds = before * self.mel_step_s + (steps - before) * self.step_s
        return f"{text}: some {seconds / 60:.1f} minutes for {steps} steps."

    def check(self) -> None:
        """Check that the machine has the memory.

        Raises:
            VocoderError: it hasn't.
        """
        there = available_memory()
        if self.memory > there:
            raise VocoderError(
                f"This training takes about {size_text(self.memory)} of memory; "
                f"{size_text(there)} are free.",
                step="Close other programs, or train a smaller vocoder (--size tiny on the "
                "command line) or with smaller batches.",
            )


def foresee(generator: BigVGANGenerator, settings: VocoderSettings) -> TrainingOutlook:
    """Run forward and backward on one pair of eight frames, and scales that up; on the CPU.

    The generator's weights stay; its gradients are left empty.
    """
    quicken(generator).requires_grad_(True)
    critics = Critics(settings.critics_width)
    spec = generator.config.mel_spec
    mel_loss = MelLoss(spec.sample_rate)
    draw = torch.Generator().manual_seed(0)
    mel = torch.randn(1, spec.n_mels, _FRAMES, generator=draw) - 5
    real = 0.1 * torch.randn(1, 1, _FRAMES * spec.hop, generator=draw)
    owned = {p.untyped_storage().data_ptr() for m in (generator, critics) for p in m.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in owned:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    def step(with_critics: bool) -> float:
        begun = time.perf_counter()
        made = generator(mel)
        loss = mel_loss(made, real)
        if with_critics:
            critics_loss(critics(real), critics(made.detach())).backward()  # type: ignore[no-untyped-call]
            of_made = critics(made)
            loss = loss + adversarial_loss(of_made) + feature_loss(critics(real), of_made)
        loss.backward()
        return time.perf_counter() - begun

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        step(True)
    scale = settings.batch * settings.frames / _FRAMES
    # The first step also sets things up.
    mel_step = min(step(False) for _ in range(2)) * scale
    whole = min(step(True) for _ in range(2)) * scale
    for module in (generator, critics):
        module.zero_grad(set_to_none=True)
    # Weights, gradients, two moments, and the average of the generator's; half as much as the
    # weights for a moment in the optimizer's step.
    fixed = 4 * (5.5 * _count(generator) + 4 * _count(critics))
    memory = int(_RUNTIME + fixed + _WORKSPACE * scale * sum(kept.values()))
    return TrainingOutlook(_count(generator), memory, whole, mel_step)


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
