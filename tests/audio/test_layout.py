"""Loudspeaker layouts: loudness by place, downmix, and channels that keep their places in files."""

import numpy as np
import pytest
import soundfile

from milonga.audio import Clip, loudness_lufs, probe, read, resample, write
from milonga.audio.layout import stereo_gains, usual_layout
from milonga.errors import AudioError
from milonga.sounds.corpus.reading import measure, pieces

RATE = 48000
FIVE_ONE = usual_layout(6)


def tone(db, seconds=20, hertz=1000.0):
    time = np.arange(round(seconds * RATE)) / RATE
    return 10 ** (db / 20) * np.sin(2 * np.pi * hertz * time)


def case_6():
    """EBU Tech 3341, case 6, by place."""
    levels = {"FL": -28, "FR": -28, "FC": -24, "BL": -30, "BR": -30}
    return {place: tone(db) for place, db in levels.items()}


def film(places, lfe_db=-10.0):
    # The LFE is far above everything else.
    sounds = case_6() | {"LFE": tone(lfe_db), "SL": tone(-30), "SR": tone(-30)}
    return Clip([sounds[place] for place in places], RATE, layout=tuple(places))


@pytest.mark.parametrize(
    "places",
    [
        FIVE_ONE,
        ("FL", "FR", "FC", "BL", "BR"),
        ("FL", "FR", "FC", "LFE", "SL", "SR"),
        ("LFE", "FC", "BR", "BL", "FR", "FL"),
    ],
)
def test_ebu_tech_3341_case_6(places):
    assert loudness_lufs(film(places)) == pytest.approx(-23.0, abs=0.1)


def test_one_channel_counts_by_its_place():
    quiet = np.zeros((8, RATE * 2))
    found = {}
    for index, place in enumerate(usual_layout(8)):
        samples = quiet.copy()
        samples[index] = tone(-20, 2)
        found[place] = loudness_lufs(Clip(samples, RATE))
    assert found.pop("LFE") is None
    front = found["FC"]
    assert front == pytest.approx(-23.0, abs=0.1)
    for place, loudness in found.items():
        # +1.5 dB between 60 and 120 degrees; the back channels of 7.1 lie behind that.
        assert loudness - front == pytest.approx(1.5 if place in ("SL", "SR") else 0, abs=0.02)


@pytest.mark.parametrize("channels", [9, 12])
def test_channels_without_a_layout_count_alike(channels):
    alike = Clip(np.tile(tone(-30, 2), (channels, 1)), RATE)
    single = loudness_lufs(Clip(tone(-30, 2), RATE))
    assert loudness_lufs(alike) - single == pytest.approx(10 * np.log10(channels), abs=0.01)
    assert np.allclose(alike.with_channels(2).samples, alike.samples[:2], atol=1e-6)


@pytest.mark.parametrize(
    ("layout", "left"),
    [
        (("FL", "FR", "FC"), [1, 0, 0.7071]),
        (("FL", "FR", "LFE"), [1, 0, 0]),
        (("FL", "FR", "BL", "BR"), [1, 0, 0.7071, 0]),
        (("FL", "FR", "FC", "BC"), [1, 0, 0.7071, 0.5]),
        (("FL", "FR", "FC", "BL", "BR"), [1, 0, 0.7071, 0.7071, 0]),
        (("FL", "FR", "FC", "LFE", "BL", "BR"), [1, 0, 0.7071, 0, 0.7071, 0]),
        (
            ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
            [1, 0, 0.7071, 0, 0.7071, 0, 0.7071, 0],
        ),
    ],
)
def test_downmix_is_that_of_bs_775(layout, left):
    gains = stereo_gains(layout)
    assert gains[0] == pytest.approx(left, abs=1e-4)
    mirror = [layout.index(p.translate(str.maketrans("LR", "RL"))) if p != "LFE" else i
              for i, p in enumerate(layout)]  # fmt: skip
    assert gains[1] == pytest.approx(gains[0][mirror])
    clip = Clip(np.random.default_rng(0).uniform(-0.1, 0.1, (len(layout), 99)), RATE, layout=layout)
    stereo = clip.with_channels(2)
    assert np.allclose(stereo.samples, gains @ clip.samples, atol=1e-6)
    # Mono is the mean of that stereo: BS.775's own mono, 3 dB lower.
    assert np.allclose(clip.mono, stereo.samples.mean(axis=0), atol=1e-6)
    assert np.allclose(clip.with_channels(1).samples[0], clip.mono)


def test_a_layout_stays_with_the_clip():
    clip = film(("FL", "FR", "FC", "SL"))
    for other in (clip[:100], clip.between(1, 2), clip.scaled(0.5), clip.fitted(RATE * 21)):
        assert other.layout == clip.layout
    assert resample(clip[:4800], 44100).layout == clip.layout
    with pytest.raises(AudioError, match="2 channels can't have the layout FL FR FC"):
        Clip(np.zeros((2, 9)), RATE, layout=("FL", "FR", "FC"))


def written(path, layout, channels=None):
    """Each channel a tone of its own, as low as an LFE's."""
    samples = [0.1 * np.sin(2 * np.pi * 10 * (2 + i) * np.arange(RATE) / RATE)
               for i in range(len(layout))]  # fmt: skip
    clip = Clip(samples, RATE, layout=layout)
    write(path, clip)
    return clip


def places_by_tone(clip):
    return [int(np.abs(np.fft.rfft(channel)).argmax()) // 10 - 2 for channel in clip.samples]


@pytest.mark.parametrize("channels", [3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".aiff"])
def test_channels_keep_their_places_in_files(tmp_path, suffix, channels):
    path = tmp_path / f"film{suffix}"
    clip = written(path, usual_layout(channels))
    back = read(path)
    assert back.layout == clip.layout
    assert places_by_tone(back) == list(range(channels))


@pytest.mark.parametrize(
    "layout",
    [("FL", "FR", "FC", "BC"), ("FL", "FR", "LFE"), ("FL", "FR", "FC", "LFE", "SL", "SR")],
)
def test_wav_names_an_unusual_layout(tmp_path, layout):
    clip = written(tmp_path / "film.wav", layout)
    back = read(tmp_path / "film.wav")
    assert back.layout == layout
    assert places_by_tone(back) == list(range(clip.channels))


def test_vorbis_has_an_order_of_its_own(tmp_path):
    # By another writer: L C R Ls Rs LFE (Vorbis I, 4.3.9).
    order = ("FL", "FC", "FR", "BL", "BR", "LFE")
    sounds = case_6() | {"LFE": tone(-10, hertz=40)}
    soundfile.write(tmp_path / "film.ogg", np.stack([sounds[p] for p in order], axis=1), RATE)
    assert loudness_lufs(read(tmp_path / "film.ogg")) == pytest.approx(-23.0, abs=0.1)
    assert probe(tmp_path / "film.ogg").layout == order


@pytest.mark.parametrize("suffix", [".wav", ".ogg"])
def test_a_corpus_is_mixed_to_mono_in_the_same_way(tmp_path, suffix):
    path = tmp_path / f"film{suffix}"
    clip = Clip(np.random.default_rng(2).uniform(-0.1, 0.1, (6, RATE)), RATE)
    write(path, clip)
    *_, found = measure(path)
    (_, mono), *_ = pieces(path, [(0, 1)], found.mix, RATE, found.sha256)
    assert np.allclose(mono, read(path).mono, atol=1e-6)
