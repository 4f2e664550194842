"""Edits of takes and recordings by one call each, with a generator that alters everything."""

import hashlib
import json
import re
import shutil

import editors
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milonga import audio
from milonga.errors import Cancelled, MilongaError, PlanError, ReceiptError
from milonga.generators.registry import GENERATORS, KnownGenerator
from milonga.runtime.progress import Progress
from milonga.songs.output.folder import OutputFolder
from milonga.songs.rendering.receipts import read_receipt
from milonga.songs.sheet.model import Sheet
from milonga.workflows.edits import edit_take, make_edits, plan_edit
from milonga.workflows.songs import mix_song, render_song, replay, write_report
from milonga.workflows.takes import compare_takes, list_takes, prune_takes

LYRICS = "We laugh at the chaos\n[softly]\nwe play with the luck\n"


@pytest.fixture(autouse=True)
def known(monkeypatch):
    for name in ("Editor", "Deaf", "Painter"):
        known = KnownGenerator(f"editors:{name}", "models", "for tests")
        monkeypatch.setitem(GENERATORS, name.lower(), known)
    editors.Editor.asked.clear()


def a_song(tmp_path, **more):
    segments = [
        {"number": 1, "name": "Uno", "section": "verse", "seconds": 2, "lyrics": LYRICS},
        {"number": 2, "name": "Dos", "section": "solo", "seconds": 2, "generators": ["deaf"]},
        {"number": 3, "name": "Tres", "section": "verse", "seconds": 2.5, "lyrics": LYRICS,
         "layers": [{"role": "vocals"}, {"role": "instrumental"}]},
    ]  # fmt: skip
    return Sheet(title="Song", generators=["editor"], segments=segments, **more).with_source(
        tmp_path / "song.yaml"
    )


@pytest.fixture
def out(tmp_path):
    out = tmp_path / "out"
    assert render_song(a_song(tmp_path), out, report=False).good
    return out


def stored(path):
    """The integers of a file, ``[time, channels]``."""
    samples, rate = soundfile.read(path, dtype="int32", always_2d=True)
    return samples, rate


def sha(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def test_a_range_is_new_and_every_other_sample_of_the_file_stays(out):
    done = edit_take(out, 1, "repaint", start=0.5, end=1.25)
    folder = out / "takes" / "01-uno"
    assert done.good
    assert done.paths == (folder / "editor-repaint-s0.wav",)
    before, rate = stored(folder / "editor-s0.wav")
    after, after_rate = stored(done.paths[0])
    assert (after.shape, after_rate) == (before.shape, rate)
    assert soundfile.info(done.paths[0]).subtype == "PCM_24"
    start, end = round(0.5 * rate), round(1.25 * rate)
    for part in (slice(0, start), slice(end, None)):
        assert sha(after[part]) == sha(before[part])
    assert not np.array_equal(after[start:end], before[start:end])
    # The level of the range is that of the source, to 1 dB: both are noise of 33000 samples.
    levels = [np.std(each[start:end].astype(float)) for each in (before, after)]
    assert 20 * np.log10(levels[1] / levels[0]) == pytest.approx(0, abs=1)

    receipt = read_receipt(folder / "editor-repaint-s0.json")
    source = read_receipt(folder / "editor-s0.json")
    edit = receipt.request.edit
    assert edit.source == source.sound.sha256
    assert edit.source_file == "takes/01-uno/editor-s0.wav"
    assert (edit.task, edit.start, edit.end) == ("repaint", 0.5, 1.25)
    assert receipt.edited.answers == source.request
    assert receipt.edited.gain_db < -1
    assert "24000 Hz, mono" in receipt.edited.notes[0]
    assert "44100 Hz, 2 channels" in receipt.edited.notes[0]
    assert receipt.request.model_copy(update={"edit": None}) == source.request
    assert json.loads(json.dumps(done.to_dict()))["takes"][0]["status"] == "rendered"
    assert "<audio" in done._repr_html_()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rate=st.sampled_from([8000, 22050, 44100, 48000]),
    channels=st.integers(1, 2),
    subtype=st.sampled_from(["PCM_16", "PCM_24", "FLOAT"]),
    level=st.sampled_from([0.0, 0.01, 0.2, 2.0]),
    seconds=st.floats(0.3, 1.2),
    begin=st.floats(0, 0.6),
    length=st.floats(0.11, 0.6),
    made_rate=st.sampled_from([16000, 48000]),
)
def test_any_recording_keeps_its_samples_in_the_file(
    out, tmp_path, rate, channels, subtype, level, seconds, begin, length, made_rate
):
    """16 and 24 bits as 24; float beyond that as float, louder than full scale too."""
    n = round(seconds * rate)
    noise = level * np.random.default_rng(n).standard_normal((channels, n))
    recording = tmp_path / "any.wav"
    clip = audio.Clip(noise if subtype == "FLOAT" else np.clip(noise, -0.99, 0.99), rate)
    audio.write(recording, clip, subtype=subtype)
    source = audio.read(recording)
    start = min(begin, source.seconds - 0.11)
    end = min(start + length, source.seconds)
    done = edit_take(
        out, 1, "repaint", source=recording, start=start, end=end,
        options={"editor": {"rate": made_rate}},
    )  # fmt: skip
    (path,) = done.paths
    kept = audio.read(path)
    assert (kept.channels, kept.sample_rate) == (channels, rate)
    first, last = round(start * rate), round(end * rate)
    assert kept[:first] == source[:first]
    assert kept[last:] == source[last:]
    assert kept.n_samples == source.n_samples
    exact = subtype != "FLOAT" or not level
    assert soundfile.info(path).subtype == ("PCM_24" if exact else "FLOAT")
    for file in (path, path.with_suffix(".json")):
        file.unlink()


