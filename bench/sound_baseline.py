"""The sound model's baseline: a plain variational autoencoder with one vector a second.

No linear code, no conditions, no walk: a second of mel in, a vector, a second of mel out. Size,
data, variations, optimiser, schedule and selection on the held-out error are the sound model's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from milonga.sounds.corpus.segments import MelTracks, Segments, consecutive

FRAMES = 88
"""A second, rounded up to a multiple of eight."""
LATENT = 64


class SecondVae(nn.Module):
    """Mel ``[B, 128, 88]`` to a vector of 64 and back; 3.6 million parameters."""

    def __init__(self, bands: int = 128, widths: Sequence[int] = (160, 224, 272, 304)) -> None:
        super().__init__()
        ends = (bands, *widths)
        self.down = nn.ModuleList(
            nn.Conv1d(a, b, 4, 2, 1) if i else nn.Conv1d(a, b, 3, 1, 1)
            for i, (a, b) in enumerate(zip(ends, widths, strict=False))
        )
        self.size = (widths[-1], FRAMES // 8)
        flat = self.size[0] * self.size[1]
        self.to_latent = nn.Linear(flat, 2 * LATENT)
        self.from_latent = nn.Linear(LATENT, flat)
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv1d(b, b, 3, 1, 1), nn.SiLU(), nn.Conv1d(b, b, 3, 1, 1))
            for b in widths[::-1]
        )
        self.narrow = nn.ModuleList(
            nn.Conv1d(b, a, 3, 1, 1) for a, b in zip(ends[::-1][1:], widths[::-1], strict=False)
        )

    def encode(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        x = mel
        for layer in self.down:
            x = functional.silu(layer(x))
        mean, spread = self.to_latent(x.flatten(1)).chunk(2, dim=1)
        return mean, spread.clamp(-10, 4)

    def decode(self, latent: Tensor) -> Tensor:
        x = self.from_latent(latent).view(-1, *self.size)
        for index, (block, narrow) in enumerate(zip(self.up, self.narrow, strict=True)):
            x = x + block(functional.silu(x))
            if index < 3:
                x = x.repeat_interleave(2, dim=2)
            x = narrow(functional.silu(x))
        return x


def train_baseline(store: MelTracks, minutes: float, seed: int = 0) -> dict[str, float]:
    """Trains for some minutes; held-out error in nats, of the best averaged weights."""
    torch.manual_seed(seed)
    net = SecondVae()
    mean = torch.from_numpy(np.asarray(store.mean, np.float32))[:, None]
    std = torch.from_numpy(np.asarray(store.std, np.float32))[:, None]
    optimiser = torch.optim.AdamW(net.parameters(), 1.5e-3, (0.9, 0.98), weight_decay=0.01)
    segments = Segments(store.tracks("train"), FRAMES, seed)
    held_out = list(consecutive(store.tracks("validation"), 512, 48))
    average = {name: value.clone() for name, value in net.state_dict().items()}
    best, step, begun, measuring = np.inf, 0, time.monotonic(), 0.0
    while (spent := time.monotonic() - begun - measuring) < 60 * minutes:
        share = spent / (60 * minutes)
        for group in optimiser.param_groups:
            group["lr"] = 1.5e-3 * min(1, (step + 1) / 50) * (0.02 + 0.98 * (1 - share))
        # Twenty-four seconds a step, as in the sound model's batch of eight times three.
        mel = (torch.from_numpy(segments.batch(step, 24)) - mean) / std
        centre, spread = net.encode(mel)
        made = net.decode(centre + torch.exp(0.5 * spread) * torch.randn_like(centre))
        nats = (0.5 * (centre**2 + spread.exp() - 1 - spread)).mean(0).clamp(min=0.1).sum()
        likeness = ((made - mel).abs() * std).mean() / std.mean()
        loss = likeness + min(1.0, share / 0.2) * 0.3 * nats / mel[0].numel()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        decay = min(0.995, (1.0 + step) / (10.0 + step))
        with torch.no_grad():
            for name, value in net.state_dict().items():
                average[name].lerp_(value, 1.0 - decay)
        if step % 100 == 0:
            paused = time.monotonic()
            best = min(best, _error(net, average, held_out, mean, std))
            measuring += time.monotonic() - paused
    best = min(best, _error(net, average, held_out, mean, std))
    return {
        "error": float(best),
        "steps": step,
        "parameters": sum(value.numel() for value in net.parameters()),
    }


@torch.no_grad()
def _error(
    net: SecondVae, weights: dict[str, Tensor], mels: list[np.ndarray], mean: Tensor, std: Tensor
) -> float:
    kept = {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(weights)
    total, frames = 0.0, 0
    for values in mels:
        mel = torch.from_numpy(values)
        count = mel.shape[2]
        whole = functional.pad(mel, (0, -count % FRAMES), mode="replicate")
        seconds = whole[0].reshape(mel.shape[1], -1, FRAMES).transpose(0, 1)
        made = net.decode(net.encode((seconds - mean) / std)[0]) * std + mean
        made = made.clamp(-11.512925, 3.0).transpose(0, 1).reshape(mel.shape[1], -1)[:, :count]
        total += float((made - mel[0]).abs().mean()) * count
        frames += count
    net.load_state_dict(kept)
    return total / frames
