import json
import re

import numpy as np
import pytest

from milonga import audio
from milonga.errors import MilongaError, PlanError
from milonga.generators.base import Licence, Request
from milonga.runtime.progress import Progress
from milonga.songs.output.choices import state_of
from milonga.songs.output.folder import OutputFolder
from milonga.songs.output.report import licences, write_song_report
from milonga.songs.output.song_file import SongFile
from milonga.songs.rendering.plan import make_plan
from milonga.songs.rendering.planned import Selection
from milonga.songs.rendering.receipts import read_receipt, write_receipt
from milonga.songs.rendering.render import render

LAYERS = {
    "seconds": 2.0,
    "lyrics": "la la",
    "layers": [
        {"role": "vocals", "generators": ["natural", "tone"]},
        {"role": "backing", "generators": ["tone"], "gain_db": -6},
    ],
}


@pytest.fixture
def rendered(sheet, make_generator, tmp_path):
    def build(*segments, takes=1, **fields):
        song, out = sheet(*segments, **fields), tmp_path / "out"
        folder = OutputFolder.begin(out, song)
        plan = make_plan(song, out, Selection(takes=takes), make_generator, need_baselines=False)
        outcomes = render(plan, Progress())
        return folder, outcomes

    return build


def test_the_first_generator_of_the_layer_is_mixed(rendered):
    folder, _ = rendered({}, LAYERS)
    mixed = folder.mix(Progress())
    assert mixed.chosen == {
        "1/instrumental": "tone-s0",
        "2/vocals": "natural-s0",
        "2/backing": "tone-s0",
    }
    assert mixed.seconds == pytest.approx(1.0 + 2.5, abs=0.001)
    assert mixed.loudness_lufs == pytest.approx(-14.0, abs=0.2)
    assert mixed.notes == ()


def test_a_folder_is_enough(rendered):
    folder, _ = rendered({}, LAYERS, takes=2)
    loaded = OutputFolder.load(folder.out)
    assert loaded.sheet == folder.sheet
    assert loaded.mix(Progress()) == folder.mix(Progress())


def test_choices_last_until_chosen_anew(rendered, sheet):
    folder, _ = rendered({}, LAYERS, takes=2)
    folder.choose({"1": "tone-s1", "2/vocals": "tone-s0"})
    folder.save()
    assert OutputFolder.load(folder.out).mix(Progress()).chosen["2/vocals"] == "tone-s0"
    # The sheet lacks a segment for the moment: its choice is kept for when it is back.
    again = OutputFolder.begin(folder.out, sheet({}))
    assert again.choices == {"1/instrumental": "tone-s1", "2/vocals": "tone-s0"}
    assert again.mix().chosen == {"1/instrumental": "tone-s1"}
    back = OutputFolder.begin(folder.out, folder.sheet)
    assert back.mix().chosen == folder.mix().chosen


@pytest.fixture
def changed(sheet, make_generator, tmp_path):
    """Renders one segment of 2 s with changed fields into the same folder."""

    def build(choices=None, takes=1, generators=(), render_it=True, **fields):
        song, out = sheet({"seconds": 2.0} | fields), tmp_path / "out"
        selection = Selection(generators, takes=takes)
        plan = make_plan(song, out, selection, make_generator, need_baselines=False)
        coming = plan.takes if render_it else ()
        folder = OutputFolder.begin(out, song, choices, coming, generators)
        if render_it:
            render(plan)
        return folder

    return build


LAYER = "1/instrumental"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tempo": 122.0}, "tempo 120 -> 122"),
        ({"key": "D minor"}, "key C major -> D minor"),
        ({"seconds": 1.0}, "seconds 2 -> 1"),
        ({"mood": "sad"}, "mood none -> sad"),
    ],
)
def test_a_chosen_take_that_became_stale_is_not_mixed(changed, fields, said):
    changed(takes=3).choose({"1": "tone-s2"})
    folder = changed({"1": "tone-s2"}, takes=3)
    assert folder.mix().chosen == {LAYER: "tone-s2"}
    # As issue and design say: the sheet changes, and the next render is asked for nothing more.
    mixed = changed(**fields).mix()
    assert mixed.chosen == {LAYER: "tone-s0.2"}
    notes = "\n".join(mixed.notes)
    assert "The chosen take tone-s2 is not used: it was made for an earlier state" in notes
    assert f"--choose {LAYER}=tone-s2" in notes
    assert f"they were made for an earlier state of the sheet: {said}: tone-s0, tone-s1" in notes
    assert mixed.seconds == pytest.approx(fields.get("seconds", 2.0), abs=0.01)
    # Back in its own state of the sheet, the choice counts again.
    assert changed(render_it=False).mix().chosen == {LAYER: "tone-s2"}


