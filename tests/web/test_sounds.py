"""Sound models in a browser: played live, kept, trained from what is dropped."""

import io
import json
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import numpy as np
import pytest
import soundfile
from playwright.sync_api import expect
from sound_models import small_model, steady_corpus

from milonga import errors
from milonga.jobs.queue import Queue
from milonga.sounds import Library
from milonga.sounds.library.presets import Presets
from milonga.web.pages import jobs, uploads


@pytest.fixture
def rain(home):
    """A tiny model in the library."""
    Library().save("rain", *small_model("rain"))


def test_a_slider_is_heard_as_it_moves_and_kept(visit, rain, check_access):
    page = visit("/sounds")
    page.get_by_role("link", name="rain").click()
    page.wait_for_url("**/sounds/rain")
    expect(page.locator("#c-tension")).to_be_disabled()
    page.locator("#c-brightness").fill("-2")
    expect(page.locator("#state")).to_contain_text("after the move", timeout=60_000)
    page.wait_for_function("() => document.getElementById('sound').duration > 1.5")
    first = page.locator("#sound").get_attribute("src")
    page.locator("#c-brightness").fill("1.5")
    expect(page.locator("#sound")).not_to_have_attribute("src", first)
    page.get_by_label("Name of a preset").fill("dark")
    page.get_by_role("button", name="Save as preset").click()
    expect(page.locator("#presets")).to_contain_text("dark")
    page.reload()
    expect(page.locator("#c-brightness")).to_have_value("1.5")
    page.get_by_label("Seconds of the file").fill("2")
    page.get_by_role("button", name="Write a file").click()
    expect(page.locator("#history audio")).to_have_count(1, timeout=60_000)
    expect(page.locator("#written a")).to_have_attribute("download", "rain-s0.wav")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export the model").click()
    assert download.value.suggested_filename == "rain.safetensors"
    page.get_by_role("button", name="Reset the sliders").click()
    expect(page.locator("#c-brightness")).to_have_value("0")
    page.get_by_role("button", name="Another one").click()
    expect(page.get_by_label("Seed")).to_have_value("1")
    page.get_by_role("button", name="Use the preset dark").click()
    expect(page.locator("#c-brightness")).to_have_value("1.5")
    check_access(page)


def test_a_blend_is_played_with_sliders_and_comes_back(visit, rain):
    Library().save("birds", *small_model("birds", seed=1))
    page = visit("/sounds/rain")
    heard = page.locator("#sound")
    page.get_by_role("button", name="Add to the blend").click()
    share = page.get_by_role("slider", name="birds")
    expect(share).to_have_value("50")
    page.wait_for_function("() => document.getElementById('sound').duration > 1.5")
    first = heard.get_attribute("src")
    share.fill("80")
    expect(heard).not_to_have_attribute("src", first)
    page.get_by_label("Name of a preset").fill("both")
    page.get_by_role("button", name="Save as preset").click()
    expect(page.locator("#presets")).to_contain_text("rain + birds")
    page.get_by_label("Seconds of the file").fill("1")
    page.get_by_role("button", name="Write a file").click()
    expect(page.locator("#history")).to_contain_text("rain 38 %, birds 62 %")
    expect(page.locator("#written a")).to_have_attribute("download", "rain-birds-s0.wav")
    page.get_by_role("button", name="Take birds out of the blend").click()
    expect(page.locator("#shares .slider")).to_have_count(0)
    page.reload()
    expect(page.locator("#shares .slider")).to_have_count(0)
    page.get_by_role("button", name="Use the preset both").click()
    expect(page.get_by_role("slider", name="birds")).to_have_value("80")
    page.get_by_role("button", name="Take birds out of the blend").click()
    page.get_by_role("button", name="Take the settings").click()
    expect(page.get_by_role("slider", name="birds")).to_have_value("62")
    assert Presets("rain").fitted("both").left_out["blend"].endswith("rain:50 birds:80")


