import json
import textwrap
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from warm_process import WarmProcess

from milonga.audio import Clip, read
from milonga.audio.export.receipt import Provenance, check_export, receipt_path
from milonga.audio.export.settings import ExportSettings
from milonga.audio.export.write import check_target
from milonga.errors import AudioError, Cancelled, MilongaError, OutputError
from milonga.runtime.progress import Progress
from milonga.sounds.instrument.batch import Job, make_jobs, parse_grid, parse_seeds, run_batch

FLAC = ExportSettings(format="flac", bits=16)


class Maker:
    """Noise of a job's seed; remembers what it was asked for."""

    def __init__(self, fails=()):
        self.asked, self.fails = [], fails

    def __call__(self, job):
        self.asked.append(job.name)
        if job.seed in self.fails:
            raise MilongaError(f"seed {job.seed} is unlucky")
        level = 0.1 + 0.01 * job.settings.get("brightness", 0)
        return Clip(np.random.default_rng(job.seed).uniform(-level, level, (1, 4410)), 44_100)


def made(job):
    return Provenance(model="rain", seed=job.seed, settings=dict(job.settings))


def run(jobs, folder, maker=None, export=FLAC, made=made, **more):
    maker = maker or Maker()
    return run_batch(jobs, maker, folder, export, made=made, **more), maker


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("7", [7]), ("1-3", [1, 2, 3]), ("5,1-2,5", [5, 1, 2]), (" 3 - 4 , 9", [3, 4, 9])],
)
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "3-1", "-1", "1,,2", "1.5", "0-999999", "1-2-3"])
def test_what_is_no_list_of_seeds(text):
    with pytest.raises(MilongaError, match="seeds"):
        parse_seeds(text)


def test_grids():
    assert parse_grid(["brightness=-3:3:3", "noise=0,1.5", "x=2"]) == {
        "brightness": [-3, 0, 3],
        "noise": [0, 1.5],
        "x": [2],
    }
    assert parse_grid(["a=0:0.3:0.1"]) == {"a": [0, 0.1, 0.2, 0.3]}
    assert parse_grid(["a=3:-3:-3"]) == {"a": [3, 0, -3]}
    assert parse_grid(["a=1:1:1"]) == {"a": [1]}


@pytest.mark.parametrize(
    "text",
    ["a", "=1", "a=", "a=x", "a=1:2", "a=1:2:0", "a=0:1:0.3", "a=0:1:-1", "a=1,2:3:1", "a=nan",
     "a=inf", "a=0:1:1e-9", "a=1:2:3:4"],
)  # fmt: skip
def test_what_is_no_grid(text):
    with pytest.raises(MilongaError) as caught:
        parse_grid([text])
    assert caught.value.step


def test_a_control_given_twice():
    with pytest.raises(MilongaError, match="twice"):
        parse_grid(["a=1", "a=2"])


def test_jobs_are_seeds_times_values():
    jobs = make_jobs("rain", [7, 8], {"brightness": [-3.0, 3.0], "noise": [0.5]})
    assert [job.name for job in jobs] == [
        "rain-s7-brightness-3-noise+0.5",
        "rain-s7-brightness+3-noise+0.5",
        "rain-s8-brightness-3-noise+0.5",
        "rain-s8-brightness+3-noise+0.5",
    ]
    assert jobs[1].settings == {"brightness": 3.0, "noise": 0.5}
    assert [job.name for job in make_jobs("rain", [1])] == ["rain-s1"]


@settings(max_examples=60, deadline=None)
@given(
    stem=st.text(min_size=1, max_size=200),
    control=st.text(min_size=1, max_size=200),
    values=st.lists(st.floats(-4, 4), min_size=1, max_size=6, unique=True),
)
def test_names_are_for_any_file_system_and_do_not_collide(stem, control, values):
    jobs = make_jobs(stem, [1, 2], {control: values, control + "b": [0.0]})
    names = [job.name for job in jobs]
    # Values that differ beyond twelve digits are one to a reader, too.
    assert len(set(names)) == 2 * len({f"{value:+.12g}" for value in values}) or len(
        set(names)
    ) == len(names)
    for name in names:
        assert len(name.encode()) <= 120
        assert not set(name) & set('/\\:*?"<>|\0\n')
        assert not name.startswith(".")


def test_too_much_and_nothing():
    with pytest.raises(MilongaError, match="has 0 sounds"):
        make_jobs("x", [])
    with pytest.raises(MilongaError, match="1,000,000 sounds"):
        make_jobs("x", list(range(1000)), {"a": list(range(1000))})


def test_finished_files_are_kept_and_a_wider_grid_adds_to_them(tmp_path):
    first, _ = run(make_jobs("r", [1], {"brightness": [0.0]}), tmp_path)
    assert (first.count("made"), first.count("kept")) == (1, 0)
    before = first.outcomes[0].path.stat().st_mtime_ns

    def elsewhere(job):
        return made(job).model_copy(update={"threads": 7})

    jobs = make_jobs("r", [1, 2], {"brightness": [0.0, 3.0]})
    second, maker = run(jobs, tmp_path, made=elsewhere)
    assert (second.count("made"), second.count("kept")) == (3, 1)
    assert "r-s1-brightness+0" not in maker.asked
    assert first.outcomes[0].path.stat().st_mtime_ns == before
    for outcome in second.outcomes:
        assert check_export(outcome.path).made.is_as(made(outcome.job))
    assert json.loads(json.dumps(second.to_dict()))["kept"] == 1


