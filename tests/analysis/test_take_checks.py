"""Real recordings and sequenced music pass; every planted defect is found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter1d

from milonga import audio
from milonga.analysis.take_checks import TakeDefect, check_take
from milonga.audio import Clip
from milonga.errors import AudioError

REALLY_CLIPPED = {"loop_amen_full"}
"""A break mastered into its ceiling: hundreds of flat tops (asserted below)."""

PLANTED_IN = ("loop_garzul", "ambi_choir", "bass_voxy_c", "tabla_ghe5")
ALSO_IN = (
    "loop_mika",
    "loop_tabla",
    "loop_safari",
    "loop_compus",
    "loop_electric",
    "loop_weirdo",
    "loop_perc1",
    "loop_mehackit1",
    "ambi_piano",
    "ambi_lunar_land",
    "ambi_haunted_hum",
    "ambi_drone",
    "guit_em9",
    "guit_harmonics",
    "guit_e_slide",
    "vinyl_rewind",
    "ambi_swoosh",
    "mehackit_phone3",
)


def codes(findings):
    return [finding.code for finding in findings]


@pytest.fixture(
    params=[*PLANTED_IN, *(pytest.param(name, marks=pytest.mark.slow) for name in ALSO_IN)]
)
def recording(request, sample):
    return sample(request.param)


def test_real_recordings_pass(recordings):
    alarms = {}
    for path in recordings:
        clip = audio.read(path)
        # All of each is heard in ``python -m bench checks``.
        clip = Clip(clip.samples[:, : 10 * clip.sample_rate], clip.sample_rate)
        found = check_take(clip, expected_s=clip.seconds, exact=True)
        if found and path.stem not in REALLY_CLIPPED:
            alarms[path.name] = codes(found)
    assert not alarms
    assert len(recordings) > 100


@pytest.mark.parametrize("name", sorted(REALLY_CLIPPED))
def test_a_recording_that_clips_is_found(name, sample):
    clip = sample(name)
    flat = (clip.samples[:, 1:-1] >= 0.9999) & (clip.samples[:, :-2] == clip.samples[:, 2:])
    assert flat.sum() > 500
    assert codes(check_take(clip)) == ["clipped"]


@pytest.mark.parametrize("tempo", [90, 100, 120, 122, 150])
@pytest.mark.parametrize("drums_only", [False, True])
def test_sequenced_music_passes(tempo, drums_only, sequenced):
    # Sixteen seconds: two rounds of the progression at 120 BPM, exact to the sample.
    assert check_take(sequenced(tempo, drums_only=drums_only)) == ()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite(recording, bad):
    samples = recording.samples.copy()
    samples[-1, recording.n_samples // 2 :: 1000] = bad
    (finding,) = check_take(samples, recording.sample_rate, expected_s=1, exact=True)
    assert finding.code == "not_finite"
    assert f"{recording.seconds / 2:.2f} s" in finding.message


@pytest.mark.parametrize("level", [0.0, 1e-5, 1e-4])
def test_silence(recording, level):
    noise = level * np.random.default_rng(0).standard_normal(recording.samples.shape)
    assert codes(check_take(Clip(noise.astype(np.float32), recording.sample_rate))) == ["silent"]


def test_half_of_it_silent(recording):
    # The model stopped early and left its noise floor.
    keep = recording.fitted(round(0.45 * recording.n_samples)).fitted(recording.n_samples)
    noise = 2e-4 * np.random.default_rng(0).standard_normal(keep.samples.shape)
    clip = Clip(keep.samples + noise.astype(np.float32), recording.sample_rate)
    assert "mostly_silent" in codes(check_take(clip))


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_clipping(recording, share):
    loud = recording.samples / np.quantile(np.abs(recording.samples), 1 - share)
    assert "clipped" in codes(check_take(Clip(np.clip(loud, -1, 1), recording.sample_rate)))


@pytest.mark.parametrize("share", [0.42, 0.5])
def test_a_long_take_that_is_silent_for_two_fifths(share, long_recording):
    samples = long_recording.samples.copy()
    samples[:, round((1 - share) * samples.shape[1]) :] = 0
    assert "mostly_silent" in codes(check_take(Clip(samples, long_recording.sample_rate)))


def test_a_signal_that_dies_away_passes():
    time = np.arange(round(2.5 * 44_100)) / 44_100
    chime = 0.1 * np.sin(2 * np.pi * 880 * time) * np.exp(-10 * time)
    assert check_take(Clip(chime.astype(np.float32), 44_100)) == ()


def test_a_slow_wave_is_no_offset():
    # Up for longer than down, but less far.
    time = np.arange(2 * 44_100) / 44_100
    slow = np.where(time % 0.5 < 0.3, 0.08, -0.12) + 0.3 * np.sin(2 * np.pi * 100 * time)
    assert "dc_offset" not in codes(check_take(Clip(slow.astype(np.float32), 44_100)))


def test_loud_but_whole_passes(recording):
    # A float take may peak beyond full scale: it's curved there, not flat.
    assert check_take(recording.scaled(1.5 / recording.peak)) == ()


@pytest.mark.parametrize("off", [-0.5, -0.021, 0.021, 0.5])
def test_wrong_length(recording, off):
    found = check_take(recording, expected_s=recording.seconds - off, exact=True)
    assert codes(found) == ["wrong_length"]
    assert found[0].value == pytest.approx(off)
    assert ("too long" if off > 0 else "too short") in found[0].message
    assert check_take(recording, expected_s=recording.seconds - off, exact=False) == ()


@settings(max_examples=15, deadline=None)
@given(st.floats(-0.02, 0.02))
def test_twenty_milliseconds_are_right(off):
    noise = (0.1 * np.random.default_rng(0).standard_normal(8_000)).astype(np.float32)
    assert check_take(noise, 8_000, expected_s=1 + off, exact=True) == ()


@pytest.mark.parametrize("offset", [0.1, -0.1, 0.3])
def test_dc_offset(recording, offset):
    shifted = Clip(recording.samples * 0.5 + np.float32(offset), recording.sample_rate)
    found = {finding.code: finding for finding in check_take(shifted)}
    assert found["dc_offset"].value == pytest.approx(offset, abs=0.03)


@pytest.mark.parametrize("dead", [0, 1])
def test_dead_channel(recording, dead):
    samples = recording.with_channels(2).samples.copy()
    samples[dead] = 1e-6
    (finding,) = check_take(Clip(samples, recording.sample_rate))
    assert finding.code == "dead_channel"
    assert ("left", "right")[dead] in finding.message


def test_stuck(recording):
    at = recording.n_samples // 3
    second = recording.fitted(recording.n_samples).samples[:, at : at + recording.sample_rate // 2]
    stuck = Clip(np.tile(second, (1, 20)), recording.sample_rate)
    found = {finding.code: finding for finding in check_take(stuck)}
    level = 10 * np.log10(np.mean(np.square(second)))
    assert level > -60
    assert found["loop"].value == pytest.approx(second.shape[1] / recording.sample_rate, rel=1e-3)


@pytest.fixture
def long_recording(recording):
    """At least ten seconds, by repetition: shorter than a loop that the checks look for."""
    times = -(-10 * recording.sample_rate // recording.n_samples)
    quieter = 0.9 * recording.samples / max(recording.peak, 1e-6)
    return Clip(np.tile(quieter, (1, times)).astype(np.float32), recording.sample_rate)


def test_clipping_that_was_turned_down(recording):
    loud = recording.samples / np.quantile(np.abs(recording.samples), 0.98)
    turned = Clip(0.3 * np.clip(loud, -1, 1), recording.sample_rate)
    found = {finding.code: finding for finding in check_take(turned)}
    assert "turned down" in found["clipped"].message


def test_a_square_wave_is_meant_to_be_one():
    time = np.arange(3 * 44_100) / 44_100
    square = 0.4 * np.sign(np.sin(2 * np.pi * 220 * time)) * (1 + 0 * time)
    assert "clipped" not in codes(check_take(Clip(square.astype(np.float32), 44_100)))


def test_channels_in_antiphase(recording):
    mono = recording.mono
    assert codes(check_take(Clip(np.stack([mono, -mono]), recording.sample_rate))) == ["antiphase"]


@pytest.mark.parametrize("channel", [0, 1])
def test_a_channel_that_dies(long_recording, channel):
    samples = long_recording.with_channels(2).samples.copy()
    samples[channel, samples.shape[1] * 3 // 10 :] = 0
    found = {f.code: f for f in check_take(Clip(samples, long_recording.sample_rate))}
    assert ("left", "right")[channel] in found["dead_channel"].message


def test_gaps(long_recording):
    samples, rate = long_recording.samples.copy(), long_recording.sample_rate
    size, beside = rate // 2, rate // 200
    # Louder than most for 5 ms, not in one sample: a gap that begins in a rest is a longer rest.
    level = uniform_filter1d(np.square(samples).mean(axis=0), beside)
    ends = np.minimum(level[: -size - beside], level[size + beside :])
    loud = np.flatnonzero(ends > np.quantile(level, 0.6))
    for near in (1, 3, 5):
        at = loud[np.argmin(np.abs(loud - near * len(level) // 7))] + beside // 2
        samples[:, at : at + size] = 0
    assert "dropouts" in codes(check_take(Clip(samples, rate)))


def test_thirty_clicks(long_recording):
    samples = long_recording.samples.copy()
    rng = np.random.default_rng(3)
    at = rng.choice(samples.shape[1] - 1000, 30, replace=False) + 500
    samples[:, at] = rng.choice([-0.9, 0.9], 30)
    clip = Clip(samples, long_recording.sample_rate)
    if clip.seconds < 15:
        assert "clicks" in codes(check_take(clip))


def test_dropouts(long_recording):
    samples = long_recording.samples.copy()
    rate = long_recording.sample_rate
    # Where it is loud: a gap in a rest is none.
    loud = np.flatnonzero(np.abs(samples[0, : -2 * rate]) > np.quantile(np.abs(samples[0]), 0.9))
    at = loud[np.linspace(0, len(loud) - 1, 30).astype(int)]
    for start in at:
        samples[:, start : start + round(0.02 * rate)] = 0
    assert "dropouts" in codes(check_take(Clip(samples, rate)))


def test_a_tone_that_got_stuck(long_recording):
    samples, rate = long_recording.samples.copy(), long_recording.sample_rate
    time = np.arange(samples.shape[1] - 3 * rate) / rate
    samples[:, 3 * rate :] = 0.3 * np.sin(2 * np.pi * 313.7 * time)
    found = {finding.code: finding for finding in check_take(Clip(samples, rate))}
    assert found["frozen"].value == pytest.approx(3.0, abs=0.3)


@settings(max_examples=40, deadline=None)
@given(
    frames=st.integers(0, 5_000),
    channels=st.integers(1, 3),
    rate=st.sampled_from([8_000, 44_100]),
    level=st.sampled_from([0.0, 1e-9, 0.1, 1.0, 100.0]),
)
def test_any_take_has_an_answer(frames, channels, rate, level):
    samples = level * np.random.default_rng(frames).uniform(-1, 1, (channels, frames))
    for finding in check_take(samples, rate, expected_s=0.1, exact=True):
        assert TakeDefect.model_validate_json(finding.model_dump_json()) == finding
        assert finding.value is None or np.isfinite(finding.value)


def test_no_samples():
    assert codes(check_take(np.zeros((2, 0)), 44_100)) == ["empty"]


def test_samples_need_a_rate():
    with pytest.raises(AudioError, match="rate"):
        check_take(np.zeros(100))
