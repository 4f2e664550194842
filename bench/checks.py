"""How often the take checks find planted damage, and how often they are wrong."""

from __future__ import annotations

import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from milonga import audio
from milonga.analysis.checks.defects import Defect
from milonga.analysis.checks.remarks import examined
from milonga.audio import Clip
from milonga.errors import AudioError

ROOTS = (Path("/"), Path(__file__).parent.parent / "build" / "sounds")
"""Where packages of Debian are unpacked: on this machine, or by ``dpkg -x`` into build/sounds."""

KINDS = {
    "loops, drones and single sounds (sonic-pi-samples)": "usr/share/sonic-pi/samples",
    "songs by telephone (asterisk-moh-opsound-wav)": "usr/share/asterisk/moh",
    "speech (asterisk-core-sounds-en-wav)": "usr/share/asterisk/sounds/en_US_f_Allison",
    "loops, instruments and noises (lmms-common)": "usr/share/lmms/samples",
    "ringtones (lomiri-sounds)": "usr/share/sounds/lomiri",
    "signals (sound-theme-freedesktop)": "usr/share/sounds/freedesktop",
    "signals (oxygen-sounds)": "usr/share/sounds",
    "songs (hyperrogue-music)": "usr/share/hyperrogue/music",
    "songs (asc-music)": "usr/share/games/asc/music",
    "speech (supercollider-common)": "usr/share/SuperCollider/sounds",
    "speech and a bell (puredata-doc)": "usr/share/puredata/doc/sound",
}
SUFFIXES = {".wav", ".flac", ".ogg", ".oga", ".mp3", ".aiff"}
LEAST_S, LONGEST_S, MOST = 1.0, 20.0, 80

TRUE = {
    "loop_amen_full": "clipped",
    "sine_dist": "clipped",
    "piano02": "dc_offset",
    "techno_bass02": "dc_offset",
}
"""Recordings that have what is found: looked at by hand."""

DAMAGED = (
    "loop_garzul", "loop_mika", "loop_tabla", "loop_safari", "loop_compus", "ambi_choir",
    "ambi_lunar_land", "ambi_drone", "ambi_haunted_hum", "ambi_piano", "guit_em9",
    "guit_e_slide", "bass_voxy_c", "tabla_ghe5", "macroform-cold_day", "macroform-robot_dity",
    "macroform-the_simplicity", "manolo_camp-morning_coffee", "reno_project-system",
)  # fmt: skip
"""The damage is planted into these, brought to 12 s."""
SECONDS, STUCK_S = 12.0, 4.0
_DEEPEST = 0.001
"""Noise begins at this share of half the rate: 22 Hz at 44.1 kHz."""

Damage = Callable[[Clip, np.random.Generator], Clip]