@pytest.mark.parametrize("before", [False, True])
def test_a_take_goes_on(out, before):
    done = edit_take(out, 1, "extend", by=0.7, before=before)
    folder = out / "takes" / "01-uno"
    old, rate = stored(folder / "editor-s0.wav")
    new, _ = stored(done.paths[0])
    added = round(0.7 * rate)
    assert len(new) == len(old) + added
    kept = new[added:] if before else new[: len(old)]
    assert sha(kept) == sha(old)
    part = new[:added] if before else new[len(old) :]
    assert np.std(part.astype(float)) == pytest.approx(np.std(old.astype(float)), rel=0.15)
    edit = read_receipt(done.paths[0].with_suffix(".json")).request.edit
    assert edit.offset == (0.7 if before else 0)


def test_a_cover_is_all_new_and_has_a_reference(out, tmp_path):
    reference = tmp_path / "voice.wav"
    audio.write(reference, audio.Clip(np.full(8000, 0.1), 8000))
    done = edit_take(out, "01", "cover", strength=0.4, reference=reference, style="tango")
    receipt = read_receipt(done.paths[0].with_suffix(".json"))
    assert done.paths[0].name == "editor-cover-s0.wav"
    assert (receipt.request.edit.strength, receipt.request.style) == (0.4, "tango")
    assert receipt.request.edit.reference_file == str(reference)
    assert not receipt.edited.pasted
    request, source, given = editors.Editor.asked[-1]
    assert given == audio.read(reference)
    assert source == audio.read(out / "takes" / "01-uno" / "editor-s0.wav")
    assert request.edit.reference == receipt.request.edit.reference
    assert replay(done.paths[0]).verdict == "identical"
    reference.unlink()
    with pytest.raises(ReceiptError, match="isn't there any more"):
        replay(done.paths[0])


def test_stems_are_one_file_each(out):
    done = edit_take(out, 1, "extract")
    names = [path.name for path in done.paths]
    assert names == ["editor-extract-vocals-s0.wav", "editor-extract-drums-s0.wav"]
    assert [r.edit.track for r, _, _ in editors.Editor.asked] == ["vocals", "drums"]
    more = edit_take(out, 1, "complete", tracks=["drums", "bass"])
    assert more.paths[0].name == "editor-complete-drums-bass-s0.wav"
    one = edit_take(out, 1, "lego", tracks="Fretless Bass", takes=2)
    assert [path.name for path in one.paths] == [
        "editor-lego-fretless-bass-s0.wav", "editor-lego-fretless-bass-s1.wav"
    ]  # fmt: skip


