"""``-`` stands for standard input wherever a recording or a mel is read."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from milonga import compare, vocode
from milonga.audio import Clip, probe, read, write
from milonga.audio.mel.files import Mel, write_mel
from milonga.audio.mel.spec import MelSpec
from milonga.audio.reading import standard_input
from milonga.cli.main import main
from milonga.errors import AudioError, ComparisonError
from milonga.songs.sheet.load import parse_sheet
from milonga.sounds.corpus.files import find_recordings

RATE = 22050


@pytest.fixture
def pipe(monkeypatch):
    """Lets bytes come through standard input."""

    def into(content, tty=False):
        stream = io.TextIOWrapper(io.BytesIO(content))
        stream.isatty = lambda: tty
        monkeypatch.setattr(sys, "stdin", stream)

    return into


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "tone.wav"
    tone = 0.3 * np.sin(2 * np.pi * 330 * np.arange(RATE) / RATE)
    write(path, Clip(tone, RATE), subtype="PCM_16")
    return path


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".aiff"])
def test_every_format(tmp_path, pipe, suffix):
    path = tmp_path / f"a{suffix}"
    write(path, Clip(np.random.default_rng(0).uniform(-0.5, 0.5, (2, RATE)), RATE))
    pipe(path.read_bytes())
    # Read as often as is needed, though a pipe gives it once.
    assert read("-") == read(Path("-")) == read(path)
    assert probe("-").n_samples == probe(path).n_samples


def test_what_comes_through_a_pipe_may_not_know_its_length(sound, pipe):
    content = sound.read_bytes()
    at = content.index(b"data")
    pipe(content[:4] + b"\xff" * 4 + content[8 : at + 4] + b"\xff" * 4 + content[at + 8 :])
    assert read("-") == read(sound)


@pytest.mark.parametrize(
    ("content", "tty", "said"),
    [
        (b"", False, "standard input: The file is empty"),
        (b"RIFF", True, "standard input: Nothing comes through standard input.*Pipe a recording"),
        (b"hello" * 100, False, "standard input: Not a recording"),
    ],
)
def test_what_can_t_be_read_is_named(pipe, content, tty, said):
    pipe(content, tty)
    with pytest.raises(AudioError, match=f"(?s){said}"):
        read("-")


def test_standard_input_without_end(pipe, monkeypatch):
    monkeypatch.setattr(standard_input, "_LARGEST", 1000)
    pipe(bytes(1001))
    with pytest.raises(AudioError, match="doesn't end within"):
        read("-")


def test_compare(sound, pipe, tmp_path, capsys):
    pipe(sound.read_bytes())
    assert main(["compare", "-", str(sound), "--json", "--report", str(tmp_path / "page")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["baseline"]["path"] == "-"
    assert found["candidates"][0]["differences"]["timbre_similarity"] == 1
    assert len(list((tmp_path / "page" / "audio").iterdir())) == 2
    pipe(sound.read_bytes())
    assert compare(sound, ["-"]).candidates[0].features is not None


def test_one_standard_input_is_one_recording(pipe, sound):
    pipe(sound.read_bytes())
    with pytest.raises(ComparisonError, match="named twice"):
        compare("-", ["-", sound])


def test_vocode_a_recording_and_a_mel(sound, pipe, tmp_path):
    pipe(sound.read_bytes())
    vocode("-", tmp_path / "a.npz", vocoder="griffin-lim")
    vocode(sound, tmp_path / "b.npz", vocoder="griffin-lim")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    spec = MelSpec.preset("tacotron-22k-80band")
    write_mel(tmp_path / "mel.npz", Mel(np.full((1, 80, 20), -5, np.float32), spec))
    pipe((tmp_path / "mel.npz").read_bytes())
    status = main(["vocode", "-", "-o", str(tmp_path / "c.wav"), "--vocoder", "griffin-lim"])
    assert status == 0
    assert probe(tmp_path / "c.wav").sample_rate == RATE


def test_where_it_makes_no_sense_it_is_refused(tmp_path, monkeypatch):
    with pytest.raises(Exception, match="not trained on standard input"):
        find_recordings(Path("-"))
    # In a sheet it is the name of a file.
    monkeypatch.chdir(tmp_path)
    sheet = parse_sheet(
        "title: T\nsegments:\n- {number: 1, name: N, section: verse, seconds: 4, baseline: '-'}\n"
    )
    with pytest.raises(AudioError, match="no such file"):
        read(sheet.baseline_path(sheet.segments[0]))
