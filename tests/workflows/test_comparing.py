"""Comparing by one call, with a page."""

import csv
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import milonga
from milonga.analysis.shown.vector import comparison_svg
from milonga.errors import AudioError, ComparisonError, OutputError


@pytest.fixture
def tone(tmp_path):
    def make(name, hertz):
        time = np.arange(22_050) / 22_050
        path = tmp_path / name
        milonga.write(path, milonga.Clip(0.5 * np.sin(2 * np.pi * hertz * time), 22_050))
        return path

    return make


def test_a_comparison_with_its_page(tone, tmp_path):
    one, other = tone("one.wav", 220), tone("other.wav", 440)
    found = milonga.compare(str(one), [other, tmp_path / "missing.wav"], report=str(tmp_path / "r"))
    assert found.report == tmp_path / "r" / "index.html"
    assert "other.wav" in found.report.read_text(encoding="utf-8")
    assert [Path(candidate.path).name for candidate in found.failed] == ["missing.wav"]
    assert found.candidates[0].differences.spectral_centroid_diff_pct == pytest.approx(100, abs=5)


def test_without_a_report_nothing_is_written(tone, tmp_path):
    before = {tone("one.wav", 220), tone("other.wav", 440)}
    found = milonga.compare(*sorted(before))
    assert found.report is None
    assert len(found.candidates) == 1
    assert set(tmp_path.iterdir()) == before


def test_what_a_user_can_cause_is_explained(tone, tmp_path):
    one = tone("one.wav", 220)
    with pytest.raises(AudioError, match="no such file"):
        milonga.compare(tmp_path / "missing.wav", one)
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "index.html").write_text("mine")
    with pytest.raises(OutputError, match="Another page"):
        milonga.compare(one, one, report=tmp_path / "r")


def test_a_folder_stands_for_the_recordings_in_it(tone, tmp_path):
    one = tone("one.wav", 220)
    for name in ("b.wav", "a.wav"):
        tone(name, 440)
    (tmp_path / "notes.txt").write_text("no recording")
    found = milonga.compare(one, tmp_path)
    assert [Path(candidate.path).name for candidate in found.candidates] == ["a.wav", "b.wav"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ComparisonError, match="no recordings in this folder"):
        milonga.compare(one, tmp_path / "empty")


def test_many_baselines_from_a_list_of_pairs(tone, tmp_path):
    for name, hertz in (("one.wav", 220), ("two.wav", 330), ("three.wav", 440)):
        tone(name, hertz)
    (tmp_path / "pairs.csv").write_text(
        "baseline,candidate\none.wav,two.wav\n\ntwo.wav, three.wav\none.wav,three.wav\n"
    )
    found = milonga.compare_pairs(
        tmp_path / "pairs.csv",
        csv=tmp_path / "out" / "figures.csv",
        pictures=tmp_path / "out",
        report=tmp_path / "r",
    )
    assert [len(one.candidates) for one in found] == [2, 1]
    with open(tmp_path / "out" / "figures.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["candidate"]).name for row in rows] == ["two.wav", "three.wav", "three.wav"]
    first = found[0].candidates[0]
    assert float(rows[0]["common.timbre_similarity"]) == first.common.timbre_similarity
    assert float(rows[0]["spectral_centroid_hz"]) == first.features.spectral_centroid_hz
    assert rows[0]["sentence"] == first.sentence
    # Not defined is empty: a tone of one second has no tempo.
    assert rows[0]["tempo_bpm"] == ""
    assert "one.wav" in found[0].report.read_text(encoding="utf-8")
    for name in ("one.svg", "two.svg"):
        picture = ElementTree.parse(tmp_path / "out" / name).getroot()
        assert picture.tag.endswith("svg")


def test_words_stay_within_the_picture_and_marks_can_be_told_apart():
    takes = [
        {"path": f"{n}.wav", "common": {"sound_similarity": 0.1 * n}, "sentence": "alike " * 60}
        for n in range(10)
    ]
    picture = ElementTree.fromstring(comparison_svg({"candidates": takes}))
    lines = [one.text for one in picture.findall("{*}text")]
    # 92 characters of 13 px, of which a middling one is half as wide as high.
    assert max(map(len, lines)) <= 92
    assert sum(line.count("alike") for line in lines) == 600
    marks = [one for one in picture if one.tag.endswith(("circle", "rect"))][-10:]
    assert len({(one.tag, one.get("fill")) for one in marks}) == 10


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a.wav,b.wav,c.wav\n", "Line 1 has 3 fields"),
        ("\n", "is empty"),
        ("\xff", "no text in UTF-8"),
    ],
)
def test_a_list_that_is_none_is_explained(tmp_path, text, says):
    (tmp_path / "pairs.csv").write_text(text, encoding="latin-1")
    with pytest.raises(ComparisonError, match=says) as caught:
        milonga.compare_pairs(tmp_path / "pairs.csv")
    assert caught.value.where == str(tmp_path / "pairs.csv")
    assert caught.value.step
