"""Sound models in milliseconds: random networks in the real format, untrained but audible."""

import numpy as np

from milonga.audio import Clip, write

RATE = 44_100
NAMES = ("ambient.wav", "drone ñ.wav", "hit.wav")


def small_model(name="tiny", *, seed=0, disabled=("tension",), shape=None, **changes):
    """A header and tensors, as ``model_file.save`` takes them; ``shape`` for other sizes."""
    import torch

    from milonga.sounds.controls.descriptors import CONTROLS
    from milonga.sounds.mel_spec import MEL_SPEC
    from milonga.sounds.model.architecture import Architecture
    from milonga.sounds.model.header import ModelHeader
    from milonga.sounds.model.network import SoundNet

    shape = shape or Architecture(latent=4, widths=(8,) * 4, blocks=(1,) * 4, hidden=8)
    latent = shape.latent
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = SoundNet(shape)
    net.mel_mean.fill_(-4.0)
    net.control_mean.copy_(torch.tensor([-25.0, 0.5, 0.0, -12.0, 0.5, -10.0, 2.0]))
    net.control_std.copy_(torch.tensor([3.0, 0.5, 4.0, 3.0, 0.1, 3.0, 1.0]))
    count = 60
    tensors = dict(net.state_dict())
    tensors["atlas.latents"] = torch.from_numpy(rng.standard_normal((count, latent))).half()
    tensors["atlas.controls"] = torch.from_numpy(rng.standard_normal((count, 7))).half()
    tensors["atlas.runs"] = torch.tensor([[0, 0, 30], [1, 30, 30]])
    tensors["axes.mean"] = torch.zeros(latent)
    tensors["axes.directions"] = torch.eye(latent)[:2].contiguous()
    tensors["axes.spread"] = torch.ones(2)
    controls = {}
    for index, control in enumerate(CONTROLS):
        mean, spread = float(net.control_mean[index]), float(net.control_std[index])
        enabled = control.name not in disabled
        controls[control.name] = {
            "term": control.term,
            "unit": control.unit,
            "mean": mean,
            "spread": spread,
            "low": mean - 3 * spread,
            "high": mean + 3 * spread,
            "enabled": enabled,
            "reason": None if enabled else f"The {control.term} hardly differs.",
        }
        if enabled:
            effect = {c.name: 0.1 for c in CONTROLS} | {control.name: 2.0}
            controls[control.name]["effect"] = {
                "spearman": {c.name: 0.2 for c in CONTROLS} | {control.name: 0.97},
                "moved": effect,
                "curve": [0.0] * 9,
            }
    files = [
        {"name": each, "seconds": 4.0, "sha256": f"{index:064x}"}
        for index, each in enumerate(NAMES)
    ]
    values = {
        "name": name,
        "created": "2026-01-02T03:04:05Z",
        "mel_spec": MEL_SPEC.to_dict(),
        "corpus": {
            "fingerprint": "0" * 64,
            "seconds": 12.0,
            "usable_seconds": 11.0,
            "files": files,
        },
        "architecture": {**shape.to_dict(), "atlas_vectors": count, "atlas_runs": 2, "axes": 2},
        "training": {"steps": 5, "seconds": 6.0, "error": 0.5, "error_of_constant": 1.0},
        "controls": controls,
        **changes,
    }
    return ModelHeader.model_validate(values), tensors


def steady_corpus(folder, files=4, seconds=3.0, seed=0):
    """Noises that differ in level alone: nearly all controls are disabled, which makes their
    measurement after a training quick."""
    for index in range(files):
        rng = np.random.default_rng((seed, index))
        samples = 0.02 * 1.6**index * rng.standard_normal(round(seconds * RATE))
        write(folder / f"noise {index}.wav", Clip(samples, RATE))
    return folder
