"""``milonga edit``, in this process."""

import json

import pytest
from click.testing import CliRunner

from milonga.cli.main import cli
from milonga.generators.registry import GENERATORS, KnownGenerator
from milonga.runtime.progress import Progress
from milonga.songs.rendering.receipts import read_receipt
from milonga.songs.sheet.model import Sheet
from milonga.workflows.songs import render_song

LYRICS = "We laugh at the chaos\nwe play with the luck\n"


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setitem(GENERATORS, "editor", KnownGenerator("editors:Editor", "models", "edits"))
    segment = {"number": 1, "name": "Uno", "section": "verse", "seconds": 1, "lyrics": LYRICS}
    sheet = Sheet(title="Song", generators=["editor"], segments=[segment])
    render_song(sheet.with_source(tmp_path / "song.yaml"), tmp_path / "out", report=False)
    return tmp_path / "out"


@pytest.fixture
def edit(out):
    def run(*args, status=0):
        done = CliRunner().invoke(
            cli, ["edit", str(out), *args], standalone_mode=False, catch_exceptions=False
        )
        assert done.return_value == status, done.output
        return done

    return run


def test_a_repaint_prints_its_path_and_how_to_use_it(edit, out):
    done = edit("1", "repaint", "--from", "0.2", "--to", "0.6", "--line", "2=we dance = we sing")
    take = out / "takes" / "01-uno" / "editor-repaint-s0.wav"
    assert done.stdout.strip() == str(take)
    assert "note: editor-repaint-s0: repaint 0.2 to 0.6 s of editor-s0" in done.stderr
    assert f"milonga mix {out} --choose 1/vocals=editor-repaint-s0" in done.stderr
    receipt = read_receipt(take.with_suffix(".json"))
    assert [line.text for line in receipt.request.lyrics] == [
        "We laugh at the chaos", "we dance = we sing"
    ]  # fmt: skip


def test_json_of_the_plan_and_of_the_edit(edit, out, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("Uno\nDos\n")
    args = ("1", "extend", "--by", "0.5", "--before", "--lyrics", f"@{words}", "--json")
    plan = json.loads(edit(*args, "--dry-run").stdout)
    assert plan["layer"] == "1/vocals"
    assert plan["plan"][0]["edit"]["offset"] == 0.5
    assert plan["plan"][0]["seconds"] == 1.5
    done = json.loads(edit(*args, "--choose", "--report").stdout)
    assert done["chosen"] == "editor-extend-s0"
    assert done["song"] == str(out / "song.wav")
    assert done["report"] == str(out / "report/index.html")
    assert "editor-extend-s0" in (out / "report/index.html").read_text()
    assert done["takes"][0]["status"] == "rendered"


def test_an_edit_in_the_queue_is_the_edit(edit, out, tmp_path, monkeypatch):
    from milonga.jobs import Queue
    from milonga.jobs.kinds import work_of

    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    edit("1", "repaint", "--from", "0.2", "--to", "0.6", "--line", "2=we sing", "--queue",
         "--choose", "--priority", "3")  # fmt: skip
    (job,) = Queue().jobs()
    assert (job.title, job.priority, job.cost.takes) == ("repaint 1", 3, 1)
    receipts = []
    found = work_of(job.kind, job.version, job.arguments).run(Progress(), receipts.append)
    assert found["chosen"] == "editor-repaint-s0"
    assert [line.text for line in read_receipt(receipts[0]).request.lyrics][1] == "we sing"


def test_stems_and_layers(edit, out):
    paths = edit("1/vocals", "stems").stdout.split()
    assert [path.rsplit("/")[-1] for path in paths] == [
        "editor-extract-vocals-s0.wav", "editor-extract-drums-s0.wav"
    ]  # fmt: skip
    for task in ("lego", "complete"):
        (path,) = edit("1", task, "--track", "bass", "--style", "soft").stdout.split()
        assert path.endswith(f"editor-{task}-bass-s0.wav")
    source = out / "song.wav"
    edit("1", "cover", "--source", str(source), "--strength", "0.2", "--option", "editor.rate=8000")


def test_failures_have_the_status_1(edit):
    edit("1", "cover", "--style", "refuse", status=1)


@pytest.mark.parametrize(
    "args",
    [
        ["extend"],
        ["repaint", "--line", "x=y"],
        ["repaint", "--from", "soon"],
        ["cover", "--takes", "0"],
    ],
)
def test_wrong_usage(out, args):
    done = CliRunner().invoke(cli, ["edit", str(out), "1", *args])
    assert done.exit_code == 2


def test_the_help_tells_of_every_task():
    done = CliRunner().invoke(cli, ["edit", "--help"])
    for task in ("repaint", "extend", "cover", "stems", "lego", "complete"):
        assert f"  {task} " in done.output


def test_takes_show_the_family_and_what_differs(edit, out):
    edit("1", "repaint", "--to", "0.5")
    run = CliRunner().invoke
    listed = run(cli, ["takes", str(out)], standalone_mode=False)
    assert "repaint 0 to 0.5 s of takes/01-uno/editor-s0.wav" in listed.stdout
    diff = ["takes", str(out), "--diff", "editor-s0", "editor-repaint-s0"]
    shown = run(cli, diff, standalone_mode=False)
    assert "request.edit" in shown.stdout
    assert "The samples differ." in shown.stderr
    document = json.loads(run(cli, [*diff, "--json"], standalone_mode=False).stdout)
    assert document["same_samples"] is False
