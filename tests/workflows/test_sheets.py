"""Starting, checking, importing and exporting song sheets by one call each."""

import json
from pathlib import Path

import pytest

from milonga.errors import MilongaError, OutputError, SheetError
from milonga.songs.sheet.load import load_sheet
from milonga.workflows.sheets import check_sheet, export_sheet, import_sheet, new_sheet

WHISPERS = Path(__file__).parents[2] / "examples" / "whispers"


def test_a_new_sheet_is_good_and_never_overwrites(tmp_path):
    path = new_sheet(str(tmp_path / "song.yaml"), title="<i>Mine</i>")
    found = check_sheet(str(path))
    assert found.good
    assert found.problems == ()
    assert found.sheet.title == "<i>Mine</i>"
    assert "&lt;i&gt;Mine&lt;/i&gt;" in found._repr_html_()
    assert "<i>" not in found._repr_html_()
    with pytest.raises(OutputError, match="a file already"):
        new_sheet(path)
    new_sheet(path, force=True)
    with pytest.raises(OutputError, match=r"ends in \.yaml"):
        new_sheet(tmp_path / "song.txt")
    with pytest.raises(SheetError):
        new_sheet(tmp_path / "other.yaml", title="\x07")


def test_problems_are_listed_not_raised(tmp_path):
    path = tmp_path / "song.yaml"
    path.write_text("title: a\nbpm: 3\nsegments: []\n")
    found = check_sheet(path)
    assert not found.good
    assert found.sheet is None
    assert [problem.line for problem in found.problems] == [2, 3]
    assert json.loads(json.dumps(found.to_dict()))["problems"][0]["where"] == "bpm"
    assert "There is no field" in found._repr_html_()
    (problem,) = check_sheet(tmp_path / "nope.yaml").problems
    assert "no such file" in problem.message


def test_the_prompts_of_a_generator():
    found = check_sheet(WHISPERS / "song.yaml", generators=["stable-audio", "bark"])
    assert {layer.generator for layer in found.prompts} == {"stable-audio", "bark"}
    sung = next(layer for layer in found.prompts if layer.generator == "bark")
    assert sung.role == "vocals"
    assert sung.prompts
    document = json.loads(json.dumps(found.to_dict()))
    assert len(document["prompts"]) == len(found.prompts)
    with pytest.raises(MilongaError, match="no generator"):
        check_sheet(WHISPERS / "song.yaml", generators="nope")


def test_import_and_export(tmp_path):
    imported = import_sheet(WHISPERS / "song.md", tmp_path / "song.yaml")
    sheet = load_sheet(tmp_path / "song.yaml")
    assert sheet == imported.sheet
    text = export_sheet(sheet, tmp_path / "song.md")
    assert (tmp_path / "song.md").read_text() == text
    assert import_sheet(tmp_path / "song.md").sheet == sheet
    with pytest.raises(OutputError, match="a file already"):
        export_sheet(sheet, tmp_path / "song.md")
    assert json.loads(json.dumps(imported.to_dict()))["unplaced"]
