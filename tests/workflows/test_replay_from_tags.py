"""A take is made again from what its own sound file says."""

import shutil

import pytest

from milonga import audio
from milonga.audio.export.receipt import read_export_receipt
from milonga.audio.export.write import export
from milonga.audio.tagging.embedding import embed_text, embedded_text
from milonga.errors import ReceiptError, UnknownNameError
from milonga.workflows.songs import render_song, replay

SHEET = """
title: One
tempo: 120
segments:
- number: 1
  name: A
  section: intro
  seconds: 1
  style: rock
  layers: [{role: instrumental, generators: [guide]}, {role: texture, generators: [guide]}]
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    root = tmp_path_factory.mktemp("song")
    (root / "song.yaml").write_text(SHEET)
    render_song(root / "song.yaml", root / "out", report=False)
    return root / "out"


def take_of(out):
    return next(out.glob("takes/*/instrumental/guide-s0.wav"))


def test_a_take_whose_json_is_gone_is_made_again(out, tmp_path):
    shutil.copy(take_of(out), tmp_path / "copy.wav")
    again = replay(tmp_path / "copy.wav")
    assert again.verdict == "identical"
    assert again.receipt.generator == "guide"


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".mp3"])
def test_a_copy_in_another_format_is_made_again(out, suffix, tmp_path):
    take = take_of(out)
    copy = tmp_path / f"copy{suffix}"
    audio.write(copy, audio.read(take))
    assert embed_text(copy, embedded_text(take))
    assert replay(copy).verdict == "identical"


def test_a_mix_names_its_takes_and_any_of_them_is_made_again(out):
    with pytest.raises(ReceiptError, match="a mix of 2 takes: 1/instrumental, 1/texture") as raised:
        replay(out / "song.wav")
    assert "--take 1/instrumental" in raised.value.step
    assert replay(out / "song.wav", take="1/texture").verdict == "identical"
    with pytest.raises(UnknownNameError, match="2/vocals"):
        replay(out / "song.wav", take="2/vocals")


def test_a_file_without_a_receipt_says_so(tmp_path, out):
    audio.write(tmp_path / "plain.wav", audio.read(out / "song.wav"))
    with pytest.raises(ReceiptError, match="no receipt in its tags"):
        replay(tmp_path / "plain.wav")
    embed_text(tmp_path / "plain.wav", "[")
    with pytest.raises(ReceiptError, match="hold no receipt"):
        replay(tmp_path / "plain.wav")


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3"])
def test_an_export_carries_its_receipt(suffix, tmp_path, out):
    result = export(audio.read(out / "song.wav"), tmp_path / f"a{suffix}")
    result.receipt_path.unlink()
    found = read_export_receipt(result.path)
    assert found.model_copy(update={"created": result.receipt.created}) == result.receipt
    with pytest.raises(ReceiptError, match="sound model"):
        replay(result.path)
