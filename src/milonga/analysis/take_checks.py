"""Take checks: the defects of a take, and what may be meant, as receipts keep them."""

from __future__ import annotations

from dataclasses import asdict

from numpy.typing import ArrayLike

from milonga.analysis.checks.defects import defects
from milonga.analysis.checks.remarks import examined, remarks
from milonga.audio.clip import Clip
from milonga.runtime.record import Record


class TakeDefect(Record):
    """A defect of a take, or a remark on it.

    Attributes:
        code: of a defect ``empty``, ``not_finite``, ``silent``, ``mostly_silent``, ``clipped``,
            ``wrong_length``, ``loop``, ``dc_offset``, ``dead_channel``, ``antiphase``,
            ``clicks``, ``dropouts`` or ``frozen``; of a remark ``noise``, ``steady_tone``,
            ``gap``, ``pattern`` or ``cut_off``.
        message: what is wrong, one sentence.
        value: the figure behind it, in the unit that the message names.
    """

    code: str
    message: str
    value: float | None = None


def check_take(
    sound: Clip | ArrayLike,
    sample_rate: int | None = None,
    *,
    expected_s: float | None = None,
    exact: bool = False,
) -> tuple[TakeDefect, ...]:
    """Find the defects of a take; a good one has none.

    - NaN or infinite samples. Nothing else is measured then.
    - Silence: under -50 LUFS (under 0.4 s, an RMS under -50 dBFS); or more than half of it
      (from 8 s on, two fifths) in stretches of at least 0.5 s whose 50 ms frames are under
      -60 dBFS in all channels: shorter ones are rests. Takes under 1 s are exempt, and under
      3 s those that die away by themselves: a percussion hit is mostly its decay.
    - Clipping: flat tops of three or more samples at full scale, at least ten and 0.1 % of all
      samples, or fewer and 3 %; or a hundred of any length and 1.5 %, as bright sounds clip in
      single samples. Less passes: loud masters have it. Or the same at the sound's own peak,
      which was turned down afterwards.
    - Length: more than 20 ms off, where it is exact.
    - A loop: the generator got stuck (see ``stuck_loop``; copies may be 2.5 ms off).
    - DC offset: half of all 100 ms frames lie more than 0.04 off zero to the same side, and so
      does half as much the whole.
    - A dead channel: 60 dB under the loudest, all along or from some place on.
    - Antiphase: a correlation of the channels under -0.9.
    - Clicks: at least twenty, and two a second, that stand out from all around them.
    - Dropouts: at least three gaps of digital silence, from 2 ms on, amid sound.
    - Frozen: at least 2.5 s and a fifth of it, not from the beginning, don't change at all, or
      repeat one grain.

    Args:
        sound: a clip, or samples ``[channels, time]`` or ``[time]``, which may hold NaN.
        sample_rate: samples per second, for samples alone.
        expected_s: the length asked for, in seconds.
        exact: whether the generator promises that length.

    Raises:
        AudioError: samples without a rate, or of a wrong shape.

    Examples:
        >>> import numpy as np
        >>> import milonga
        >>> from milonga.analysis.take_checks import check_take
        >>> t = np.arange(2 * 44100) / 44100
        >>> tone = np.sin(2 * np.pi * 440 * t)
        >>> check_take(milonga.Clip(0.5 * tone, 44100))
        ()
        >>> clipped = milonga.Clip(np.clip(3 * tone, -1, 1), 44100)
        >>> [defect.code for defect in check_take(clipped, expected_s=3, exact=True)]
        ['wrong_length', 'clipped']
    """
    found = defects(sound, sample_rate, expected_s=expected_s, exact=exact)
    return tuple(TakeDefect(**asdict(defect)) for defect in found)


def examine_take(
    clip: Clip, *, expected_s: float | None = None, exact: bool = False, music: bool = False
) -> tuple[tuple[TakeDefect, ...], tuple[TakeDefect, ...]]:
    """Find the defects of a take and what may be meant, each thing once.

    Args:
        clip: the take.
        expected_s: the length asked for, in seconds.
        exact: whether the generator promises that length.
        music: whether music was asked for, and no noise and no drone. From 3 s on, steady
            noise is a defect then if it has a fifth of the energy, a tone at one level if it has
            three tenths.

    Examples:
        >>> import numpy as np
        >>> import milonga
        >>> from milonga.analysis.take_checks import examine_take
        >>> noise = milonga.Clip(np.random.default_rng(0).uniform(-0.5, 0.5, 4 * 44100), 44100)
        >>> [[one.code for one in kind] for kind in examine_take(noise, music=True)]
        [['noise'], ['cut_off']]
    """
    found, noted = examined(clip, expected_s=expected_s, exact=exact, music=music)
    return (
        tuple(TakeDefect(**asdict(defect)) for defect in found),
        tuple(TakeDefect(**asdict(remark)) for remark in noted),
    )


def take_remarks(clip: Clip) -> tuple[TakeDefect, ...]:
    """List what a take has that may be meant or not; no take is refused for it.

    - Noise: an eighth of the energy, or all of it, is steady noise.
    - A steady tone: a tenth of the energy keeps one pitch and one level from beginning to end,
      as hum does, and drones.
    - A gap: once or twice the sound stops dead for 0.3 s or more and goes on again.
    - A pattern: a passage under 1.5 s repeated for 6 s or three fifths of it, with gaps in
      between, as drum machines do it.
    - Cut off: it ends amid sound, less than 12 dB under its loud passages, as loops do.

    Nothing is said of sounds under a second.

    Args:
        clip: the take.

    Examples:
        >>> import numpy as np
        >>> import milonga
        >>> noise = np.random.default_rng(0).uniform(-0.5, 0.5, 4 * 44100)
        >>> [remark.code for remark in milonga.take_remarks(milonga.Clip(noise, 44100))]
        ['noise', 'cut_off']
    """
    return tuple(TakeDefect(**asdict(remark)) for remark in remarks(clip))
