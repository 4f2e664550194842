"""Measuring two sketches against each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.pairs.alignment import Alignment, align
from milonga.analysis.pairs.figures import LEAST_S, Common
from milonga.analysis.pairs.ground import View, mean_spectrum, view
from milonga.analysis.pairs.pitch import chroma, moved, transposition, tuning
from milonga.analysis.pairs.polarity import upside_down
from milonga.analysis.pairs.sketch import GROUP, HOP_S, ONSET_S, Sketch, edges_hz
from milonga.analysis.pairs.stereo import channel_changes, image

Floats = NDArray[np.float32]

_EXCERPT = 0.8
"""A candidate shorter than this share of the baseline is compared with the matching part."""

_MOST_FRAMES = 2000
_FORM_FRAMES = 64
_MOVES_DB = 1.0
"""Deviation over time under which loudness, or the spectrum, stays as it is."""

_NOTES, _ONSETS = 0.15, 0.2
_AGREES = 0.5
"""Similarity from which an alignment is one: speed and pitch are read from it."""

_SAME_SOUND = 0.8
"""Similarity of sound from which a wave can be the other one upside down."""

_BETTER, _GAINS = 0.08, 0.2
_SEMITONE = 0.08
_SPEED = 0.01
_ABOVE_DB = 6.0


def common(baseline: Sketch, candidate: Sketch) -> Common:
    """Measure a candidate against a baseline on common ground."""
    groups = min(baseline.groups, candidate.groups)
    first, second = view(baseline, groups), view(candidate, groups)
    found = Common(
        band_hz=float(edges_hz()[groups * GROUP + 1]),
        image=image(candidate.channels),
    )
    reasons = _too_short(first, second)
    if min(first.sounding_s, second.sounding_s) <= 0:
        return replace(found, reasons=reasons)
    spans = [first.span, second.span]
    aligned = None
    shift = alike = 0.0
    if "sound_similarity" not in reasons:
        aligned, shift, alike, unmoved = _aligned(first, second)
        if aligned is not None and _length(spans[1]) < _EXCERPT * _length(spans[0]):
            start, stop = int(aligned.first[0]), int(aligned.first[-1]) + 1
            spans[0] = slice(start, stop)
            found = replace(found, matched_s=(start * HOP_S, stop * HOP_S))
    values: dict[str, object] = dict(_means(first, second, spans, reasons))
    if aligned is not None:
        moved_up = shift if alike >= _AGREES * 0.7 and alike - unmoved > _BETTER else 0.0
        values |= _courses(first, second, aligned, moved_up, reasons)
        gained = (alike, alike - unmoved)
        values |= _relation(values, aligned, gained, moved_up if moved_up else shift)
    values["changes"] = _changes(baseline, candidate, values, aligned, spans)
    if "form_similarity" not in reasons:
        values["form_similarity"] = _form(first, second, spans, reasons)
    return replace(found, **values, reasons=reasons)  # type: ignore[arg-type]


def _length(span: slice) -> int:
    return int(span.stop - span.start)


def _too_short(first: View, second: View) -> dict[str, str]:
    """Refuse figures that need more sound than there is, and name the length that would do."""
    reasons = {}
    for name, least in LEAST_S.items():
        for whose, seen in (("baseline", first), ("candidate", second)):
            if seen.sounding_s < least:
                reasons[name] = (
                    f"It needs {least:g} s of sound; the {whose} has {seen.sounding_s:.2f} s."
                )
    return reasons


def _means(
    first: View, second: View, spans: list[slice], reasons: dict[str, str]
) -> dict[str, float]:
    values: dict[str, float] = {}
    before, after = (
        seen.mean if span == seen.span else mean_spectrum(seen, span)
        for seen, span in zip((first, second), spans, strict=True)
    )
    if "timbre_similarity" not in reasons:
        size = float(np.linalg.norm(before.cepstrum) * np.linalg.norm(after.cepstrum))
        if size > 1e-6:
            values["timbre_similarity"] = float(before.cepstrum @ after.cepstrum) / size
        for what in ("centroid", "bandwidth", "rolloff"):
            old, new = getattr(before, f"{what}_hz"), getattr(after, f"{what}_hz")
            if old > 0:
                values[f"{what}_diff_pct"] = 100 * (new - old) / old
    if "harmony_similarity" not in reasons:
        folded = (first.chroma, chroma(second.pitch, first.tuned))
        means = [
            part[span][seen.sounding[span]].mean(axis=0, dtype=np.float64)
            for part, seen, span in zip(folded, (first, second), spans, strict=True)
        ]
        size = float(np.linalg.norm(means[0]) * np.linalg.norm(means[1]))
        if size > 1e-6:
            values["harmony_similarity"] = float(means[0] @ means[1]) / size
    shares = [float(s.sounding[p].mean()) for s, p in zip((first, second), spans, strict=True)]
    values["sounding_diff_pct"] = 100 * (shares[1] - shares[0])
    crests = [float(s.levels[p].max()) for s, p in zip((first, second), spans, strict=True)]
    values["crest_diff_db"] = crests[1] - crests[0]
    falls = [_fall(seen, span) for seen, span in zip((first, second), spans, strict=True)]
    if falls[0] > 0:
        values["decay_diff_pct"] = 100 * (falls[1] / falls[0] - 1)
    return values


def _fall(seen: View, span: slice) -> float:
    """Average how far the bands fall within 0.1 s, as far as they stay above the floor."""
    levels = seen.spectrum[span]
    heard = levels[2:] > levels.min(initial=0) + _ABOVE_DB
    falls = np.maximum(levels[:-2] - levels[2:], 0)[heard]
    return float(falls.mean()) if len(falls) else 0.0


def _aligned(first: View, second: View) -> tuple[Alignment | None, float, float, float]:
    """Align by spectra, find the transposition, and align again with the notes."""
    spans = [first.span, second.span]
    together = max(1, -(-max(_length(span) for span in spans) // _MOST_FRAMES))
    spectra = [_pool(s.spectrum[p], together) for s, p in zip((first, second), spans, strict=True)]
    pitches = [_pool(s.pitch[p], together) for s, p in zip((first, second), spans, strict=True)]
    features = [_unit(part - part.mean(axis=0)) for part in spectra]
    found = align(*features)
    if found is None:
        return None, 0.0, 0.0, 0.0
    shift, alike, unmoved = transposition(pitches[0][found.first], pitches[1][found.second])
    tuned = tuning(pitches[0])
    best: tuple[float, Alignment, float] | None = None
    tried = [0.0, shift] if alike - unmoved > _BETTER / 2 and abs(shift) > _SEMITONE else [0.0]
    for up in tried:
        notes = [chroma(pitches[0], tuned), chroma(moved(pitches[1], -up), tuned)]
        notes = [_unit(part - part.mean(axis=1, keepdims=True)) for part in notes]
        both = [np.concatenate(parts, axis=1) for parts in zip(features, notes, strict=True)]
        again = align(*both)
        if again is not None and (best is None or again.cost < best[0]):
            best = again.cost, again, up
    if best is None:
        return None, 0.0, 0.0, 0.0
    path = best[1]
    shift, alike, unmoved = transposition(pitches[0][path.first], pitches[1][path.second])
    return (
        Alignment(
            spans[0].start + path.first * together,
            spans[1].start + path.second * together,
            path.cost,
        ),
        shift,
        alike,
        unmoved,
    )


def _pool(part: Floats, together: int) -> Floats:
    if together == 1:
        return part
    whole = len(part) // together * together
    return np.asarray(part[:whole].reshape(-1, together, part.shape[1]).mean(axis=1))


def _unit(part: Floats) -> Floats:
    """Scale so that a frame has the mean energy one half."""
    size = float(np.sqrt(2 * np.mean(np.sum(part**2, axis=1)))) if len(part) else 0.0
    return part / np.float32(size) if size > 1e-6 else part * np.float32(0)


def _courses(
    first: View, second: View, path: Alignment, up: float, reasons: dict[str, str]
) -> dict[str, float]:
    """Hold what happens when against each other, along the alignment."""
    values: dict[str, float] = {}
    spectra = [first.spectrum[path.first], second.spectrum[path.second]]
    values["sound_distance_db"] = float(np.mean(np.abs(spectra[0] - spectra[1])))
    course = [part - part.mean(axis=0) for part in spectra]
    if min(float(part.std()) for part in course[:1]) < _MOVES_DB:
        reasons["sound_similarity"] = "The baseline's sound hardly changes over time."
    else:
        values["sound_similarity"] = _correlation(*course)
    notes = [
        first.chroma[path.first],
        chroma(moved(second.pitch[path.second], -up), first.tuned),
    ]
    centred = [part - part.mean(axis=1, keepdims=True) for part in notes]
    if "notes_similarity" not in reasons:
        if float(np.linalg.norm(notes[0].mean(axis=0) - notes[0].mean())) < _NOTES:
            reasons["notes_similarity"] = "The baseline has no clear notes."
        else:
            values["notes_similarity"] = _correlation(*centred)
    if "dynamics_similarity" not in reasons:
        contours = [_smooth(first.levels[path.first], 5), _smooth(second.levels[path.second], 5)]
        contours = [np.maximum(c, c.max() - 40) for c in contours]
        if contours[0].std() < _MOVES_DB:
            reasons["dynamics_similarity"] = "The baseline is equally loud all along."
        else:
            values["dynamics_similarity"] = _correlation(*(c - c.mean() for c in contours))
    if "rhythm_similarity" not in reasons:
        pulses = _pulses(first, second, path)
        if pulses[0].std() < _ONSETS:
            reasons["rhythm_similarity"] = "The baseline has no onsets."
        else:
            values["rhythm_similarity"] = _correlation(*(p - p.mean() for p in pulses))
    return values


def _correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    a, b = first.astype(np.float64).ravel(), second.astype(np.float64).ravel()
    size = float(np.sqrt(a @ a) * np.sqrt(b @ b))
    return float(a @ b) / size if size > 1e-9 else 0.0


def _smooth(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    padded = np.pad(values, (width // 2, width // 2), mode="edge")
    return np.convolve(padded, np.ones(width) / width, "valid")


def _pulses(first: View, second: View, path: Alignment) -> list[NDArray[np.float64]]:
    """Read both onset strengths at matching moments, 0.02 s apart, over 0.05 s each."""
    bend = _smooth((path.second - path.first * _slope(path)).astype(np.float64), 21)
    start, stop = int(path.first[0]), int(path.first[-1])
    moments = np.arange(start * HOP_S, stop * HOP_S, 0.02)
    partners = moments * _slope(path) + np.interp(moments / HOP_S, path.first, bend) * HOP_S
    found = []
    for seen, at in ((first, moments), (second, partners)):
        wave = _smooth(np.log1p(seen.onsets.astype(np.float64)), 5)
        found.append(np.interp(at / ONSET_S, np.arange(len(wave)), wave))
    return found


def _slope(path: Alignment) -> float:
    first, second = path.first.astype(np.float64), path.second.astype(np.float64)
    first -= first.mean()
    return float(first @ (second - second.mean()) / (first @ first))


def _relation(
    values: dict[str, object], path: Alignment, alike: tuple[float, float], shift: float
) -> dict[str, object]:
    """Read speed and transposition, where the two recordings agree at all."""
    found: dict[str, object] = {}
    agreement = max(
        (float(v) for k in ("sound_similarity", "notes_similarity") if (v := values.get(k))),  # type: ignore[arg-type]
        default=0.0,
    )
    if agreement >= _AGREES:
        found["tempo_ratio"] = 1 / _slope(path)
    # Noisy notes, moved far, agree little; but much more than where they were.
    moved_far = alike[0] >= _AGREES * 0.7 and alike[1] >= _GAINS
    if agreement >= _AGREES and (alike[0] >= _AGREES or moved_far):
        found["pitch_shift_semitones"] = shift
    return found


def _changes(
    baseline: Sketch,
    candidate: Sketch,
    values: dict[str, object],
    path: Alignment | None,
    spans: list[slice],
) -> tuple[str, ...]:
    changes = []
    shift, ratio = values.get("pitch_shift_semitones"), values.get("tempo_ratio")
    if isinstance(shift, float) and abs(shift) >= _SEMITONE:
        changes.append("transposed")
    if isinstance(ratio, float) and abs(ratio - 1) >= _SPEED:
        changes.append("faster" if ratio > 1 else "slower")
    frames = (path.first, path.second) if path is not None else (np.arange(0), np.arange(0))
    agrees = isinstance(ratio, float)
    if baseline.channels is not None or candidate.channels is not None:
        found = channel_changes(baseline.channels, candidate.channels, frames)
        # Another recording has another image; nothing happened to its channels.
        changes += [what for what in found if agrees or what == "mono"]
    alike = values.get("sound_similarity")
    if path is None or not isinstance(alike, float) or alike < _SAME_SOUND:
        return tuple(changes)
    first, second = baseline.wave, candidate.wave
    known = first is not None and second is not None and "inverted" not in changes
    if known and upside_down(first, second, path, HOP_S):  # type: ignore[arg-type]
        changes.append("polarity")
    return tuple(changes)


def _form(first: View, second: View, spans: list[slice], reasons: dict[str, str]) -> float | None:
    """Correlate which parts of each resemble which others, in its own 64th parts."""
    maps = []
    for seen, span in zip((first, second), spans, strict=True):
        edges = np.linspace(span.start, span.stop, _FORM_FRAMES + 1).astype(int)
        starts = np.minimum(edges[:-1], len(seen.spectrum) - 1)
        parts = []
        for track in (seen.spectrum - seen.spectrum.mean(axis=0), seen.classes):
            sums = np.add.reduceat(track[: span.stop], starts, axis=0)
            sums = sums / np.maximum(np.diff(edges), 1)[:, np.newaxis]
            parts.append(_unit(sums - sums.mean(axis=0)))
        features = np.concatenate(parts, axis=1)
        maps.append((features @ features.T)[np.triu_indices(_FORM_FRAMES, 2)])
    if float(np.std(maps[0])) < 1e-3:
        reasons["form_similarity"] = "All parts of the baseline are alike."
        return None
    return _correlation(*(m - m.mean() for m in maps))
