"""From an empty page to a song in the mix, and jobs that go on."""

import json
import re
import subprocess
import sys
import time
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import expect

from milonga.jobs.job import Step
from milonga.jobs.queue import Queue
from milonga.web.pages import jobs

SMALL = """\
title: Small
segments:
  - {number: 1, name: One, section: intro, seconds: 1}
  - {number: 2, name: Two, section: outro, seconds: 1}
"""


def test_from_an_empty_page_to_a_song_in_the_mix(visit, shelf):
    page = visit("/")
    page.get_by_label("Lyrics, prompts in Markdown").fill(SMALL)
    page.get_by_role("button", name="Make a song of it").click()
    page.wait_for_url("**/songs/small")
    page.get_by_role("link", name="Render …").click()
    expect(page.locator("body[data-ready]")).to_be_visible()
    page.get_by_label("Takes of each").fill("2")
    page.reload()
    expect(page.get_by_label("Takes of each")).to_have_value("2")
    page.get_by_role("button", name="What will be made?").click()
    rows = page.locator("#plan tbody tr")
    expect(rows).to_have_count(4)
    page.get_by_label("2 Two").check()
    page.get_by_label("the whole song in one take").check()
    page.get_by_label("First seed").fill("5")
    page.get_by_role("button", name="What will be made?").click()
    # Two of the second segment, two of the whole.
    expect(rows.nth(0)).to_contain_text("2 Two")
    expect(rows).to_have_count(4)
    expect(rows.last).to_contain_text("guide-s6")
    page.get_by_label("2 Two").uncheck()
    page.get_by_label("the whole song in one take").uncheck()
    page.get_by_label("First seed").fill("0")
    page.get_by_role("button", name="Render", exact=True).click()
    # By a real runner, in processes of its own.
    page.locator(".job").get_by_role("link", name="Listen").click(timeout=60_000)
    expect(page.locator(".take")).to_have_count(4)
    expect(page.locator("#mix-row .rms")).to_have_attribute("d", re.compile("M.*Z"))
    assert (shelf / "small" / "out" / "song.wav").stat().st_size > 100_000
    (job,) = Queue().jobs()
    assert (job.state, job.arguments["takes"]) == ("done", 2)


def test_generators_say_what_they_cost_here(visit, song, check_access):
    page = visit("/songs/noise/render", expected=["400"])
    guide = page.locator(".offer", has_text="scratch version")
    expect(guide).to_contain_text("Makesevery layer")
    expect(guide).to_contain_text("for a take of each")
    expect(guide).to_contain_text("nothing to download")
    ace = page.locator(".offer", has_text="ACE-Step")
    expect(ace).to_contain_text("Download6.3 GB first")
    expect(ace).to_contain_text("LicenceMIT, Apache-2.0; commercial use is allowed")
    expect(page.locator(".offer", has_text="editor")).to_contain_text("in the sheet")
    # What is refused is said in the words of this page.
    (song / "first.aiff").unlink()
    page.get_by_role("button", name="What will be made?").click()
    refused = page.locator("#notice")
    expect(refused).to_contain_text("leave the report out (“compare with baselines”)")
    spoken = page.evaluate(
        "async (texts) => texts.map((await import('/static/common.js')).inPageWords)",
        [
            "By --with, --takes or --force.",
            "Run: milonga x --with y\nor --seed.",
            "a--with",
            "milonga weights get bark",
        ],
    )
    assert spoken == [
        "By “Generators”, “Takes of each” or --force (on the command line).",
        "Run: milonga x --with y\nor “First seed”.",
        "a--with",
        "milonga weights get bark (Here: the page “Models”.)",
    ]
    check_access(page)


def test_a_job_is_stopped_and_goes_on(visit, song, check_access, monkeypatch):
    started = []
    monkeypatch.setattr(jobs, "start_runner", lambda queue=None: started.append(queue))
    page = visit("/songs/noise/render")
    page.get_by_role("button", name="Render", exact=True).click()
    job = page.locator(".job")
    expect(job).to_contain_text("waits")
    # As a worker does it, half of the way.
    queue = Queue()
    taken = queue.start(1)
    queue.beat(taken, Step("Rendering", 30.0, 60.0, "s"))
    expect(job).to_contain_text(re.compile(r"Rendering · 30 of 60 s · for .* · about \d.* left"))
    expect(job.get_by_role("progressbar")).to_have_js_property("value", 0.5)
    job.get_by_role("button", name="Cancel").click()
    expect(job).to_contain_text("stopping")
    queue.finish(taken, "cancelled")
    expect(job).to_contain_text("cancelled")
    expect(job).not_to_contain_text("left")
    other = visit("/jobs")
    expect(other.locator(".job")).to_contain_text("render noise")
    other.get_by_role("button", name="Resume job 1").click()
    expect(other.locator(".job")).to_contain_text("waits")
    expect(job).to_contain_text("waits")
    assert len(started) == 2
    check_access(other)
    Queue().cancel(1)
    other.get_by_role("button", name="Clear what has ended").click()
    expect(other.get_by_text("No job yet.")).to_be_visible()