def test_no_take_is_overwritten_and_the_same_edit_is_kept(out):
    first = edit_take(out, 1, "repaint", start=0.5, end=1)
    again = edit_take(out, 1, "repaint", start=0.5, end=1)
    other = edit_take(out, 1, "repaint", start=0.5, end=1.1)
    assert [done.outcomes[0].status for done in (first, again, other)] == [
        "rendered", "kept", "rendered"
    ]  # fmt: skip
    assert again.paths == first.paths
    assert other.paths[0].name == "editor-repaint-s0.2.wav"


def test_an_edit_is_in_the_mix_only_when_it_is_chosen(out):
    done = edit_take(out, 1, "repaint", start=0.5, end=1, takes=2, seed=4)
    assert [path.stem for path in done.paths] == ["editor-repaint-s4", "editor-repaint-s5"]
    assert done.chosen is None
    assert f"milonga mix {out} --choose 1/vocals=editor-repaint-s4" in done.notes[-1]
    assert mix_song(out).chosen["1/vocals"] == "editor-s0"
    before = (out / "song.wav").read_bytes()
    chosen = edit_take(out, 1, "repaint", start=0.5, end=1, seed=4, choose=True)
    assert chosen.chosen == "editor-repaint-s4"
    # The song is built anew; a folder without a report gets none.
    assert chosen.song == out / "song.wav"
    assert chosen.song.read_bytes() != before
    assert chosen.report is None
    assert not (out / "report").exists()
    assert OutputFolder.load(out).layer_takes("1").chosen.name == "editor-repaint-s4"
    # The next edit starts from what is in the mix now.
    more = edit_take(out, 1, "repaint", start=1, end=1.5)
    edit = read_receipt(more.paths[0].with_suffix(".json")).request.edit
    assert edit.source_file == "takes/01-uno/editor-repaint-s4.wav"


def test_an_edit_is_current_as_long_as_its_source_is(out, tmp_path):
    edit_take(out, 1, "extend", by=1, style="other")
    edited = [take for take in list_takes(out) if "extend" in take.path]
    assert [take.state for take in edited] == ["current"]
    folder = OutputFolder.load(out)
    folder.sheet = a_song(tmp_path, tempo=90)
    folder.save()
    assert {take.state for take in list_takes(out)} == {"stale"}


def test_another_recording_becomes_a_take_of_the_layer(out, tmp_path):
    recording = tmp_path / "mine.flac"
    audio.write(recording, audio.Clip(np.full((1, 9000), 0.1), 9000))
    done = edit_take(out, "3/instrumental", "extend", source=recording, by=1)
    assert done.layer == "3/instrumental"
    assert done.paths[0].parent == out / "takes" / "03-tres" / "instrumental"
    receipt = read_receipt(done.paths[0].with_suffix(".json"))
    assert receipt.request.edit.source_file == str(recording)
    assert receipt.edited.answers.role == "instrumental"
    assert receipt.sound.sample_rate == 9000
    (take,) = [take for take in list_takes(out) if "extend" in take.path]
    assert take.state == "current"


def test_words_change_by_line_or_as_a_whole(out):
    edit_take(out, 1, "repaint", start=0.5, end=1, lines={2: "we  dance with the moon"})
    request = editors.Editor.asked[-1][0]
    assert [line.text for line in request.lyrics] == [
        "We laugh at the chaos", "", "we dance with the moon"
    ]  # fmt: skip
    plan = plan_edit(out, 1, "repaint", start=0.5, end=1, lyrics="Only this line")
    assert any("1 sung lines, that of the source 2" in note for note in plan.plan.notes)
    assert [line.text for line in plan.plan.takes[0].request.lyrics] == ["Only this line"]


def test_a_replay_finds_its_source_wherever_it_went_in_the_folder(out, tmp_path):
    done = edit_take(out, 1, "repaint", start=0.5, end=1)
    assert replay(done.paths[0]).verdict == "identical"
    folder = done.paths[0].parent
    for kind in ("wav", "json"):
        (folder / f"editor-s0.{kind}").rename(folder / f"renamed.{kind}")
    assert replay(done.paths[0]).verdict == "identical"
    moved = out.rename(tmp_path / "moved")
    assert replay(moved / "takes" / "01-uno" / "editor-repaint-s0.wav").verdict == "identical"
    audio.write(moved / "takes" / "01-uno" / "renamed.wav", audio.Clip(np.zeros(100), 8000))
    with pytest.raises(ReceiptError, match="editor-s0") as caught:
        replay(moved / "takes" / "01-uno" / "editor-repaint-s0.wav")
    assert "SHA-256" in caught.value.step


