"""A passage of the baseline in a take is named with its place; chance gives none."""

import html

import numpy as np
import pytest

from milonga import audio
from milonga.analysis.comparison import compare_clips
from milonga.analysis.pairs.passages import LEAST_S, shared_passage
from milonga.analysis.pairs.sketch import sketch
from milonga.analysis.text import comparison_text
from milonga.analysis.verdicts.borrowed import LEAST
from milonga.audio import Clip

RATE = 24_000
LIVELY = ("loop_garzul", "loop_compus", "loop_safari")


def low(clip):
    return audio.resample(Clip(clip.mono, clip.sample_rate), RATE).mono


def planted(host, whole, start_s, seconds=4.0, gain=1.0):
    """The host, with a piece of another recording at 3 s."""
    piece = gain * whole[round(start_s * RATE) : round((start_s + seconds) * RATE)]
    return Clip(np.concatenate((host[: 3 * RATE], piece, host[3 * RATE :])), RATE)


@pytest.mark.parametrize("name", LIVELY)
def test_four_seconds_of_the_baseline_are_found_at_their_place(sample, name):
    clip = sample(name)
    take = planted(low(sample("loop_amen_full")), low(clip), 1.337, gain=0.4)
    found = shared_passage(sketch(clip), sketch(take))
    assert found.similarity >= LEAST
    assert 3 - 0.1 <= found.at_s <= 7 - LEAST_S + 0.1
    # Loops repeat themselves: the same bar later would do. Frames are 0.05 s apart.
    bar = clip.seconds / 8
    apart = (found.from_s - 1.337) - (found.at_s - 3)
    assert abs(apart - bar * round(apart / bar)) <= 0.06
    assert LEAST_S <= found.seconds <= 4.2


def test_a_comparison_names_what_was_taken_over(sample):
    clip = sample("loop_garzul")
    host = low(sample("loop_amen_full"))
    takes = {"planted": planted(host, low(clip), 1.337), "host": Clip(host, RATE), "same": clip}
    comparison = compare_clips(clip, takes)
    one, host_alone, same = comparison.candidates
    assert one.borrowed.chance < one.borrowed.similarity
    assert one.borrowed.text in one.sentence
    assert " s of it, from 0:03." in one.sentence
    assert one.sentence in comparison_text(comparison)
    assert one.to_dict()["borrowed"]["text"] == one.borrowed.text
    assert one.sentence in html.unescape(comparison._repr_html_())
    assert host_alone.borrowed is None
    # All of it is the baseline, and that is said already.
    assert same.sentence == "The same recording, as far as these figures can tell."
    assert same.borrowed.seconds == pytest.approx(clip.seconds, abs=0.3)


def test_twenty_unrelated_recordings_share_nothing(recordings):
    clips = [audio.read(path) for path in recordings]
    clips = [clip for clip in clips if 4 <= clip.seconds < 60]
    sketches = [sketch(clip) for clip in clips]
    assert len(sketches) >= 20
    alike = [
        found.similarity
        for one in sketches
        for other in sketches
        if other is not one and (found := shared_passage(one, other))
    ]
    assert len(alike) > 20 * 20
    assert max(alike) < LEAST - 0.05


def test_what_is_too_short_or_still_has_no_passage(sample):
    whole = sketch(sample("loop_garzul"))
    assert shared_passage(whole, sketch(sample("drum_snare_hard"))) is None
    still = Clip(np.zeros(6 * RATE, dtype=np.float32), RATE)
    assert shared_passage(whole, sketch(still)) is None
