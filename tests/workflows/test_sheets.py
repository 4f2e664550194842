"""Starting, checking, importing and exporting song sheets by one call each."""

import json
from pathlib import Path

import pytest

from milonga.errors import OutputError, PlanError, SheetError
from milonga.songs.sheet.load import load_sheet
from milonga.workflows.sheets import check_sheet, export_sheet, import_sheet, new_sheet
from milonga.workflows.songs import plan_song

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
    refused = check_sheet(WHISPERS / "song.yaml", generators="nope")
    assert refused.prompts is None
    assert "no generator 'nope'" in refused.problems[0].message


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


REFUSED = {
    "key: Z minor": "key",
    "lyrics: " + "canto la melodia de la noche " * 4: "syllables",
    "generators: [guidde]": "Did you mean guide?",
    "baseline: nowhere.wav": "no such file",
    "options: {guide: {lead: kazoo}}": "no lead instrument",
}


@pytest.mark.parametrize("line", REFUSED)
@pytest.mark.parametrize("named", [[], ["guide"]])
def test_check_refuses_what_render_refuses(tmp_path, line, named):
    path = tmp_path / "song.yaml"
    fields = {"number": "1", "name": "a", "section": "verse", "seconds": "4"}
    name, _, value = line.partition(": ")
    fields[name] = value
    path.write_text("title: a\nsegments:\n- " + "\n  ".join(f"{k}: {v}" for k, v in fields.items()))
    found = check_sheet(path, generators=named)
    try:
        plan_song(path, tmp_path / "out", generators=named)
        refused = ()
    except PlanError as error:
        refused = error.problems
    assert found.problems == refused
    assert found.good == (not refused) == bool(named and name == "generators")
    if refused:
        assert REFUSED[line] in refused[0].message + refused[0].step
        assert "How to fix it" in found._repr_html_()
        assert found.overview["title"] == "a"


def test_what_the_guide_reads(tmp_path):
    (vocals, *_) = [
        layer
        for layer in check_sheet(WHISPERS / "song.yaml", generators="guide").prompts
        if layer.role == "vocals"
    ]
    assert "We whisper, (susurra conmigo)" in vocals.prompts[0]


def test_the_whole_song_is_checked_too(tmp_path):
    path = tmp_path / "song.yaml"
    path.write_text(
        "title: One\nstyle: tango\nwhole: {generators: [guide]}\nsegments:\n"
        "- {number: 1, name: Uno, section: verse, seconds: 4, lyrics: hola, generators: [guide]}\n"
    )
    found = check_sheet(path, generators="guide")
    assert found.good
    assert found.overview["whole"]["seconds"] == 4
    layer, whole = found.prompts
    assert (whole.segment, whole.name, whole.role) == (0, "The whole song", "song")
    assert whole.prompts == layer.prompts
