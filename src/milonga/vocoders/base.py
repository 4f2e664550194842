"""The contract of vocoders: mel-spectrogram in, waveform out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from milonga.audio.mel.spec import MelSpec
from milonga.errors import VocoderError
from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float32]
Array = TypeVar("Array", "NDArray[np.float32]", "torch.Tensor")


class VocoderBase(ABC):
    """Turns log-mels of one convention into sound.

    NumPy arrays and torch tensors are both taken; the result is of the same kind (a tensor on
    the device of the input).
    """

    name: str
    default_chunk_frames: ClassVar[int] = 512

    @property
    @abstractmethod
    def mel_spec(self) -> MelSpec:
        """The convention of the mels that this vocoder takes."""

    @property
    @abstractmethod
    def device(self) -> str:
        """The device that it works on: "cpu", "cuda", "cuda:1", "mps"."""

    @property
    def sample_rate(self) -> int:
        """Samples per second of the waveforms."""
        return self.mel_spec.sample_rate

    def mel_to_waveform(self, mel: Array, *, progress: Progress | None = None) -> Array:
        """The sound of a mel.

        Args:
            mel: ``[B, n_mels, T]`` float32 log-mels.
            progress: is told of every chunk that is done.

        Returns:
            ``[B, 1, T * hop]``, within -1 and 1 for the neural vocoders.

        Raises:
            VocoderError: the mel has the wrong rank, band count or type, holds NaN or infinite
                values, or is plainly of another convention.
            Cancelled: the user stopped it.
        """
        values = self.check_mel(mel)
        out = np.empty((values.shape[0], 1, values.shape[2] * self.mel_spec.hop), np.float32)
        at = 0
        for chunk in self._chunks(values, self.default_chunk_frames, progress or Progress()):
            out[:, :, at : at + chunk.shape[2]] = chunk
            at += chunk.shape[2]
        return _like(out, mel)

    def stream(
        self,
        mel: Array,
        chunk_frames: int | None = None,
        *,
        progress: Progress | None = None,
    ) -> Iterator[Array]:
        """The sound of a mel in consecutive pieces, each as soon as it is done.

        Joined they are what ``mel_to_waveform`` returns.

        Args:
            mel: ``[B, n_mels, T]`` float32 log-mels.
            chunk_frames: mel frames a piece; the last one may be shorter.
            progress: is told of every chunk that is done.

        Raises:
            VocoderError: as ``mel_to_waveform``, or a chunk of less than one frame; before the
                first piece.
        """
        chunk_frames = self.default_chunk_frames if chunk_frames is None else chunk_frames
        if chunk_frames < 1:
            raise VocoderError(f"A chunk of {chunk_frames} frames is too short.")
        values = self.check_mel(mel)
        chunks = self._chunks(values, chunk_frames, progress or Progress())
        return (_like(chunk, mel) for chunk in chunks)

    @abstractmethod
    def _chunks(self, mel: Floats, chunk_frames: int, progress: Progress) -> Iterator[Floats]:
        """Consecutive waveforms ``[B, 1, frames * hop]`` of a checked mel; none for T = 0."""

    def check_mel(self, mel: Any) -> Floats:
        """The values of a mel as a NumPy array, refused by name where they can't be sound."""
        spec = self.mel_spec
        if not isinstance(mel, np.ndarray):
            mel = mel.detach().cpu().numpy() if hasattr(mel, "detach") else np.asarray(mel)
        if mel.ndim != 3 or mel.shape[1] != spec.n_mels:
            raise VocoderError(
                f"A mel of shape {tuple(mel.shape)} isn't [batch, {spec.n_mels} bands, frames].",
                step=f"The vocoder {self.name!r} takes mels of {spec.n_mels} bands; "
                "MelAdapter converts others.",
            )
        if mel.dtype != np.float32:
            raise VocoderError(f"The mel holds {mel.dtype}, not float32.")
        if not mel.size:
            return cast(Floats, mel)
        low, high = float(mel.min()), float(mel.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise VocoderError("The mel holds NaN or infinite values.")
        _check_convention(spec, low, high)
        return cast(Floats, np.ascontiguousarray(mel))


def _check_convention(spec: MelSpec, low: float, high: float) -> None:
    if spec.compression not in ("log", "log10"):
        if low < 0:
            raise VocoderError(
                f"The mel reaches down to {low:.3g}, but {spec.compression!r} mels are never "
                "negative: it is of another convention.",
                step="Convert it with MelAdapter.",
            )
        return
    floor = np.log(spec.floor) if spec.compression == "log" else np.log10(spec.floor)
    # A full-scale sine sums to n_fft / 2 in its band at most; e^6 beyond that is no sound.
    ceiling = float(np.log(spec.n_fft) * spec.power) + 6.0
    # No sound keeps every band, at every time, between 1 and e; a constant may.
    if 0.0 <= low <= high - 0.2 and high <= 1.0:
        raise VocoderError(
            f"The mel lies between {low:.3g} and {high:.3g}: it was scaled to lie between 0 and 1 "
            f"(or is no logarithm), and {spec.compression!r} mels reach from {floor:.3g} up.",
            step="Undo the scaling that made it, or convert it with MelAdapter.",
        )
    if low < floor * 2 or high > ceiling or low > ceiling / 2:
        raise VocoderError(
            f"The mel lies between {low:.3g} and {high:.3g}; {spec.compression!r} mels lie "
            f"between {floor:.3g} and some {ceiling - 6:.0f}: it is of another convention.",
            step="Convert it with MelAdapter.",
        )


def _like(values: Floats, mel: Array) -> Array:
    if isinstance(mel, np.ndarray):
        return values
    import torch

    return torch.from_numpy(values).to(mel.device)