def run(quick: bool = False) -> str:
    rows, spent, heard = [], 0.0, 0.0
    counts: Counter[str] = Counter()
    for kind, clip, name in recordings(8 if quick else MOST):
        begun = time.process_time()
        found, noted = (_codes(part) for part in examined(clip))
        spent += time.process_time() - begun
        heard += clip.seconds
        worse = _codes(examined(clip, music=True)[0]) - found
        rows.append((kind, name, found, noted, worse))
        counts.update(noted)
    clips = [damaged_clip(name) for name in DAMAGED[: 4 if quick else None]]
    planted = []
    for label, codes, damage in DAMAGES:
        hits = finds = asked = 0
        for name, clip in zip(DAMAGED, clips, strict=False):
            bad = damage(clip, np.random.default_rng(zlib.crc32(f"{label}{name}".encode())))
            found, noted = (_codes(part) for part in examined(bad))
            hits += bool(codes & found)
            asked += bool(codes & _codes(examined(bad, music=True)[0]))
            finds += bool(codes & (found | noted))
        planted.append(
            f"| {label} | {hits} of {len(clips)} | {asked} of {len(clips)} "
            f"| {finds} of {len(clips)} |"
        )
    wrong = [(name, found) for _, name, found, *_ in rows if found - {TRUE.get(name)}]
    right = [name for _, name, found, *_ in rows if found and not found - {TRUE.get(name)}]
    no_music = [(kind, name, worse) for kind, name, _, _, worse in rows if worse]
    of_songs = [kind for kind, *_ in rows if kind.startswith("songs")]
    songs = [name for kind, name, _ in no_music if kind.startswith("songs")]
    listed = [
        f"| {kind} | {len(own)} | {sum(bool(r[2] - {TRUE.get(r[1])}) for r in own)} "
        f"| {sum(bool(r[4]) for r in own)} "
        f"| {sum(bool(r[3] - {'cut_off'}) for r in own)} | {sum('cut_off' in r[3] for r in own)} |"
        for kind in KINDS
        if (own := [row for row in rows if row[0] == kind])
    ]
    many = len(rows)
    wrongly = ", ".join(f"{name} ({', '.join(sorted(found))})" for name, found in wrong)
    return f"""## Take checks

Damage planted into {len(clips)} recordings of {SECONDS:g} s (drum loops, drones, instruments,
voices, songs by telephone at 8 kHz). A finding calls a take defective; a remark names what may
be meant as well. Where music was asked for, as in most segments of a song, noise (a fifth of
the energy) or one tone (three tenths) in its place is a finding.

| planted | finding | finding where music was asked for | finding or remark |
| --- | --- | --- | --- |
{chr(10).join(planted)}

The same checks over {many} recordings of Debian's packages, each up to {LONGEST_S:g} s, at most
{MOST} a package:

| recordings | number | false findings | more, were they asked for as music \
| remarks on noise, tones, stops | "ends amid sound" |
| --- | --- | --- | --- | --- | --- |
{chr(10).join(listed)}

Of {len(of_songs)} songs, {len(songs)} would be called no music. \
What would be: {", ".join(f"{name} ({', '.join(sorted(worse))})" for _, name, worse in no_music)}.

False findings: {len(wrong)} of {many} ({len(wrong) / many:.1%}){f": {wrongly}" if wrong else ""}.
True ones, not counted: {", ".join(right) or "none"}. Remarks by kind:
{", ".join(f"{code} {count}" for code, count in counts.most_common()) or "none"}.

Checks and remarks take {1000 * spent / heard:.0f} ms of one core for a second of sound.
"""


def _codes(found: tuple[Defect, ...]) -> set[str]:
    return {one.code for one in found}


def recordings(most: int) -> Iterator[tuple[str, Clip, str]]:
    """Yield the kind, the recording and its name, of all packages that are at hand."""
    for kind, place in KINDS.items():
        paths = [path for root in ROOTS for path in sorted((root / place).rglob("*"))]
        if place == "usr/share/sounds":
            paths = [path for path in paths if path.parent.name == "sounds"]
        count = 0
        for path in paths:
            if path.suffix.lower() not in SUFFIXES or count >= most:
                continue
            try:
                clip = audio.read(path)
            except AudioError:
                continue
            if clip.seconds >= LEAST_S:
                count += 1
                # The end, which a check looks at.
                last = clip.samples[:, -round(LONGEST_S * clip.sample_rate) :]
                yield kind, Clip(last, clip.sample_rate), path.stem


def damaged_clip(name: str) -> Clip:
    """Read a recording, brought to 12 s by repetition and to a peak of 0.7."""
    places = [root / KINDS[kind] for root in ROOTS for kind in list(KINDS)[:2]]
    (path, *_) = (path for place in places for path in place.glob(f"{name}.*"))
    clip = audio.read(path)
    wanted = round(SECONDS * clip.sample_rate)
    samples = np.resize(clip.samples[0], wanted) if clip.channels == 1 else np.stack(
        [np.resize(channel, wanted) for channel in clip.samples]
    )  # fmt: skip
    return Clip(samples * np.float32(0.7 / np.abs(samples).max()), clip.sample_rate)


def _noise_instead(clip: Clip, rng: np.random.Generator, colour: float) -> Clip:
    return Clip(0.1 * _coloured(clip.n_samples, colour, rng), clip.sample_rate)


