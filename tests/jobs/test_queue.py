import contextlib
import json
import sqlite3
import subprocess
import threading
import time

import full_disk
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.errors import JobError, OutputError
from milonga.jobs import Cost, Queue, Step
from milonga.jobs.job import Worker
from milonga.jobs.queue import NewJob


def new(title="work", **fields):
    return NewJob("render", title, 1, {"sheet": "a.yaml"}, **fields)


def test_a_job_is_kept_as_it_was_queued(queue):
    job = queue.add(new("Canción", cost=Cost(2.5, 100, 7, 3, "accelerator"), priority=2))
    again = Queue(queue.folder).job(job.id)
    assert again == job
    assert (again.state, again.title, again.cost.memory) == ("waiting", "Canción", 100)
    assert json.loads(json.dumps(again.to_dict()))["arguments"] == {"sheet": "a.yaml"}


def test_order_is_priority_then_age_and_what_comes_after(queue):
    first, second, urgent = (
        queue.add(each).id for each in (new("first"), new("second"), new("u", priority=5))
    )
    after = queue.add(new("after", priority=9, after=(first,))).id
    assert [job.id for job in queue.ready()] == [urgent, first, second]
    queue.finish(queue.start(first), "done")
    assert [job.id for job in queue.ready()] == [after, urgent, second]


def test_what_waits_for_a_failed_job_fails(queue):
    first = queue.add(new()).id
    second = queue.add(new(after=(first,))).id
    third = queue.add(new(after=(second,))).id
    queue.finish(queue.start(first), "failed", "no")
    while queue.jobs("waiting"):
        assert queue.ready() == []
    assert f"Job {first}" in queue.job(second).error
    assert queue.job(third).state == "failed"


def test_a_job_can_wait_for_none_that_is_missing_or_failed(queue):
    with pytest.raises(JobError, match="no job 9"):
        queue.add(new(after=(9,)))
    number = queue.add(new()).id
    queue.cancel(number)
    with pytest.raises(JobError, match="cancelled"):
        queue.add_all([new(), new(after=(number,))])
    assert len(queue.jobs()) == 1


def test_only_one_of_many_processes_starts_a_job(queue):
    number = queue.add(new()).id
    won = []
    threads = [threading.Thread(target=lambda: won.append(queue.start(number))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(job is not None for job in won) == 1


def test_a_worker_that_was_given_up_writes_nothing(queue):
    number = queue.add(new()).id
    old = queue.start(number)
    assert queue.give_up(old, "dead") == "waiting"
    now = queue.start(number)
    assert queue.beat(old) is None
    assert not queue.finish(old, "done")
    assert not queue.assign(old, Worker.of())
    assert queue.beat(now, Step("Takes", 1, 2, "takes")) is False
    assert queue.job(number).step == Step("Takes", 1, 2, "takes")


def test_a_job_is_tried_twice_and_a_restart_of_the_machine_is_no_try(queue):
    number = queue.add(new()).id
    assert queue.give_up(queue.start(number), "power cut", counts=False) == "waiting"
    assert queue.give_up(queue.start(number), "died") == "waiting"
    assert queue.give_up(queue.start(number), "died again") == "failed"
    assert queue.job(number).error == "died again"
    assert queue.resume(number).state == "waiting"
    assert queue.give_up(queue.start(number), "died") == "waiting"


def test_cancel_and_resume(queue):
    waiting, running, done = (queue.add(new()).id for _ in range(3))
    queue.finish(queue.start(done), "done")
    assert queue.cancel(waiting).state == "cancelled"
    job = queue.start(running)
    queue.assign(job, Worker.of())
    assert queue.cancel(running).cancelling
    assert queue.beat(job) is True
    for number in (done, waiting):
        with pytest.raises(JobError, match="already"):
            queue.cancel(number)
    with pytest.raises(JobError, match="only failed and cancelled"):
        queue.resume(done)
    assert queue.resume(waiting).state == "waiting"


def test_a_dead_worker_s_job_is_cancelled_at_once(queue):
    job = queue.start(queue.add(new()).id)
    with subprocess.Popen(["true"]) as process:
        worker = Worker.of(process.pid)
    assert queue.assign(job, worker)
    assert queue.job(job.id).stalled()
    assert queue.cancel(job.id).state == "cancelled"


def test_clean_removes_ended_jobs_and_what_is_theirs(queue):
    done, failed, waiting = (queue.add(new()).id for _ in range(3))
    last = queue.add(new(after=(done,))).id
    for number, state in ((done, "done"), (failed, "failed")):
        queue.finish(queue.start(number), state)
        queue.folder_of(number).mkdir()
        queue.folder_of(number).joinpath("log.txt").touch()
    assert queue.clean(older_s=3600) == []
    assert queue.clean() == [failed]  # the other one is waited for
    assert not queue.folder_of(failed).exists()
    assert queue.folder_of(done).exists()
    assert [job.id for job in queue.jobs()] == [done, waiting, last]


def test_ten_thousand_jobs_are_listed_in_under_a_second(queue):
    queue.add_all(new(f"take {n}", cost=Cost(2.0, 100, 0, 1)) for n in range(10_000))
    begun = time.process_time()
    assert len(queue.jobs()) == len(queue.ready()) == 10_000
    assert time.process_time() - begun < 2.0  # both together; processor time, whatever else runs


@pytest.mark.parametrize("kind", full_disk.KINDS)
def test_a_full_disk_leaves_the_queue_as_it_was(tmp_path, kind):
    folder = tmp_path / "small"
    folder.mkdir()
    with full_disk.small_disk(kind, folder) as disk:
        queue = Queue(folder / "jobs")
        number = queue.add(new()).id
        job = queue.start(number)
        disk.fill(0)
        with disk.here(200_000), pytest.raises(OutputError, match=r"disk is full|can't be written"):
            queue.add_all(new("x" * 2000) for _ in range(200))
        before = queue.jobs()
        disk.free()
        assert queue.jobs() == before
        assert queue.finish(job, "done")
        assert queue.job(number).state == "done"


def test_a_damaged_or_newer_queue_is_explained(queue):
    queue.add(new())
    with contextlib.closing(sqlite3.connect(queue.file)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(JobError, match="version 99"):
        queue.jobs()
    queue.file.write_bytes(b"no database at all" * 1000)
    with pytest.raises(JobError, match="damaged"):
        queue.jobs()


@settings(max_examples=15, deadline=None)
@given(moves=st.lists(st.sampled_from(["add", "start", "die", "done", "cancel", "resume", "clean"]),
                      max_size=25))  # fmt: skip
def test_no_order_of_events_loses_or_doubles_a_job(tmp_path_factory, moves):
    queue = Queue(tmp_path_factory.mktemp("queue"))
    added, ended, held = set(), set(), {}
    for move in moves:
        if move == "add":
            added.add(queue.add(new()).id)
        elif move == "start" and (ready := queue.ready()):
            job = queue.start(ready[0].id)
            assert job.id not in held
            held[job.id] = job
        elif move in ("die", "done") and held:
            _, job = held.popitem()
            if move == "done":
                assert queue.finish(job, "done")
            else:
                assert queue.give_up(job, "died") in ("waiting", "failed")
        elif move == "cancel" and (waiting := queue.jobs("waiting")):
            queue.cancel(waiting[-1].id)
        elif move == "resume" and (lost := queue.jobs("failed", "cancelled")):
            queue.resume(lost[0].id)
        elif move == "clean":
            ended |= set(queue.clean())
        assert {job.id for job in queue.jobs()} == added - ended
        assert {job.id for job in queue.jobs("running")} == set(held)
