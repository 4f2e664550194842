"""Training of a sound model: from a store of mels to a network, resumable at any moment.

A step depends on the seed, its number and the state before it alone, so that a resumed training
is bit for bit the uninterrupted one on a CPU, as long as its budget counts steps. A budget in
minutes ends by the clock, and the learning rate follows the clock, too.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from milonga.errors import SoundError
from milonga.runtime.devices import pick_device
from milonga.runtime.progress import Progress, Task
from milonga.sounds.controls.descriptors import Descriptors
from milonga.sounds.controls.reach import Reach
from milonga.sounds.controls.statistics import control_statistics, network_scale
from milonga.sounds.corpus.segments import MelTracks, Segments, consecutive
from milonga.sounds.folder import CHECKPOINT
from milonga.sounds.model.architecture import Architecture
from milonga.sounds.model.network import SoundNet
from milonga.sounds.model.training_record import followed
from milonga.sounds.training import checkpoint
from milonga.sounds.training.evaluation import Evaluation, latent_track
from milonga.sounds.training.linear_code import fit_code, fit_prediction
from milonga.sounds.training.losses import Objective, carriers
from milonga.sounds.training.result import StartModel
from milonga.sounds.training.settings import TrainSettings

Preview = Callable[[NDArray[np.float32], int], None]
_SCORE_ASKED = 0.15
"""Weight of a spread of control error beside the likeness relative to a constant prediction."""

_WARM = 0.05
"""Share of the budget over which all terms of the loss but the likeness are faded in."""

_SETTLE = 0.6
"""Share of the budget after which the encoder stays as it is."""
_FIT_BATCHES, _FIT_LEAST, _FIT_FIRST = 40, 4, 1 << 41


class Trainer:
    """The state of one training."""

    def __init__(
        self,
        store: MelTracks,
        folder: Path,
        settings: TrainSettings,
        progress: Progress,
        start: StartModel | None = None,
    ) -> None:
        self.store, self.folder = store, folder
        self.settings, self.progress = settings, progress
        self.device = pick_device(settings.device)
        self.tracks = store.tracks("train")
        self.segments = Segments(self.tracks, settings.frames, settings.seed)
        real = [track for track in self.tracks if not track.augmented] or self.tracks
        self.real = real
        held_out = store.tracks("validation")
        self.held_out = held_out or real
        self.evaluation = Evaluation(self.held_out, store.spec, self.device)
        self.controls = control_statistics(self.tracks, store.spec)
        self._build(start)
        self.step, self.seconds, self.best_step, self.best_score = 0, 0.0, 0, math.inf
        self.stopped_early = self.settled = False
        self.history: list[dict[str, float]] = []
        self.loss = 0.0  # how far the last step's batch was from its recordings
        self.best = {name: value.clone() for name, value in self.average.items()}
        self._resume()

    def _build(self, start: StartModel | None) -> None:
        settings, store = self.settings, self.store
        self.shape = settings.network
        if start is not None:
            self.shape = Architecture.from_dict(start.architecture)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            net = SoundNet(self.shape, self.store.spec)
        if start is not None:
            names = net.state_dict()
            net.load_state_dict({name: start.tensors[name] for name in names})
        else:
            mean, std = network_scale(self.controls)
            net.mel_mean.copy_(torch.as_tensor(np.asarray(store.mean, np.float32)))
            net.mel_std.copy_(torch.as_tensor(np.asarray(store.std, np.float32)))
            net.control_mean.copy_(torch.as_tensor(mean))
            net.control_std.copy_(torch.as_tensor(std))
        self.net = net.to(self.device)
        scale = net.control_mean.double().cpu().numpy(), net.control_std.double().cpu().numpy()
        self.reach = Reach.of(self.controls, *scale, self.device)
        self.descriptors = Descriptors(store.spec)
        if start is None and not (self.folder / CHECKPOINT).exists():
            fit_code(self.net, self.descriptors, self._varied())
            fit_prediction(self.net, self.descriptors, self._varied())
        self.objective = Objective(self.net, self.descriptors, self.reach, settings.weights)
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
        )
        self.average = {name: value.clone() for name, value in self.net.state_dict().items()}

    @property
    def total_steps(self) -> int | None:
        """The budget in steps, None where the clock is the budget."""
        settings = self.settings
        if settings.steps is not None:
            return settings.steps
        if settings.epochs is None:
            return None
        frames = sum(int(track.mel.shape[1]) for track in self.real)
        steps = math.ceil(frames / (settings.batch * settings.frames))
        return settings.epochs * max(20, steps)

    def fraction(self) -> float:
        """The share of the budget that is used."""
        steps = self.total_steps
        if steps is not None:
            return self.step / max(steps, 1)
        return self.seconds / max(self.settings.minutes * 60.0, 1e-9)

    def loop(self, preview: Preview | None) -> None:
        """Train until the budget is used or nothing gets better."""
        steps = self.total_steps
        budget = float(steps) if steps is not None else self.settings.minutes * 60.0
        saved = shown = time.monotonic()
        with self.progress.task("Training", budget, "s" if steps is None else "steps") as task:
            task.advance(self.step if steps is not None else min(self.seconds, budget))
            try:
                while self.fraction() < 1.0 and not self.stopped_early:
                    begun = time.monotonic()
                    self._one_step()
                    if self.step % self.settings.evaluate_every == 0:
                        self._validate()
                    now = time.monotonic()
                    self.seconds += now - begun
                    if now - saved >= self.settings.checkpoint_s:
                        self.save()
                        saved = now
                    if preview is not None and now - shown >= self.settings.preview_s:
                        preview(self._example(), self.step)
                        shown = now
                    self._count(task, steps, budget)
            finally:
                self.save()
        if not self.history or self.history[-1]["step"] != self.step:
            self._validate()
            self.save()

    def _count(self, task: Task, steps: int | None, budget: float) -> None:
        done = float(self.step) if steps is not None else min(self.seconds, budget)
        task.advance(done - task.done)

    def _one_step(self) -> None:
        settings = self.settings
        mel = torch.from_numpy(self.segments.batch(self.step, settings.batch)).to(self.device)
        draw = torch.Generator().manual_seed(_step_seed(settings.seed, self.step))
        fraction = self.fraction()
        if fraction >= _SETTLE and not self.settled:
            self._settle()
        self._set_rate(fraction)
        total, terms = self.objective(mel, draw, min(1.0, fraction / _WARM))
        if not bool(torch.isfinite(total)):
            raise SoundError(
                f"The training left the range of numbers at step {self.step}.",
                step="Train again with a lower learning rate.",
            )
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        decay = min(0.995, (1.0 + self.step) / (10.0 + self.step))
        with torch.no_grad():
            for name, value in self.net.state_dict().items():
                self.average[name].lerp_(value, 1.0 - decay)
        self.loss = float(terms["likeness"])

    def _settle(self) -> None:
        """End the encoder's learning, and take the controls out of its latent: what they tell
        of it can only be said of an encoder that doesn't change any more."""
        self.net.load_state_dict(self.average)
        fit_prediction(self.net, self.descriptors, self._varied())
        self.average = {name: value.clone() for name, value in self.net.state_dict().items()}
        self.net.encoder.requires_grad_(False)
        self.settled, self.best_score, self.best_step = True, math.inf, self.step

    def _varied(self) -> Iterator[Tensor]:
        """Varied segments, where descriptors say little of which recording it was."""
        # A trial of a few steps shouldn't wait longer for its code than for its training.
        steps = self.total_steps
        count = _FIT_BATCHES if steps is None else min(_FIT_BATCHES, max(_FIT_LEAST, steps))
        for index in range(count):
            yield torch.from_numpy(self.segments.batch(_FIT_FIRST + index, 8)).to(self.device)

    def _set_rate(self, fraction: float) -> None:
        warm = min(1.0, (self.step + 1) / 50)
        rate = self.settings.learning_rate * warm * (0.02 + 0.98 * (1.0 - min(fraction, 1.0)))
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    def averaged(self, weights: Mapping[str, Tensor] | None = None) -> SoundNet:
        """The network with its averaged weights, for use."""
        net = SoundNet(self.shape, self.store.spec).to(self.device)
        net.load_state_dict(dict(weights or self.average))
        return net.eval()

    def _validate(self) -> None:
        found = self.evaluation(self.averaged(), self.reach)
        score = found["likeness"] / self.evaluation.constant + _SCORE_ASKED * found["asked"]
        self.history.append({"step": self.step, **found, "training": self.loss})
        if score < self.best_score:
            self.best_score, self.best_step = score, self.step
            self.best = {name: value.clone() for name, value in self.average.items()}
        waited = (self.step - self.best_step) / self.settings.evaluate_every
        if waited >= self.settings.patience:
            # The encoder had learnt all it could: on with the decoder, then to the end.
            self.stopped_early = self.settled
            if not self.settled:
                self._settle()
        share = found["likeness"] / self.evaluation.constant
        self.progress.message(
            f"step {self.step}: recordings are followed to {followed(share)}, "
            f"controls are {found['asked']:.2f} spreads off"
        )

    @torch.no_grad()
    def _example(self) -> NDArray[np.float32]:
        net = self.averaged()
        values = next(consecutive(self.held_out, 344, 1))
        mel = torch.from_numpy(values).to(self.device)
        latent, own = latent_track(net, self.descriptors, mel)
        draw = torch.Generator().manual_seed(0)
        drive = carriers(1, mel.shape[2], self.store.spec.frame_rate, draw).to(self.device)
        made: NDArray[np.float32] = net.bounded(net.decode(latent, own, drive)).cpu().numpy()
        return made

    def _signature(self) -> str:
        """A hash of the data: the same recordings give the same."""
        digest = hashlib.sha256()
        for track in [*self.tracks, *self.held_out]:
            digest.update(f"{track.file} {track.augmented} {track.mel.shape}".encode())
        digest.update(np.asarray(self.store.mean, np.float32).tobytes())
        return digest.hexdigest()

    def save(self) -> None:
        """Write the checkpoint."""
        tensors = {f"net.{name}": value for name, value in self.net.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        for index, entry in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": value for name, value in entry.items()}
        state = {
            "settings": self.settings.fixed(),
            "architecture": self.shape.to_dict(),
            "data": self._signature(),
            "step": self.step,
            "seconds": self.seconds,
            "best_step": self.best_step,
            "best_score": None if math.isinf(self.best_score) else self.best_score,
            "stopped_early": self.stopped_early,
            "settled": self.settled,
            "history": self.history,
            "loss": self.loss,
        }
        checkpoint.save(self.folder, state, tensors)

    def _resume(self) -> None:
        found = checkpoint.load(self.folder)
        if found is None:
            return
        state, tensors = found
        if state["settings"] != self.settings.fixed() or state["data"] != self._signature():
            raise SoundError(
                "An unfinished training with other settings or recordings is here.",
                where=self.folder / CHECKPOINT,
                step="Go on with the same ones, or remove this file to begin anew.",
            )

        def part(prefix: str) -> dict[str, Tensor]:
            cut = len(prefix) + 1
            return {n[cut:]: t for n, t in tensors.items() if n.startswith(prefix + ".")}

        self.net.load_state_dict(part("net"))
        self.average = {name: value.to(self.device) for name, value in part("average").items()}
        self.best = {name: value.to(self.device) for name, value in part("best").items()}
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in part("optimiser").items():
            index, key = name.split(".", 1)
            moments.setdefault(int(index), {})[key] = value
        whole = self.optimiser.state_dict()
        self.optimiser.load_state_dict({**whole, "state": moments})
        self.step, self.seconds = int(state["step"]), float(state["seconds"])
        self.best_step, score = int(state["best_step"]), state["best_score"]
        self.best_score = math.inf if score is None else float(score)
        self.stopped_early, self.settled = bool(state["stopped_early"]), bool(state["settled"])
        self.net.encoder.requires_grad_(not self.settled)
        self.history, self.loss = list(state["history"]), float(state.get("loss", 0.0))


def _step_seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, 2, step]).generate_state(1, np.uint64)[0] >> 1)
