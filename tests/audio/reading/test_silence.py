"""Nothing of the decoders' own messages appears between milonga's."""

import os

import numpy as np
import pytest
import soundfile

from milonga.audio import read
from milonga.audio.reading.silence import no_stray_messages
from milonga.errors import AudioError


@pytest.fixture
def damaged(tmp_path):
    path = tmp_path / "damaged.mp3"
    rng = np.random.default_rng(1)
    soundfile.write(path, rng.uniform(-0.5, 0.5, (44100, 2)), 44100, format="MP3")
    content = bytearray(path.read_bytes())
    for at in rng.integers(2000, len(content), 150):
        content[at] ^= 0x55
    path.write_bytes(content)
    return path


def quietly(path):
    try:
        read(path)
    except AudioError as error:
        return str(error)


def test_damaged_mp3(damaged, tmp_path, capfd):
    quietly(damaged)
    for junk in (bytes(30_000), b"ID3\x03" + bytes(500), b"\xff\xfb" + os.urandom(5000)):
        path = tmp_path / "junk.mp3"
        path.write_bytes(junk)
        assert str(path) in quietly(path)
    assert capfd.readouterr() == ("", "")


def test_milonga_s_own_words_pass(capfd):
    with no_stray_messages():
        os.write(2, b"from milonga\n")
    assert capfd.readouterr().err == "from milonga\n"


def test_afterwards_c_libraries_speak_again(damaged, capfd):
    for _ in range(2):
        with no_stray_messages(), no_stray_messages():
            soundfile.read(damaged)
    assert capfd.readouterr().err == ""
    soundfile.read(damaged)
    assert "mpg123" in capfd.readouterr().err
