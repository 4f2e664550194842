"""Real processes: a runner, its workers, and what kills them."""

import contextlib
import json
import os
import signal
import sqlite3
import time
from pathlib import Path

import job_worker
import psutil
import pytest
from job_worker import TestWork

from milonga.errors import Cancelled, JobError, MilongaError
from milonga.jobs import Runner, submit, wait
from milonga.jobs.running import runner as running
from milonga.jobs.running.heart import JobProgress
from milonga.runtime.progress import Progress

LONG_S = 60.0


@pytest.fixture(autouse=True)
def own_worker(monkeypatch):
    monkeypatch.setattr(running, "_MODULE", "job_worker")
    monkeypatch.setenv("PYTHONPATH", job_worker.environment()["PYTHONPATH"])


@pytest.fixture
def put(queue, tmp_path):
    """Queues work in a folder of its own."""

    def put(name, *, queue=queue, priority=0, after=(), lives=0, **fields):
        folder = tmp_path / name
        folder.mkdir()
        for number in range(lives):
            (folder / f"die-{number}").touch()
        work = TestWork(folder=folder, **fields)
        return submit(work, priority=priority, after=after, queue=queue)

    return put


def until(what, queue):
    """Wait for something that surely comes, and say what there is where it doesn't."""
    end = time.monotonic() + LONG_S
    while not what():
        assert time.monotonic() < end, [job.to_dict() for job in queue.jobs()]
        time.sleep(0.02)


def made(job):
    return Path(job.arguments["folder"], "made.txt").read_text().split()


def test_a_job_runs_in_a_process_of_its_own(queue, put):
    job = put("one", steps=3)
    seen = []
    Runner(queue, on_change=lambda job: seen.append(job.state)).run()
    job = queue.job(job.id)
    result = json.loads(job.result.read_text())
    assert seen == ["running", "done"]
    assert result["result"]["pid"] == job.worker.pid != os.getpid()
    assert len(job.receipt_paths()) == 3
    assert (job.step.label, job.step.done) == ("Steps", 3)
    assert f"job {job.id}" in job.log.read_text()
    assert not psutil.pid_exists(job.worker.pid)  # its memory is free again


def test_the_step_of_a_job_is_its_outermost_task():
    progress, steps = JobProgress(), []
    for takes in (3, 1):
        with progress.task("Rendering", takes, "takes") as task:
            for _ in range(takes):
                with progress.task("singing", 20, "lines") as lines:
                    lines.advance(5)
                    steps.append((progress.step.label, progress.step.done))
                task.advance()
    assert steps == [("Rendering", 0), ("Rendering", 1), ("Rendering", 2), ("singing", 5)]


def test_a_worker_that_dies_is_tried_once_again_then_failed(queue, put):
    once, twice = put("once", die_at=1, lives=1), put("twice", die_at=1, lives=2)
    Runner(queue).run()
    once, twice = queue.job(once.id), queue.job(twice.id)
    assert (once.state, once.tries, made(once)) == ("done", 2, ["0", "1"])
    assert (twice.state, twice.tries, made(twice)) == ("failed", 2, ["0"])
    assert "SIGKILL" in twice.error
    assert str(twice.log) in twice.error
    # Resumed, it does the rest.
    queue.resume(twice.id)
    Runner(queue).run()
    assert made(twice) == ["0", "1"]


def test_a_job_outlives_the_runner_and_is_not_begun_twice(queue, put, tmp_path):
    go = tmp_path / "go"
    job = put("one", wait_for=go)
    with job_worker.runner_process(queue) as process:
        until(lambda: queue.job(job.id).worker, queue)
        process.kill()
    worker = queue.job(job.id).worker
    assert worker.alive
    runner = Runner(queue)
    assert [each.id for each in runner.look()] == [job.id]
    go.touch()
    runner.run()
    job = queue.job(job.id)
    assert (job.state, job.tries, job.worker) == ("done", 1, worker)


def test_killed_together_the_next_runner_does_the_rest(queue, put, tmp_path):
    go = tmp_path / "go"
    job = put("one", steps=2, wait_for=go)
    with job_worker.runner_process(queue) as process:
        until(lambda: queue.job(job.id).worker, queue)
        process.kill()
    os.kill(queue.job(job.id).worker.pid, signal.SIGKILL)
    go.touch()
    Runner(queue).run()
    assert (queue.job(job.id).state, made(job)) == ("done", ["0", "1"])


