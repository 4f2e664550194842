"""Files as musicians keep them, one of each kind: what each gives, to the letter."""

from pathlib import Path

import pytest
import yaml

from milonga.songs.markdown.import_ import import_file
from milonga.songs.sheet.load import parse_sheet

CASES = Path(__file__).parent / "cases"
EXPECTED = yaml.safe_load((CASES / "expected.yaml").read_text(encoding="utf-8"))
SONG = ("title", "artist", "tempo", "key", "style", "negative", "mood", "voice", "language")


def test_every_case_has_its_expectation():
    assert {path.name for path in CASES.iterdir()} - {"expected.yaml"} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_case(name):
    expected = EXPECTED[name]
    imported = import_file(CASES / name)
    sheet = imported.sheet
    assert {key: getattr(sheet, key) for key in SONG if getattr(sheet, key)} == {
        key: expected[key] for key in SONG if key in expected
    }
    assert [(s.name, s.section, s.lyrics) for s in sheet.segments] == [
        (part["name"], part["section"], part.get("lyrics")) for part in expected["segments"]
    ]
    timed = [part["seconds"] for part in expected["segments"] if "seconds" in part]
    assert not timed or [segment.seconds for segment in sheet.segments] == timed
    assert [f"{left.line}: {left.text}" for left in imported.unplaced] == expected["listed"]
    # Estimates of lengths are tested elsewhere.
    assert [
        f"{number or 'song'}, {guess.field}: {guess.text}"
        for number, guess in imported.guesses
        if guess.field != "seconds" or guess.text.startswith("from")
    ] == expected["guessed"]
    assert parse_sheet(imported.to_yaml()) == sheet


def test_the_second_song_of_an_album():
    imported = import_file(CASES / "16_album.md", song=2)
    sheet = imported.sheet
    assert (sheet.title, sheet.tempo, sheet.style) == ("Hallway", 90, "trip hop, 90 BPM")
    assert [s.lyrics for s in sheet.segments] == [
        "Coats like ghosts along the wall",
        "Come on through",
    ]
    assert (8, "[Verse 1]", "of song 1") in [(u.line, u.text, u.reason) for u in imported.unplaced]
