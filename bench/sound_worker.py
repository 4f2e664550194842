"""Processes of the sound models' benchmark: ``python -m bench.sound_worker WHAT ...``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from milonga.analysis.sets import frechet_distance
from milonga.runtime.progress import Progress
from milonga.sounds.controls.descriptors import describe, sounding
from milonga.sounds.controls.report import ControlReport
from milonga.sounds.corpus.mel_store import MelStore
from milonga.sounds.mel_spec import MEL_SPEC as SPEC
from milonga.sounds.model.player import SoundPlayer
from milonga.sounds.model.resolved_play import ResolvedPlay
from milonga.sounds.training.effects import measure_effects
from milonga.vocoders import get_vocoder

MFCCS = 20


def train_model(store: Path, folder: Path, minutes: float) -> None:
    """Trains; writes ``model.json`` and ``model.safetensors``."""
    from safetensors.torch import save_file

    from milonga.sounds.training.settings import TrainSettings
    from milonga.sounds.training.train import train

    model = train(MelStore.open(store), folder, TrainSettings(minutes=minutes), Progress())
    header = {
        "architecture": model.architecture,
        "controls": {name: about.model_dump() for name, about in model.controls.items()},
        "mel_spec": SPEC.to_dict(),
        "training": model.record.to_dict(),
    }
    save_file(model.tensors, folder / "model.safetensors")
    (folder / "model.json").write_text(json.dumps(header))


def train_other(store: Path, folder: Path, minutes: float) -> None:
    """Trains the baseline; writes ``baseline.json``."""
    import torch

    from bench.sound_baseline import train_baseline

    torch.set_num_threads(1)
    found = train_baseline(MelStore.open(store), minutes)
    (folder / "baseline.json").write_text(json.dumps(found))


def load(folder: Path) -> tuple[dict[str, Any], SoundPlayer]:
    """Header and player of a trained model."""
    from safetensors.torch import load_file

    header = json.loads((folder / "model.json").read_text())
    controls = {name: ControlReport(**about) for name, about in header["controls"].items()}
    tensors = load_file(folder / "model.safetensors")
    return header, SoundPlayer(header["architecture"], controls, tensors)


def play(folder: Path, store: Path, other: Path, seeds: int, seconds: float) -> None:
    """Everything that is measured on what a model plays; writes ``played.json``."""
    import torch

    torch.set_num_threads(1)
    _, player = load(folder)
    vocoder = get_vocoder("griffin-lim", device="cpu")

    def heard(request: ResolvedPlay) -> np.ndarray:
        return SPEC.analyse(player.clip(request, vocoder))

    swept = measure_effects(
        player, player.controls, seeds=range(seeds), seconds=seconds, through=heard
    )
    walk = player.mel(ResolvedPlay(seconds=120.0, seed=100))
    sounded = SPEC.analyse(player.clip(ResolvedPlay(seconds=120.0, seed=100), vocoder))
    own, foreign = (_frames(MelStore.open(path)) for path in (store, other))
    (folder / "played.json").write_text(
        json.dumps(
            {
                "effects": {
                    name: about.effect.model_dump() for name, about in swept.items() if about.effect
                },
                "copies": copies(player, walk[0], MelStore.open(store)),
                "to_own": frechet(_mfcc(sounded[0]), _mfcc(own)),
                "to_other": frechet(_mfcc(sounded[0]), _mfcc(foreign)),
                "halves": frechet(*_halves(own)),
                "extremes": extremes(player, vocoder),
            }
        )
    )


def _frames(store: MelStore) -> np.ndarray:
    """All unaugmented training frames ``[128, T]`` that sound."""
    mels = [track.mel for track in store.tracks("train") if not track.augmented]
    kept = [np.asarray(mel, np.float32)[:, sounding(np.asarray(mel[None], np.float32))[0]]
            for mel in mels]  # fmt: skip
    return np.concatenate(kept, axis=1)


def _mfcc(mel: np.ndarray) -> np.ndarray:
    """``[20, T]``: cosine transform of the log mel, orthonormal."""
    import scipy.fft

    return scipy.fft.dct(mel.astype(np.float64), axis=0, norm="ortho")[:MFCCS]


def _halves(mel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """MFCCs of every other second: how far a corpus is from itself."""
    second = np.arange(mel.shape[1]) // 86 % 2
    return _mfcc(mel[:, second == 0]), _mfcc(mel[:, second == 1])


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Frechet distance of two Gaussians fitted to ``[20, T]``; needs hundreds of frames."""
    if min(a.shape[1], b.shape[1]) < 50 * MFCCS:
        raise RuntimeError(f"{a.shape[1]} and {b.shape[1]} frames are too few")
    return frechet_distance(a.T, b.T)


