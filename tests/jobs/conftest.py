import json

import pytest

from milonga.jobs import Queue


@pytest.fixture
def queue(tmp_path):
    return Queue(tmp_path / "jobs")


@pytest.fixture
def tones(tmp_path, monkeypatch):
    """``tones(count, models="a", out="out", **options)``: planned takes of the generator "tone",
    whose workers know it, too."""
    import job_worker
    import tone_worker

    from milonga.jobs.local import crew
    from milonga.songs.sheet.load import parse_sheet
    from milonga.workflows.songs import plan_song

    monkeypatch.setattr(crew, "_MODULE", "tone_worker")
    monkeypatch.setenv("PYTHONPATH", job_worker.environment()["PYTHONPATH"])
    sheet = parse_sheet(
        "{title: T, segments: [{number: 1, name: A, section: intro, seconds: 0.5,"
        " generators: [tone]}]}"
    )
    notes = tmp_path / "notes"
    notes.mkdir()

    def plan(count, models="a", out="out", **options):
        takes = []
        for model in models:
            chosen = {"model": model, "folder": str(notes), **options}
            plan = plan_song(sheet, tmp_path / out, takes=count, report=False,
                             options={"tone": chosen})  # fmt: skip
            takes += plan.takes
        return takes

    plan.notes = notes
    plan.tone = tone_worker
    return plan


@pytest.fixture
def who(tones):
    """What the workers noted: (model, seed, process) for each rendering."""

    def read():
        lines = (tones.notes / "who.txt").read_text().split("\n")[:-1]
        return [(model, int(seed), int(pid)) for model, seed, pid in map(str.split, lines)]

    return read


@pytest.fixture
def hashes(tmp_path):
    """The samples of all takes in a folder, by name."""

    def read(out):
        return {
            path.stem: json.loads(path.read_text())["sound"]["sha256"]
            for path in (tmp_path / out).rglob("tone*.json")
        }

    return read
