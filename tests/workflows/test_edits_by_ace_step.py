"""The whole way of an edit with a tiny ACE-Step of the real classes: plan, render, edit, receipt,
replay, mix, report."""

import numpy as np
import pytest
import soundfile

from milonga.errors import PlanError
from milonga.songs.rendering.receipts import read_receipt
from milonga.songs.sheet.model import Sheet
from milonga.workflows.edits import edit_take, plan_edit
from milonga.workflows.songs import mix_song, render_song, replay, write_report

LYRICS = "We laugh at the chaos\nwe play with the luck\n"


@pytest.fixture(scope="module")
def out(tmp_path_factory, make_ace_step):
    """A song of one segment, by a base checkpoint in two steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILONGA_HOME", str(tmp_path_factory.mktemp("home")))
        folder = tmp_path_factory.mktemp("song")
        model = make_ace_step("base")
        segment = {"number": 1, "name": "Uno", "section": "verse", "seconds": 10, "lyrics": LYRICS,
                   # Random weights make noise, which must be meant.
                   "style": "noise", "layers": [{"role": "song"}]}  # fmt: skip
        sheet = Sheet(
            title="Song", generators=["ace-step"], segments=[segment],
            options={"ace-step": {"model": str(model), "steps": 2}},
        ).with_source(folder / "song.yaml")  # fmt: skip
        song = render_song(sheet, folder / "out", report=False)
        assert [outcome.status for outcome in song.outcomes] == ["rendered"]
        yield folder / "out"


def test_a_repaint_from_the_plan_to_the_report(out):
    wanted = {"start": 4.0, "end": 6.5, "lines": {2: "we dance with the moon"}}
    plan = plan_edit(out, 1, "repaint", **wanted).plan
    assert plan.takes[0].name.startswith("ace-step-repaint-")
    done = edit_take(out, 1, "repaint", choose=True, **wanted)
    (path,) = done.paths
    receipt = read_receipt(path.with_suffix(".json"))
    assert (receipt.generator, receipt.length) == ("ace-step", "exact")
    assert [line.text for line in receipt.request.lyrics] == [
        "We laugh at the chaos", "we dance with the moon"
    ]  # fmt: skip
    source = out / receipt.request.edit.source_file
    (before, rate), (after, _) = (soundfile.read(each, dtype="int32") for each in (source, path))
    first, last = round(4.0 * rate), round(6.5 * rate)
    assert np.array_equal(after[:first], before[:first])
    assert np.array_equal(after[last:], before[last:])
    assert not np.array_equal(after[first:last], before[first:last])
    assert receipt.edited.gain_db is not None
    assert replay(path).verdict == "identical"
    assert mix_song(out).chosen["1/song"] == done.chosen
    assert "Repaint 4 to 6.5 s of" in write_report(out).read_text()


@pytest.mark.parametrize(
    ("task", "wanted"),
    [
        ("extend", {"by": 2, "before": True}),
        ("cover", {"strength": 0.5}),
        pytest.param("extract", {"tracks": "drums"}, marks=pytest.mark.slow),
        pytest.param("lego", {"tracks": "bass"}, marks=pytest.mark.slow),
        ("complete", {}),
    ],
)
def test_each_task_gives_a_take_of_the_right_length(out, task, wanted):
    done = edit_take(out, 1, task, **wanted)
    (outcome,) = done.outcomes
    assert outcome.status == "rendered", outcome.error
    sound = outcome.receipt.sound
    assert sound.n_samples == round((10 + wanted.get("by", 0)) * sound.sample_rate)


def test_stems_are_all_that_the_model_knows(out):
    plan = plan_edit(out, 1, "extract").plan
    assert [take.request.edit.track for take in plan.takes][:3] == [
        "vocals", "backing_vocals", "drums"
    ]  # fmt: skip
    assert len(plan.takes) == 12


def test_a_turbo_checkpoint_says_that_it_takes_no_stems_out(out, make_ace_step):
    with pytest.raises(PlanError, match="Only base checkpoints"):
        plan_edit(out, 1, "extract", options={"ace-step": {"model": str(make_ace_step("turbo"))}})