def test_a_marked_range_is_repainted_and_takes_are_extended_and_covered(visit, song, here):
    page = visit("/songs/noise/listen")
    take = page.locator("#s1 .take[data-take='editor-s0']")
    take.locator(".view").click()
    page.locator("#dock-seek").fill("2")
    page.locator("main").focus()
    page.keyboard.press("[")
    page.locator("#dock-seek").fill("4")
    page.locator("main").focus()
    page.keyboard.press("]")
    take.get_by_role("button", name="Edit editor-s0").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("From (s)")).to_have_value("2.00")
    expect(dialog.get_by_label("To (s)")).to_have_value("4.00")
    dialog.get_by_label("use it when it is good").check()
    dialog.get_by_role("button", name="Make it").click()
    edited = page.locator("#s1 .take", has_text="repaint 2 to 4 s")
    expect(edited).to_contain_text("in the mix", timeout=60_000)
    (out,) = (song / "out" / "takes" / "01-first").glob("*repaint*.json")
    assert json.loads(out.read_text())["request"]["edit"]["start"] == 2.0
    for task, fields in (
        ("extend", {"By (s)": "1.5"}),
        ("cover", {"Keeps of the take (0 to 1)": "0.3", "Style": "slow waltz"}),
    ):
        take.get_by_role("button", name="Edit editor-s0").click()
        dialog.get_by_label("What", exact=True).select_option(task)
        for label, value in fields.items():
            dialog.get_by_label(label, exact=True).fill(value)
        if task == "extend":
            dialog.get_by_label("before the start").check()
        expect(dialog.get_by_label("From (s)")).to_be_hidden()
        dialog.get_by_role("button", name="Make it").click()
        edited = page.locator(f"#s1 .take[data-take='editor-{task}-s0']")
        expect(edited.locator(".use")).to_have_text("Use in the mix")
    extended, covered = (
        json.loads((out.parent / f"editor-{task}-s0.json").read_text())
        for task in ("extend", "cover")
    )
    assert extended["request"]["edit"]["task"] == "extend"
    assert extended["sound"]["seconds"] == pytest.approx(9.5, abs=1e-4)
    assert covered["request"]["edit"]["strength"] == 0.3
    assert covered["request"]["style"] == "slow waltz"


@pytest.mark.slow
def test_a_render_survives_the_server(tmp_path, home, monkeypatch):
    """A real server is killed while a job runs; the next one shows it, stops it and resumes it."""
    songs = tmp_path / "songs" / "long"
    songs.mkdir(parents=True)
    (songs / "song.yaml").write_text(SMALL)

    def server():
        command = [sys.executable, "-m", "milonga", "web", "--songs", str(songs.parent)]
        process = subprocess.Popen(
            [*command, "--port", "0", "--no-open"], stderr=subprocess.PIPE, text=True
        )
        return process, process.stderr.readline().split()[3].rstrip("/")

    def ask(address, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(address, data, {"X-Milonga": "1"})) as answer:
            return json.load(answer)

    def wait(address, *states):
        for _ in range(600):
            (job,) = ask(f"{address}/api/jobs")["jobs"]
            if job["state"] in states:
                return job
            time.sleep(0.1)
        raise AssertionError(job)

    process, address = server()
    ask(f"{address}/api/songs/long/render", {"takes": 100, "report": False})
    wait(address, "running")
    process.kill()
    process.wait()
    process.stderr.close()
    process, address = server()
    wait(address, "running")
    ask(f"{address}/api/jobs/1/cancel", {})
    wait(address, "cancelled")
    made = len(list((songs / "out").rglob("guide-*.wav")))
    assert made < 200
    ask(f"{address}/api/jobs/1/resume", {})
    assert wait(address, "running", "done")["id"] == 1
    ask(f"{address}/api/jobs/1/cancel", {})
    wait(address, "cancelled", "done")
    assert len(list((songs / "out").rglob("guide-*.wav"))) >= made
    process.terminate()
    process.wait()
    process.stderr.close()
