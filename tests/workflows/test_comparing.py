"""Comparing by one call, with a page."""

from pathlib import Path

import numpy as np
import pytest

import milonga
from milonga.errors import AudioError, OutputError


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