def test_the_seeds_of_findings_are_tried_and_the_failures_told(out):
    silent = edit_take(out, 1, "repaint", start=0.5, end=1.6, style="silent", choose=True)
    (outcome,) = silent.outcomes
    assert outcome.findings[0].code == "mostly_silent", "the range is looked at, not the source"
    assert (outcome.receipt.attempt, silent.chosen) == (1, None)
    assert len(editors.Editor.asked) == 3
    failed = edit_take(out, 1, "cover", style="explode")
    assert (failed.paths, failed.good) == ((), False)
    assert "fell over" in failed.outcomes[0].error
    short = edit_take(out, 1, "extend", by=1, options={"editor": {"short_s": 0.5}})
    assert "made 2.50 s; the new range ends at 3.00 s" in short.outcomes[0].error


def test_a_cancelled_edit_leaves_nothing(out):
    progress = Progress()
    plan = plan_edit(out, 1, "cover")
    progress.cancel()
    before = sorted(out.rglob("*"))
    with pytest.raises(Cancelled):
        make_edits(plan, progress=progress)
    assert sorted(out.rglob("*")) == before


@pytest.mark.parametrize(
    ("segment", "task", "wanted", "words"),
    [
        (9, "cover", {}, "no segment 9"),
        (3, "cover", {}, "Which layer"),
        (1, "repaint", {}, "which range"),
        (1, "repaint", {"start": 5, "end": 6}, "The source lasts 2.00 s"),
        (1, "repaint", {"start": 1, "end": 6}, "ends at 6 s"),
        (1, "repaint", {"start": 1, "end": 1.01}, "nothing to repaint"),
        (1, "repaint", {"start": -1, "end": 1}, "begins at -1 s"),
        (1, "repaint", {"start": 0, "end": 1, "by": 3}, "repaint has no 'by'"),
        (1, "extend", {}, "how long"),
        (1, "extend", {"by": -2}, "can't go on for -2 s"),
        (1, "extend", {"by": float("nan")}, "can't go on for nan s"),
        (1, "repaint", {"start": float("nan"), "end": 1}, "begins at nan s"),
        (1, "repaint", {"start": 0, "end": float("nan")}, "nothing to repaint"),
        (1, "cover", {"strength": 2}, "strength is 2"),
        (1, "cover", {"reference": "nope.wav"}, "nope.wav: There is no such file"),
        (1, "cover", {"source": "nope.wav"}, "no such file"),
        (1, "cover", {"source": "-"}, "standard input"),
        (1, "cover", {"reference": "-"}, "Standard input"),
        (1, "cover", {"take": "guide-s9"}, "Takes: editor-s0"),
        (1, "cover", {"take": "editor-s0", "source": "x.wav"}, "Both a take and"),
        (1, "cover", {"style": "impossible"}, "can't be played"),
        (1, "cover", {"lines": {3: "x"}}, "1: We laugh at the chaos"),
        (1, "cover", {"lines": {1: "x"}, "lyrics": "x"}, "Both a whole lyric"),
        (1, "cover", {"lyrics": "[x"}, "not closed"),
        (1, "lego", {}, "which instrument"),
        (1, "cover", {"takes": 0}, "0 takes"),
        (1, "cover", {"seed": -1}, "seed -1"),
        (1, "cover", {"generator": "painter"}, "painter can't cover. It can: repaint"),
        (1, "repaint", {"end": 1, "generator": "painter"}, "no vocals"),
        (1, "dance", {}, "None of editor can dance"),
        (2, "cover", {}, "None of deaf can cover"),
        (2, "cover", {"generator": "editor", "lyrics": "la"}, "sings no words"),
        (2, "cover", {"generator": "nonsense"}, "no generator 'nonsense'"),
    ],
)
def test_what_can_t_be_done_is_said_before_any_write(out, segment, task, wanted, words):
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with pytest.raises(MilongaError) as caught:
        edit_take(out, segment, task, **wanted)
    assert words in str(caught.value)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    assert not editors.Editor.asked


