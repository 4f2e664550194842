"""A disk that fills up while workers render."""

import full_disk
import pytest

from milonga.errors import OutputError
from milonga.jobs import RenderWork, Runner, submit
from milonga.jobs.local.crew import LocalCrew
from milonga.jobs.takes.dealer import Dealer
from milonga.runtime.progress import Progress
from milonga.songs.rendering.receipts import intact_clip, read_receipt


@pytest.fixture(params=full_disk.KINDS)
def disk(request, tmp_path):
    """The folder ``out`` lies on it."""
    (tmp_path / "out").mkdir()
    with full_disk.small_disk(request.param, tmp_path / "out") as disk:
        yield disk


def whole_takes(out):
    """The takes there are, all of them whole, and nothing else."""
    receipts = sorted(path for path in out.rglob("*.json") if path.parent.parent.name == "takes")
    assert all(intact_clip(read_receipt(path), path.parent) is not None for path in receipts)
    sounds = {path.with_suffix("") for path in (out / "takes").rglob("*.wav")}
    assert sounds == {path.with_suffix("") for path in receipts}
    assert not list(out.rglob(".part-*"))
    return len(receipts)


def test_workers_stop_with_whole_takes_and_the_same_work_goes_on(tones, disk, tmp_path):
    takes = tones(12)
    rendered = Dealer(LocalCrew(2, 1))(takes, Progress())
    next(rendered)
    disk.fill(10_000)  # less than a take needs
    with pytest.raises(OutputError) as caught:
        dict(rendered)
    assert disk.says in str(caught.value)
    kept = whole_takes(tmp_path / "out")
    assert 0 < kept < 12
    disk.free()
    found = [outcome.status for _, outcome in Dealer(LocalCrew(2, 1))(takes, Progress())]
    assert (found.count("kept"), found.count("rendered")) == (kept, 12 - kept)
    assert whole_takes(tmp_path / "out") == 12


@pytest.mark.slow
@pytest.mark.parametrize("disk", full_disk.KINDS[-1:], indirect=True)
def test_a_job_fails_in_words_and_resumes(disk, queue, tmp_path):
    (tmp_path / "song.yaml").write_text(
        "{title: A, segments: [{number: 1, name: B, section: intro, seconds: 2,"
        " generators: [guide]}]}"
    )
    out = tmp_path / "out"
    work = RenderWork(sheet=tmp_path / "song.yaml", out=out, takes=24, workers=2, report=False)
    job = submit(work, queue=queue)

    class Fills(Progress):
        filled = False

        def check(self):
            if not self.filled and next(out.rglob("guide*.json"), None):
                disk.fill(50_000)
                self.filled = True
            super().check()

    Runner(queue).run(Fills())
    job = queue.job(job.id)
    assert job.state == "failed"
    assert disk.says in job.error
    assert whole_takes(out) < 24
    disk.free()
    queue.resume(job.id)
    Runner(queue).run()
    assert queue.job(job.id).state == "done"
    assert whole_takes(out) == 24
