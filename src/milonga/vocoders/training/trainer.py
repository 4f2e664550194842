"""Adversarial training of a generator, resumable at any moment.

A step depends on the seed, its number and the state before it alone, so that on a CPU a resumed
training is bit for bit the uninterrupted one.

References:
    Lee, Ping, Ginsburg, Catanzaro, Yoon, "BigVGAN", ICLR 2023: losses, optimizer, clipping.
    Loshchilov, Hutter, "Decoupled Weight Decay Regularization", ICLR 2019: AdamW.
"""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from milonga.errors import VocoderError
from milonga.runtime.progress import Progress, Task
from milonga.runtime.seeding import seeded
from milonga.vocoders.bigvgan.generator import BigVGANGenerator
from milonga.vocoders.training import state
from milonga.vocoders.training.activation import quicken
from milonga.vocoders.training.discriminators import Critics
from milonga.vocoders.training.losses import (
    FEATURE_WEIGHT,
    MEL_WEIGHT,
    SCALES,
    MelLoss,
    adversarial_loss,
    critics_loss,
    feature_loss,
)
from milonga.vocoders.training.pairs import Pairs
from milonga.vocoders.training.settings import VocoderSettings

BETAS = (0.8, 0.99)
_LOG = 50
"""Steps whose losses are told, and kept, as one mean."""
_SPEAK_S = 20.0


@dataclass(frozen=True, slots=True)
class Losses:
    """Of one step; the adversarial ones are 0 while the critics rest."""

    mel: float
    adversarial: float = 0.0
    features: float = 0.0
    critics: float = 0.0

    def values(self) -> list[float]:
        return [self.mel, self.adversarial, self.features, self.critics]


