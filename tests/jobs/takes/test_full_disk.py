"""A disk that fills up while workers render: a small file system in memory."""

import contextlib
import shutil
import subprocess

import pytest

from milonga.errors import OutputError
from milonga.jobs import RenderWork, Runner, submit
from milonga.jobs.local.crew import LocalCrew
from milonga.jobs.takes.dealer import Dealer
from milonga.runtime.progress import Progress
from milonga.songs.rendering.receipts import intact_clip, read_receipt


@pytest.fixture
def small_disk(tmp_path):
    """``fill(room)``: the folder ``out`` lies on a disk of 60 MB, with so much room left;
    ``fill(None)`` frees it."""
    disk = tmp_path / "out"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=60m", "none", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("file systems can't be mounted here")
    filler = disk / "filler"

    def fill(room):
        filler.unlink(missing_ok=True)
        if room is not None:
            # Who writes at the same time may be quicker.
            with contextlib.suppress(OSError), open(filler, "wb") as file:
                file.write(bytes(shutil.disk_usage(disk).free - room))

    yield fill
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def whole_takes(out):
    """The takes there are, all of them whole, and nothing else."""
    receipts = sorted(path for path in out.rglob("*.json") if path.parent.parent.name == "takes")
    assert all(intact_clip(read_receipt(path), path.parent) is not None for path in receipts)
    sounds = {path.with_suffix("") for path in (out / "takes").rglob("*.wav")}
    assert sounds == {path.with_suffix("") for path in receipts}
    assert not list(out.rglob(".part-*"))
    return len(receipts)


def test_workers_stop_with_whole_takes_and_the_same_work_goes_on(tones, small_disk, tmp_path):
    takes = tones(12)
    small_disk(150_000)
    with pytest.raises(OutputError, match="disk is full"):
        dict(Dealer(LocalCrew(2, 1))(takes, Progress()))
    kept = whole_takes(tmp_path / "out")
    assert 0 < kept < 12
    small_disk(None)
    found = [outcome.status for _, outcome in Dealer(LocalCrew(2, 1))(takes, Progress())]
    assert (found.count("kept"), found.count("rendered")) == (kept, 12 - kept)
    assert whole_takes(tmp_path / "out") == 12


@pytest.mark.slow
def test_a_job_fails_in_words_and_resumes(small_disk, queue, tmp_path):
    (tmp_path / "song.yaml").write_text(
        "{title: A, segments: [{number: 1, name: B, section: intro, seconds: 2,"
        " generators: [guide]}]}"
    )
    out = tmp_path / "out"
    work = RenderWork(sheet=tmp_path / "song.yaml", out=out, takes=24, workers=2, report=False)
    job = submit(work, queue=queue)

    class Fills(Progress):
        def check(self):
            if next(out.rglob("guide*.json"), None) and not (out / "filler").exists():
                small_disk(50_000)
            super().check()

    Runner(queue).run(Fills())
    job = queue.job(job.id)
    assert job.state == "failed"
    assert "disk is full" in job.error
    assert whole_takes(out) < 24
    small_disk(None)
    queue.resume(job.id)
    Runner(queue).run()
    assert queue.job(job.id).state == "done"
    assert whole_takes(out) == 24
