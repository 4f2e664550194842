"""Blends of two models trained on unlike recordings: does 50:50 lie between them?"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.sets import frechet_distance

SAMPLES = Path("/usr/share/sonic-pi/samples")
CORPORA = {
    "drums": (
        "drum_cymbal_open drum_roll drum_snare_hard drum_splash_hard drum_tom_lo_hard loop_amen "
        "loop_breakbeat loop_perc1 loop_tabla perc_impact1"
    ),
    "tones": (
        "ambi_choir ambi_drone ambi_glass_hum ambi_haunted_hum ambi_lunar_land ambi_piano "
        "ambi_soft_buzz bass_voxy_c guit_em9 guit_harmonics"
    ),
}
SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
SECONDS = 6.0
MFCCS = 13


@dataclass(frozen=True)
class _Played:
    """All seeds of one share: descriptors and MFCCs, each ``[values, frames]``."""

    descriptors: NDArray[np.float64]
    mfcc: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        return np.asarray(self.descriptors.mean(axis=1))


def run(quick: bool = False) -> str:
    from milonga.sounds import Library, TrainSettings, train_into_library

    if not SAMPLES.is_dir():
        raise RuntimeError(f"{SAMPLES} isn't there: apt-get install sonic-pi-samples")
    training_s, seeds = (10.0, 3) if quick else (90.0, 8)
    with tempfile.TemporaryDirectory(prefix="milonga-bench-") as scratch:
        library = Library(Path(scratch) / "library")
        for name, files in CORPORA.items():
            folder = Path(scratch) / name
            folder.mkdir()
            for file in files.split():
                shutil.copy(SAMPLES / f"{file}.flac", folder)
            settings = TrainSettings(minutes=training_s / 60, size="small")
            train_into_library(folder, name, settings=settings, library=library)
        played = {share: _play(library, share, range(seeds)) for share in SHARES}
        again = _play(library, 1.0, range(1000, 1000 + seeds))
        same = _is_the_model(library)
    return _section(played, again, same, training_s, seeds)


def _play(library: object, share: float, seeds: range) -> _Played:
    import librosa

    from milonga.sounds.controls.descriptors import describe, sounding
    from milonga.sounds.instrument.blend import Blend
    from milonga.sounds.library.library import Library
    from milonga.sounds.model.play_settings import PlaySettings

    assert isinstance(library, Library)
    drums, tones = CORPORA
    blend = Blend.open([(drums, share), (tones, 1 - share)], vocoder="griffin-lim", library=library)
    spec = blend.parts[0].player.spec
    found: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = ([], [])
    for seed in seeds:
        clip = blend.play(blend.resolve(PlaySettings(seconds=SECONDS, seed=seed)))
        mel = spec.analyse(clip)
        keep = sounding(mel)[0]
        found[0].append(describe(mel, spec)[0][:, keep].astype(np.float64))
        mfcc = librosa.feature.mfcc(y=clip.mono, sr=clip.sample_rate, n_mfcc=MFCCS)
        found[1].append(mfcc.astype(np.float64))
    return _Played(np.concatenate(found[0], axis=1), np.concatenate(found[1], axis=1))


def _is_the_model(library: object) -> bool:
    from milonga.sounds.instrument.blend import Blend
    from milonga.sounds.instrument.instrument import Instrument
    from milonga.sounds.library.library import Library
    from milonga.sounds.model.play_settings import PlaySettings

    assert isinstance(library, Library)
    settings = PlaySettings(seconds=SECONDS, seed=1)
    drums, tones = CORPORA
    blend = Blend.open([(drums, 1.0), (tones, 0.0)], vocoder="griffin-lim", library=library)
    alone = Instrument.open(drums, vocoder="griffin-lim", library=library)
    one = alone.play(settings.resolve(alone.player))
    return np.array_equal(blend.play(blend.resolve(settings)).samples, one.samples)


def frechet(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Fréchet distance, not squared, of two sets of vectors ``[values, frames]``."""
    return float(np.sqrt(max(0.0, frechet_distance(one.T, other.T))))


def _section(
    played: dict[float, _Played], again: _Played, same: bool, training_s: float, seeds: int
) -> str:
    from milonga.sounds.controls.descriptors import CONTROLS

    drums, half, tones = played[1.0], played[0.5], played[0.0]
    unit = np.array([control.least_spread for control in CONTROLS])

    def apart(one: _Played, other: _Played) -> float:
        return float(np.linalg.norm((one.mean - other.mean) / unit))

    heads = [f"{100 * share:.0f}:{100 - 100 * share:.0f}" for share in SHARES]
    lines = [
        "## Blends of two unlike sound models",
        "",
        f"| drums:tones | {' | '.join(heads)} | 50:50 lies between |",
        f"| --- |{' ---: |' * len(SHARES)} --- |",
    ]
    for index, control in enumerate(CONTROLS):
        values = [played[share].mean[index] for share in SHARES]
        low, high = sorted((values[0], values[-1]))
        middle = values[SHARES.index(0.5)]
        between = "yes" if low <= middle <= high else "no"
        if high - low < control.least_spread:
            between += ", but the ends hardly differ"
        cells = " | ".join(f"{value:.2f}" for value in values)
        lines.append(f"| {control.name}, {control.unit} | {cells} | {between} |")
    rows = {
        "all seven, to drums": [apart(played[share], drums) for share in SHARES],
        "all seven, to tones": [apart(played[share], tones) for share in SHARES],
        "Fréchet distance to drums": [frechet(played[s].mfcc, drums.mfcc) for s in SHARES],
        "Fréchet distance to tones": [frechet(played[s].mfcc, tones.mfcc) for s in SHARES],
    }
    for label, row in rows.items():
        whole = max(row[0], row[-1])
        nearer = "yes" if row[SHARES.index(0.5)] < whole else "no"
        lines.append(f"| {label} | {' | '.join(f'{value:.1f}' for value in row)} | {nearer} |")
    total = frechet(drums.mfcc, half.mfcc) + frechet(half.mfcc, tones.mfcc)
    direct = frechet(drums.mfcc, tones.mfcc)
    lines += [
        "",
        f"100:0 is the model `drums` {'bit for bit' if same else 'NOT bit for bit'}. The way from "
        f"drums to tones over 50:50 is {total / direct:.2f} times the straight one (Fréchet); "
        f"drums with other seeds are {frechet(drums.mfcc, again.mfcc):.1f} away from themselves.",
        "",
        f"Two small models, {training_s:.0f} s of training each, on ten drum sounds and loops "
        "and on ten ambient and tonal ones of sonic-pi-samples; "
        f"{seeds} seeds of {SECONDS:g} s for every share, griffin-lim, measured on the sound. "
        "Descriptors: means over sounding frames; all seven together: the distance in steps that "
        f"a listener just notices. Fréchet: between Gaussians of {MFCCS} MFCCs; distances at an "
        "end of the row are those between the models.",
    ]
    return "\n".join(lines)
