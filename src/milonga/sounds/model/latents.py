"""The latent tracks of a corpus that a model keeps: where a walk may go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from milonga.audio.mel.spec import MelSpec
from milonga.errors import ModelFileError
from milonga.sounds.controls.descriptors import NAMES, Descriptors, sounding
from milonga.sounds.corpus.segments import MelTrack, padded
from milonga.sounds.model.architecture import FACTOR
from milonga.sounds.model.network import SoundNet, encoder_reach

Floats = NDArray[np.float32]

MOST_VECTORS = 20_000
"""Half an hour of latent track; a longer corpus is kept in excerpts."""
EXCERPT = 160
AXES = 8
"""Free axes at most: principal components of the latents."""
SLOW = 11
"""Vectors over which a latent is averaged to its slow part: a second."""
_CHUNK = 256


@dataclass(frozen=True, slots=True, eq=False)
class LatentTrack:
    """A latent track and the controls it was heard with.

    Attributes:
        latents: ``[n, latent]``.
        controls: ``[n, 7]``, normalised.
    """

    latents: Floats
    controls: Floats

    def __len__(self) -> int:
        return len(self.latents)


@torch.no_grad()
def encode_mel(net: SoundNet, mel: Floats, spec: MelSpec) -> LatentTrack:
    """Encode a mel ``[1, bands, T]`` in memory that doesn't grow with T."""
    descriptors = Descriptors(spec)
    margin = encoder_reach(net.shape) * FACTOR
    # Descriptors look over two windows, two seconds to either side.
    margin = max(margin, -(-round(2.3 * spec.frame_rate) // FACTOR) * FACTOR)
    mel = padded(mel, FACTOR)
    frames, step = mel.shape[2], _CHUNK * FACTOR
    latents, controls = [], []
    for at in range(0, frames, step):
        first, last = max(0, at - margin), min(frames, at + step + margin)
        piece = torch.from_numpy(np.ascontiguousarray(mel[:, :, first:last]))
        own = net.normal(descriptors(piece)).clamp(-8.0, 8.0)
        mean, _ = net.encode(piece, own)
        pooled = torch.nn.functional.avg_pool1d(own, FACTOR)
        keep = slice((at - first) // FACTOR, (min(frames, at + step) - first) // FACTOR)
        latents.append(mean[0].T[keep].numpy())
        controls.append(pooled[0].T[keep].numpy())
    return LatentTrack(np.concatenate(latents), np.concatenate(controls))


@dataclass(frozen=True, slots=True, eq=False)
class CorpusLatents:
    """Latent tracks of the corpus.

    Attributes:
        latents: ``[N, latent]``.
        controls: ``[N, 7]``, normalised.
        runs: ``[R, 3]`` integers: file in the corpus, first vector, vectors.
        axes_mean: ``[latent]``.
        axes: ``[K, latent]``, principal directions of the slow parts; a step of 1 along one moves
            the mel by as much as along any other.
        axes_spread: ``[K]``, standard deviations along them.
        weights: ``[latent]``, how much each dimension moves the mel.
    """

    latents: Floats
    controls: Floats
    runs: NDArray[np.int64]
    axes_mean: Floats
    axes: Floats
    axes_spread: Floats
    weights: Floats

    @classmethod
    def build(
        cls, net: SoundNet, tracks: Sequence[MelTrack], spec: MelSpec, seed: int
    ) -> CorpusLatents:
        """Encode the recordings as they are (no variations), within ``MOST_VECTORS``."""
        real = [track for track in tracks if not track.augmented] or list(tracks)
        draw = np.random.default_rng([seed, 3])
        total = sum(-(-track.mel.shape[1] // FACTOR) for track in real)
        share = min(1.0, MOST_VECTORS / total)
        latents, controls, runs, count = [], [], [], 0
        order = draw.permutation(len(real)) if share < 1.0 else np.arange(len(real))
        for index in order.tolist():
            track = real[index]
            frames = track.mel.shape[1]
            wanted = frames
            if share < 1.0:
                wanted = min(frames, max(EXCERPT * FACTOR, round(frames * share)))
            start = int(draw.integers(frames - wanted + 1))
            mel = np.asarray(track.mel[None, :, start : start + wanted], np.float32)
            found = encode_mel(net, mel, spec)
            for first, last in _sounding_runs(mel, len(found)):
                last = min(last, first + MOST_VECTORS - count)
                if last - first < 1:
                    continue
                latents.append(found.latents[first:last])
                controls.append(found.controls[first:last])
                runs.append((track.file, count, last - first))
                count += last - first
        kept = np.concatenate(latents).astype(np.float16).astype(np.float32)
        table = np.array(runs, np.int64)
        slow = _slow(kept, table)
        mean, weights = slow.mean(0), latent_weights(net.synthesis)
        _, values, directions = np.linalg.svd((slow - mean) * weights, full_matrices=False)
        axes = min(AXES, len(directions))
        return cls(
            kept,
            np.concatenate(controls).astype(np.float16).astype(np.float32),
            table,
            mean.astype(np.float32),
            (directions[:axes] / weights).astype(np.float32),
            (values[:axes] / np.sqrt(max(1, len(slow) - 1))).astype(np.float32),
            weights,
        )

    def to_dict(self) -> dict[str, int]:
        """The sizes, which go into the architecture."""
        return {
            "atlas_vectors": len(self.latents),
            "atlas_runs": len(self.runs),
            "axes": len(self.axes),
        }

    def tensors(self) -> dict[str, Tensor]:
        """The values by name."""
        values = {
            "atlas.latents": torch.from_numpy(self.latents).half(),
            "atlas.controls": torch.from_numpy(self.controls).half(),
            "atlas.runs": torch.from_numpy(self.runs),
            "axes.mean": torch.from_numpy(self.axes_mean),
            "axes.directions": torch.from_numpy(self.axes),
            "axes.spread": torch.from_numpy(self.axes_spread),
        }
        return {name: value.contiguous() for name, value in values.items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> CorpusLatents:
        """The inverse of ``tensors``.

        Raises:
            ModelFileError: one is missing, or they don't fit each other.
        """
        try:
            made = cls(
                tensors["atlas.latents"].float().numpy(),
                tensors["atlas.controls"].float().numpy(),
                tensors["atlas.runs"].long().numpy(),
                tensors["axes.mean"].float().numpy(),
                tensors["axes.directions"].float().numpy(),
                tensors["axes.spread"].float().numpy(),
                latent_weights(tensors["synthesis"]),
            )
        except KeyError as error:
            raise ModelFileError(f"The model has no tensor {error.args[0]!r}.") from None
        count, latent = made.latents.shape if made.latents.ndim == 2 else (0, 0)
        runs = made.runs
        sound = (
            count > 0
            and made.controls.shape == (count, len(NAMES))
            and runs.ndim == 2
            and runs.shape[1] == 3
            and len(runs) > 0
            and bool((runs[:, 0] >= 0).all() and (runs[:, 1] >= 0).all() and (runs[:, 2] > 0).all())
            and bool((runs[:, 1] + runs[:, 2] <= count).all())
            and made.axes_mean.shape == (latent,)
            and made.axes.shape == (len(made.axes_spread), latent)
        )
        if not sound:
            raise ModelFileError("The model's kept latents don't fit each other.")
        return made

    def of_file(self, file: int) -> LatentTrack | None:
        """The track of one file of the corpus, its runs one after the other."""
        rows = [np.arange(first, first + n) for f, first, n in self.runs.tolist() if f == file]
        if not rows:
            return None
        index = np.concatenate(rows)
        return LatentTrack(self.latents[index], self.controls[index])

    def slow(self) -> Floats:
        """``[N, latent]``: each vector averaged over a second of its run."""
        return _slow(self.latents, self.runs)


def latent_weights(synthesis: Tensor) -> Floats:
    """``[latent]``: how far a step of 1 moves the mel, root mean square, never 0."""
    power = synthesis.float().pow(2).mean(dim=(1, 2))
    return np.asarray(power.sqrt().clamp(min=1e-4).numpy(), np.float32)


def slow_part(values: Floats) -> Floats:
    """``[n, k]`` averaged over ``SLOW`` vectors, at the ends over those there are."""
    half = SLOW // 2
    sums = np.cumsum(np.pad(values.astype(np.float64), ((1, 0), (0, 0))), axis=0)
    at = np.arange(len(values))
    first, last = np.maximum(at - half, 0), np.minimum(at + half + 1, len(values))
    return np.asarray((sums[last] - sums[first]) / (last - first)[:, np.newaxis], np.float32)


def _slow(values: Floats, runs: NDArray[np.int64]) -> Floats:
    out = np.empty_like(values)
    for _, first, count in runs.tolist():
        out[first : first + count] = slow_part(values[first : first + count])
    return out


def _sounding_runs(mel: Floats, vectors: int) -> list[tuple[int, int]]:
    """Stretches of vectors without silences of more than a second: shorter ones are rhythm."""
    heard = sounding(padded(mel, FACTOR))[0].reshape(vectors, FACTOR).any(axis=1)
    edges = np.flatnonzero(np.diff(np.pad(heard.astype(int), 1))).reshape(-1, 2)
    runs: list[tuple[int, int]] = []
    for first, last in edges.tolist():
        if runs and first - runs[-1][1] <= SLOW:
            runs[-1] = (runs[-1][0], last)
        else:
            runs.append((first, last))
    # All is silence: it is kept as it is.
    return runs or [(0, vectors)]
