"""Batches of sounds made by several processes."""

from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from sound_models import small_model

from milonga.audio.export.receipt import read_export_receipt
from milonga.errors import JobError
from milonga.jobs import Queue, Runner, sound_workers
from milonga.jobs.kinds import PlayWork
from milonga.jobs.local import crew
from milonga.sounds.library.library import Library
from milonga.workflows.batches import play_batch

SHORT = {"seconds": 0.3, "vocoder": "griffin-lim"}


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    library = Library()
    library.save("tiny", *small_model("tiny"))
    return library


def test_two_processes_make_the_sounds_of_one(library, tmp_path):
    before = psutil.Process().children()
    batch = {"seeds": "0-2", "grid": {"brightness": [-1.0, 1.0]}}
    far = play_batch("tiny", tmp_path / "far", on=sound_workers(2), **batch, **SHORT)
    near = play_batch("tiny", tmp_path / "near", **batch, **SHORT)
    assert far.count("made") == near.count("made") == 6
    assert [o.job for o in far.outcomes] == [o.job for o in near.outcomes]
    for one, other in zip(far.outcomes, near.outcomes, strict=True):
        assert read_export_receipt(one.path).sound == read_export_receipt(other.path).sound
    assert set(psutil.Process().children()) <= set(before)
    again = play_batch("tiny", tmp_path / "far", on=sound_workers(2), **batch, **SHORT)
    assert again.count("kept") == 6


def test_processes_that_never_start_are_explained(library, tmp_path, monkeypatch):
    monkeypatch.setattr(crew, "_MODULE", "milonga.no_such_module")
    with pytest.raises(JobError, match="No worker can start"):
        play_batch("tiny", tmp_path / "out", seeds="0-1", on=sound_workers(2), **SHORT)


def test_a_machine_that_would_play_it_otherwise_says_so(library, tmp_path):
    def elsewhere(order):
        wrong = replace(order, plays_with={**order.plays_with, "libraries": {"numpy": "0.1"}})
        return sound_workers(1)(wrong)

    found = play_batch("tiny", tmp_path / "out", seeds="0-1", on=elsewhere, **SHORT)
    assert found.count("failed") == 2
    assert "by its libraries" in str(found.outcomes[0].error)


def test_a_batch_in_the_queue(library, tmp_path, monkeypatch):
    from milonga.cli.main import main

    monkeypatch.chdir(tmp_path)
    batch = ["sound", "play", "tiny", "--seconds", "0.3", "--vocoder", "griffin-lim"]
    assert main([*batch, "--queue"]) == 2  # of a batch alone
    assert main([*batch, "--seeds", "0-1", "-o", "out", "--rate", "48000", "--queue"]) == 0
    assert main([*batch, "--seeds", "0-1", "--grid", "nonsense=1", "-o", "out", "--queue"]) == 1
    two = PlayWork(model="tiny", folder=Path("two"), settings=SHORT, seeds="0-1", workers=2)
    (job,) = Queue().jobs()
    # It need not run alone.
    assert 250e6 < job.cost.memory < 400e6
    assert two.cost().memory == 2 * job.cost.memory
    assert (job.title, job.cost.takes) == ("play tiny into out", 2)
    assert job.cost.estimate_s == pytest.approx(0.4 * 0.3 * 2, rel=0.2)
    assert job.arguments["settings"] == {"seconds": 0.3, "vocoder": "griffin-lim"}
    Runner(Queue()).run()
    job = Queue().job(job.id)
    assert job.state == "done", job.error
    receipts = [read_export_receipt(path) for path in job.receipt_paths()]
    assert [receipt.made.seed for receipt in receipts] == [0, 1]
    assert receipts[0].sound.sample_rate == 48000
