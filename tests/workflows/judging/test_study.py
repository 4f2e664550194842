"""Studies with the guide: planned, rendered, resumed, measured, read."""

import csv
import json
import re

import numpy as np
import pytest

from milonga import audio
from milonga.errors import Cancelled, MilongaError, OutputError
from milonga.runtime.progress import Progress
from milonga.workflows.judging.study import plan_study, run_study

SHEET = """
title: One
segments:
- {number: 1, name: Uno, section: intro, seconds: 2, baseline: base.wav}
- {number: 2, name: Dos, section: instrumental, seconds: 2, baseline: base.wav}
"""
STUDY = """
sheet: song.yaml
generators: [guide]
conditions:
- {generator: guide, name: from seed four, options: {}}
seeds: 3
"""


@pytest.fixture
def study(tmp_path):
    (tmp_path / "song.yaml").write_text(SHEET)
    noise = 0.1 * np.random.default_rng(0).standard_normal(48_000)
    audio.write(tmp_path / "base.wav", audio.Clip(noise, 24_000))
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    return path


def test_a_study_from_file_to_page_and_again(study, tmp_path):
    plan = plan_study(study, tmp_path / "out")
    assert plan.takes == 12
    assert not (tmp_path / "out").exists()
    found = run_study(study, tmp_path / "out")
    assert len(found.rows) == 12
    assert found.failed == ()
    rows = list(csv.DictReader(found.table.read_text().splitlines()))
    assert {row["condition"] for row in rows} == {"guide", "from seed four"}
    assert all(0 <= float(row["mfcc_similarity"]) <= 1 for row in rows)
    import pyarrow.parquet as pq

    parquet = pq.read_table(tmp_path / "out" / "takes.parquet")
    assert parquet.column_names == list(rows[0])
    assert parquet["mfcc_similarity"].to_pylist() == [float(r["mfcc_similarity"]) for r in rows]
    # Both conditions are the same takes: no figure differs, and nothing is claimed.
    assert {each.difference.value for each in found.summary.differences} == {0.0}
    assert all("is the same for" in each.verdict for each in found.summary.differences)
    page = found.page.read_text()
    assert "from seed four" in page
    document = json.loads((tmp_path / "out" / "study.json").read_text())
    assert len(document["takes"]) == 12
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.wav")}
    assert len(before) == 6
    run_study(study, tmp_path / "out")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.wav")} == before


def test_a_cancelled_study_goes_on(study, tmp_path):
    def stop(update):
        if update.label == "Rendering" and update.done >= 2:
            progress.cancel()

    progress = Progress(stop)
    with pytest.raises(Cancelled):
        run_study(study, tmp_path / "out", progress=progress)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.wav")}
    assert 2 <= len(kept) < 6
    run_study(study, tmp_path / "out")
    assert all(path.stat().st_mtime_ns == was for path, was in kept.items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("sheet: song.yaml\n", "names no generators"),
        ("sheet: song.yaml\ngenerators: [guide, guide]\n", "two conditions are called 'guide'"),
        ("sheet: song.yaml\ngenerators: [gide]\n", "gide"),
        ("sheet: song.yaml\ngenerators: [guide]\nsegments: [9]\n", "no segment 9"),
        ("sheet: song.yaml\ngenerators: [guide]\nseeds: 0\n", "seeds"),
        ("sheet: none.yaml\ngenerators: [guide]\n", "none.yaml"),
        ("generators: [guide\n", "not YAML"),
        ("- a list\n", "can't be used|valid dictionary|instance"),
        (
            "sheet: song.yaml\ngenerators: [guide]\ncolour: red\n",
            "colour: there is no such field, but sheet, ",
        ),
        (
            "sheet: song.yaml\nconditions: [{name: x}]\nseeds: 0\n",
            "generator: it is missing. seeds: ",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(study, tmp_path, change, words):
    study.write_text(change)
    with pytest.raises(MilongaError) as raised:
        run_study(study, tmp_path / "out")
    assert re.search(words, f"{raised.value} {getattr(raised.value, 'problems', '')}")
    assert not (tmp_path / "out").exists()


def test_a_page_of_somebody_else_stays(study, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "index.html").write_text("mine")
    with pytest.raises(OutputError, match="not a study's"):
        run_study(study, tmp_path / "out")
    assert (tmp_path / "out" / "index.html").read_text() == "mine"


def test_without_baselines_findings_are_what_is_compared(study, tmp_path):
    (tmp_path / "song.yaml").write_text(SHEET.replace(", baseline: base.wav", ""))
    found = run_study(study, tmp_path / "out")
    assert {each.figure for each in found.summary.differences} == {"finding_count"}
    assert any("only findings are compared" in n for n in plan_study(study, tmp_path / "out").notes)
    assert all(row["loudness_lufs"] < 0 for row in found.rows)


def test_an_unknown_figure_lists_those_that_are_there(study, tmp_path):
    study.write_text(STUDY + "figures: [beauty]\n")
    with pytest.raises(MilongaError, match="No take has a figure 'beauty'") as raised:
        run_study(study, tmp_path / "out")
    assert "mfcc_similarity" in raised.value.step
    assert not (tmp_path / "out").exists()
    (tmp_path / "song.yaml").write_text(SHEET.replace(", baseline: base.wav", ""))
    study.write_text(STUDY + "figures: [mfcc_similarity]\n")
    with pytest.raises(MilongaError, match="No take has a figure 'mfcc_similarity'"):
        plan_study(study, tmp_path / "out")


def test_a_recogniser_that_cannot_be_had_is_said_before_the_work(hub, study, tmp_path):
    study.write_text(STUDY + "words: whisper-smal\n")
    with pytest.raises(MilongaError, match="no model 'whisper-smal'"):
        plan_study(study, tmp_path / "out")
    study.write_text(STUDY + "words: whisper-small\n")
    with pytest.raises(MilongaError, match=r"whisper-small|faster-whisper"):
        run_study(study, tmp_path / "out")
    assert not (tmp_path / "out" / "takes").exists()
