"""What a recording has that may be meant or not: noise, steady tones, stops, an end amid sound.

The samples can't tell, so they are told and no take is refused for them. Where music was asked
for, a sound that is noise or one tone to a good part is none: there it is a defect.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from milonga.analysis.checks.defects import Defect, defects
from milonga.analysis.checks.levels import framed, mean_square
from milonga.analysis.checks.loops import has_gaps, is_steady
from milonga.analysis.checks.noise import noise_share, steady_tones
from milonga.analysis.checks.returns import Heard
from milonga.analysis.spectra import quantile
from milonga.audio.clip import Clip

_NOISE, _NOISE_ALONE = 0.12, 0.7
_TONE, _MAINS_HZ, _STRAY_HZ = 0.1, (50.0, 60.0), 3.0
_GAP_S, _GAPS = 0.3, 3
_NO_MUSIC, _NO_MUSIC_S = {"noise": 0.2, "steady_tone": 0.3}, 3.0
"""Share of the energy (6 and 4 dB under the rest) and least length from which noise or a tone in
place of music is a defect. No song of 25 has a share that is even worth a remark."""
_END_S, _END_DB, _FRAME_S, _LOUD = 0.005, -12.0, 0.05, 0.95
_NOTHING, _QUIETEST = 1e-6, 1e-3
_LEAST_S = 1.0


def remarks(clip: Clip) -> tuple[Defect, ...]:
    """List what may be meant; ``take_remarks`` says what."""
    return tuple(remark for remark, _ in _shares(Heard(clip)))


def examined(
    clip: Clip, *, music: bool = False, **known: Any
) -> tuple[tuple[Defect, ...], tuple[Defect, ...]]:
    """List the defects of a recording, and what may be meant, each thing once.

    Args:
        clip: the recording.
        music: music was asked for: noise or a tone in its place isn't meant.
        known: what ``defects`` takes beside the recording.
    """
    heard = Heard(clip)
    found = defects(clip, heard=heard, **known)
    if any(one.code in ("empty", "silent") for one in found):
        return found, ()
    noted = _shares(heard)
    worse: tuple[Defect, ...] = ()
    if music and clip.seconds >= _NO_MUSIC_S:
        worse = tuple(one for one, share in noted if share >= _NO_MUSIC.get(one.code, math.inf))
    return found + worse, tuple(remark for remark, _ in noted if remark not in worse)


def _shares(heard: Heard) -> list[tuple[Defect, float]]:
    """List remarks, each with the share of the energy that is no music."""
    clip = heard.clip
    if clip.seconds < _LEAST_S or clip.peak < _QUIETEST:
        return []
    others = [_gap(heard), _pattern(heard), _end(clip)]
    return [
        *_noise(heard),
        *_tone(heard),
        *((remark, 0.0) for remark in others if remark is not None),
    ]


def _noise(heard: Heard) -> list[tuple[Defect, float]]:
    share = noise_share(heard.mono, heard.clip.sample_rate)
    if share < _NOISE:
        return []
    alone = share >= _NOISE_ALONE
    message = "It is steady noise." if alone else f"{share:.0%} of its energy is steady noise."
    return [(Defect(code="noise", message=message, value=share), share)]


def _tone(heard: Heard) -> list[tuple[Defect, float]]:
    share, hertz = steady_tones(heard.mono, heard.clip.sample_rate)
    if share < _TONE:
        return []
    strongest = float(hertz[0])
    mains = next((hertz for hertz in _MAINS_HZ if _is_multiple(strongest, hertz)), None)
    near = strongest if mains is None else mains * round(strongest / mains)
    message = f"A tone of {near:.0f} Hz keeps one level from beginning to end"
    message += ", as the hum of the mains does" if mains is not None else ""
    return [(Defect(code="steady_tone", message=f"{message}.", value=strongest), share)]


def _is_multiple(hertz: float, mains: float) -> bool:
    """Tell whether a tone is one of the first partials of mains hum; bins are 3 Hz apart."""
    return 1 <= round(hertz / mains) <= 4 and abs(math.remainder(hertz, mains)) <= _STRAY_HZ


def _gap(heard: Heard) -> Defect | None:
    count = int(np.count_nonzero(heard.gaps >= _GAP_S * heard.clip.sample_rate))
    # More of them are a defect.
    if not 0 < count < _GAPS:
        return None
    message = f"The sound stops dead and goes on again, {'once' if count == 1 else 'twice'}."
    return Defect(code="gap", message=message, value=float(count))


def _pattern(heard: Heard) -> Defect | None:
    again, rate = heard.again, heard.clip.sample_rate
    if again is None or not again.fills(heard.clip.seconds):
        return None
    cycle = again.two_periods(heard.mono, rate)
    # Without gaps it is a defect.
    if not has_gaps(cycle, rate) or is_steady(cycle, rate):
        return None
    message = f"The same {again.period_s:.2f} s come {again.copies} times in a row, with gaps in "
    return Defect(code="pattern", message=f"{message}between.", value=again.period_s)


def _end(clip: Clip) -> Defect | None:
    samples = clip.samples
    sounding = np.flatnonzero(np.abs(samples).max(axis=0) > _NOTHING)
    samples = samples[:, : sounding[-1] + 1]
    frames = framed(samples, round(_FRAME_S * clip.sample_rate))
    if not frames.shape[1]:
        return None
    usual = float(quantile(mean_square(frames).max(axis=0), _LOUD))
    end = float(mean_square(samples[:, -max(1, round(_END_S * clip.sample_rate)) :]).max())
    if end < usual * 10 ** (_END_DB / 10):
        return None
    level = 10 * math.log10(end / usual) if usual > 0 else 0.0
    message = "It ends amid sound: the last note is cut, or it is a loop."
    return Defect(code="cut_off", message=message, value=level)
