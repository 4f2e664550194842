"""Letters that a model can't read are listed, not lost in silence."""

import pytest

from milonga.generators.neural.reading import unread, unread_note


@pytest.fixture(scope="module")
def t5(tmp_path_factory, t5_tokenizer):
    folder = tmp_path_factory.mktemp("t5")
    t5_tokenizer.save_pretrained(folder)
    return folder / "tokenizer.json"


def test_a_tokenizer_tells_what_it_drops(t5):
    assert unread(t5, ["calm piano, rain, night. bpm: 70. key: A minor."]) == []
    assert unread(t5, ["明るいギター, calm piano", "静かな piano"]) == ["明るいギター", "静かな"]
    # Each once, and signs are no loss.
    assert unread(t5, ["♪ calm ♪ ☂ 静かな 静かな"]) == ["静かな"]
    assert unread(t5, []) == []


def test_one_letter_of_a_word_is_listed(t5):
    assert unread(t5, ["calm piańo"]) == ["ń"]


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[" * 5000, b"\xff\xfe"])
def test_a_damaged_tokenizer_stops_no_plan(tmp_path, content):
    (tmp_path / "tokenizer.json").write_bytes(content)
    assert unread(tmp_path / "tokenizer.json", ["calm 静かな"]) == ["静かな"]


def test_before_the_model_is_here_letters_of_other_scripts_are_listed():
    assert unread(None, ["Bandoneón, müde, 120 BPM ♪"]) == []
    assert unread(None, ["тихий piano, 静かな"]) == ["тихий", "静かな"]


def test_the_note_is_short_and_advises_english():
    note = unread_note("MusicGen", [f"字{n}" * 20 for n in range(12)])
    assert "and 4 more" in note
    assert len(note) < 400
    assert note.endswith("Write it in English.")
