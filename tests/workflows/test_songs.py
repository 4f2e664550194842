"""Rendering, mixing, reporting and replaying a song by one call each, with the guide."""

import json
import logging

import numpy as np
import pytest

from milonga import audio
from milonga.errors import AudioError, MilongaError, OutputError, PlanError, SheetError
from milonga.generators.registry import generator, make_generator
from milonga.runtime.progress import Progress
from milonga.songs.sheet.model import Sheet
from milonga.workflows.songs import (
    BEST_BY,
    mix_song,
    plan_song,
    render_plan,
    render_song,
    replay,
    write_report,
)
from milonga.workflows.takes import list_takes


@pytest.fixture
def sheet(tmp_path):
    path = tmp_path / "song.yaml"
    path.write_text(
        "title: '<b>One</b>'\nsegments:\n"
        "- {number: 1, name: Uno, section: intro, seconds: 2, baseline: base.wav}\n"
        "- {number: 2, name: Dos, section: instrumental, seconds: 2}\n"
    )
    rng = np.random.default_rng(0)
    audio.write(tmp_path / "base.wav", audio.Clip(0.1 * rng.standard_normal(48000), 24000))
    return path


def test_a_folder_that_holds_another_song_is_told_before_the_work(sheet, tmp_path):
    out = tmp_path / "out"
    render_song(sheet, out, report=False)
    again = sheet.read_text()
    # The same sheet, by another title or under another name, is the same song.
    sheet.write_text(again.replace("One", "Two"))
    assert plan_song(sheet, out).notes == ()
    other = tmp_path / "other.yaml"
    other.write_text(again)
    assert plan_song(other, out).notes == ()
    other.write_text(again.replace("One", "Two"))
    (note,) = plan_song(other, out).notes
    assert f"{out} holds another song, <b>One</b>, of {sheet}." in note
    assert "--out" in note
    sheet.unlink()
    assert plan_song(other, out).notes == (), "it was renamed"


def test_a_song_in_one_call_and_again(sheet, tmp_path):
    out = tmp_path / "out"
    updates = []
    song = render_song(str(sheet), str(out), takes=2, seed=3, progress=Progress(updates.append))
    assert song.good
    assert song.summary == ["Takes: 4 good."]
    assert [outcome.status for outcome in song.outcomes] == ["rendered"] * 4
    assert song.mix.path == out / "song.wav"
    assert song.report == out / "report" / "index.html"
    assert {"Rendering", "Mixing", "Comparing"} <= {update.label for update in updates}
    document = json.loads(json.dumps(song.to_dict()))
    assert document["takes"][0]["path"] == str(out / "takes" / "01-uno" / "guide-s3.wav")
    assert document["chosen"] == {"1/instrumental": "guide-s3", "2/instrumental": "guide-s3"}
    html = song._repr_html_()
    assert html.count("guide-s3") == html.count("guide-s4") == 2
    assert "<audio" in html
    assert song.mix._repr_html_().startswith("<audio")

    again = render_song(sheet, out, takes=2, seed=3, choose={"2": "guide-s4.wav"}, report=False)
    assert [outcome.status for outcome in again.outcomes] == ["kept"] * 4
    assert again.summary[0] == "Takes: 4 good (4 of them kept from before)."
    assert again.report is None
    assert again.mix.chosen["2/instrumental"] == "guide-s4"
    assert mix_song(out).chosen == again.mix.chosen
    assert mix_song(str(out), choose={"02/instrumental": "guide-s3"}).chosen == song.mix.chosen
    assert write_report(out) == song.report

    take = song.outcomes[0].planned
    found = replay(str(take.sound_path), out=tmp_path / "again.wav")
    assert found.verdict == "identical"
    assert found.to_dict()["sha256"] == found.to_dict()["sha256_then"]
    assert audio.read(tmp_path / "again.wav") is not None
    with pytest.raises(OutputError, match="already there"):
        replay(take.sound_path, out=take.sound_path)
    with pytest.raises(AudioError, match="suffix"):
        replay(take.sound_path, out=tmp_path / "again.txt")


def test_a_mix_says_that_the_report_shows_the_song_before_it(sheet, tmp_path):
    out = tmp_path / "out"
    render_song(sheet, out, segments=[2], takes=2, report=False)
    assert "report" not in " ".join(mix_song(out).notes)
    write_report(out)
    assert f"milonga report {out}" in mix_song(out, choose={"2": "guide-s1"}).notes[-1]


def test_what_a_killed_run_left_goes_with_the_next_one(sheet, tmp_path, monkeypatch):
    out = tmp_path / "out"
    render_song(sheet, out, segments=[2], generators="guide")
    folders = {path.parent for path in out.rglob("*") if path.is_file()}
    assert {out, out / "report"} < folders
    for folder in folders:
        (folder / ".part-00c0ffee-x.wav").write_bytes(b"half")
        (folder / ".part-mine.wav").write_bytes(b"whole")
    # Another process has seen none of the folders yet.
    monkeypatch.setattr("milonga.runtime.files._swept", set())
    render_song(sheet, out, segments=[2], generators="guide")
    assert {path.name for path in out.rglob(".part-*")} == {".part-mine.wav"}


def test_a_plan_writes_nothing_and_shows_itself(sheet, tmp_path):
    plan = plan_song(sheet, tmp_path / "out", segments=[2], generators="guide")
    assert [take.segment for take in plan.takes] == [2]
    assert plan.to_dict()["plan"][0]["take"] == "guide-s0"
    html = plan._repr_html_()
    assert "&lt;b&gt;One&lt;/b&gt;: 1 takes" in html
    assert "<b>" not in html
    assert not (tmp_path / "out").exists()
    outcomes = []
    song = render_plan(plan, report=False, on_outcome=outcomes.append)
    assert tuple(outcomes) == song.outcomes


