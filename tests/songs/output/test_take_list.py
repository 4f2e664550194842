import json

import pytest

from milonga import audio
from milonga.errors import MilongaError
from milonga.songs.output.folder import OutputFolder
from milonga.songs.output.take_list import list_folder
from milonga.songs.rendering.plan import make_plan
from milonga.songs.rendering.planned import Selection
from milonga.songs.rendering.render import render
from milonga.songs.sheet.yaml_writer import write_yaml
from milonga.workflows.songs import mix_song
from milonga.workflows.takes import list_takes, prune_takes


@pytest.fixture
def out(sheet, make_generator, tmp_path):
    """A folder with a take of each state."""
    out = tmp_path / "out"

    def run(song, takes=1, choices=None):
        plan = make_plan(song, out, Selection(takes=takes), make_generator)
        OutputFolder.begin(out, song, choices, plan.takes)
        render(plan)

    run(sheet({}, {"name": "Gone"}, tempo=100), takes=3, choices={"1": "tone-s1"})
    run(sheet({}, {"name": "New"}, tempo=101))
    (out / "takes" / "02-new" / "tone-s0.wav").write_bytes(b"damaged")
    (out / "takes" / "01-part-1" / "torn-s0.json").write_text("{")
    return out


STATES = {
    "takes/01-part-1/tone-s0.wav": "stale",
    "takes/01-part-1/tone-s0.2.wav": "current",
    "takes/01-part-1/tone-s1.wav": "stale",
    "takes/01-part-1/tone-s2.wav": "stale",
    "takes/01-part-1/torn-s0.wav": "damaged",
    "takes/02-gone/tone-s0.wav": "orphan",
    "takes/02-gone/tone-s1.wav": "orphan",
    "takes/02-gone/tone-s2.wav": "orphan",
    "takes/02-new/tone-s0.wav": "damaged",
}


def test_every_take_with_its_state_size_and_purpose(out):
    found = list_takes(str(out))
    assert {take.path: take.state for take in found} == STATES
    takes = {take.path: take for take in found}
    current = takes["takes/01-part-1/tone-s0.2.wav"]
    assert (current.in_mix, current.chosen, current.detail) == (True, False, "")
    assert current.made_for == "instrumental, 1 s, 101 BPM, C major"
    files = [out / "takes" / "01-part-1" / f"tone-s0.2.{kind}" for kind in ("wav", "json")]
    assert current.size == sum(file.stat().st_size for file in files)
    stale = takes["takes/01-part-1/tone-s1.wav"]
    assert (stale.in_mix, stale.chosen) == (False, True)
    assert "tempo 100 -> 101" in stale.detail
    damaged = takes["takes/02-new/tone-s0.wav"]
    assert "not what its receipt says" in damaged.detail
    assert not damaged.in_mix
    assert found.size == sum(
        path.stat().st_size for path in (out / "takes").rglob("*") if path.is_file()
    )
    document = json.loads(json.dumps(found.to_dict()))
    assert [take["state"] for take in document["takes"]] == [take.state for take in found]
    assert "3 stale" in found.summary
    assert found._repr_html_().count("<tr>") >= len(found)


def test_pruning_removes_stale_takes_that_nothing_uses(out):
    removed = prune_takes(out)
    gone = {"takes/01-part-1/tone-s0.wav", "takes/01-part-1/tone-s2.wav"}
    assert {take.path for take in removed} == gone
    left = {take.path: take.state for take in list_takes(out)}
    assert left == {path: state for path, state in STATES.items() if path not in gone}
    assert not list((out / "takes" / "01-part-1").glob("tone-s0.json"))
    assert len(prune_takes(out)) == 0


def test_a_take_set_aside_is_listed_as_damaged(out, sheet, make_generator):
    folder = OutputFolder.load(out)
    render(make_plan(folder.sheet, out, Selection(), make_generator))
    states = {take.path: take.state for take in list_folder(folder)}
    assert states["takes/02-new/damaged/tone-s0.wav"] == "damaged"
    assert states["takes/02-new/tone-s0.wav"] == "current"


def test_a_stale_take_in_the_mix_is_never_pruned(out):
    folder = OutputFolder.load(out)
    folder.choose({"1": "tone-s2"})
    folder.save()
    assert "takes/01-part-1/tone-s2.wav" not in {take.path for take in prune_takes(out)}
    assert audio.read(out / "takes" / "01-part-1" / "tone-s2.wav").seconds == 1.0


def test_a_folder_without_a_song(tmp_path):
    for call in (list_takes, prune_takes):
        with pytest.raises(MilongaError, match="no rendered song"):
            call(tmp_path)


def test_a_sheet_that_was_changed_after_the_render_is_named(out, tmp_path):
    folder = OutputFolder.load(out)
    source = tmp_path / "my song.yaml"
    folder.sheet = folder.sheet.with_source(source)
    folder.save()
    text = write_yaml(folder.sheet)
    for written, said in ((None, 0), (text, 0), ("no: sheet", 0), (text.replace("101", "99"), 1)):
        if written is not None:
            source.write_text(written)
        notes = list_takes(out).notes
        assert len(notes) == said
    assert f"milonga render '{source}' --out {out}" in notes[0]
    assert notes[0] in mix_song(out).notes
    # A song that is moved as a whole finds its sheet, and so its baselines.
    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    tmp_path.rename(moved)
    assert OutputFolder.load(moved / "out").sheet.folder == moved
    assert f"'{moved / source.name}'" in list_takes(moved / "out").notes[0]
    moved.rename(tmp_path)


def test_pruning_tells_that_the_report_shows_what_is_gone(out):
    (out / "report").mkdir()
    (note,) = prune_takes(out).notes
    assert f"milonga report {out}" in note
    assert prune_takes(out).notes == ()