class VocoderTraining:
    """The state of one training; goes on from ``folder``'s checkpoint where there is one.

    Args:
        generator: what to start from, on the CPU; it is trained itself.
        pairs: what to learn from.
        settings: budget and method.
        folder: holds the checkpoint; None keeps none.
        origin: says what generator and pairs are, so that a checkpoint of others is refused.
        device: where to compute.

    Raises:
        VocoderError: the checkpoint is damaged, or of another training; or the pairs are too
            short.
    """

    def __init__(
        self,
        generator: BigVGANGenerator,
        pairs: Pairs,
        settings: VocoderSettings,
        folder: Path | None = None,
        *,
        origin: Mapping[str, Any] | None = None,
        device: str = "cpu",
    ) -> None:
        shortest = max(SCALES)[0] // 2
        if settings.frames * pairs.spec.hop <= shortest:
            raise VocoderError(
                f"Pairs of {settings.frames} frames are too short: the losses look at more than "
                f"{shortest} samples."
            )
        self.settings, self.device = settings, device
        self._pairs, self._folder = pairs, folder
        self._origin = _digest({"settings": settings.fixed(), "of": dict(origin or {})})
        self.generator = quicken(generator).to(device).train().requires_grad_(True)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        with seeded(settings.seed):
            self.critics = Critics(settings.critics_width).to(device)
        self._mel_loss = MelLoss(pairs.spec.sample_rate).to(device)
        self._modules = {
            "generator": self.generator, "average": self.average, "critics": self.critics,
        }  # fmt: skip
        self._optimizers = {
            f"{name}_optimizer": torch.optim.AdamW(
                self._modules[name].parameters(), lr=settings.learning_rate, betas=BETAS
            )
            for name in ("generator", "critics")
        }
        self.step, self.seconds = 0, 0.0
        self.history: list[list[float]] = []
        self._recent: list[list[float]] = []
        self._saved = time.monotonic()
        self._resume()

    @property
    def done(self) -> bool:
        """Check if a budget is used up."""
        steps, minutes = self.settings.steps, self.settings.minutes
        return (steps is not None and self.step >= steps) or (
            minutes is not None and self.seconds >= 60 * minutes
        )

    def run(self, progress: Progress | None = None) -> None:
        """Train until the budget is used up, and writes a checkpoint then.

        Raises:
            VocoderError: a loss left the range of numbers.
            OutputError: the checkpoint can't be written.
            Cancelled: the user stopped it; the checkpoint holds all steps.
        """
        progress = progress or Progress()
        steps, minutes = self.settings.steps, self.settings.minutes
        total, unit = (steps, "steps") if steps is not None else (60 * (minutes or 0), "s")
        spoken, begun = time.monotonic(), self.step
        with progress.task("Training the vocoder", total, unit) as task:
            _advance(task, self.step if steps is not None else self.seconds)
            try:
                while not self.done:
                    progress.check()
                    self.train_step()
                    _advance(task, self.step if steps is not None else min(self.seconds, total))
                    now = time.monotonic()
                    if now - spoken > _SPEAK_S:
                        spoken = now
                        progress.message(self.line())
                    if now - self._saved > self.settings.checkpoint_s:
                        self.save()
            finally:
                # Every step ends whole, but an interrupt may come within one.
                if progress.cancelled and self.step > begun:
                    self.save()
        if self.step > begun:
            self.save()

    def train_step(self) -> Losses:
        """One step of generator and critics.

        Raises:
            VocoderError: a loss left the range of numbers; the last checkpoint is whole.
        """
        begun = time.monotonic()
        settings = self.settings
        draw = np.random.default_rng((settings.seed, self.step))
        mels, waves = self._pairs.batch(draw, settings.batch, settings.frames, settings.remade)
        mel, real = (torch.from_numpy(x).to(self.device) for x in (mels, waves))
        rate = settings.learning_rate * settings.decay**self.step
        for optimizer in self._optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = rate
        made = self.generator(mel)
        critics = 0.0
        if self.step >= settings.critics_from:
            critics = self._train_critics(real, made.detach())
        losses = self._train_generator(real, made, critics)
        self._follow()
        self.step += 1
        self._recent.append(losses.values())
        if len(self._recent) == _LOG:
            self.history.append([self.step, *np.mean(self._recent, axis=0).tolist()])
            self._recent = []
        self.seconds += time.monotonic() - begun
        return losses

    def line(self) -> str:
        """The last losses in words."""
        if self._recent:
            mel, adversarial, features, critics = np.mean(self._recent, axis=0)
        elif self.history:
            mel, adversarial, features, critics = self.history[-1][1:]
        else:
            return "step 0"
        text = f"step {self.step}: mel {mel:.2f}"
        if self.step > self.settings.critics_from:
            text += f", adversarial {adversarial:.2f}, features {features:.2f}"
            text += f", critics {critics:.2f}"
        return text

    def result(self) -> dict[str, Tensor]:
        """The weights to keep, on the CPU: the average, if there is one."""
        kept = self.average if self.settings.average else self.generator
        return {name: value.detach().cpu().clone() for name, value in kept.state_dict().items()}

    def save(self) -> None:
        """Write the checkpoint.

        Raises:
            OutputError: it can't be written.
        """
        self._saved = time.monotonic()
        if self._folder is None:
            return
        tensors: dict[str, Tensor] = {}
        for name, module in self._modules.items():
            tensors |= state.module_tensors(name, module)
        for name, optimizer in self._optimizers.items():
            tensors |= state.optimizer_tensors(name, optimizer)
        values = {
            "origin": self._origin,
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "recent": self._recent,
        }
        state.save(self._folder, values, tensors)

    def _resume(self) -> None:
        found = None if self._folder is None else state.load(self._folder)
        if found is None or self._folder is None:
            return
        values, tensors = found
        path = self._folder / state.FILE
        if values.get("origin") != self._origin:
            raise VocoderError(
                "There is a vocoder's training with other settings or other recordings.",
                where=path,
                step="Give the same options to go on with it, or start anew (--again on the "
                "command line).",
            )
        try:
            for name, module in self._modules.items():
                state.load_module(name, module, tensors)
            for name, optimizer in self._optimizers.items():
                state.load_optimizer(name, optimizer, tensors)
            self.step, self.seconds = int(values["step"]), float(values["seconds"])
            self.history = [list(map(float, row)) for row in values["history"]]
            self._recent = [list(map(float, row)) for row in values["recent"]]
        except (KeyError, TypeError, ValueError) as error:
            raise state.damaged(path, str(error)) from error

    def _train_critics(self, real: Tensor, made: Tensor) -> float:
        self.critics.requires_grad_(True)
        loss = critics_loss(self.critics(real), self.critics(made))
        return self._descend(loss, "critics")

    def _train_generator(self, real: Tensor, made: Tensor, critics: float) -> Losses:
        mel = self._mel_loss(made, real)
        loss, parts = MEL_WEIGHT * mel, [0.0, 0.0]
        if self.step >= self.settings.critics_from:
            # Gradients go through the critics, none stay with them.
            self.critics.requires_grad_(False)
            with torch.no_grad():
                of_real = self.critics(real)
            of_made = self.critics(made)
            terms = adversarial_loss(of_made), feature_loss(of_real, of_made)
            loss = loss + terms[0] + FEATURE_WEIGHT * terms[1]
            parts = [float(term.detach()) for term in terms]
        self._descend(loss, "generator")
        return Losses(float(mel.detach()), parts[0], parts[1], critics)

    def _descend(self, loss: Tensor, whose: str) -> float:
        """One step of generator or critics down its loss, which is returned."""
        value = float(loss.detach())
        if not np.isfinite(value):
            raise VocoderError(
                f"The loss of the {whose} left the range of numbers at step {self.step}.",
                step="Go on from the last checkpoint with a lower learning rate: start anew with "
                f"one under {self.settings.learning_rate:g}.",
            )
        optimizer = self._optimizers[f"{whose}_optimizer"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        parameters = self._modules[whose].parameters()
        torch.nn.utils.clip_grad_norm_(parameters, self.settings.clip_norm)
        optimizer.step()
        return value

    def _follow(self) -> None:
        """The average's step; at first it follows quickly, so that the first weights are soon
        forgotten."""
        if not self.settings.average:
            return
        kept = min(self.settings.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mine, theirs in zip(
                self.average.parameters(), self.generator.parameters(), strict=True
            ):
                mine.lerp_(theirs, 1 - kept)


def _advance(task: Task, done: float) -> None:
    if done > task.done:
        task.advance(done - task.done)


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
