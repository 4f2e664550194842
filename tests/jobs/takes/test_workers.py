"""Takes rendered by real worker processes, and what happens to those."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter

import psutil
import pytest

from milonga.errors import Cancelled, JobError, OutputError
from milonga.jobs.local import crew as local
from milonga.jobs.local.choice import choose_workers
from milonga.jobs.local.crew import LocalCrew
from milonga.jobs.takes.dealer import Dealer
from milonga.runtime.progress import Progress
from milonga.songs.rendering.render import render_takes


def dealt(takes, size=2, progress=None, **options):
    found = dict(Dealer(LocalCrew(size, 1, **options))(takes, progress or Progress()))
    assert sorted(found) == list(range(len(takes)))
    return [found[number] for number in range(len(takes))]


def test_two_workers_make_the_samples_of_one_process(tones, who, hashes):
    takes = tones(3, models="abc")
    (tones.notes / "together-2").touch()
    outcomes = dealt(takes)
    assert {outcome.status for outcome in outcomes} == {"rendered"}
    assert len({pid for *_, pid in who()}) >= 2
    # A model is loaded by as few workers as can be: two share three.
    users = Counter(model for model, _ in {(model, pid) for model, _, pid in who()})
    assert sum(users.values()) <= 4
    dict(render_takes(tones(3, models="abc", out="alone"), Progress()))
    assert len(hashes("out")) == 9
    assert hashes("out") == hashes("alone")
    assert outcomes[0].receipt.threads == 1
    # What is there isn't rendered again.
    again = dealt(takes)
    assert {outcome.status for outcome in again} == {"kept"}
    assert len(who()) == 18


def test_the_take_of_a_killed_worker_moves_on(tones, who, messages):
    (tones.notes / "die-0").touch()
    outcomes = dealt(tones(4), progress=messages)
    assert {outcome.status for outcome in outcomes} == {"rendered"}
    assert sorted(Counter(seed for _, seed, _ in who()).values()) == [1, 1, 1, 2]
    assert any("its work moves on" in text and "signal 9" in text for text in messages.texts)


def test_a_worker_computes_with_its_share_of_the_threads(tones):
    (outcome,) = Dealer(LocalCrew(1, 3))(tones(1), Progress())
    assert outcome[1].receipt.threads == 3


def test_a_take_that_kills_twice_fails_and_the_others_are_made(tones):
    for number in range(2):
        (tones.notes / f"die-{number}").touch()
    outcomes = dealt(tones(3), size=1)
    assert sorted(outcome.status for outcome in outcomes) == ["failed", "rendered", "rendered"]
    assert "lost 2 times" in next(o.error for o in outcomes if o.status == "failed")


@pytest.mark.slow
def test_a_frozen_worker_is_found(tones):
    (tones.notes / "freeze-0").touch()
    outcomes = dealt(tones(3), stale_s=6.0)
    assert {outcome.status for outcome in outcomes} == {"rendered"}


def test_cancelled_work_leaves_finished_takes_and_no_process(tones, who, tmp_path):
    class Stops(Progress):
        def check(self):
            if (tones.notes / "who.txt").exists():
                self.cancel()
            super().check()

    with pytest.raises(Cancelled):
        dealt(tones(2, wait_for=str(tmp_path / "never")), progress=Stops())
    assert not [pid for *_, pid in who() if psutil.pid_exists(pid)]


def test_an_output_that_can_not_be_written_stops_the_work(tones):
    takes = tones(2)
    takes[0].folder.parent.parent.mkdir()
    takes[0].folder.parent.touch()
    with pytest.raises(OutputError):
        dealt(takes)


def test_workers_that_never_start_are_explained(tones, monkeypatch):
    monkeypatch.setattr(local, "_MODULE", "milonga.no_such_module")
    with pytest.raises(JobError, match=r"No worker can start.*no_such_module"):
        dealt(tones(2), size=1)


def test_workers_of_a_killed_caller_end(tones, who, tmp_path):
    code = (
        "import sys, tone_worker; from pathlib import Path; from milonga.jobs.local import crew;"
        "crew._MODULE = 'tone_worker'; import milonga; from milonga import jobs;"
        "milonga.render_song('song.yaml', 'out', takes=2, report=False, on=jobs.workers(2),"
        f"options={{'tone': {{'folder': {str(tones.notes)!r}, 'wait_for': 'never'}}}})"
    )
    (tmp_path / "song.yaml").write_text(
        "{title: T, segments: [{number: 1, name: A, section: intro, seconds: 1,"
        " generators: [tone]}]}"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path) as process:
        while not (tones.notes / "who.txt").exists() or len(who()) < 2:
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid) for *_, pid in who() if psutil.pid_exists(pid)], 30)
    assert not [pid for *_, pid in who() if psutil.pid_exists(pid)]


def test_workers_are_chosen_by_work_cores_and_memory(tones, monkeypatch):
    from milonga.jobs.local import choice

    monkeypatch.setattr(choice, "core_count", lambda: 4)
    monkeypatch.setattr(choice, "thread_count", lambda: 4)
    monkeypatch.setattr(choice, "available_memory", lambda: 2600)
    assert choose_workers(tones(2)).workers == 1  # two seconds of work
    many = choose_workers(tones(30))  # half a minute, of 1000 bytes each
    assert (many.workers, many.threads) == (2, 2)
    assert "2 workers" in many.why
    asked = choose_workers(tones(30), 4)
    assert (asked.workers, asked.threads) == (4, 1)
    assert "4 workers need" in asked.why
    assert choose_workers(tones(2), 8).workers == 2


def test_the_command_line_renders_and_queues_with_workers(tones, who, tmp_path, monkeypatch):
    from milonga.cli.main import main
    from milonga.jobs import Queue

    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "song.yaml").write_text(
        "{title: T, segments: [{number: 1, name: A, section: intro, seconds: 0.5,"
        " generators: [tone]}]}"
    )
    options = ["--option", f"tone.folder={tones.notes}", "--takes", "4", "--no-report"]
    (tones.notes / "together-2").touch()
    assert main(["render", "song.yaml", "--workers", "2", *options]) == 0
    assert len({pid for *_, pid in who()} - {os.getpid()}) == 2
    (tmp_path / "study.yaml").write_text("{sheet: song.yaml, generators: [tone], seeds: 40}")
    main(["study", "study.yaml", "--out", "study", "--workers", "3", "--queue"])
    job = Queue().job(1)
    assert job.arguments["workers"] == 3
    assert job.cost.memory == 3000  # of three processes
    assert main(["render", "song.yaml", "--on", "mars"]) == 1
