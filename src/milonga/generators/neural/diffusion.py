"""What the engines of diffusion models share: settings, and the precision of their transformer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from milonga.compute.products.precision import Precision
from milonga.generators.neural.cancelling import cancellable
from milonga.generators.neural.parts import TakingTurns
from milonga.generators.neural.precision import LoadedPrecision, PrecisionChoice
from milonga.generators.neural.trials import Trial, recording
from milonga.runtime.progress import Progress, Task

if TYPE_CHECKING:
    import torch

PartsT = TypeVar("PartsT", bound=TakingTurns)


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a sampler.

    Attributes:
        steps: from noise to music; each model says how few it can do with.
        guidance: 1 for none.
        frames: of the latents.
    """

    steps: int
    guidance: float
    frames: int

    @property
    def guided(self) -> bool:
        return self.guidance > 1


class DiffusionEngine(Generic[PartsT]):
    """A diffusion model on this machine, loaded part by part.

    Args:
        parts: of the model.
        weights: folder of its transformer's files.
        wanted: precision of the transformer.
        key: from ``precision.key_of``.

    Attributes:
        parts: where they come from.
        engine: ``fast`` on a processor: its own layers.
        precision: of the transformer there.
        sampling_s: seconds that the steps of the last take took.
        decoding_s: seconds that its decoding took, once the decoder was loaded.
    """

    def __init__(self, parts: PartsT, weights: Path, wanted: PrecisionChoice, key: str) -> None:
        self.parts = parts
        self.sampling_s = self.decoding_s = 0.0
        self.engine = "fast" if parts.device == "cpu" else "torch"
        self.precision = LoadedPrecision(wanted, weights, key, parts.device)
        parts.precision = self.precision.chosen.precision

    @property
    def dtype(self) -> str:
        """Precision of the transformer."""
        if self.parts.device == "cpu":
            return self.precision.chosen.precision
        return str(self.parts.dtype).removeprefix("torch.")

    @property
    def notes(self) -> tuple[str, ...]:
        """What a receipt says of the precision."""
        return self.precision.notes

    @contextmanager
    def sampling(
        self,
        model: torch.nn.Module,
        title: str,
        steps: int,
        progress: Progress,
        also: tuple[type[torch.nn.Module], ...],
    ) -> Iterator[Task]:
        """Show the steps of a sampler within the block, stop it where the user wants, and take its
        time.

        Args:
            model: the transformer.
            title: of the work, for people.
            steps: how many there are.
            progress: shows them.
            also: kinds of modules that ask whether to stop; see ``cancellable``.

        Raises:
            Cancelled: the user stopped it.
        """
        begun = time.perf_counter()
        with (
            cancellable(model, progress, also),
            progress.task(f"{title}, {steps} steps", steps, "steps") as task,
        ):
            yield task
        self.sampling_s = time.perf_counter() - begun

    @contextmanager
    def decoding(
        self, model: torch.nn.Module, progress: Progress, kinds: tuple[type[torch.nn.Module], ...]
    ) -> Iterator[None]:
        """Stop a decoder within the block where the user wants, and take its time.

        Args:
            model: the decoder.
            progress: says whether to stop.
            kinds: of modules that ask for it; see ``cancellable``.

        Raises:
            Cancelled: the user stopped it.
        """
        begun = time.perf_counter()
        with cancellable(model, progress, kinds):
            yield
        self.decoding_s = time.perf_counter() - begun

    def settle(
        self,
        sample: Callable[[Any], torch.Tensor],
        decode: Callable[[torch.Tensor], NDArray[np.float32]],
        rate: int,
        progress: Progress,
    ) -> None:
        """Choose the precision by a short take in int8 and in the other one, if only that can tell.

        Args:
            sample: makes the latents of a short take with the transformer, always the same.
            decode: makes ``[channels, samples]`` of them.
            rate: of the samples.
            progress: shows the trial, and stops it.

        Raises:
            Cancelled: the user stopped it; the next render tries again.
        """
        if not self.precision.chosen.open:
            return

        def trial(precision: Precision, inputs: Sequence[Any] | None) -> Trial:
            import torch

            self.parts.precision = precision
            with self.parts.at_work("transformer") as model, torch.inference_mode():
                with recording(model) as steps:
                    latents = sample(model)
                found = [step.output for step in steps]
                if inputs is not None:
                    found = [model(*step.args, **step.kwargs)[0] for step in inputs]
            return Trial(steps, found, decode(latents), rate)

        try:
            self.precision.settle(trial, progress)
        finally:
            self.parts.precision = self.precision.chosen.precision