def test_a_frozen_worker_is_found_by_its_heart(queue, put, tmp_path):
    go = tmp_path / "go"
    job = put("one", wait_for=go)
    runner = Runner(queue)
    runner.look()
    until(lambda: queue.job(job.id).worker, queue)
    pid = queue.job(job.id).worker.pid
    os.kill(pid, signal.SIGSTOP)
    until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED, queue)
    with contextlib.closing(sqlite3.connect(queue.file)) as database, database:
        database.execute("UPDATE jobs SET heartbeat = 0")  # as if it were long ago
    assert [each.tries for each in runner.look()] == [2]
    assert not psutil.pid_exists(pid)
    go.touch()
    runner.run()
    assert (queue.job(job.id).state, made(job)) == ("done", ["0", "1"])


def test_cancelled_work_ends_at_its_check_and_its_process_too(queue, put, tmp_path):
    job = put("one", wait_for=tmp_path / "never")
    runner = Runner(queue)
    runner.look()
    until(lambda: queue.job(job.id).worker, queue)
    queue.cancel(job.id)
    runner.run()
    job = queue.job(job.id)
    assert job.state == "cancelled"
    assert not psutil.pid_exists(job.worker.pid)


def test_work_that_does_not_stop_is_ended(queue, put, monkeypatch):
    monkeypatch.setattr(running, "GRACE_S", 0.1)
    job = put("one", hang_at=0)
    runner = Runner(queue)
    runner.look()
    until(lambda: queue.job(job.id).worker, queue)
    queue.cancel(job.id)
    until(lambda: not runner.look(), queue)
    job = queue.job(job.id)
    assert (job.state, job.tries) == ("cancelled", 1)
    assert not psutil.pid_exists(job.worker.pid)


def test_jobs_that_do_not_fit_together_do_not_run_together(queue, put, tmp_path):
    go = tmp_path / "go"
    for name, memory in (("a", 60), ("b", 30), ("c", 60), ("d", None)):
        put(name, memory=memory, wait_for=go, steps=1)
    runner = Runner(queue, at_once=4, memory=100)
    assert [job.id for job in runner.look()] == [1, 2]  # the third keeps its place in the order
    go.touch()
    together = []
    while busy := runner.look():
        together.append(sum(job.cost.memory or 100 for job in busy))
        time.sleep(0.02)
    assert max(together) <= 100
    assert {job.state for job in queue.jobs()} == {"done"}


def test_an_interrupted_runner_puts_its_jobs_back(queue, put, tmp_path):
    go = tmp_path / "go"
    job = put("one", wait_for=go)

    class Stops(Progress):
        def check(self):
            found = queue.job(job.id)
            if found.worker is not None and found.step.label:
                self.cancel()
            super().check()

    with pytest.raises(Cancelled):
        Runner(queue).run(Stops())
    found = queue.job(job.id)
    assert (found.state, found.tries) == ("waiting", 0)
    assert not found.worker.alive
    go.touch()
    Runner(queue).run()
    assert queue.job(job.id).state == "done"


def test_one_runner_works_on_a_queue_and_waiting_shows_its_end(queue, put, tmp_path):
    go = tmp_path / "go"
    job = put("one", wait_for=go)
    with job_worker.runner_process(queue) as process:
        until(lambda: queue.job(job.id).worker, queue)
        with pytest.raises(JobError, match="already"):
            Runner(queue).run()
        assert running.start_runner(queue) is False
        go.touch()
        assert wait(job, queue=queue).state == "done"
        process.wait()


def test_work_that_fails_says_why_and_leaves_the_others(queue, tmp_path):
    (tmp_path / "song.yaml").write_text(
        "{title: A, segments: [{number: 1, name: B, section: intro, seconds: 2}]}"
    )
    from milonga.jobs import RenderWork

    work = RenderWork(sheet=tmp_path / "song.yaml", out=tmp_path / "out", report=False)
    job = submit(work, queue=queue)
    (tmp_path / "song.yaml").write_text("title: [")
    Runner(queue).run()
    job = queue.job(job.id)
    assert job.state == "failed"
    assert "song.yaml" in job.error
    with pytest.raises(MilongaError, match=r"song\.yaml"):
        wait(job, queue=queue)


def test_what_can_not_be_done_is_refused_before_it_is_queued(queue, tmp_path):
    from milonga.jobs import RenderWork

    with pytest.raises(MilongaError, match=r"nothing\.yaml"):
        submit(RenderWork(sheet=tmp_path / "nothing.yaml"), queue=queue)
    assert queue.jobs() == []