def test_a_stale_take_is_mixed_when_chosen_by_name_again(changed):
    changed({"1": "tone-s0"})
    folder = changed({"1": "tone-s0"}, tempo=122.0)
    for again in (folder, OutputFolder.load(folder.out), changed(tempo=122.0)):
        mixed = again.mix()
        assert mixed.chosen == {LAYER: "tone-s0"}
        assert mixed.layers[0].changes == ("tempo 120 -> 122",)
        words = "the chosen take tone-s0 was made for an earlier state of the sheet"
        assert f"segment 1: {words}: tempo 120 -> 122." in mixed.notes
        assert "stale" not in mixed.summary
        assert "tempo 120 -> 122" in "\n".join(mixed.contents)
        assert mixed.complete
    # It was chosen for that state, not for the next one.
    assert changed(tempo=124.0).mix().chosen == {LAYER: "tone-s0.3"}


def test_a_layer_with_nothing_but_stale_takes_is_left_out(changed):
    folder = changed()
    mixed = changed(tempo=122.0, render_it=False).mix()
    assert mixed.path is None
    assert not mixed.complete
    assert "left out of the mix, no take for the sheet as it is now." in "\n".join(mixed.notes)
    assert mixed.layers[0].lost
    assert not (folder.out / "song.wav").exists()


def test_many_stale_takes_are_counted(changed):
    changed(takes=8)
    (note,) = changed(tempo=122.0).mix().notes
    assert note.endswith("tone-s0, tone-s1, tone-s2, tone-s3, tone-s4 and 3 more")


def test_a_choice_of_version_0_1_counts_while_its_take_is_current(changed):
    folder = changed({"1": "tone-s1"}, takes=2)
    path = folder.out / "song.json"
    record = json.loads(path.read_text())
    del record["chosen_for"], record["generators"]
    path.unlink()
    (folder.out / "session.json").write_text(json.dumps(record | {"format_version": 1}))
    assert OutputFolder.load(folder.out).mix().chosen == {LAYER: "tone-s1"}
    assert changed(tempo=122.0).mix().chosen == {LAYER: "tone-s0.2"}


def test_what_a_choice_was_made_for_reads_as_before_requests_had_more_fields():
    """The digest was taken with the release before; else an update would undo choices."""
    request = Request(role="vocals", section="verse", seconds=4, tempo=120, key="A minor", seed=0)
    assert state_of(request) == "35a8088e25c56095"
    assert state_of(request.model_copy(update={"time": "3/4"})) != "35a8088e25c56095"


def test_the_report_marks_stale_takes(changed):
    changed(mood="A <Wild> One")
    folder = changed()
    page = write_song_report(folder).read_text()
    assert page.count("stale</span>") == 1
    (document,) = json.loads((folder.out / "comparison.json").read_text())["segments"]
    assert sorted(entry["stale"] for entry in document["candidates"]) == [False, True]
    assert "mood A &lt;Wild&gt; One -&gt; none" in page
    assert "not used, since it was made for an earlier state of the sheet" in page


def test_generators_named_by_the_run_come_first(changed):
    """The take of the sheet's own generator is there, too, as after a guide take."""
    assert changed().mix().chosen == {LAYER: "tone-s0"}
    folder = changed(generators=("natural",))
    assert folder.mix().chosen == {LAYER: "natural-s0"}
    assert OutputFolder.load(folder.out).mix().chosen == {LAYER: "natural-s0"}, "for later mixes"
    assert changed(generators=("tone", "natural")).mix().chosen == {LAYER: "tone-s0"}
    assert changed(generators=("natural", "tone")).mix().chosen == {LAYER: "natural-s0"}
    assert changed({"1": "tone-s0"}, generators=("natural",)).mix().chosen == {LAYER: "tone-s0"}


def test_a_named_generator_with_findings_or_stale_takes_gives_way(changed):
    changed(generators=("natural",))
    folder = changed(tempo=122.0)
    again = OutputFolder.begin(folder.out, folder.sheet, generators=("natural",))
    assert again.mix().chosen == {LAYER: "tone-s0"}
    assert changed(generators=("natural",), tempo=122.0).mix().chosen == {LAYER: "natural-s0.2"}


