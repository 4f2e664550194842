"""M4A, AAC, WMA and other recordings that ffmpeg decodes."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

from milonga import compare
from milonga.analysis.text import comparison_text
from milonga.audio import Clip, probe, read, write
from milonga.audio.reading import foreign
from milonga.errors import AudioError
from milonga.sounds.corpus.inspection import Corpus

pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")

RATE = 44100
KINDS = {
    "a.m4a": ["-c:a", "aac"],
    "lossless.m4a": ["-c:a", "alac"],
    "a.aac": ["-c:a", "aac"],
    "tagged.aac": ["-c:a", "aac", "-f", "adts", "-write_id3v2", "1", "-metadata", "title=T"],
    "a.mp4": ["-c:a", "aac"],
    "a.wma": ["-c:a", "wmav2"],
    "a.webm": ["-c:a", "libopus"],
    "a.mka": ["-c:a", "flac"],
    "a.ac3": ["-c:a", "ac3"],
    "a.wv": ["-c:a", "wavpack"],
    "an-m4a.mp3": ["-c:a", "aac", "-f", "mp4"],
    "wma-in.wav": ["-c:a", "wmav2"],
    "flac-in.ogg": ["-c:a", "flac"],
    "layer-2.mp2": ["-c:a", "mp2"],
}


@pytest.fixture(scope="module")
def tone(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "tone.wav"
    time = np.arange(2 * RATE) / RATE
    write(path, Clip([0.3 * np.sin(2 * np.pi * f * time) for f in (440, 660)], RATE))
    return path


def encode(tone, path, *options):
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-i", str(tone), *options, str(path)], check=True
    )
    return path


@pytest.fixture(scope="module")
def recordings(tone):
    return {name: encode(tone, tone.with_name(name), *kind) for name, kind in KINDS.items()}


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_read_whole(recordings, tone, name):
    clip, source = read(recordings[name]), read(tone)
    assert clip.channels == 2
    assert clip.seconds == pytest.approx(source.seconds, abs=0.06)
    spectrum = np.abs(np.fft.rfft(clip.samples, axis=1))
    assert (spectrum.argmax(axis=1) / clip.seconds).round(-1).tolist() == [440, 660]
    if name == "lossless.m4a":
        assert np.abs(clip.samples - source.samples).max() < 1e-4
    assert "by ffmpeg" in probe(recordings[name]).format


def test_mp3_in_wav_needs_no_ffmpeg(tone, tmp_path, monkeypatch):
    path = encode(tone, tmp_path / "mp3-in.wav", "-c:a", "libmp3lame")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert read(path).seconds == pytest.approx(2, abs=0.06)
    assert probe(path).n_samples == read(path).n_samples


def test_five_one_keeps_its_layout(tmp_path):
    film = Clip(0.1 * np.random.default_rng(0).standard_normal((6, RATE)), RATE)
    write(tmp_path / "film.wav", film)
    back = read(encode(tmp_path / "film.wav", tmp_path / "film.m4a", "-c:a", "alac"))
    assert back.layout == film.layout
    assert np.abs(back.samples - film.samples).max() < 1e-4


def test_the_output_says_who_decoded(recordings, tone, tmp_path):
    path = recordings["a.m4a"]
    comparison = compare(tone, [path], report=tmp_path / "page")
    assert "a.m4a was decoded by ffmpeg" in comparison_text(comparison)
    assert comparison.to_dict()["candidates"][0]["decoder"].startswith("ffmpeg")
    assert "decoder" not in comparison.to_dict()["baseline"]
    assert "M4A by ffmpeg" in (tmp_path / "page" / "index.html").read_text()


def test_a_corpus_holds_them(recordings, tmp_path):
    for name in ("a.m4a", "a.wma"):
        shutil.copy(recordings[name], tmp_path)
    corpus = Corpus.inspect(tmp_path)
    assert [file.name for file in corpus.files] == ["a.m4a", "a.wma"]
    assert all("by ffmpeg" in file.format for file in corpus.files)


@pytest.mark.parametrize("name", ["a.m4a", "a.wma"])
def test_without_ffmpeg_the_command_is_printed(recordings, name, monkeypatch, tmp_path):
    path = tmp_path / f"a song {name}"
    shutil.copy(recordings[name], path)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(AudioError) as caught:
        read(path)
    assert "ffmpeg, which is not installed" in str(caught.value)
    assert f"ffmpeg -i '{path}' '{path.with_suffix('.wav')}'" in str(caught.value)
    corpus_error = Corpus.inspect(tmp_path)
    assert "ffmpeg" in corpus_error.skipped[0].reason


@pytest.mark.parametrize("name", ["a.m4a", "a.wma", "a.webm", "lossless.m4a", "a.aac"])
def test_cut_short_is_refused(recordings, name, tmp_path):
    path = tmp_path / name
    content = recordings[name].read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3 + 100])
    with pytest.raises(AudioError, match="ffmpeg can't decode all of it"):
        read(path)


def test_flac_in_ogg_is_whole_or_refused(recordings, tmp_path):
    path, content = tmp_path / "a.ogg", recordings["flac-in.ogg"].read_bytes()
    for wrong, said in ((content * 2, "joined"), (content[: len(content) // 2], "truncated")):
        path.write_bytes(wrong)
        with pytest.raises(AudioError, match=said):
            read(path)


def test_a_film_without_sound_is_refused(tmp_path):
    path = tmp_path / "silent.mp4"
    make = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=s=16x16:d=1", str(path)]
    subprocess.run(make, check=True)
    with pytest.raises(AudioError, match="holds no sound"):
        read(path)


@pytest.mark.parametrize("suffix", [".m4a", ".aac", ".mp4", ".wma"])
@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXTINF:3,\n{other}\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.aac\n",
        "ffconcat version 1.0\nfile '{other}'\n",
        "<?xml version='1.0'?><MPD><Period><BaseURL>{other}</BaseURL></Period></MPD>",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
        ";FFMETADATA1\n",
    ],
)
def test_no_file_makes_ffmpeg_open_another(recordings, tmp_path, text, suffix):
    path = tmp_path / f"list{suffix}"
    path.write_text(text.format(other=recordings["a.aac"]))
    with pytest.raises(AudioError, match="ffmpeg"):
        read(path)


@pytest.mark.parametrize("name", ["concat:a.m4a", "-i.m4a", "http:a.m4a", "pipe:0.m4a", "%03d.m4a"])
def test_a_name_is_only_a_name(recordings, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    shutil.copy(recordings["a.m4a"], tmp_path / name)
    assert read(name).seconds == pytest.approx(2, abs=0.06)


def test_what_expands_without_measure_is_refused(recordings, tmp_path, monkeypatch):
    path = tmp_path / "a.m4a"
    shutil.copy(recordings["a.m4a"], path)
    monkeypatch.setattr(foreign, "_LARGEST", 100_000)
    with pytest.raises(AudioError, match=r"expands to more than 0\.0 GB"):
        read(path)


def test_an_ffmpeg_that_hangs_is_ended(recordings, tmp_path, monkeypatch):
    stub = tmp_path / "ffmpeg"
    stub.write_text('#!/bin/sh\n[ "$1" = -version ] && exit 0\nexec sleep 60\n')
    stub.chmod(0o755)
    shutil.copy(recordings["a.m4a"], tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: str(stub))
    monkeypatch.setattr(foreign, "_PATIENCE_S", 0.2)
    with pytest.raises(AudioError, match="not done with it"):
        read(tmp_path / "a.m4a")


def test_nothing_stays_in_the_folder_for_temporary_files(recordings, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "bad.m4a").write_bytes(recordings["a.m4a"].read_bytes()[:-500])
    foreign._decoded.cache_clear()
    read(recordings["a.m4a"])
    with pytest.raises(AudioError):
        read(tmp_path / "bad.m4a")
    foreign._decoded.cache_clear()
    assert [path.name for path in Path(tmp_path).iterdir()] == ["bad.m4a"]
