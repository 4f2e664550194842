"""The song as a file to give away: any format, with tags, a count-in, an ending that rings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from milonga import audio
from milonga.audio.clip import Clip
from milonga.audio.export.settings import FORMATS, ExportSettings
from milonga.audio.limiter import limit
from milonga.errors import OutputError, SheetError
from milonga.generators.base import Licence
from milonga.runtime.files import atomic_path, check_writable
from milonga.songs.output.mix import CEILING_DBTP
from milonga.songs.output.tagged import embed_mix
from milonga.songs.rendering.takes import Take
from milonga.songs.sheet.model import Sheet

MOST_BARS, LONGEST_RING_S = 8, 20.0
_CLICK_S, _ACCENT_HZ, _CLICK_HZ, _CLICK_PEAK = 0.06, 1760.0, 1175.0, 0.35
_RUNG_S = 1.5
"""The end of the song that rings on."""
_RING_DB = -3.0
"""Level with which the ringing starts, against the last half second."""


@dataclass(frozen=True, slots=True)
class SongFile:
    """Where and how a song is written beside ``song.wav``.

    Attributes:
        path: ends in .mp3, .flac, .ogg, .opus or .wav.
        count_in: bars of clicks before it, at its first tempo; a pickup begins within the last.
        ring_s: seconds that its end rings on, as in a hall.
        force: replace a file that is there.
    """

    path: Path
    count_in: int = 0
    ring_s: float = 0.0
    force: bool = False

    def check(self) -> None:
        """Refuse what can be refused before the work.

        Raises:
            AudioError: no format has this suffix.
            OutputError: the file is there, or its folder can't be written.
            SheetError: a count-in or a ringing out of range.
        """
        ExportSettings().format_of(self.path)
        if self.path.exists() and not self.force:
            raise OutputError(
                "It is already there.", where=self.path, step="Add --force to replace it."
            )
        check_writable(self.path.parent)
        if not 0 <= self.count_in <= MOST_BARS:
            raise SheetError(f"A count-in has 0 to {MOST_BARS} bars, not {self.count_in}.")
        if not 0 <= self.ring_s <= LONGEST_RING_S:
            raise SheetError(f"An ending rings for 0 to {LONGEST_RING_S:g} s, not {self.ring_s:g}.")

    def write(self, song: Clip, tags: audio.Tags, sheet: Sheet, chosen: Mapping[str, Take]) -> None:
        """Write the song; the file is whole or absent.

        Args:
            song: as in ``song.wav``.
            tags: of ``song.wav``; the licences of what is in it are added.
            sheet: the song's.
            chosen: the takes in it, by what they were chosen for.

        Raises:
            OutputError: the folder can't be written, the disk is full.
        """
        settings = ExportSettings()
        name = settings.format_of(self.path)
        song = counted_in(ringing(song, self.ring_s), sheet, self.count_in)
        song = audio.resample(song, settings.rate_of(name, song.sample_rate))
        named = (licence for take in chosen.values() for licence in take.receipt.model.licences)
        line = licence_line(named)
        if line:  # in the comment as well: MP3 has no other field that players show
            tags = replace(tags, licence=line, comment=f"{tags.comment}; licences: {line}")
        with atomic_path(self.path) as part:
            audio.write(
                part, song, subtype=settings.subtype(name), on_clip="level", tags=tags,
                compression=FORMATS[name].compression,
            )  # fmt: skip
            embed_mix(part, sheet, chosen)


def licence_line(licences: Iterable[Licence]) -> str:
    """Name the licences of a song in one line, each with what it is of."""
    found: dict[str, list[str]] = {}
    for licence in sorted(set(licences), key=lambda each: (each.name, each.what)):
        found.setdefault(licence.name, []).append(licence.what)
    return "; ".join(f"{name}: {', '.join(what)}" for name, what in found.items())


def counted_in(song: Clip, sheet: Sheet, bars: int) -> Clip:
    """Put bars of clicks before a song, the first of each accented."""
    if not bars:
        return song
    first = sheet.segments[0]
    beats, beat_s = sheet.metre_of(first).beats, 60.0 / sheet.tempo_of(first)
    # A pickup is played on the last beats of a bar of its own.
    count = bars * beats + (beats - first.pickup % beats if first.pickup % beats else 0.0)
    rate = song.sample_rate
    clicks = np.zeros((song.channels, round(count * beat_s * rate)), np.float32)
    for beat in range(int(np.ceil(count - 1e-6))):
        at = round(beat * beat_s * rate)
        sound = _click(rate, beat % beats == 0)[: clicks.shape[1] - at]
        clicks[:, at : at + len(sound)] += sound
    return Clip(np.concatenate([clicks, song.samples], axis=1), rate)


def _click(rate: int, accent: bool) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    time = np.arange(round(_CLICK_S * rate)) / rate
    wave = np.sin(2 * np.pi * (_ACCENT_HZ if accent else _CLICK_HZ) * time)
    gain = _CLICK_PEAK * (1.0 if accent else 0.6)
    return np.asarray(gain * wave * np.exp(-time / 0.012), dtype=np.float32)


def ringing(song: Clip, seconds: float) -> Clip:
    """Let the end of a song ring on for some seconds: its last chord in noise that decays by
    60 dB, different on each side."""
    from scipy.signal import oaconvolve

    rate = song.sample_rate
    count, used = round(seconds * rate), min(round(_RUNG_S * rate), song.n_samples)
    if not count or not used:
        return song
    time = np.arange(count + used) / rate
    noise = np.random.default_rng(rate).standard_normal((song.channels, count + used))
    response = noise * 10 ** (-3 * time / seconds)
    end = song.samples[:, -used:] * np.linspace(0.0, 1.0, used)
    # From where the song ends; before that it lies under the music, and is left away.
    tail = oaconvolve(end, response, axes=1)[:, used : used + count]
    half = min(rate // 2, used)
    loud = np.sqrt(np.mean(np.square(song.samples[:, -half:], dtype=np.float64)))
    start = np.sqrt(np.mean(np.square(tail[:, : max(1, min(rate // 10, count))])))
    if start > 0:
        tail *= loud * 10 ** (_RING_DB / 20) / start
    tail[:, -min(count, rate // 20) :] *= np.linspace(1.0, 0.0, min(count, rate // 20))
    # The song's own end fades within 12 ms; the ringing comes in over it.
    lap = min(round(0.012 * rate), count, song.n_samples)
    out = np.concatenate([song.samples, np.zeros((song.channels, count - lap), np.float32)], axis=1)
    tail[:, :lap] *= np.sin(np.linspace(0.0, np.pi / 2, lap))
    out[:, song.n_samples - lap :] += tail.astype(np.float32)
    return limit(Clip(out, rate), CEILING_DBTP)
