"""BigVGAN as a vocoder: device, engine, chunks."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch

from milonga.audio.mel.spec import MelSpec
from milonga.compute.convolutions.kernels.available import why_no_kernels
from milonga.errors import VocoderError
from milonga.runtime.devices import in_chunks, pick_device
from milonga.runtime.progress import Progress
from milonga.vocoders.base import Floats, VocoderBase
from milonga.vocoders.bigvgan.chunks import ChunkPlan, plan_chunk
from milonga.vocoders.bigvgan.generator import BigVGANGenerator
from milonga.vocoders.bigvgan.loading import load_generator
from milonga.weights import ensure_bigvgan_weights, ensure_weights

EngineName = Literal["auto", "fast", "torch"]

_SMALLEST_CHUNK = 16


class BigVGANEngine(Protocol):
    """Computes one chunk."""

    name: str

    def chunk(self, mel: Floats, plan: ChunkPlan) -> Floats:
        """Compute ``plan.output``, ``[B, 1, samples]``, from the frames ``plan.mel``."""


class TorchEngine:
    """The generator as torch runs it, on any device."""

    name = "torch"

    def __init__(self, generator: BigVGANGenerator, device: str) -> None:
        self.generator = generator.to(device)
        self.device = device

    def chunk(self, mel: Floats, plan: ChunkPlan) -> Floats:
        dtype = next(self.generator.parameters()).dtype
        with torch.inference_mode():
            values = torch.from_numpy(mel).to(self.device, dtype)
            out: Floats = self.generator.chunk(values, plan).float().cpu().numpy()
        return out


class BigVGAN(VocoderBase):
    """BigVGAN-v2 of any published size.

    Args:
        generator: with its weights, on the CPU.
        device: "auto", "cpu", "cuda", "mps".
        engine: "fast" (compiled kernels, CPU only), "torch", or "auto" for the first that
            works.
        half: compute in half precision on an accelerator.
        give_up: the generator is not used elsewhere; the engine may take its weights.

    Raises:
        DeviceError: the device isn't there.
        VocoderError: the engine doesn't work here.
    """

    name: str = "bigvgan"

    def __init__(
        self,
        generator: BigVGANGenerator,
        device: str = "auto",
        *,
        engine: EngineName = "auto",
        half: bool = False,
        give_up: bool = False,
    ) -> None:
        self._give_up = give_up
        self.config = generator.config
        self._device = pick_device(device)
        if half and self._device == "cpu":
            raise VocoderError(
                "Half precision works on an accelerator only.", step="Leave it out on a CPU."
            )
        self._generator = generator.half() if half else generator
        self._moving = threading.Lock()
        self._engine = self._make_engine(engine)

    def _make_engine(self, engine: EngineName) -> BigVGANEngine:
        reason = self._why_not_fast()
        if engine == "fast" and reason:
            raise VocoderError(
                f"The fast engine doesn't work here: {reason}.", step="Use the engine 'auto'."
            )
        if engine == "torch" or reason:
            return TorchEngine(self._generator, self._device)
        from milonga.vocoders.bigvgan.fast import FastEngine

        return FastEngine(self._generator, give_up=self._give_up)

    def _why_not_fast(self) -> str | None:
        if self._device != "cpu":
            return f"it runs on the CPU, not on {self._device}"
        reason = why_no_kernels()
        if reason is None:
            from milonga.vocoders.bigvgan.fast import fits

            reason = None if fits(self.config) else "no kernels for convolutions this long"
        return reason

    @property
    def mel_spec(self) -> MelSpec:
        return self.config.mel_spec

    @property
    def device(self) -> str:
        return self._device

    @property
    def engine(self) -> str:
        """The engine that computes: "fast" or "torch"."""
        return self._engine.name

    def _chunks(self, mel: Floats, chunk_frames: int, progress: Progress) -> Iterator[Floats]:
        frames = mel.shape[2]
        engine = self._engine

        def compute(start: int, stop: int) -> Floats:
            nonlocal engine
            engine = self._engine
            plan = plan_chunk(self.config, start, stop, frames)
            seen = np.ascontiguousarray(mel[:, :, plan.mel.start : plan.mel.stop])
            return engine.chunk(seen, plan)

        with progress.task("Vocoding", frames, "frames") as task:
            for start, stop, piece in in_chunks(
                frames, chunk_frames, _SMALLEST_CHUNK, compute, lambda: self._device,
                lambda: self._move(engine), progress,
            ):  # fmt: skip
                yield piece
                task.advance(stop - start)

    def _move(self, engine: BigVGANEngine) -> bool:
        """Go on on the processor after an engine that failed; False if that is done already.

        Safe with threads: another one that is still computing keeps the generator it began with,
        and of several that fail at once the first moves all of them.
        """
        with self._moving:
            if engine is not self._engine:
                return False
            self._generator = _on_cpu(self._generator)
            self._device = "cpu"
            self._engine = self._make_engine("auto")
            return True


def _on_cpu(generator: BigVGANGenerator) -> BigVGANGenerator:
    """Copy a generator to the CPU in single precision, tensor by tensor; it stays as it is."""
    tensors = [*generator.parameters(), *generator.buffers()]
    copied: dict[int, Any] = {
        id(tensor): torch.nn.Parameter(tensor.detach().float().cpu(), requires_grad=False)
        if isinstance(tensor, torch.nn.Parameter)
        else tensor.float().cpu()
        for tensor in tensors
    }
    # Of tensors in the memo deepcopy takes these, so nothing is allocated on the device.
    return copy.deepcopy(generator, copied)


def load_bigvgan(
    *,
    device: str = "auto",
    model: str | os.PathLike[str] | None = None,
    engine: EngineName = "auto",
    half: bool = False,
    progress: Progress | None = None,
) -> BigVGAN:
    """Load BigVGAN from a folder, a repository or a key of the catalogue; without ``model`` the
    44.1 kHz one with hop 512. What isn't on this machine is downloaded first.

    Raises:
        VocoderError: the files don't make a generator.
        WeightsError: they can't be had.
        DeviceError: the device isn't there.
    """
    generator = load_generator(_folder(model, progress))
    return BigVGAN(generator, device, engine=engine, half=half, give_up=True)


def _folder(model: str | os.PathLike[str] | None, progress: Progress | None) -> Path:
    if model is None:
        return ensure_bigvgan_weights(progress=progress)
    if Path(model).is_dir():
        return Path(model)
    return ensure_weights(os.fspath(model), like="bigvgan", progress=progress)
