"""Batches of sounds made by several processes."""

import psutil
import pytest
from sound_models import small_model

from milonga.audio.export.receipt import read_export_receipt
from milonga.errors import MilongaError
from milonga.jobs import sound_workers
from milonga.jobs.local import sounds
from milonga.sounds.library.library import Library
from milonga.workflows.playing import play_batch

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


def test_sounds_of_processes_that_die_fail_and_leave_the_rest_to_the_next_call(
    library, tmp_path, monkeypatch
):
    monkeypatch.setattr(sounds, "_MODULE", "milonga.no_such_module")
    batch = {"seeds": "0-1", "on": sound_workers(2), **SHORT}
    assert play_batch("tiny", tmp_path / "out", **batch).count("failed") == 2
    (tmp_path / "out.txt").touch()
    with pytest.raises(MilongaError):
        play_batch("tiny", tmp_path / "out.txt", **batch)
