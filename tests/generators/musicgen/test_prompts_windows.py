"""What the model is told, and how long clips are split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milonga.generators.base import Request
from milonga.generators.musicgen.prompts import prompt_of
from milonga.generators.musicgen.windows import split


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"role": "instrumental", "section": "instrumental", "style": "Bandoneón solo, 808."},
            "Bandoneón solo, 808. bpm: 122. key: A minor.",
        ),
        (
            {"role": "backing", "section": "verse", "style": "Latin\ntrap ", "mood": "playful"},
            "Latin trap, playful, verse, backing track. bpm: 122. key: A minor.",
        ),
        (
            {"role": "instrumental", "section": "music", "style": "vals", "time": "3/4"},
            "vals, 3/4 time. bpm: 122. key: A minor.",
        ),
        ({"role": "instrumental", "section": "music"}, "bpm: 122. key: A minor."),
    ],
)
def test_prompts(values, text):
    assert prompt_of(Request(seconds=1, tempo=122, key="A minor", seed=0, **values)) == text


def test_the_words_and_the_seed_of_a_singer_stay_out():
    request = Request(
        role="backing", section="chorus", style="folk", voice="smooth male lead", seconds=1,
        tempo=90.5, key="C major", seed=1, negative="drums", lyrics=({"text": "La la"},),
    )  # fmt: skip
    assert prompt_of(request) == "folk, chorus, backing track. bpm: 90.5. key: C major."


@given(frames=st.integers(1, 5000), longest=st.integers(2, 400), share=st.floats(0, 0.9))
def test_windows_cover_the_clip(frames, longest, share):
    kept = int(longest * share)
    done = 0
    for window in split(frames, longest, kept):
        assert window.kept == (kept if done else 0)
        assert window.kept <= done
        assert 1 <= window.new <= longest - window.kept
        done += window.new
    assert done == frames
