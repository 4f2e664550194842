"""The song as a file to give away."""

import numpy as np
import pytest

from milonga import audio
from milonga.audio import Clip, true_peak_dbtp
from milonga.errors import AudioError, MilongaError, OutputError
from milonga.generators.base import Licence
from milonga.songs.output.song_file import SongFile, counted_in, licence_line, ringing
from milonga.songs.sheet.model import Segment, Sheet

RATE = 44_100


def chord(seconds=3.0):
    time = np.arange(round(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * f * time) for f in (220.0, 277.2, 329.6))
    return Clip(np.tile((0.1 * wave).astype(np.float32), (2, 1)), RATE)


def level_db(samples):
    return 10 * np.log10(np.mean(np.square(samples), dtype=np.float64) + 1e-12)


def test_the_end_rings_on():
    song = chord()
    rung = ringing(song, 3.0)
    assert rung.n_samples == song.n_samples + 3 * RATE - round(0.012 * RATE)
    at = song.n_samples - RATE // 10
    assert np.array_equal(rung.samples[:, :at], song.samples[:, :at])
    levels = [level_db(rung.samples[:, song.n_samples + n * RATE // 4 :][:, : RATE // 4])
              for n in range(11)]  # fmt: skip
    # Without a drop where the song ends, then 60 dB in 3 s: 5 dB a quarter.
    assert levels[0] > level_db(song.samples) - 9
    assert np.all(np.diff(levels) < -1)
    assert levels[-1] < level_db(song.samples) - 40
    assert true_peak_dbtp(rung) <= -0.99
    assert np.array_equal(ringing(song, 0.0).samples, song.samples)


@pytest.mark.parametrize(("time", "pickup", "beats"), [("4/4", 0, 4), ("3/4", 1, 5), ("6/8", 0, 2)])
def test_a_count_in_has_the_beats_of_a_bar(time, pickup, beats):
    segment = Segment(number=1, name="A", section="verse", bars=4, pickup=pickup)
    sheet = Sheet(title="T", tempo=120, time=time, segments=(segment,))
    counted = counted_in(chord(), sheet, 1)
    assert counted.n_samples == chord().n_samples + beats * RATE // 2
    assert np.array_equal(counted.samples[:, beats * RATE // 2 :], chord().samples)
    clicks = counted.samples[0, : beats * RATE // 2].reshape(beats, -1)
    peaks = np.abs(clicks).max(axis=1)
    assert np.abs(clicks[:, : RATE // 20]).max(axis=1) == pytest.approx(peaks)
    bar = {"4/4": 4, "3/4": 3, "6/8": 2}[time]
    accents = [number % bar == 0 for number in range(beats)]
    assert [bool(peak > 0.8 * peaks.max()) for peak in peaks] == accents


@pytest.mark.parametrize("suffix", ["mp3", "flac", "ogg", "opus", "wav"])
def test_every_format_has_tags(tmp_path, suffix):
    sheet = Sheet(
        title="Vals", segments=(Segment(number=1, name="A", section="verse", seconds=3.0),)
    )
    path = tmp_path / f"song.{suffix}"
    SongFile(path, count_in=1, ring_s=1.0).write(
        chord(), audio.Tags(title="Vals", artist="Me"), sheet, {}
    )
    assert audio.read(path).seconds == pytest.approx(3 + 2 + 1, abs=0.06)
    tags = audio.probe(path).tags
    assert (tags.title, tags.artist) == ("Vals", "Me")


def test_licences_are_one_line():
    named = [Licence(what="b", name="MIT"), Licence(what="soundfont", name="GPL-2.0"),
             Licence(what="a", name="MIT"), Licence(what="a", name="MIT")]  # fmt: skip
    assert licence_line(named) == "GPL-2.0: soundfont; MIT: a, b"


def test_what_would_be_refused_is_refused_before(tmp_path):
    there = tmp_path / "song.mp3"
    there.touch()
    for wrong, error in (
        (SongFile(there), OutputError),
        (SongFile(tmp_path / "song.aac"), AudioError),
        (SongFile(tmp_path / "new.mp3", count_in=9), MilongaError),
        (SongFile(tmp_path / "new.mp3", ring_s=-1.0), MilongaError),
    ):
        with pytest.raises(error):
            wrong.check()
    SongFile(there, force=True).check()