def test_recordings_are_dropped_looked_at_and_trained_on(
    visit, home, tmp_path, monkeypatch, check_access
):
    monkeypatch.setattr(jobs, "start_runner", lambda queue=None: None)
    (tmp_path / "noises").mkdir()
    steady_corpus(tmp_path / "noises")
    (tmp_path / "noises" / "fake.wav").write_bytes(b"<script>alert(1)</script>")
    page = visit("/sounds", expected=("status of 4",))
    (tmp_path / "noises" / ".hidden.wav").write_bytes(b"left out")
    page.locator("#folder").set_input_files(tmp_path / "noises")
    expect(page.locator("#found")).to_contain_text("4 recordings, 12 s of sound")
    expect(page.get_by_role("alert")).to_contain_text("fake.wav")
    page.get_by_label("Name", exact=True).fill("noise")
    page.get_by_label("Minutes").fill("0.2")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator(".job")).to_contain_text("train the sound model noise")
    check_access(page)
    (job,) = Queue().jobs()
    assert job.arguments["settings"]["minutes"] == 0.2
    (batch,) = (home / "web" / "uploads").iterdir()
    assert sorted(path.name for path in batch.iterdir()) == [f"noise {n}.wav" for n in range(4)]


def test_a_missing_library_is_named_before_anything_is_dropped(visit, home, monkeypatch):
    assert visit("/sounds").get_by_role("note").count() == 0
    monkeypatch.setattr(errors, "find_spec", lambda name: None)
    note = visit("/sounds").get_by_role("note")
    expect(note).to_contain_text("needs the extra 'sounds', which is not installed")
    expect(note).to_contain_text("pip install")


@pytest.mark.parametrize(
    ("name", "status"),
    [("x.exe", 415), ("x.wav", 400), ("../../x.flac", 400), ("..\\x.mp3", 400), ("", 415)],
)
def test_what_is_no_recording_is_not_kept(server, home, monkeypatch, name, status):
    address = f"{server.address}/api/uploads/{'0' * 16}?name={quote(name)}"
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(address, b"MZ no sound at all", {"X-Milonga": "1"}))
    assert refused.value.code == status
    refused.value.close()
    monkeypatch.setattr(uploads, "LARGEST", 10)
    address = f"{server.address}/api/uploads/{'0' * 16}?name=large.wav"
    with pytest.raises(HTTPError, match="413") as refused:
        urlopen(Request(address, b"RIFF" * 10, {"X-Milonga": "1"}))
    refused.value.close()
    kept = [path for path in home.rglob("*") if path.is_file() and path.suffix != ".db"]
    assert kept == []


def test_only_what_the_model_knows_is_read(server, rain):
    def play(**settings):
        body = json.dumps({"seconds": 1, "vocoder": "griffin-lim", **settings}).encode()
        return urlopen(Request(f"{server.address}/api/sounds/rain/play", body, {"X-Milonga": "1"}))

    with pytest.raises(HTTPError) as refused:
        play(like="../../../etc/passwd")
    assert b"knows no recording" in refused.value.read()
    refused.value.close()
    with play(controls={"loudness": 1.0}) as answer:
        samples, rate = soundfile.read(io.BytesIO(answer.read()))
    assert rate == 44_100
    assert np.abs(samples).max() > 0


@pytest.mark.slow
def test_a_training_is_heard_while_it_trains_and_played(visit, home, here, tmp_path):
    (tmp_path / "noises").mkdir()
    steady_corpus(tmp_path / "noises")
    page = visit("/sounds")
    page.get_by_label("A folder of this machine").fill(str(tmp_path / "noises"))
    page.get_by_label("Name", exact=True).fill("noise")
    page.get_by_label("Minutes").fill("0.25")
    page.get_by_label("Network").select_option("small")
    page.get_by_role("button", name="Train", exact=True).click()
    preview = page.get_by_label("Preview of noise")
    expect(preview).to_be_visible(timeout=120_000)
    preview.evaluate("audio => audio.play()")
    page.wait_for_function("() => document.querySelector('.previews audio').currentTime > 0.1")
    page.get_by_role("link", name="Play it").click(timeout=200_000)
    page.wait_for_url("**/sounds/noise")
    page.locator("#c-loudness").fill("1")
    expect(page.locator("#state")).to_contain_text("after the move", timeout=60_000)
