"""The melody that is heard, held against the one that was sung."""

import numpy as np
import pytest

from milonga import LyricLine, Request, generator
from milonga.analysis.melody import melody_of
from milonga.audio import Clip


def test_the_melody_of_a_voice_is_near_what_it_sings():
    guide = generator("guide", a_cappella=True)
    request = Request(
        role="vocals", section="verse", seconds=8, tempo=90, key="A minor", seed=1,
        lyrics=(LyricLine(text="The river is wide and the water is slow"),),
    )  # fmt: skip
    written = next(part for part in guide.notation(request).parts if part.name == "voice").notes
    heard = melody_of(guide.render(request))
    at = np.arange(0.0, 8.0, 0.01)

    def line(notes):
        pitch = np.full(len(at), np.nan)
        for note in notes:
            pitch[(at >= note.start_s) & (at < note.end_s)] = note.pitch
        return pitch

    wanted, found = line(written), line(heard)
    both = ~np.isnan(wanted) & ~np.isnan(found)
    # The raw pitch accuracy of melody extraction (MIREX): within half a semitone. 98 % and 82 %
    # were seen; what is missing are consonants.
    assert np.mean(np.abs(wanted - found)[both] < 0.5) > 0.9
    assert both.sum() > 0.7 * (~np.isnan(wanted)).sum()


@pytest.mark.parametrize("samples", [np.zeros(44_100), np.zeros(100)])
def test_silence_and_a_sliver_have_no_melody(samples):
    assert melody_of(Clip(samples, 44_100)) == []


def test_the_pitch_of_a_tone_is_right():
    time = np.arange(44_100) / 44_100
    wave = sum(np.sin(2 * np.pi * 220 * n * time) / n for n in range(1, 6))
    (note,) = melody_of(Clip(0.2 * wave, 44_100))
    assert note.pitch == pytest.approx(57, abs=0.1)
    assert note.end_s - note.start_s > 0.8
