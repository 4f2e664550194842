"""A text in the tags: it comes back, and the sound stays as it was."""

import subprocess
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio import Clip, Tags, probe, read, write
from milonga.audio.tagging.embedding import LONGEST, embed_text, embedded_text

SUFFIXES = [".wav", ".flac", ".ogg", ".opus", ".mp3"]
TAGS = Tags(title="Título", artist="Nadie", comment="made by a model", licence="CC0-1.0")


def noise(seconds=0.4, rate=48000):
    return Clip(0.1 * np.random.default_rng(1).standard_normal((2, round(seconds * rate))), rate)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=6, deadline=None)
@given(
    text=st.one_of(
        st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=80),
        st.integers(60_000, 70_000).map("ñ".__mul__),
    ),
    frames=st.integers(400, 5000),
)
def test_a_text_comes_back_and_the_sound_and_tags_stay(suffix, text, frames, tmp_path_factory):
    path = tmp_path_factory.mktemp("embedded") / f"sound{suffix}"
    write(path, noise(frames / 48000), tags=TAGS)
    before, tags = read(path), probe(path).tags
    assert embedded_text(path) is None
    assert embed_text(path, text)
    assert embedded_text(path) == text
    assert read(path) == before
    assert probe(path).tags == tags


@pytest.mark.parametrize("suffix", SUFFIXES[1:])
def test_another_text_takes_the_place_of_the_first(suffix, tmp_path):
    path = tmp_path / f"sound{suffix}"
    write(path, noise(), tags=TAGS)
    size = path.stat().st_size
    assert embed_text(path, "f" * LONGEST)
    assert embedded_text(path) == "f" * LONGEST
    assert embed_text(path, "second")
    assert embedded_text(path) == "second"
    assert read(path).n_samples
    assert path.stat().st_size < size + 1000


def test_what_has_no_place_for_it_stays_as_it_was(tmp_path):
    path = tmp_path / "sound.aiff"
    write(path, noise())
    before = path.read_bytes()
    assert not embed_text(path, "text")
    assert path.read_bytes() == before
    assert embedded_text(path) is None
    assert embedded_text(tmp_path / "none.wav") is None
    write(path.with_suffix(".wav"), noise())
    assert not embed_text(path.with_suffix(".wav"), "x" * (LONGEST + 1))


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_damaged_files_have_no_text_and_no_traceback(suffix, data, tmp_path_factory):
    path = made(suffix, tmp_path_factory)
    raw = bytearray(path.read_bytes())
    for at, byte in data.draw(
        st.lists(st.tuples(st.integers(0, min(400, len(raw) - 1)), st.integers(0, 255)), max_size=6)
    ):
        raw[at] = byte
    damaged = path.with_name(f"damaged{suffix}")
    damaged.write_bytes(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    found = embedded_text(damaged)
    assert found is None or isinstance(found, str)
    if damaged.stat().st_size:
        embed_text(damaged, "text")


_MADE: dict[str, Path] = {}


def made(suffix, tmp_path_factory):
    if suffix not in _MADE:
        path = tmp_path_factory.mktemp("made") / f"sound{suffix}"
        write(path, noise(0.05), tags=TAGS)
        embed_text(path, "a receipt")
        _MADE[suffix] = path
    return _MADE[suffix]


@pytest.mark.skipif(which("ffmpeg") is None, reason="ffmpeg isn't installed")
@pytest.mark.parametrize("there", [".mp3", ".ogg", ".flac"])
def test_a_converter_keeps_it(there, tmp_path):
    write(tmp_path / "sound.flac", noise())
    embed_text(tmp_path / "sound.flac", '{"seed": 3}')
    command = ["ffmpeg", "-v", "error", "-i", "sound.flac", f"other{there}"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert embedded_text(tmp_path / f"other{there}") == '{"seed": 3}'
