"""A sound model's decoder as ONNX: latent, controls and carriers in, mel out."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from milonga.errors import SoundError, needs_extra
from milonga.runtime.files import atomic_path
from milonga.sounds.controls.descriptors import NAMES
from milonga.sounds.model.architecture import FACTOR
from milonga.sounds.model.header import ModelHeader
from milonga.sounds.model.network import BEATS, NOISES, SoundNet
from milonga.sounds.model.player import SoundPlayer

INPUTS = ("latent", "controls", "carriers")
TOLERANCE = 1e-4
"""Largest difference from torch, in nats of the log-mel."""
SHORTEST = 32
"""Vectors: what the graph was traced for; a shorter track is measured otherwise in torch."""
_OPSET = 18
_CHECKED = (SHORTEST, 75)


class _Decoder(nn.Module):
    def __init__(self, net: SoundNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, latent: Tensor, controls: Tensor, carriers: Tensor) -> Tensor:
        return self.net.bounded(self.net.decode(latent, controls, carriers))


def export_onnx(player: SoundPlayer, path: Path) -> float:
    """Write the decoder of a sound model, and compare it with torch.

    Args:
        player: of the model.
        path: of the file.

    Returns:
        The largest difference that onnxruntime's mels have from torch's, in nats.

    Raises:
        MissingExtraError: onnx or onnxruntime isn't installed.
        SoundError: the difference is larger than ``TOLERANCE``; nothing was written.
    """
    with needs_extra("Writing ONNX", "onnx"):
        import onnx  # noqa: F401
        import onnxruntime
    decoder = _Decoder(player.net).eval()
    axes = {"latent": {2: "vectors"}, **{name: {2: "frames"} for name in (*INPUTS[1:], "mel")}}
    with atomic_path(path) as part:
        with warnings.catch_warnings(), torch.no_grad():
            # Of its own tracing: the lengths that it fixes are said in the facts beside the file.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                decoder, _inputs(player.net, SHORTEST + 8, 0), str(part), dynamo=False,
                input_names=list(INPUTS), output_names=["mel"], dynamic_axes=axes,
                opset_version=_OPSET,
            )  # fmt: skip
        session = onnxruntime.InferenceSession(str(part), providers=["CPUExecutionProvider"])
        largest = 0.0
        for seed, vectors in enumerate(_CHECKED, 1):
            given = _inputs(player.net, vectors, seed)
            with torch.no_grad():
                wanted = decoder(*given).numpy()
            feed = {name: track.numpy() for name, track in zip(INPUTS, given, strict=True)}
            found = session.run(None, feed)[0]
            largest = max(largest, float(np.abs(found - wanted).max()))
        if not largest <= TOLERANCE:
            raise SoundError(
                f"ONNX gives another mel than torch: {largest:.1e} nats apart.",
                where=path,
                step="Use the versions of onnx and onnxruntime in constraints.txt.",
            )
    return largest


def onnx_facts(player: SoundPlayer, header: ModelHeader, difference: float) -> dict[str, Any]:
    """Return what a program must know to feed the graph and to hear what comes out."""
    net, spec = player.net, player.spec
    return {
        "kind": "milonga-sound-onnx",
        "format_version": 1,
        "model": header.name,
        "licence": header.licence,
        "opset": _OPSET,
        "inputs": {
            "latent": [1, net.shape.latent, "vectors"],
            "controls": [1, len(NAMES), "frames"],
            "carriers": [1, NOISES + BEATS, "frames"],
        },
        "output": {"mel": [1, net.shape.bands, "frames"]},
        "frames_of_a_vector": FACTOR,
        "fewest_vectors": SHORTEST,
        "controls": [
            {
                "name": name,
                "unit": player.controls[name].unit,
                "enabled": player.controls[name].enabled,
                "mean": float(net.control_mean[index]),
                "std": float(net.control_std[index]),
            }
            for index, name in enumerate(NAMES)
        ],
        "carriers": [*("noise of variance 1",) * NOISES, "sine of the beat", "cosine of the beat"],
        "mel": spec.to_dict(),
        "difference_from_torch": difference,
        "explanation": "Controls are (value - mean) / std, one a frame. Latents are those that the "
        "model's file keeps (atlas.latents), one for frames_of_a_vector frames. The mel is in "
        "nats, as a vocoder of the spec under mel takes it.",
    }


def _inputs(net: SoundNet, vectors: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    frames = vectors * FACTOR

    def track(rows: int, length: int) -> Tensor:
        return torch.randn(1, rows, length, generator=draw)

    return (
        track(net.shape.latent, vectors), track(len(NAMES), frames), track(NOISES + BEATS, frames),
    )  # fmt: skip
