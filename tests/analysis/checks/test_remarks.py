"""What may be meant is told, and no music is called noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga import audio
from milonga.analysis.checks.noise import noise_share, steady_tones
from milonga.analysis.checks.remarks import examined, remarks
from milonga.audio import Clip

RATE = 22_050


def codes(clip):
    return {remark.code for remark in remarks(clip)}


def coloured(length, colour, rng):
    spectrum = np.fft.rfft(rng.standard_normal(length))
    place = np.arange(len(spectrum)) / len(spectrum)
    spectrum *= np.where(place > 0.002, np.maximum(place, 0.002) ** (-colour / 2), 0)
    noise = np.fft.irfft(spectrum, length)
    return (noise / noise.std()).astype(np.float32)


@pytest.fixture
def music(sample):
    """Six seconds of drums and bass."""
    clip = sample("loop_garzul")
    return audio.resample(Clip(clip.mono[: 6 * clip.sample_rate], clip.sample_rate), RATE)


def with_level(music, other, db):
    level = np.sqrt(np.mean(np.square(music.samples)))
    other = other / np.sqrt(np.mean(np.square(other)))
    return Clip(music.samples + level * 10 ** (db / 20) * other.astype(np.float32), RATE)


@pytest.mark.parametrize("colour", [0, 1])
def test_noise_in_place_of_music(colour, rng):
    (remark, _end) = remarks(Clip(0.1 * coloured(6 * RATE, colour, rng), RATE))
    assert remark.message == "It is steady noise."
    # The whole, but for what the quietest tenth of its bands is short of.
    assert remark.value > 0.75


@pytest.mark.parametrize(("db", "share"), [(0, 0.5), (6, 0.8), (-20, 0.01)])
def test_the_share_of_noise_is_measured(db, share, music, rng):
    noisy = with_level(music, coloured(music.n_samples, 0, rng), db)
    # Where the music never rests, its own bands hide some.
    assert noise_share(noisy.mono, RATE) == pytest.approx(share, abs=0.15)
    assert ("noise" in codes(noisy)) == (share > 0.12)


@pytest.mark.parametrize("mains", [50, 60])
def test_hum(mains, music):
    time = np.arange(music.n_samples) / RATE
    hum = sum(np.sin(2 * np.pi * mains * n * time) / n for n in (1, 2, 3))
    found = {remark.code: remark for remark in remarks(with_level(music, hum, 0))}
    # Bins of 0.35 s are 2.9 Hz apart.
    assert found["steady_tone"].value == pytest.approx(mains, abs=1.5)
    assert "mains" in found["steady_tone"].message
    assert "steady_tone" not in codes(music)


def test_a_whistle_is_named_by_its_pitch(music):
    time = np.arange(music.n_samples) / RATE
    share, hertz = steady_tones(with_level(music, np.sin(2 * np.pi * 3100 * time), 0).mono, RATE)
    assert hertz[0] == pytest.approx(3100, abs=1.5)
    assert share == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("count", "expected"), [(1, {"gap"}), (2, {"gap"}), (3, set())])
def test_gaps_amid_sound(count, expected, rng):
    samples = 0.1 * coloured(8 * RATE, 0, rng)
    for start in range(1, 2 * count, 2):
        samples[start * RATE : start * RATE + RATE // 2] = 0
    # Three are a defect.
    assert codes(Clip(samples, RATE)) & {"gap"} == expected


@pytest.mark.parametrize("padding", [0, RATE])
def test_a_last_note_that_is_cut(padding):
    time = np.arange(3 * RATE) / RATE
    note = 0.3 * np.sin(2 * np.pi * 440 * time) * np.exp(-(time % 1))
    whole = note * np.minimum(1, (3 - time) / 0.5)
    assert "cut_off" not in codes(Clip(np.pad(whole, (0, padding)).astype(np.float32), RATE))
    cut = np.pad(note[: 5 * RATE // 2], (0, padding))
    assert "cut_off" in codes(Clip(cut.astype(np.float32), RATE))


def test_a_drum_pattern_is_a_remark_and_no_finding(sample):
    from milonga.analysis.take_checks import check_take

    hit, size = sample("tabla_ghe5"), 26_460
    beat = np.zeros(hit.sample_rate, dtype=np.float32)
    beat[:size] = hit.mono[:size] * np.linspace(1, 0, size, dtype=np.float32)
    clip = Clip(np.tile(beat, 8), hit.sample_rate)
    (remark,) = remarks(clip)
    assert (remark.code, remark.value) == ("pattern", pytest.approx(1.0, abs=0.003))
    assert check_take(clip) == ()


@settings(max_examples=25, deadline=None)
@given(
    frames=st.integers(0, 30_000),
    channels=st.integers(1, 3),
    rate=st.sampled_from([8_000, 44_100]),
    level=st.sampled_from([0.0, 1e-9, 0.1, 100.0]),
)
def test_any_clip_has_an_answer(frames, channels, rate, level):
    samples = level * np.random.default_rng(frames).uniform(-1, 1, (channels, frames))
    for remark in remarks(Clip(samples.astype(np.float32), rate)):
        assert remark.message
        assert np.isfinite(remark.value)


@pytest.mark.parametrize("db", [0, 20])
def test_noise_in_place_of_music_is_a_defect_where_music_was_asked_for(music, db):
    rng = np.random.default_rng(0)
    noisy = with_level(music, rng.standard_normal(music.n_samples), db)
    plain, asked = examined(noisy), examined(noisy, music=True)
    assert [one.code for one in asked[0]] == ["noise"]
    assert {one.code for one in plain[1]} - {one.code for one in asked[1]} == {"noise"}
    assert plain[0] == ()


def test_music_stays_music_where_it_was_asked_for(music):
    assert examined(music, music=True) == examined(music)
