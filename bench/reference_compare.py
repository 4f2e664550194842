"""Compares recordings with librosa, one call after the other: what milonga is measured against.

Frozen: it is how a researcher would write it from librosa's documentation, and must not change
when milonga does. ``python reference_compare.py BASELINE CANDIDATE...`` prints JSON.
"""

import json
import sys

import librosa
import numpy as np
import pyloudnorm
import soundfile


def features(path):
    samples, sr = soundfile.read(path, dtype="float32", always_2d=True)
    y = librosa.to_mono(samples.T)
    tempo, _ = librosa.beat.beat_track(y=y, sr=sr)
    oversampled = librosa.resample(samples.T, orig_sr=sr, target_sr=sr * 8, res_type="soxr_hq")
    return {
        "duration_s": librosa.get_duration(y=y, sr=sr),
        "sample_rate": sr,
        "channels": samples.shape[1],
        "tempo_bpm": float(np.atleast_1d(tempo)[0]),
        "spectral_centroid_hz": float(np.mean(librosa.feature.spectral_centroid(y=y, sr=sr))),
        "spectral_bandwidth_hz": float(np.mean(librosa.feature.spectral_bandwidth(y=y, sr=sr))),
        "spectral_rolloff_hz": float(np.mean(librosa.feature.spectral_rolloff(y=y, sr=sr))),
        "mfcc_mean": np.mean(librosa.feature.mfcc(y=y, sr=sr, n_mfcc=13), axis=1).tolist(),
        "chroma_mean": np.mean(librosa.feature.chroma_stft(y=y, sr=sr), axis=1).tolist(),
        "zcr_mean": float(np.mean(librosa.feature.zero_crossing_rate(y))),
        "rms_mean": float(np.mean(librosa.feature.rms(y=y))),
        "loudness_lufs": float(pyloudnorm.Meter(sr).integrated_loudness(samples)),
        "true_peak_dbtp": float(20 * np.log10(np.max(np.abs(oversampled)))),
    }


def cosine(a, b):
    return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def differences(before, after):
    found = {
        "duration_diff_s": after["duration_s"] - before["duration_s"],
        "mfcc_similarity": cosine(before["mfcc_mean"], after["mfcc_mean"]),
        "chroma_similarity": cosine(before["chroma_mean"], after["chroma_mean"]),
        "zcr_diff": after["zcr_mean"] - before["zcr_mean"],
        "rms_diff": after["rms_mean"] - before["rms_mean"],
        "loudness_diff_lu": after["loudness_lufs"] - before["loudness_lufs"],
        "true_peak_diff_db": after["true_peak_dbtp"] - before["true_peak_dbtp"],
    }
    names = ("tempo_bpm", "spectral_centroid_hz", "spectral_bandwidth_hz", "spectral_rolloff_hz")
    for name in names:
        stem, unit = name.rsplit("_", 1)
        found[f"{stem}_diff_{unit}"] = after[name] - before[name]
        found[f"{stem}_diff_pct"] = 100 * (after[name] - before[name]) / before[name]
    return found


baseline = features(sys.argv[1])
candidates = []
for path in sys.argv[2:]:
    candidate = features(path)
    candidates.append(
        {"path": path, "features": candidate, "differences": differences(baseline, candidate)}
    )
document = {"baseline": {"path": sys.argv[1], "features": baseline}, "candidates": candidates}
print(json.dumps(document, indent=2))
