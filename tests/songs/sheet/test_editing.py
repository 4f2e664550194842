"""A change in the form touches its own lines of the sheet and no other."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.errors import SheetError
from milonga.songs.sheet.editing import SheetChange, change_sheet
from milonga.songs.sheet.load import parse_sheet
from milonga.songs.sheet.starter import STARTERS, starter
from milonga.songs.sheet.yaml_reader import read_yaml
from milonga.workflows.sheets import change_draft, read_draft

FLOW = "{title: Uno, segments: [{number: 1, name: A, section: intro, seconds: 4}]}\n"
FIELDS = (
    ("title",), ("artist",), ("style",), ("segments", 0, "name"), ("segments", 1, "mood"),
    ("segments", 1, "lyrics"), ("segments", 2, "lyrics"), ("segments", 1, "layers", 1, "style"),
)  # fmt: skip
# What a sheet may hold; what it may not is refused by its checks, not by the form.
TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=30)


def put(text, *loc, value):
    return change_sheet(text, SheetChange(op="set", loc=loc, value=value))


def changed(before, after):
    """The lines that are in one of two texts only."""
    one, two = before.splitlines(), after.splitlines()
    return [line for line in one if line not in two], [line for line in two if line not in one]


def test_a_comment_behind_a_value_stays():
    before = starter()
    after = put(before, "tempo", value="122")
    assert changed(before, after)[1] == [
        "tempo: 122                   # beats per minute; a segment may have its own"
    ]


def test_lyrics_become_a_block_and_go_again():
    before = starter()
    after = put(before, "segments", 0, "lyrics", value="One\n\n  two (x)\n[softly]\n")
    block = "    lyrics: |\n      One\n\n        two (x)\n      [softly]\n"
    assert after.replace(block, "", 1) == before
    assert put(after, "segments", 0, "lyrics", value="") == before


def test_a_value_that_is_wrong_is_kept_as_it_was_typed():
    draft = change_draft(
        starter(), {"op": "set", "loc": ["segments", 2, "seconds"], "value": "a: b"}
    )
    assert draft.problems[0].where == "segment 3, seconds"
    assert "'a: b' is not a number of seconds" in draft.problems[0].message
    empty = change_draft(starter(), {"op": "set", "loc": ["title"], "value": ""})
    assert "title:\n" in empty.text
    assert [problem.where for problem in empty.problems] == ["title"]


def test_segments_and_layers_are_added_moved_and_removed():
    text = starter()
    text = change_sheet(text, SheetChange(op="add", loc=("segments",)))
    text = change_sheet(text, SheetChange(op="add", loc=("segments", 3, "layers")))
    text = change_sheet(text, SheetChange(op="add", loc=("segments", 1, "layers")))
    text = change_sheet(text, SheetChange(op="move", loc=("segments", 3), by=-1))
    text = change_sheet(text, SheetChange(op="remove", loc=("segments", 0)))
    sheet = parse_sheet(text)
    assert [segment.number for segment in sheet.segments] == [2, 4, 3]
    assert [layer.role for layer in sheet.segments[0].layers] == [
        "vocals", "backing", "instrumental",
    ]  # fmt: skip
    assert "# baseline: baseline/dance.wav" in text
    bare = change_sheet(text, SheetChange(op="remove", loc=("segments", 1, "layers", 0)))
    assert "layers" not in read_yaml(bare).values["segments"][1]


@given(st.sampled_from(FIELDS), TEXTS)
@settings(max_examples=40, deadline=None)
def test_only_the_field_changes_and_it_reads_as_typed(loc, value):
    before = read_yaml(starter()).values
    found = read_yaml(put(starter(), *loc, value=value)).values
    typed = value.strip() if loc[-1] == "lyrics" else " ".join(value.split())
    held, was = found, before
    for part in loc[:-1]:
        held, was = held[part], was[part]
    assert (held.pop(loc[-1], None) or "").strip() == typed
    was.pop(loc[-1], None)
    assert found == before


@pytest.mark.parametrize("value", ["", "Dos", "a, b]", "x: #y", '"', "- z"])
def test_sheets_on_one_line_change_too(value):
    after = read_yaml(put(FLOW, "title", value=value)).values
    assert after.get("title", "") == value
    assert put(FLOW, "artist", value="Me") == FLOW.replace("Uno,", "Uno,").replace(
        "}]}", "}], artist: \"Me\"}"
    )  # fmt: skip


def test_what_cannot_be_changed_safely_is_refused():
    for text, change in (
        ("title: [", SheetChange(op="set", loc=("title",), value="x")),
        (FLOW, SheetChange(op="add", loc=("segments",))),
        (starter(), SheetChange(op="set", loc=("options",), value="x")),
        (starter(), SheetChange(op="set", loc=("nothing",), value="x")),
        (starter(), SheetChange(op="remove", loc=("segments", 9))),
        (starter(), SheetChange(op="set", loc=("segments", 0, "layers", 0, "style"), value="x")),
    ):
        with pytest.raises(SheetError):
            change_sheet(text, change)


def test_starters_render_as_they_are():
    for name, one in STARTERS.items():
        draft = read_draft(one.text)
        assert (draft.problems, draft.values["title"]) == ((), one.title), name
