"""Take checks: the defects of a take, as receipts keep them."""

from __future__ import annotations

from dataclasses import asdict

from numpy.typing import ArrayLike

from milonga.analysis.checks.defects import defects
from milonga.audio.clip import Clip
from milonga.runtime.record import Record


class TakeDefect(Record):
    """A defect of a take.

    Attributes:
        code: ``empty``, ``not_finite``, ``silent``, ``mostly_silent``, ``clipped``,
            ``wrong_length``, ``loop``, ``dc_offset``, ``dead_channel``, ``antiphase``,
            ``clicks``, ``dropouts`` or ``frozen``.
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
    - Silence: under -50 LUFS (under 0.4 s, an RMS under -50 dBFS); or more than half of it in
      stretches of at least 0.5 s whose 50 ms frames are under -60 dBFS in all channels:
      shorter ones are rests. Takes under 1 s are exempt: a percussion hit is mostly its decay.
    - Clipping: flat tops of three or more samples at full scale, at least ten and 0.1 % of all
      samples, or fewer and 3 %; or a hundred of any length and 1.5 %, as bright sounds clip in
      single samples. Less passes: loud masters have it. Or the same at the sound's own peak,
      which was turned down afterwards.
    - Length: more than 20 ms off, where it is exact.
    - A loop: the generator got stuck (see ``stuck_loop``).
    - DC offset: half of all 100 ms frames lie more than 0.04 off zero to the same side.
    - A dead channel: 60 dB under the loudest, all along or from some place on.
    - Antiphase: a correlation of the channels under -0.9.
    - Clicks: at least twenty, and two a second, that stand out from all around them.
    - Dropouts: at least three gaps of digital silence, 2 to 300 ms, amid sound.
    - Frozen: at least 2.5 s and a fifth of it, not from the beginning, don't change at all.

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
