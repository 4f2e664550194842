"""What the model is told."""

import pytest

from milonga.generators.base import Request
from milonga.generators.words.tags import tags_of


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"role": "instrumental", "section": "instrumental", "style": "Bandoneón solo, 808."},
            "Bandoneón solo, 808, instrumental, 122 BPM, A minor",
        ),
        (
            {"role": "backing", "section": "verse", "style": "Latin\ntrap ", "mood": "playful"},
            "Latin trap, playful, verse, instrumental backing track, 122 BPM, A minor",
        ),
        (
            {"role": "instrumental", "section": "music", "style": "techno at 128 BPM"},
            "techno at 128 BPM, instrumental, A minor",
        ),
        (
            {"role": "texture", "section": "intro", "style": "rain on a roof"},
            "rain on a roof, intro, ambient texture, no melody",
        ),
        (
            {"role": "backing", "section": "verse", "style": "folk", "time": "6/8"},
            "folk, verse, instrumental backing track, 122 BPM, 6/8 time, A minor",
        ),
    ],
)
def test_prompts(values, text):
    request = Request(seconds=1, tempo=122, key="A minor", seed=0, voice="smooth male lead",
                      lyrics=({"text": "La la"},), negative="drums", **values)  # fmt: skip
    assert tags_of(request) == text
