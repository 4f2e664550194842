"""Takes are held against their receipts, other recordings against what is given."""

import json

import pytest

import milonga
from milonga.errors import AudioError, MilongaError, MissingExtraError
from milonga.workflows.scoring import facts as facts_module
from milonga.workflows.scoring.facts import asked_of, check_facts
from milonga.workflows.songs import render_song

SONG = """
title: One
tempo: 100
key: A minor
segments:
- number: 1
  name: Verse
  section: verse
  style: pop
  bars: 4
  chords: Am F C G
  generators: [guide]
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    root = tmp_path_factory.mktemp("song")
    (root / "song.yaml").write_text(SONG)
    render_song(root / "song.yaml", root / "out")
    return root / "out"


def test_a_take_of_the_guide_has_what_its_sheet_asks_for(out):
    ((_, facts),) = check_facts(out / "takes" / "01-verse" / "guide-s0.wav").recordings
    found = {fact.name: fact.verdict for fact in facts}
    assert found["voice"] == "can't tell"  # one under the music may go unheard
    assert {name: found[name] for name in ("length", "tempo", "metre", "chords")} == dict.fromkeys(
        ("length", "tempo", "metre", "chords"), "met"
    )
    assert found["key"] != "not met"


def test_the_report_and_comparison_json_show_them(out):
    document = json.loads((out / "comparison.json").read_text())
    (entry,) = document["segments"][0]["candidates"]
    tempo = next(fact for fact in entry["facts"] if fact["name"] == "tempo")
    assert (tempo["asked"], tempo["verdict"]) == ("100 BPM", "met")
    page = (out / "report" / "index.html").read_text()
    assert "<b>tempo</b> 100 BPM: met, heard" in page
    assert "<b>chords</b> Am F C G: met" in page


def test_what_is_given_takes_the_place_of_the_receipt(out):
    take = out / "takes" / "01-verse" / "guide-s0.wav"
    ((path, facts),) = check_facts(
        take, tempo=83, time="3/4", key="F# major", seconds=30, chords="Am:2 F", voice="female"
    ).recordings
    assert path == take
    verdicts = {fact.name: fact.verdict for fact in facts}
    assert [verdicts[name] for name in ("length", "tempo", "key")] == ["not met"] * 3
    found = check_facts(take, voice="none").to_dict()["recordings"][0]["facts"]
    assert json.loads(json.dumps(found)) == found
    assert next(fact for fact in found if fact["name"] == "voice")["asked"] == "no voice"


def test_a_voice_that_nothing_can_hear_is_said_without_a_command_of_this_machine(out, monkeypatch):
    def voice_of(clip):
        raise MissingExtraError("Hearing a voice", "scores")

    monkeypatch.setattr(facts_module, "voice_of", voice_of)
    ((_, facts),) = check_facts(out / "takes" / "01-verse" / "guide-s0.wav").recordings
    (voice,) = [fact for fact in facts if fact.name == "voice"]
    assert voice.verdict == "can't tell"
    assert voice.about == "Hearing a voice needs the extra 'scores', which is not installed."


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"time": "7/8"}, "metre"), ({"key": "H"}, "key"), ({"chords": "Xm"}, "chord")],
)
def test_what_is_no_music_is_refused(wrong, message, out):
    with pytest.raises(MilongaError, match=message):
        check_facts(out / "song.wav", **wrong)


def test_a_recording_that_is_missing_is_named(tmp_path):
    with pytest.raises(AudioError, match=r"none\.wav"):
        check_facts(tmp_path / "none.wav", tempo=100)


def test_roles_are_asked_for_what_they_can_have():
    request = milonga.Request(
        role="texture", section="intro", seconds=8, tempo=90, key="D dorian", seed=0
    )
    texture = asked_of(request)
    assert (texture.tempo, texture.time, texture.sung, texture.minor) == (None, "", False, True)
    line = milonga.LyricLine(text="We laugh")
    song = asked_of(
        request.model_copy(update={"role": "song", "lyrics": (line,), "voice": "mujer"}), exact=True
    )
    assert (song.tempo, song.beats, song.sung, song.voice) == (90, 4, True, "female")
    duet = request.model_copy(
        update={"role": "vocals", "lyrics": (line,), "voice": "man and woman"}
    )
    assert asked_of(duet).voice == ""