def test_without_a_named_generator_the_sheets_order_counts(changed):
    changed(generators=("natural",))
    assert changed(generators=()).mix().chosen == {LAYER: "tone-s0"}


def test_the_mix_lists_its_layers(rendered):
    folder, _ = rendered({}, LAYERS, {"style": "silent"}, {"style": "explode"})
    folder.choose({"2/vocals": "tone-s0"})
    mixed = folder.mix()
    head, *lines = mixed.contents
    assert head == "In the mix:"
    assert lines[:3] == [
        "  1 Part 1, instrumental: tone-s0",
        "  2 Part 2, vocals: tone-s0 (chosen)",
        "  2 Part 2, backing: tone-s0",
    ]
    assert lines[3].startswith("  3 Part 3, instrumental: left out, no take without findings")
    assert lines[4] == "  4 Part 4, instrumental: left out, no take yet"
    document = json.loads(json.dumps(mixed.to_dict()))
    assert [layer["take"] for layer in document["layers"]] == ["tone-s0"] * 3 + [None] * 2
    assert [layer.lost for layer in mixed.layers] == [False, False, False, True, False]
    assert not mixed.complete


@pytest.mark.parametrize("choice", [{"1": "tone-s9"}, {"9": "tone-s0"}, {"1": "tone-s0", "9": "x"}])
def test_a_refused_choice_changes_nothing(changed, sheet, choice):
    folder = changed({"1": "tone-s1"}, takes=2)
    folder.mix()
    before = {path: path.read_bytes() for path in folder.out.rglob("*") if path.is_file()}
    with pytest.raises(PlanError, match="Nothing was changed"):
        OutputFolder.begin(folder.out, sheet({"tempo": 99.0}), choice)
    with pytest.raises(PlanError, match="Nothing was changed"):
        folder.choose(choice)
    assert folder.choices == {LAYER: "tone-s1"}
    assert {path: path.read_bytes() for path in before} == before


def test_every_wrong_choice_is_named(rendered):
    folder, _ = rendered({}, LAYERS)
    with pytest.raises(PlanError) as caught:
        folder.choose({"1": "tone-s7", "2": "tone-s0", "2/texture": "x", "9": "x"})
    text = str(caught.value)
    assert "choice 1: There is no take 'tone-s7'. Takes: tone-s0." in text
    assert "Which layer? Use one of: 2/vocals, 2/backing." in text
    assert "no layer 'texture'" in text
    assert "no segment 9" in text
    assert folder.choices == {}


def test_bad_missing_and_damaged_takes_are_left_out_and_noted(rendered):
    folder, outcomes = rendered(
        {"style": "silent"}, {"style": "explode"}, {}, {"style": "silent", "number": 4}, {}
    )
    outcomes[2].planned.sound_path.write_bytes(b"gone")
    folder.choose({"4": "tone-s0"})
    mixed = folder.mix(Progress())
    assert set(mixed.chosen) == {"4/instrumental", "5/instrumental"}
    notes = "\n".join(mixed.notes)
    assert "segment 1: left out of the mix, no take without findings" in notes
    assert "segment 2: left out of the mix, no take yet" in notes
    assert "segment 3: left out of the mix" in notes
    assert "is not what its receipt says" in notes
    assert "segment 4: the chosen take has findings" in notes


def test_nothing_good_leaves_no_song(rendered):
    folder, _ = rendered({})
    song = folder.mix(Progress()).path
    assert song.exists()
    for receipt in folder.out.rglob("tone-*.json"):
        receipt.unlink()
    mixed = folder.mix(Progress())
    assert mixed.path is None
    assert not song.exists()


def test_a_folder_of_version_0_1_is_read_and_written_anew(rendered):
    folder, _ = rendered({}, takes=2)
    record = json.loads((folder.out / "song.json").read_text())
    assert record["format_version"] == 2
    (folder.out / "song.json").unlink()
    old = record | {"format_version": 1, "choices": {"1/instrumental": "tone-s1"}}
    (folder.out / "session.json").write_text(json.dumps(old))
    loaded = OutputFolder.load(folder.out)
    assert loaded.sheet == folder.sheet
    assert loaded.mix().chosen == {"1/instrumental": "tone-s1"}
    again = OutputFolder.begin(folder.out, folder.sheet)
    assert again.choices == {"1/instrumental": "tone-s1"}
    assert not (folder.out / "session.json").exists()
    assert OutputFolder.load(folder.out).choices == again.choices


