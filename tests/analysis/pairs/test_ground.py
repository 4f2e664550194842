"""The same sound is the same whatever its format; what was done to it has a name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga import audio
from milonga.analysis.pairs import stereo
from milonga.analysis.pairs.beat import tempo
from milonga.analysis.pairs.figures import LEAST_S, SIMILARITIES
from milonga.analysis.pairs.ground import onset_strength
from milonga.analysis.pairs.measure import common
from milonga.analysis.pairs.sketch import sketch
from milonga.analysis.pairs.stereo import channel_sums
from milonga.analysis.verdicts.damages import DAMAGES, RATE, stretched, working
from milonga.audio import Clip

KINDS = ("loop_garzul", "guit_em9", "perc_bell", "loop_compus")
ALSO = (
    *("loop_amen_full", "loop_mika", "loop_tabla", "loop_safari", "loop_weirdo"),
    *("loop_drone_g_97", "loop_3d_printer", "ambi_glass_hum", "ambi_sauna", "ambi_lunar_land"),
    *("ambi_drone", "bass_voxy_c", "drum_roll", "guit_e_slide", "guit_e_fifths"),
    *("misc_cineboom", "perc_bell2", "vinyl_hiss"),
)

FORMATS = {
    **{
        f"{rate} Hz": lambda clip, rate=rate: audio.resample(clip, rate)
        for rate in (16_000, 22_050, 24_000, 32_000, 48_000, 96_000, 192_000)
    },
    **{f"{db} dB": lambda clip, db=db: clip.scaled(10 ** (db / 20)) for db in (-1, -6, -20)},
    "mono": lambda clip: Clip(clip.mono, clip.sample_rate),
    "dual mono": lambda clip: Clip(np.stack([clip.mono] * 2), clip.sample_rate),
}
DAMAGE = {damage.name: damage for damage in DAMAGES}


@pytest.fixture(
    scope="module",
    params=[*KINDS, *(pytest.param(name, marks=pytest.mark.slow) for name in ALSO)],
)
def recording(request, sample):
    clip = sample(request.param)
    return clip, sketch(clip)


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_sound_in_another_format_is_the_same(recording, name):
    clip, own = recording
    other = sketch(FORMATS[name](clip))
    found = common(own, other)
    values = {key: getattr(found, key) for key in SIMILARITIES}
    known = {key: value for key, value in values.items() if value is not None}
    assert {"sound_similarity", "timbre_similarity"} <= set(known)
    assert {key: value for key, value in known.items() if value < 0.999} == {}
    assert set(found.changes) <= {"mono"}
    first, second = tempo(onset_strength(own)), tempo(onset_strength(other))
    if first.bpm is None:
        assert second.bpm is None
    else:
        assert second.bpm == pytest.approx(first.bpm, abs=first.resolution_bpm)


@pytest.fixture(scope="module")
def guitar(sample):
    clip = sample("guit_em9")
    return sketch(clip), working(clip)


@pytest.mark.parametrize("semitones", [-4, -1, 1, 3])
def test_a_transposition_is_named(guitar, semitones):
    own, wave = guitar
    found = common(own, sketch(Clip(DAMAGE["pitch"].apply(wave, 100 * semitones), RATE)))
    # The scale has three steps a semitone; a parabola finds the place between them.
    assert found.pitch_shift_semitones == pytest.approx(semitones, abs=0.1)
    assert "transposed" in found.changes
    # The notes are held against each other after they were moved back; the phase vocoder of
    # the test leaves its traces.
    assert found.notes_similarity > 0.95


def test_ten_cents_change_no_harmony(guitar):
    own, wave = guitar
    found = common(own, sketch(Clip(DAMAGE["pitch"].apply(wave, 10), RATE)))
    assert found.harmony_similarity > 0.99
    assert found.pitch_shift_semitones == pytest.approx(0.1, abs=0.07)
    assert "transposed" not in found.changes or found.pitch_shift_semitones >= 0.08


@pytest.mark.parametrize("ratio", [0.8, 0.96, 1.04, 1.25])
def test_another_speed_is_named(sample, ratio):
    clip = sample("loop_garzul")
    found = common(sketch(clip), sketch(Clip(stretched(working(clip), 1 / ratio), RATE)))
    assert found.tempo_ratio == pytest.approx(ratio, rel=0.01)
    assert ("faster" if ratio > 1 else "slower") in found.changes
    assert found.sound_similarity > 0.9


def test_pieces_in_another_order_are_not_the_same(sample):
    clip = sample("loop_tabla")
    pieces = [clip.between(at, at + 1).samples for at in (3, 7, 0, 5, 1, 9, 4, 8, 2, 6)]
    shuffled = Clip(np.concatenate(pieces, axis=1), clip.sample_rate)
    backwards = Clip(clip.samples[:, ::-1].copy(), clip.sample_rate)
    own = sketch(clip)
    for other in (shuffled, backwards):
        found = common(own, sketch(other))
        assert found.timbre_similarity > 0.99
        assert found.sound_similarity < 0.9
        assert found.rhythm_similarity < 0.7
        assert found.form_similarity < 0.7


def test_an_excerpt_is_held_against_its_place(sample):
    clip = sample("loop_tabla")
    found = common(sketch(clip), sketch(clip.between(3.0, 7.0)))
    start, stop = found.matched_s
    # Frames are 0.05 s apart, and the last may be a rest.
    assert start == pytest.approx(3.0, abs=0.15)
    assert stop == pytest.approx(7.0, abs=0.3)
    assert found.sound_similarity > 0.95
    assert found.timbre_similarity > 0.99


@pytest.mark.parametrize(("seconds", "left"), [(0.3, 0), (0.9, 1), (1.8, 2), (2.5, 4), (5.0, 6)])
def test_what_is_too_short_for_a_figure_is_refused_with_the_length_that_would_do(
    sample, seconds, left
):
    clip = sample("loop_mika")
    found = common(sketch(clip), sketch(clip.between(0, seconds)))
    known = [name for name in SIMILARITIES if getattr(found, name) is not None]
    assert len(known) == left
    for name in set(SIMILARITIES) - set(known):
        assert f"It needs {LEAST_S[name]:g} s of sound; the candidate has " in found.reasons[name]


def test_rests_have_no_spectrum(sample):
    clip = sample("loop_mika")
    rest = np.zeros_like(clip.samples)
    halved = Clip(np.concatenate((clip.samples, rest), axis=1), clip.sample_rate)
    found = common(sketch(clip), sketch(halved))
    assert found.centroid_diff_pct == pytest.approx(0, abs=0.5)
    assert found.timbre_similarity > 0.999


@pytest.mark.parametrize(
    ("change", "matrix"),
    [
        ("swapped", [[0, 1], [1, 0]]),
        ("inverted", [[1, 0], [0, -1]]),
        ("mono", [[0.5, 0.5], [0.5, 0.5]]),
        ("polarity", [[-1, 0], [0, -1]]),
    ],
)
@pytest.mark.parametrize("name", ["loop_garzul", "guit_em9"])
def test_what_happened_to_the_channels_is_named(sample, name, change, matrix):
    clip = sample(name)
    samples = (np.array(matrix) @ clip.samples).astype(np.float32)
    found = common(sketch(clip), sketch(Clip(samples, clip.sample_rate)))
    assert found.changes == (change,)


def test_polarity_is_named_through_a_codec_and_another_start_and_only_where_it_turned(sample):
    clip = sample("loop_compus")
    own, wave = sketch(clip), DAMAGE["bit_rate"].apply(working(clip), 32)
    late = np.concatenate((np.zeros(7000, dtype=np.float32), wave))
    for sign in (1, -1):
        found = common(own, sketch(Clip(sign * late, RATE)))
        assert ("polarity" in found.changes) == (sign < 0)


def test_channels_that_cancel_are_still_heard(sample):
    mono = sample("loop_garzul").mono
    found = common(sketch(Clip(mono, 44_100)), sketch(Clip(np.stack([mono, -mono]), 44_100)))
    assert found.sound_similarity > 0.999
    assert found.changes == ("inverted",)
    assert found.image.width == pytest.approx(1, abs=1e-6)
    assert found.image.correlation == pytest.approx(-1, abs=1e-6)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 192_000])
def test_the_notes_of_a_chord_do_not_depend_on_the_rate(rate):
    from milonga.analysis.pairs.pitch import chroma

    t = np.arange(2 * rate) / rate
    for root in range(12):
        notes = {root % 12, (root + 3) % 12, (root + 7) % 12}
        hertz = 440 * 2 ** ((np.array([0, 3, 7]) + root - 21) / 12)
        wave = sum(np.sin(2 * np.pi * f * k * t) / k for f in hertz for k in (1, 2, 3))
        strengths = chroma(sketch(Clip(0.1 * wave, rate)).pitch, 0.0).mean(axis=0)
        assert set(np.argsort(strengths)[-3:].tolist()) == notes


@settings(max_examples=15, deadline=None)
@given(samples=st.integers(1, 4_000), hop=st.integers(1, 40), frames=st.integers(1, 9))
def test_channels_are_summed_the_same_some_frames_at_a_time(samples, hop, frames):
    clip = Clip(np.random.default_rng(samples).standard_normal((2, samples)), 1_000)
    whole = channel_sums(clip, hop / 1_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stereo, "_FRAMES", frames)
        assert np.array_equal(channel_sums(clip, hop / 1_000), whole)
    left, right = clip.samples.astype(np.float64)
    # Products of float32 have 24 bits.
    assert whole.sum(axis=0) == pytest.approx(
        [left @ left, right @ right, left @ right], rel=1e-5, abs=1e-4
    )
