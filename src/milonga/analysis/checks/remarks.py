"""What a recording has that may be meant or not: noise, steady tones, stops, an end amid sound.

They are defects where music was asked for, and right where noise, a drone, a stop or a loop was.
The samples can't tell, so they are told and no take is refused for them.
"""

from __future__ import annotations

import math

import numpy as np

from milonga.analysis.checks.defects import Defect
from milonga.analysis.checks.glitches import gap_count
from milonga.analysis.checks.levels import framed, mean_square
from milonga.analysis.checks.loops import has_gaps, is_steady
from milonga.analysis.checks.noise import noise_share, steady_tones
from milonga.analysis.checks.returns import longest_return
from milonga.audio.clip import Clip

_NOISE, _NOISE_ALONE = 0.12, 0.7
_TONE, _MAINS_HZ, _STRAY_HZ = 0.1, (50.0, 60.0), 3.0
_GAP_S, _GAPS = 0.3, 3
_END_S, _END_DB, _FRAME_S, _LOUD = 0.005, -12.0, 0.05, 0.95
_NOTHING, _QUIETEST = 1e-6, 1e-3
_LEAST_S = 1.0


def remarks(clip: Clip) -> tuple[Defect, ...]:
    """List what may be meant; ``take_remarks`` says what."""
    if clip.seconds < _LEAST_S or clip.peak < _QUIETEST:
        return ()
    found = (_noise(clip), _tone(clip), _gap(clip), _pattern(clip), _end(clip))
    return tuple(remark for remark in found if remark is not None)


def _noise(clip: Clip) -> Defect | None:
    share = noise_share(clip.mono, clip.sample_rate)
    if share < _NOISE:
        return None
    alone = share >= _NOISE_ALONE
    message = "It is steady noise." if alone else f"{share:.0%} of its energy is steady noise."
    return Defect(code="noise", message=message, value=share)


def _tone(clip: Clip) -> Defect | None:
    share, hertz = steady_tones(clip.mono, clip.sample_rate)
    if share < _TONE:
        return None
    strongest = float(hertz[0])
    message = f"A tone of {strongest:.0f} Hz keeps one level from beginning to end"
    if any(_is_multiple(strongest, mains) for mains in _MAINS_HZ):
        message += ", as the hum of the mains does"
    return Defect(code="steady_tone", message=f"{message}.", value=strongest)


def _is_multiple(hertz: float, mains: float) -> bool:
    """Tell whether a tone is one of the first partials of mains hum; bins are 3 Hz apart."""
    return 1 <= round(hertz / mains) <= 4 and abs(math.remainder(hertz, mains)) <= _STRAY_HZ


def _gap(clip: Clip) -> Defect | None:
    count = gap_count(clip.samples, clip.sample_rate, _GAP_S, math.inf)
    # More of them are a defect.
    if not 0 < count < _GAPS:
        return None
    message = f"The sound stops dead and goes on again, {'once' if count == 1 else 'twice'}."
    return Defect(code="gap", message=message, value=float(count))


def _pattern(clip: Clip) -> Defect | None:
    again = longest_return(clip.mono, clip.sample_rate)
    if again is None or not again.fills(clip.seconds):
        return None
    cycle = again.two_periods(clip.mono, clip.sample_rate)
    # Without gaps it is a defect.
    if not has_gaps(cycle, clip.sample_rate) or is_steady(cycle, clip.sample_rate):
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
    usual = float(np.quantile(mean_square(frames).max(axis=0), _LOUD))
    end = float(mean_square(samples[:, -max(1, round(_END_S * clip.sample_rate)) :]).max())
    if end < usual * 10 ** (_END_DB / 10):
        return None
    level = 10 * math.log10(end / usual) if usual > 0 else 0.0
    message = "It ends amid sound: the last note is cut, or it is a loop."
    return Defect(code="cut_off", message=message, value=level)