def test_what_is_damaged_or_unfinished_is_made_again(tmp_path):
    jobs = make_jobs("r", [1, 2, 3, 4])
    paths = [outcome.path for outcome in run(jobs, tmp_path)[0].outcomes]
    whole = [path.read_bytes() for path in paths]
    receipt_path(paths[0]).unlink()
    receipt_path(paths[1]).write_text("{")
    paths[2].write_bytes(whole[2][:-100])
    (tmp_path / ".part-00001234-x.flac").write_bytes(b"left by a killed process")
    result, _ = run(jobs, tmp_path)
    assert [outcome.status for outcome in result.outcomes] == ["made", "made", "made", "kept"]
    assert [path.read_bytes() for path in paths] == whole
    assert not list(tmp_path.glob(".part-*"))


def test_another_sound_of_the_name_is_not_replaced_without_force(tmp_path):
    jobs = make_jobs("r", [1])
    path = run(jobs, tmp_path)[0].outcomes[0].path
    before = path.read_bytes()
    other = FLAC.model_copy(update={"bits": 24})
    result, _ = run(jobs, tmp_path, export=other)
    assert result.count("failed") == 1
    assert "--force" in str(result.outcomes[0].error)
    assert path.read_bytes() == before
    assert run(jobs, tmp_path, export=other, force=True)[0].count("made") == 1
    assert check_export(path).settings.bits == 24


def test_a_failure_does_not_stop_the_others(tmp_path):
    jobs = make_jobs("r", [1, 2, 3])
    result, _ = run(jobs, tmp_path, Maker(fails={2}))
    assert [outcome.status for outcome in result.outcomes] == ["made", "failed", "made"]
    assert "unlucky" in result.to_dict()["sounds"][1]["error"]
    assert run(jobs, tmp_path)[0].count("made") == 1


def test_a_folder_that_cannot_be_made_stops_at_once(tmp_path):
    (tmp_path / "file").write_text("x")
    maker = Maker()
    with pytest.raises(OutputError):
        run(make_jobs("r", [1, 2]), tmp_path / "file" / "out", maker)
    assert maker.asked == []


def test_progress_and_cancelling(tmp_path):
    seen = []
    progress = Progress(seen.append)
    jobs = make_jobs("r", range(1, 6))
    maker = Maker()

    def make(job):
        if job.seed == 3:
            progress.cancel()
        return maker(job)

    with pytest.raises(Cancelled):
        run_batch(jobs, make, tmp_path, FLAC, made=made, progress=progress)
    assert maker.asked == ["r-s1", "r-s2", "r-s3"]
    assert (seen[0].total, seen[0].unit, seen[-1].finished) == (5, "sounds", True)
    result, maker = run(jobs, tmp_path)
    assert maker.asked == ["r-s4", "r-s5"]
    assert result.count("kept") == 3


def test_a_head_that_cannot_be_read_stops_before_any_sound(tmp_path):
    maker = Maker()
    binaural = ExportSettings(channels="binaural", sofa=tmp_path / "none.sofa")
    with pytest.raises(AudioError, match="No such file"):
        run(make_jobs("r", [1]), tmp_path, maker, export=binaural)
    with pytest.raises(AudioError, match="No such file"):
        check_target(tmp_path / "x.wav", binaural)
    assert maker.asked == []


def test_two_jobs_of_one_name_are_refused(tmp_path):
    with pytest.raises(MilongaError, match="one name"):
        run([Job("a", 1), Job("a", 2)], tmp_path)


PROGRAM = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    import numpy as np
    from milonga.audio import Clip
    from milonga.sounds.instrument.batch import make_jobs, run_batch
    from milonga.audio.export.receipt import Provenance
    from milonga.audio.export.settings import ExportSettings

    def make(job):
        print(job.name, flush=True)
        time.sleep(float(sys.argv[2]))
        wave = np.random.default_rng(job.seed).uniform(-0.1, 0.1, (1, 4410))
        return Clip(wave, 44_100)

    def made(job):
        return Provenance(model="rain", seed=job.seed, settings=dict(job.settings))

    run_batch(make_jobs("r", range(1, 9)), make, Path(sys.argv[1]),
              ExportSettings(format="flac", bits=16), made=made)
""")


def started(folder, pause):
    command = ["-c", PROGRAM, folder, pause]
    return WarmProcess(command)


@pytest.mark.parametrize("wait", [0.0, 0.01, 0.03])
def test_kill_9_at_any_moment_loses_at_most_the_sound_in_work(tmp_path, wait):
    with started(tmp_path, 0.01) as process:
        for _ in range(3):
            process.stdout.readline()
        time.sleep(wait)
        process.kill()
    jobs = make_jobs("r", range(1, 9))
    result, _ = run(jobs, tmp_path)
    assert [outcome.status for outcome in result.outcomes[:2]] == ["kept", "kept"]
    assert result.count("failed") == 0
    for outcome in result.outcomes:
        wave = Maker()(outcome.job)
        # Half a step of 16 bits and one of dither.
        assert np.abs(read(outcome.path).samples - wave.samples).max() < 1.6 * 2.0**-15
        assert check_export(outcome.path)
    assert not list(tmp_path.glob(".part-*"))


def test_one_batch_at_a_time_in_a_folder(tmp_path):
    with started(tmp_path, 30) as process:
        process.stdout.readline()
        with pytest.raises(MilongaError, match="Another batch"):
            run(make_jobs("r", [1]), tmp_path)
        process.kill()
    assert run(make_jobs("r", [1]), tmp_path)[0].count("made") == 1