def test_a_damaged_take_and_many_channels_are_refused(out, tmp_path):
    surround = tmp_path / "surround.wav"
    audio.write(surround, audio.Clip(np.full((6, 8000), 0.1), 8000))
    with pytest.raises(PlanError, match="6 channels"):
        edit_take(out, 1, "repaint", source=surround, start=0, end=0.5)
    assert edit_take(out, 1, "cover", source=surround).paths
    take = out / "takes" / "01-uno" / "editor-s0.wav"
    audio.write(take, audio.read(take).scaled(0.5))
    with pytest.raises(PlanError, match="not what its receipt says"):
        edit_take(out, 1, "repaint", start=0, end=0.5)


def test_a_folder_that_is_not_ours(tmp_path):
    with pytest.raises(MilongaError, match="no rendered song"):
        edit_take(tmp_path, 1, "cover")


def test_the_family_of_a_take_is_listed(out, tmp_path):
    first = edit_take(out, 1, "repaint", start=0.5, end=1)
    second = edit_take(out, 1, "extend", take="editor-repaint-s0", by=0.5, choose=True)
    recording = tmp_path / "mine.wav"
    audio.write(recording, audio.Clip(np.full(9000, 0.1), 9000))
    edit_take(out, 1, "cover", source=recording)
    found = list_takes(out)
    here = [take for take in found if take.path.startswith("takes/01-uno/")]
    assert [(take.path.rpartition("/")[2], take.depth) for take in here] == [
        ("editor-cover-s0.wav", 0),
        ("editor-s0.wav", 0),
        ("editor-repaint-s0.wav", 1),
        ("editor-extend-s0.wav", 2),
    ]
    assert here[0].made_from == f"cover, strength 0.6 of {recording}"
    assert here[2].made_from == "repaint 0.5 to 1 s of takes/01-uno/editor-s0.wav"
    assert found.rows[2][0] == "  takes/01-uno/editor-repaint-s0.wav"
    assert found.headings[-1] == "Made from"
    assert json.loads(json.dumps(found.to_dict()))["takes"][2]["depth"] == 1
    assert "Made from" in found._repr_html_()

    # Of stale takes the chosen edit stays, with all that it was made from.
    folder = OutputFolder.load(out)
    folder.sheet = a_song(tmp_path, tempo=90)
    folder.save()
    removed = {take.path for take in prune_takes(out)}
    left = {path.name for path in (out / "takes" / "01-uno").glob("*.wav")}
    assert left == {"editor-s0.wav", "editor-repaint-s0.wav", "editor-extend-s0.wav"}
    assert "takes/01-uno/editor-cover-s0.wav" in removed
    assert replay(second.paths[0]).verdict == "identical"
    assert first.paths[0].exists()


def test_what_differs_between_two_takes(out):
    done = edit_take(out, 1, "repaint", start=0.5, end=1, style="other")
    found = compare_takes(out, "takes/01-uno/editor-s0.wav", "editor-repaint-s0")
    fields = {difference.field: difference for difference in found.differences}
    assert fields["request.edit.start"].b == 0.5
    assert fields["request.style"].row == ("request.style", '""', "other")
    assert "started" not in fields
    assert len(fields["sound.sha256"].row[1]) == 12
    assert not found.same_samples
    assert json.loads(json.dumps(found.to_dict()))["b"] == str(done.paths[0].with_suffix(".json"))
    assert "request.style" in found._repr_html_()
    same = compare_takes(out, done.paths[0], done.paths[0])
    assert (same.same_samples, same.differences) == (True, ())
    # A copy whose .json is gone carries its receipt in its tags.
    copy = out.parent / "copy.wav"
    shutil.copy(done.paths[0], copy)
    tagged = compare_takes(out, "takes/01-uno/editor-s0.wav", copy)
    assert (tagged.b, tagged.differences) == (copy, found.differences)
    with pytest.raises(ReceiptError, match="no take 'x'"):
        compare_takes(out, "x", "editor-repaint-s0")
    with pytest.raises(ReceiptError, match="several takes"):
        compare_takes(out, "editor-s0", "editor-repaint-s0")