def _coloured(length: int, colour: float, rng: np.random.Generator) -> np.ndarray:
    """Noise whose power falls by ``colour`` times 3 dB an octave, with an RMS of 1."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    place = np.arange(len(spectrum)) / len(spectrum)
    spectrum *= np.where(place > _DEEPEST, np.maximum(place, _DEEPEST) ** (-colour / 2), 0)
    noise = np.fft.irfft(spectrum, length)
    return np.asarray(noise / noise.std(), dtype=np.float32)


def _with(clip: Clip, other: np.ndarray, db: float) -> Clip:
    """Add a sound, ``db`` above the level of the recording."""
    level = np.sqrt(np.mean(np.square(clip.samples)))
    added = clip.samples + np.float32(level * 10 ** (db / 20)) * other.astype(np.float32)
    return Clip(added * np.float32(0.7 / np.abs(added).max()), clip.sample_rate)


def _noisy(clip: Clip, rng: np.random.Generator, db: float, colour: float = 0.0) -> Clip:
    return _with(clip, _coloured(clip.n_samples, colour, rng), db)


def _hum(clip: Clip, rng: np.random.Generator, db: float, hertz: float) -> Clip:
    time_s = np.arange(clip.n_samples) / clip.sample_rate
    wave = sum(np.sin(2 * np.pi * hertz * n * time_s) / n for n in (1, 2, 3))
    return _with(clip, np.asarray(wave / np.std(wave)), db)


def _stuck_from(clip: Clip, sound: np.ndarray) -> Clip:
    samples = clip.samples.copy()
    at = round(STUCK_S * clip.sample_rate)
    samples[:, at:] = sound[..., : samples.shape[1] - at]
    return Clip(samples, clip.sample_rate)


def _sine(clip: Clip, rng: np.random.Generator) -> Clip:
    time_s = np.arange(clip.n_samples) / clip.sample_rate
    return _stuck_from(clip, 0.3 * np.sin(2 * np.pi * rng.uniform(150, 900) * time_s))


def _grain(clip: Clip, rng: np.random.Generator, seconds: float) -> Clip:
    """From some place on, overlapping copies of one grain."""
    at, hop = round(STUCK_S * clip.sample_rate), round(seconds * clip.sample_rate / 2)
    loud = clip.mono[at - round(clip.sample_rate) : at]
    top = max(0, int(np.abs(loud).argmax()) - hop)
    grain = loud[top : top + 2 * hop]
    hop = len(grain) // 2
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2 * hop) / (2 * hop))
    cycle = (grain[: 2 * hop] * window).reshape(2, hop).sum(axis=0)
    return _stuck_from(clip, np.resize(cycle, clip.n_samples))


def _looped(clip: Clip, rng: np.random.Generator, seconds: float, jitter_s: float) -> Clip:
    size, stray = round(seconds * clip.sample_rate), jitter_s * clip.sample_rate
    at = clip.n_samples // 3
    parts, length = [], 0
    while length < clip.n_samples:
        more = size + round(rng.uniform(-stray, stray))
        parts.append(clip.samples[:, at : at + more])
        length += more
    return Clip(np.concatenate(parts, axis=1)[:, : clip.n_samples], clip.sample_rate)


def _silent(clip: Clip, rng: np.random.Generator, share: float, floor: float) -> Clip:
    samples = clip.samples.copy()
    at = round((1 - share) * clip.n_samples)
    samples[:, at:] = floor * rng.standard_normal(samples[:, at:].shape)
    return Clip(samples, clip.sample_rate)


def _holes(clip: Clip, rng: np.random.Generator, count: int, seconds: float) -> Clip:
    """Silence where it is loud."""
    samples, size = clip.samples.copy(), round(seconds * clip.sample_rate)
    level = np.abs(samples[0])
    loud = np.flatnonzero(level > np.quantile(level, 0.9))
    loud = loud[(loud > clip.sample_rate / 2) & (loud < len(level) - size - clip.sample_rate / 2)]
    for place in np.linspace(0, len(loud) - 1, count).astype(int):
        samples[:, loud[place] : loud[place] + size] = 0
    return Clip(samples, clip.sample_rate)


def _cut(clip: Clip, rng: np.random.Generator, padded: bool) -> Clip:
    """End at the loudest moment of the last third."""
    third = clip.n_samples * 2 // 3
    size = clip.sample_rate // 20
    last = clip.mono[third:][: (clip.n_samples - third) // size * size].reshape(-1, size)
    end = third + (int(np.square(last).mean(axis=1).argmax()) + 1) * size
    samples = clip.samples[:, :end]
    return Clip(np.pad(samples, ((0, 0), (0, size * 10 * padded))), clip.sample_rate)


def _clicks(clip: Clip, rng: np.random.Generator) -> Clip:
    samples = clip.samples.copy()
    samples[:, rng.choice(clip.n_samples - 1000, 30, replace=False) + 500] = rng.choice(
        [-0.9, 0.9], 30
    )
    return Clip(samples, clip.sample_rate)


def _clipped(clip: Clip, rng: np.random.Generator, share: float, gain: float) -> Clip:
    loud = clip.samples / np.quantile(np.abs(clip.samples), 1 - share)
    return Clip(np.float32(gain) * np.clip(loud, -1, 1), clip.sample_rate)


def _two(clip: Clip, left: np.ndarray, right: np.ndarray) -> Clip:
    return Clip(np.stack([left, right]), clip.sample_rate)


def _dying(clip: Clip, rng: np.random.Generator, share: float) -> Clip:
    right = clip.mono.copy()
    right[round(share * len(right)) :] = 0
    return _two(clip, clip.mono, right)


DAMAGES: tuple[tuple[str, set[str], Damage], ...] = (
    ("white noise in place of music", {"noise"}, partial(_noise_instead, colour=0.0)),
    ("pink noise in place of music", {"noise"}, partial(_noise_instead, colour=1.0)),
    ("white noise, 0 dB", {"noise"}, partial(_noisy, db=0.0)),
    ("white noise, -6 dB", {"noise"}, partial(_noisy, db=-6.0)),
    ("pink noise, 0 dB", {"noise"}, partial(_noisy, db=0.0, colour=1.0)),
    ("hum of 50 Hz, 0 dB", {"steady_tone"}, partial(_hum, db=0.0, hertz=50.0)),
    ("hum of 60 Hz, -6 dB", {"steady_tone"}, partial(_hum, db=-6.0, hertz=60.0)),
    ("a whistle of 3100 Hz, -6 dB", {"steady_tone"}, partial(_hum, db=-6.0, hertz=3100.0)),
    ("a sine from 4 s on", {"frozen", "loop"}, _sine),
    ("a grain of 40 ms from 4 s on", {"frozen", "loop"}, partial(_grain, seconds=0.04)),
    ("a grain of 80 ms from 4 s on", {"frozen", "loop"}, partial(_grain, seconds=0.08)),
    ("a grain of 200 ms from 4 s on", {"frozen", "loop"}, partial(_grain, seconds=0.2)),
    ("a loop of 0.5 s", {"loop", "pattern"}, partial(_looped, seconds=0.5, jitter_s=0.0)),
    ("a loop of 1.2 s", {"loop", "pattern"}, partial(_looped, seconds=1.2, jitter_s=0.0)),
    ("a loop of 0.5 s, each copy up to 1 ms off", {"loop", "pattern"},
     partial(_looped, seconds=0.5, jitter_s=0.001)),
    ("a loop of 1.2 s, each copy up to 1 ms off", {"loop", "pattern"},
     partial(_looped, seconds=1.2, jitter_s=0.001)),
    ("silence in the last half", {"mostly_silent"}, partial(_silent, share=0.5, floor=0.0)),
    ("noise of -70 dBFS in the last half", {"mostly_silent"},
     partial(_silent, share=0.5, floor=3e-4)),
    ("one gap of 0.5 s", {"gap"}, partial(_holes, count=1, seconds=0.5)),
    ("four gaps of 0.5 s", {"dropouts"}, partial(_holes, count=4, seconds=0.5)),
    ("30 dropouts of 20 ms", {"dropouts"}, partial(_holes, count=30, seconds=0.02)),
    ("the last note cut", {"cut_off"}, partial(_cut, padded=False)),
    ("the last note cut, silence after it", {"cut_off"}, partial(_cut, padded=True)),
    ("30 clicks", {"clicks"}, _clicks),
    ("clipping of 2 % of all samples", {"clipped"}, partial(_clipped, share=0.02, gain=1.0)),
    ("the same, turned down by 10 dB", {"clipped"}, partial(_clipped, share=0.02, gain=0.316)),
    ("a DC offset of 0.1", {"dc_offset"},
     lambda clip, rng: Clip(clip.samples + np.float32(0.1), clip.sample_rate)),
    ("a dead channel", {"dead_channel"}, lambda clip, rng: _two(clip, clip.mono, 0 * clip.mono)),
    ("a channel that dies after 30 %", {"dead_channel"}, partial(_dying, share=0.3)),
    ("channels in antiphase", {"antiphase"}, lambda clip, rng: _two(clip, clip.mono, -clip.mono)),
)  # fmt: skip
