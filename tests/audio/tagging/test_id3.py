import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tinytag import TinyTag

from milonga.audio import SUFFIXES, Clip, Tags, probe, read, write
from milonga.audio.tagging.id3 import id3_tag

CLIP = Clip(0.1 * np.sin(np.arange(24_000) / 10), 48_000)
TAGS = Tags("Título 日本", "Geeks ñ", "milonga 0.1", "seed 7; Ω", "2026-03-01", "CC BY 4.0 ñ")


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if "aif" not in s])
def test_another_reader_finds_every_tag(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    write(path, CLIP, tags=TAGS)
    found = TinyTag.get(path)
    assert (found.title, found.artist, found.comment) == (TAGS.title, TAGS.artist, TAGS.comment)
    assert found.year == TAGS.date
    rest = {text for texts in found.other.values() for text in texts}
    assert TAGS.licence in rest
    assert any(text.startswith(TAGS.software) for text in rest)
    assert (found.samplerate, found.channels) == (48_000, 1)
    assert found.duration == pytest.approx(0.5, abs=0.06)


def test_no_texts_no_tag(tmp_path):
    assert id3_tag() == b""
    write(tmp_path / "a.mp3", CLIP)
    write(tmp_path / "b.mp3", CLIP, tags=Tags())
    assert (tmp_path / "a.mp3").read_bytes() == (tmp_path / "b.mp3").read_bytes()


def test_a_tag_leaves_the_sound_alone(tmp_path):
    write(tmp_path / "a.mp3", CLIP)
    write(tmp_path / "b.mp3", CLIP, tags=TAGS)
    assert np.array_equal(read(tmp_path / "a.mp3").samples, read(tmp_path / "b.mp3").samples)


@settings(max_examples=40, deadline=None)
@given(
    text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=400)
)
def test_any_text_comes_back_from_mp3(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("tag") / "x.mp3"
    write(path, CLIP, tags=Tags(title=f"<{text}>", comment="c" * 20_000))
    info = probe(path)
    assert info.tags.title == f"<{text}>"
    assert len(info.tags.comment) == 20_000
    assert info.n_samples == CLIP.n_samples