def test_the_report_shows_source_and_edit_with_the_range(out, tmp_path):
    recording = tmp_path / "mine.wav"
    audio.write(recording, audio.Clip(0.1 * np.random.default_rng(0).standard_normal(9000), 9000))
    edit_take(out, 1, "cover", source=recording)
    song = (out / "song.wav").read_bytes()
    done = edit_take(out, 1, "repaint", start=0.5, end=1, takes=2, report=True)
    assert (out / "song.wav").read_bytes() == song
    page = done.report.read_text()
    labels = [label for label in re.findall(r'data-label="([^"]+)"', page) if label != "The song"]
    assert labels[:5] == [
        "editor-s0", "editor-repaint-s0", "editor-repaint-s1", "mine.wav", "editor-cover-s0"
    ]  # fmt: skip
    assert "Repaint 0.5 to 1 s of editor-s0." in page
    assert "Cover, strength 0.6 of mine.wav." in page
    assert "The recording that editor-cover-s0 was made from." in page
    # Both edits and, once, their source.
    assert page.count('aria-label="new: 0.5 to 1.0 s"') == 2
    assert page.count('aria-label="repainted: 0.5 to 1.0 s"') == 1
    recording.unlink()
    # Where there is a report, it follows.
    page = edit_take(out, 1, "repaint", start=1, end=1.5).report.read_text()
    assert "isn&#39;t there any more" in page
    assert "repainted: 0.5 to 1.0 s, repainted: 1.0 to 1.5 s" in page
    assert edit_take(out, 1, "repaint", start=1, end=1.25, report=False).report is None


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    n=st.integers(900, 1400),
    rate=st.sampled_from([1000, 11025]),
    by=st.floats(0.1, 0.4) | st.just(0.1005),
    before=st.booleans(),
)
def test_any_recording_goes_on_by_any_length(out, tmp_path, n, rate, by, before):
    recording = tmp_path / "any.wav"
    audio.write(recording, audio.Clip(0.1 * np.random.default_rng(n).standard_normal(n), rate))
    source = audio.read(recording)
    done = edit_take(
        out, 1, "extend", source=recording, by=by, before=before,
        options={"editor": {"rate": 8000}},
    )  # fmt: skip
    kept = audio.read(done.paths[0])
    assert kept.n_samples - n == pytest.approx(by * rate, abs=1)
    assert (kept[-n:] if before else kept[:n]) == source
    for file in (done.paths[0], done.paths[0].with_suffix(".json")):
        file.unlink()


def test_a_source_whose_name_is_not_utf_8_is_found_again(out, tmp_path):
    recording = tmp_path / "canci\udcf3n.wav"
    audio.write(recording, audio.Clip(np.full(9000, 0.1), 9000))
    done = edit_take(out, 1, "cover", source=recording)
    assert edit_take(out, 1, "cover", source=recording).outcomes[0].status == "kept"
    assert replay(done.paths[0]).verdict == "identical"


def test_a_take_of_the_whole_song_is_edited(tmp_path):
    sheet = a_song(tmp_path, whole={"generators": ["editor"]})
    out = tmp_path / "out"
    render_song(sheet, out, report=False)
    before = audio.read(out / "takes" / "whole" / "editor-s0.wav")
    done = edit_take(out, "whole", "repaint", start=1, end=3, lines={4: "la"}, choose=True)
    assert done.paths == (out / "takes" / "whole" / "editor-repaint-s0.wav",)
    after = audio.read(done.paths[0])
    assert after[:44100] == before[:44100]
    assert after[3 * 44100 :] == before[3 * 44100 :]
    request = read_receipt(done.paths[0].with_suffix(".json")).request
    assert request.parts[2].lyrics[-1].text == request.sung[3].text == "la"
    assert request.parts[0].lyrics[-1].text == "we play with the luck"
    assert mix_song(out).chosen["whole"] == "editor-repaint-s0"
    assert "Repaint 1 to 3 s of editor-s0." in write_report(out).read_text()
    longer = edit_take(out, "whole", "extend", by=1, before=True, choose=True)
    assert longer.good
    assert mix_song(out).path
    with pytest.raises(PlanError, match="that of its segments"):
        edit_take(out, "whole", "cover", lyrics="la")