def test_a_choice_that_is_no_segment(rendered):
    folder, _ = rendered({})
    with pytest.raises(PlanError, match="no segment chorus"):
        folder.choose({"chorus": "tone-s0"})


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"sheet": {}, "source": "x"}', "\x00"])
def test_a_damaged_record_is_explained(tmp_path, content):
    (tmp_path / "song.json").write_text(content)
    with pytest.raises(MilongaError, match="damaged") as caught:
        OutputFolder.load(tmp_path)
    assert "finished takes are kept" in str(caught.value)


def test_comparison_and_page(rendered, tmp_path):
    rng = np.random.default_rng(0)
    audio.write(tmp_path / "base.wav", audio.Clip(0.1 * rng.standard_normal(48000), 24000))
    folder, outcomes = rendered(
        {"baseline": "base.wav"},
        LAYERS | {"baseline": "base.wav"},
        {"style": "explode"},
        takes=2,
        title="<script>alert(1)</script>",
    )
    folder.mix(Progress())
    page = write_song_report(folder, Progress(), outcomes)
    assert page == folder.out / "report" / "index.html"
    document = json.loads((folder.out / "comparison.json").read_text())
    assert document["format_version"] == 3
    first, second, third = document["segments"]
    assert first["baseline"]["path"] == str(tmp_path / "base.wav")
    assert [c["path"] for c in first["candidates"]] == [
        "takes/01-part-1/tone-s0.wav",
        "takes/01-part-1/tone-s1.wav",
    ]
    yardsticks = {"self", "silence", "noise", "shadow", "shaped", "shuffled"}
    assert set(first["yardsticks"]) == yardsticks
    assert first["candidates"][0]["sentence"]
    assert first["candidates"][0]["differences"]["duration_diff_s"] == pytest.approx(-1.0)
    # The layers together come first: that is what the baseline is.
    assert second["labels"][0] == "all layers"
    assert len(second["candidates"]) == 1 + 4 + 2
    assert third["candidates"] == []
    html = page.read_text()
    # In the song's pictures a mark for each segment that is in it, where it starts.
    marks = re.findall(r'<text x="([\d.]+)%" dx="4" y="12">(\d+)</text>', html)
    assert [number for _, number in marks] == ["1", "2"]
    assert [float(at) for at, _ in marks] == pytest.approx([0, 100 / 3.5], abs=0.01)
    assert "<script>alert(1)" not in html
    assert "the model fell over" in html
    # A second report finds everything where it was.
    assert write_song_report(folder, Progress()) == page


def test_a_baseline_that_vanished_is_a_warning(rendered, tmp_path):
    folder, _ = rendered({"baseline": "gone.wav"})
    page = write_song_report(folder, Progress())
    assert "no comparison" in page.read_text()
    document = json.loads((folder.out / "comparison.json").read_text())
    assert document["segments"][0]["baseline"] is None


def test_licences_of_the_chosen_takes_strictest_first(rendered):
    folder, outcomes = rendered({}, {})
    strict = Licence(what="model", name="CC-BY-NC-4.0", commercial_use="no")
    receipt = read_receipt(outcomes[1].planned.receipt_path)
    model = receipt.model.model_copy(update={"licences": (*receipt.model.licences, strict)})
    write_receipt(receipt.model_copy(update={"model": model}), outcomes[1].planned.receipt_path)
    assert [licence.name for licence in licences(folder.layers())] == ["CC-BY-NC-4.0", "CC0-1.0"]


def test_a_mix_is_written_with_its_licences(rendered, tmp_path):
    folder, _ = rendered({})
    mixed = folder.mix(song_file=SongFile(tmp_path / "song.mp3", count_in=1))
    assert mixed.written == tmp_path / "song.mp3"
    tags = audio.probe(mixed.written).tags
    assert tags.title == folder.sheet.title
    assert "licences: CC0-1.0: tone" in tags.comment
    assert mixed.to_dict()["written"] == str(mixed.written)
    # song.wav stays in the sheet's time.
    assert audio.read(mixed.path).seconds == pytest.approx(folder.sheet.seconds, abs=1e-3)