def test_a_sheet_object_needs_no_file(tmp_path):
    segment = {"number": 1, "name": "a", "section": "solo", "seconds": 1}
    song = render_song(Sheet(title="t", segments=[segment]), tmp_path / "out", report=False)
    assert song.good


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"generators": ["gide"]}, "There is no generator 'gide'"),
        ({"segments": [7]}, "no segment 7"),
        ({"takes": 0}, "0 takes can't be rendered"),
        ({"seed": -1}, "seed -1 is out of range"),
        ({"seed": 2**32}, "out of range"),
        ({"options": {"guide": {"nonsense": 1}}}, "guide has no option 'nonsense'"),
        ({"choose": {"1": "guide-s7"}}, "There is no take 'guide-s7'"),
        ({"choose": {"x": "guide-s0"}}, "no segment x"),
    ],
)
def test_what_a_user_may_get_wrong_is_explained_before_any_write(sheet, tmp_path, wanted, words):
    with pytest.raises(PlanError) as caught:
        render_song(sheet, tmp_path / "out", **wanted)
    assert words in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_page_that_is_not_ours_is_refused_before_the_work(sheet, tmp_path):
    page = tmp_path / "out" / "report" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("my own page")
    with pytest.raises(OutputError):
        render_song(sheet, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report"]
    assert page.read_text() == "my own page"


def test_what_is_not_there(tmp_path):
    with pytest.raises(SheetError, match="no such file"):
        render_song(tmp_path / "nope.yaml")
    for call in (mix_song, write_report):
        with pytest.raises(MilongaError, match="no rendered song"):
            call(str(tmp_path))
    with pytest.raises(MilongaError, match="can't be read"):
        replay(tmp_path / "nope.wav")


def test_a_generator_by_name():
    assert generator("guide").name == "guide"
    with pytest.raises(MilongaError, match="no generator 'x'"):
        generator("x")
    with pytest.raises(MilongaError, match="has no option"):
        generator("guide", nonsense=1)
    with pytest.raises(MilongaError, match=r"Option bark\.part_s = 'long' is wrong"):
        make_generator("bark", {"part_s": "long"})


def test_a_model_that_falls_over_leaves_its_traceback_in_the_log(
    sheet, tmp_path, monkeypatch, caplog
):
    from milonga.generators.guide import Guide

    def fall(self, request, progress):
        raise RuntimeError("the model fell over")

    monkeypatch.setattr(Guide, "render", fall)
    with caplog.at_level(logging.ERROR, logger="milonga"):
        song = render_song(sheet, tmp_path / "out", report=False)
    assert not song.good
    assert song.mix.path is None
    assert [outcome.status for outcome in song.outcomes] == ["failed"] * 2
    assert [record.exc_info[0] for record in caplog.records] == [RuntimeError] * 2
    assert "RuntimeError: the model fell over" in song._repr_html_()
    assert song.summary[0] == "Takes: 0 good, 2 not."
    assert song.summary[-1] == song.outcomes[0].details, "said once, below both"
    assert len(song.summary) == 4


def test_the_whole_song_in_one_take_by_the_guide(tmp_path):
    path = tmp_path / "song.yaml"
    path.write_text(
        "title: One\nstyle: tango\ntempo: 120\nkey: A minor\nsegments:\n"
        "- {number: 1, name: Uno, section: intro, seconds: 4}\n"
        "- {number: 2, name: Dos, section: instrumental, seconds: 4.5, key: E minor}\n"
    )
    out = tmp_path / "out"
    song = render_song(path, out, whole=True, takes=2, best_by="tempo")
    assert song.good
    assert [outcome.planned.label for outcome in song.outcomes] == [
        "The whole song, guide-s0", "The whole song, guide-s1",
    ]  # fmt: skip
    assert list(song.mix.chosen) == ["whole"]
    assert song.mix.seconds == 8.5
    assert song.mix.layers[0].best.startswith("best of 2 by tempo: guide-s")
    assert song.mix.layers[0].best in song.report.read_text()
    document = json.loads((out / "comparison.json").read_text())
    for entry in document["whole"]:
        verdicts = {fact["name"]: fact["verdict"] for fact in entry["facts"]}
        assert verdicts["length"] == verdicts["tempo"] == "met"
        # Its segments are in two keys, so none is asked of it as a whole.
        assert verdicts["key"] is None
    pieces = [each["candidates"][0]["facts"] for each in document["segments"]]
    keys = [fact["asked"] for facts in pieces for fact in facts if fact["name"] == "key"]
    assert keys == ["A minor", "E minor"]
    (listed, _) = list_takes(out)
    assert [cut["sheet_s"] for cut in listed.cuts] == [4.0]
    assert replay(song.outcomes[0].planned.sound_path).verdict == "identical"
    again = render_song(path, out, whole=True, takes=2, report=False)
    assert [outcome.status for outcome in again.outcomes] == ["kept", "kept"]
    # A piece of it beside a take of the segment's own.
    both = render_song(path, out, segments=[2], choose={"1": "whole/guide-s0"}, report=False)
    assert both.mix.chosen == {"1/whole": "guide-s0", "2/instrumental": "guide-s0"}
    assert mix_song(out, choose={"whole": "guide-s1"}).seconds == 8.5


def test_a_rule_that_is_not_there_is_refused_before_the_work(sheet, tmp_path):
    with pytest.raises(MilongaError, match="no rule 'taste'"):
        render_song(sheet, tmp_path / "out", best_by="taste")
    assert not (tmp_path / "out").exists()
    assert {"checks", "tempo"} <= set(BEST_BY)
