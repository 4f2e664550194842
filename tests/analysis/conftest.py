"""Signals and recordings that the tests of the analysis share."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from milonga import audio
from milonga.audio import Clip

SAMPLES = Path("/usr/share/sonic-pi/samples")
MUSIC_ON_HOLD = Path("/usr/share/asterisk/moh")


@pytest.fixture(scope="session")
def recordings():
    """Paths of real recordings: one-shots, loops and pieces of music (Debian packages)."""
    found = sorted(SAMPLES.glob("*.flac")) + sorted(MUSIC_ON_HOLD.glob("*.wav"))
    assert len(found) >= 20, "install sonic-pi-samples and asterisk-moh-opsound-wav"
    return found


@pytest.fixture(scope="session")
def sample():
    """A recording of sonic-pi by its name."""
    return lambda name: audio.read(SAMPLES / f"{name}.flac")


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.fixture(scope="session")
def librosa_figures():
    """What a researcher gets from librosa 0.11 with its defaults, as float64 means."""

    def figures(clip: Clip):
        import librosa

        y, sr, f = clip.mono, clip.sample_rate, librosa.feature
        with warnings.catch_warnings():
            # Frames longer than the signal, empty mel bands, no peaks to tune by.
            warnings.simplefilter("ignore")
            tempo, _ = librosa.beat.beat_track(y=y, sr=sr)
            return {
                "tempo_bpm": float(np.atleast_1d(tempo)[0]),
                "spectral_centroid_hz": f.spectral_centroid(y=y, sr=sr).mean(),
                "spectral_bandwidth_hz": f.spectral_bandwidth(y=y, sr=sr).mean(),
                "spectral_rolloff_hz": f.spectral_rolloff(y=y, sr=sr).mean(),
                "mfcc_mean": f.mfcc(y=y, sr=sr, n_mfcc=13).mean(axis=1, dtype=float),
                "chroma_mean": f.chroma_stft(y=y, sr=sr).mean(axis=1, dtype=float),
                "zcr_mean": f.zero_crossing_rate(y).mean(),
                "rms_mean": f.rms(y=y).mean(dtype=float),
            }

    return figures


@pytest.fixture(scope="session")
def sequenced():
    """A synthesiser's song, every event on a sample: the exact repetition that music has.

    A short kick on each beat, hi-hats between, a bass and a chord that change with each bar of the
    progression, an arpeggio. At 120 BPM and 44.1 kHz all times are whole samples.
    """

    def song(tempo=120.0, seconds=16.0, rate=44_100, drums_only=False):
        beat = round(rate * 60 / tempo)
        length = round(seconds * rate)
        out = np.zeros(length + 4 * beat)
        noise = np.random.default_rng(5).standard_normal(beat // 4)
        t = np.arange(4 * beat) / rate
        kick = np.sin(2 * np.pi * (50 * t + 4 * (1 - np.exp(-40 * t)))) * np.exp(-30 * t)
        hat = noise * np.exp(-np.arange(len(noise)) / (0.012 * rate))
        roots = (45, 41, 48, 43)
        for index, at in enumerate(range(0, length, beat)):
            out[at : at + beat] += 0.5 * kick[:beat]
            out[at + beat // 2 : at + beat // 2 + len(hat)] += 0.15 * hat
            if drums_only:
                continue
            root = roots[index // 4 % 4]
            if index % 4 == 0:
                chord = sum(
                    np.sin(2 * np.pi * 440 * 2 ** ((root + step + 12 - 69) / 12) * t)
                    for step in (0, 3, 7)
                )
                out[at : at + 4 * beat] += 0.07 * chord * np.exp(-0.5 * t)
            note = root - 12 + (0, 0, 7, 12)[index % 4]
            bass = np.sin(2 * np.pi * 440 * 2 ** ((note - 69) / 12) * t[:beat])
            out[at : at + beat] += 0.25 * bass * np.exp(-3 * t[:beat])
        return Clip(out[:length].astype(np.float32), rate)

    return song
