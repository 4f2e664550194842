"""The songs of examples/metres: a waltz, a ballad in 6/8, a milonga with a spoken intro."""

from pathlib import Path

import librosa
import numpy as np
import pytest

from milonga import audio
from milonga.generators.guide import Guide
from milonga.generators.guide.voice.casting import cast
from milonga.songs.sheet.load import load_sheet
from milonga.workflows.sheets import check_sheet
from milonga.workflows.songs import mix_song, render_song

EXAMPLES = Path(__file__).parents[2] / "examples" / "metres"
SONGS = ("vals", "ballad", "milonga")


@pytest.mark.parametrize("name", SONGS)
def test_they_are_on_the_grid_and_nothing_is_ignored(name):
    found = check_sheet(EXAMPLES / f"{name}.yaml")
    assert found.good
    assert found.overview["notes"] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SONGS)
def test_they_come_out_as_written(name, tmp_path):
    """Length, joins, and whether beats have two or three eighths."""
    sheet = load_sheet(EXAMPLES / f"{name}.yaml")
    song = render_song(EXAMPLES / f"{name}.yaml", tmp_path / "out", report=False)
    assert song.good
    clip = audio.read(song.mix.path)
    assert clip.seconds == pytest.approx(sheet.seconds, abs=0.001)
    places = np.cumsum([segment.seconds for segment in sheet.segments])
    for at in places[:-1]:
        middle, half = round(at * clip.sample_rate), clip.sample_rate // 4
        near = clip.mono[middle - half : middle + half]
        around = clip.mono[middle - 12 * half : middle + 12 * half]
        assert abs(10 * np.log10(np.mean(near**2) / np.mean(around**2))) < 6
    hop = 256
    onsets = librosa.onset.onset_strength(y=clip.mono, sr=clip.sample_rate, hop_length=hop)
    onsets = onsets - onsets.mean()

    def likeness(seconds):
        lags = round(seconds * clip.sample_rate / hop) + np.arange(-2, 3)
        return max(np.mean(onsets[:-lag] * onsets[lag:]) for lag in lags)

    beat_s = 60 / sheet.tempo
    if name == "vals":
        assert likeness(3 * beat_s) > likeness(4 * beat_s)
    elif name == "ballad":
        assert likeness(beat_s / 3) > likeness(beat_s / 2)
    else:
        assert likeness(2 * beat_s) > likeness(3 * beat_s)
    mixed = mix_song(tmp_path / "out", output=tmp_path / "song.opus", count_in=1, ring_s=3)
    first = sheet.segments[0]
    bar_s = sheet.metre_of(first).bar_s(sheet.tempo_of(first))
    assert audio.read(mixed.written).seconds == pytest.approx(clip.seconds + bar_s + 3, abs=0.1)


@pytest.mark.slow
def test_the_intro_of_the_milonga_is_spoken_low_and_without_a_tune():
    """A man's pitch, which glides as speech does: no note is held."""
    sheet = load_sheet(EXAMPLES / "milonga.yaml")
    intro = sheet.segments[0]
    guide = Guide(Guide.Options(a_cappella=True))
    clip = guide.render(sheet.request(intro, intro.layers[0], seed=0))
    f0, voiced, _ = librosa.pyin(clip.mono, fmin=60, fmax=500, sr=clip.sample_rate)
    level = librosa.feature.rms(y=clip.mono, hop_length=512)[0]
    f0[~voiced | (level < 0.1 * level.max())] = np.nan  # the room rings on in the pauses
    pitch = librosa.hz_to_midi(f0[np.isfinite(f0)])
    singer = cast("low male voice").lead.range
    assert singer.low - 5 <= np.median(pitch) <= singer.high
    hop_s = 512 / clip.sample_rate
    runs, length = [], 0
    for step in np.abs(np.diff(librosa.hz_to_midi(f0))):
        length = length + 1 if step < 0.15 else 0
        runs.append(length)
    assert max(runs) * hop_s < 0.5
