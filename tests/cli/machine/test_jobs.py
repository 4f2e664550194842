"""The queue from the command line, in this process; the work itself is tested in tests/jobs."""

import json

import job_worker
import pytest

from milonga.cli.main import main
from milonga.jobs import Queue
from milonga.jobs.running import runner

SHEET = (
    "{title: A, segments: [{number: 1, name: B, section: intro, seconds: 2, generators: [guide]}]}"
)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "song.yaml").write_text(SHEET)

    def run(*args, status=0):
        assert main([str(arg) for arg in args]) == status, capsys.readouterr().err
        return capsys.readouterr().out

    return run


def test_an_empty_queue_says_so(run, capsys):
    for command, said in (("list", "No jobs"), ("run", "No job waits")):
        assert main(["jobs", command]) == 0
        assert said in capsys.readouterr().err


def test_work_of_each_kind_is_queued_with_its_cost(run, tmp_path):
    (tmp_path / "study.yaml").write_text("{sheet: song.yaml, generators: [guide], seeds: 3}")
    (tmp_path / "rain").mkdir()
    assert run("render", "song.yaml", "--takes", 2, "--queue", "--priority", 3).strip() == "1"
    run("study", "study.yaml", "--out", "s", "--queue", "--after", 1)
    run("sound", "train", "rain", "--name", "rain", "--minutes", 5, "--queue")
    song, study, sound = json.loads(run("jobs", "list", "--json"))
    assert song["arguments"]["sheet"] == str(tmp_path / "song.yaml")
    assert (song["priority"], study["after"]) == (3, [1])
    assert [job["cost"]["takes"] for job in (song, study, sound)] == [2, 3, None]
    assert sound["cost"]["estimate_s"] == 300
    assert "3 takes" in run("jobs", "list")
    shown = run("jobs", "show", 1)
    assert "2 takes" in shown
    assert str(tmp_path / "song.yaml") in shown


def test_cancel_resume_and_clean(run):
    run("render", "song.yaml", "--queue")
    run("jobs", "cancel", 1)
    assert json.loads(run("jobs", "list", "--state", "cancelled", "--json"))[0]["id"] == 1
    run("jobs", "resume", 1)
    assert Queue().job(1).state == "waiting"
    run("jobs", "cancel", 1)
    assert json.loads(run("jobs", "clean", "--json")) == {"removed": [1]}
    run("jobs", "show", 1, status=1)


def test_run_works_on_the_queue_and_tells_of_failures(run, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "_MODULE", "job_worker")
    monkeypatch.setenv("PYTHONPATH", job_worker.environment()["PYTHONPATH"])
    from milonga.jobs import submit

    submit(job_worker.TestWork(folder=tmp_path))
    (tmp_path / "die-0").touch()
    (tmp_path / "die-1").touch()
    submit(job_worker.TestWork(folder=tmp_path, die_at=0))
    out = run("jobs", "run", status=1)
    assert "Job 1, " in out
    assert out.count("done") == 1
    assert out.count("failed") == 1
    shown = run("jobs", "show", 2, "--log")
    assert "SIGKILL" in shown
    assert "job 2" in shown
