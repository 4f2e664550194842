"""From a sheet to a song, its edits, and again: with a tiny ACE-Step from a hub on this machine."""

import numpy as np
import pytest
import soundfile
import tiny_ace_step

from milonga.songs.rendering.receipts import read_receipt
from milonga.songs.sheet.load import parse_sheet
from milonga.workflows.edits import edit_take
from milonga.workflows.songs import render_song, replay

REPO = "Runware/acestep-v15-turbo-diffusers"
SHEET = """
title: Uno
style: noise
key: A minor
whole: {generators: [ace-step], options: {ace-step: {steps: 2}}}
segments:
  - {number: 1, name: Start, section: intro, seconds: 4, generators: [guide], negative: drums}
  - number: 2
    name: Chaos
    section: verse
    seconds: 10.5
    lyrics: |
      We laugh at the chaos
      Reímos del caos
    layers:
      - {role: song, generators: [ace-step]}
    options: {ace-step: {steps: 2}}
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_a_song_in_one_take_and_a_segment_and_their_edits(hub, make_ace_step, tmp_path):
    hub.add(REPO, tiny_ace_step.files(make_ace_step()))
    sheet, out = parse_sheet(SHEET).with_source(tmp_path / "song.yaml"), tmp_path / "out"
    song = render_song(sheet, out, generators=["ace-step"], whole=True)
    assert [outcome.fault for outcome in song.outcomes if not outcome.good] == []
    (whole,) = (out / "takes/whole").glob("ace-step*.wav")
    assert soundfile.info(whole).frames == round(14.5 * 48_000)
    receipt = read_receipt(whole.with_suffix(".json"))
    assert [part.section for part in receipt.request.parts] == ["intro", "verse"]
    assert [part.negative for part in receipt.request.parts] == ["drums", ""]
    assert receipt.model.repo == REPO
    assert "pipeline would change it by" in " ".join(receipt.model.notes)
    assert (out / "song.wav").exists()
    assert (out / "report/index.html").exists()

    assert render_song(sheet, out, segments=[2], report=False).good
    (first,) = (out / "takes/02-chaos").glob("**/ace-step*.wav")
    before, rate = soundfile.read(first, dtype="int32")
    options = {"ace-step": {"steps": 2}}
    done = edit_take(out, 2, "repaint", start=2.0, end=3.5, options=options)
    after, _ = soundfile.read(done.paths[0], dtype="int32")
    start, end = round(2.0 * rate), round(3.5 * rate)
    assert np.array_equal(after[:start], before[:start])
    assert np.array_equal(after[end:], before[end:])
    assert not np.array_equal(after[start:end], before[start:end])
    other = edit_take(out, 2, "cover", take=first.stem, strength=0.5, options=options)
    came = len(hub.requests)
    for path in (whole, first, done.paths[0], other.paths[0]):
        assert replay(path.with_suffix(".json")).verdict == "identical"
    assert len(hub.requests) == came