def copies(player: SoundPlayer, walk: np.ndarray, store: MelStore) -> dict[str, float]:
    """Distances of seconds: mean absolute difference of log mels averaged over eight frames.

    ``walk``: from each second of the walk to the nearest training second, at any eighth frame.
    ``within``: from training seconds to the nearest one of another recording. ``copy``: from
    training seconds to the model's own reconstruction of them, which is what a copy would be at.
    """
    mels = [np.asarray(track.mel, np.float32) for track in store.tracks("train")
            if not track.augmented]  # fmt: skip
    table = [_windows(mel, 1) for mel in mels]
    steady = np.concatenate(table)
    owner = np.concatenate([np.full(len(part), index) for index, part in enumerate(table)])
    played = _windows(walk, 10)
    nearest = np.array([np.abs(steady - one).mean((1, 2)).min() for one in played])
    within, again = [], []
    for index, mel in enumerate(mels):
        for one in _windows(mel, 10):
            others = steady[owner != index]
            within.append(np.abs(others - one).mean((1, 2)).min())
        if mel.shape[1] >= 88:
            made = player.mel(ResolvedPlay(start=mel[None]))[0]
            pairs = zip(_windows(mel, 10), _windows(made[:, : mel.shape[1]], 10), strict=False)
            again += [np.abs(a - b).mean() for a, b in pairs]
    return {
        "walk_least": float(nearest.min()),
        "walk_median": float(np.median(nearest)),
        "within_median": float(np.median(within)),
        "within_low": float(np.percentile(within, 5)),
        "copy_median": float(np.median(again)),
        "share_at_copy": float(np.mean(nearest < np.median(again))),
    }


def _windows(mel: np.ndarray, step: int) -> np.ndarray:
    """Seconds ``[n, 128, 11]`` of a mel averaged over eight frames."""
    vectors = mel.shape[1] // 8
    pooled = mel[:, : vectors * 8].reshape(mel.shape[0], vectors, 8).mean(2)
    starts = range(0, vectors - 10, step)
    return np.array([pooled[:, at : at + 11] for at in starts]).reshape(-1, mel.shape[0], 11)


def extremes(player: SoundPlayer, vocoder: Any) -> dict[str, float]:
    """Loudest peak and softest RMS of clips with every control at an end of its range."""
    draw = np.random.default_rng(0)
    peaks, levels = [], []
    for index in range(10):
        signs = np.full(7, [-1, 1][index]) if index < 2 else draw.choice([-1, 1], 7)
        settings = {
            name: 4.0 * float(sign) for name, sign in zip(player.enabled, signs, strict=False)
        }
        clip = player.clip(ResolvedPlay(seconds=3.0, seed=index, controls=settings), vocoder)
        if not np.isfinite(clip.samples).all():
            raise RuntimeError("a sample isn't finite")
        peaks.append(clip.peak)
        levels.append(20 * np.log10(np.sqrt((clip.samples**2).mean()) + 1e-12))
    return {"peak": float(max(peaks)), "softest_db": float(min(levels))}


def spread_of(store: Path) -> np.ndarray:
    """Standard deviations of the descriptors over a corpus, ``[7]``."""
    return describe(_frames(MelStore.open(store))[None], SPEC)[0].std(axis=1)


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "model":
        train_model(Path(rest[0]), Path(rest[1]), float(rest[2]))
    elif what == "baseline":
        train_other(Path(rest[0]), Path(rest[1]), float(rest[2]))
    else:
        play(Path(rest[0]), Path(rest[1]), Path(rest[2]), int(rest[3]), float(rest[4]))
