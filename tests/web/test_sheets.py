"""Songs begun, written in the form and as YAML, in a browser."""

import re
import time

from playwright.sync_api import expect


def saved(page):
    expect(page.locator("#state")).to_have_text("Saved")


def test_from_an_empty_page_to_a_sheet(visit, shelf):
    page = visit("/")
    expect(page.get_by_text("There is no song yet")).to_be_visible()
    page.get_by_role("button", name="Night shift").click()
    page.wait_for_url("**/songs/night-shift")
    expect(page.get_by_role("heading", name="Ready to render")).to_be_visible()
    assert (shelf / "night-shift" / "song.yaml").read_text().startswith("title: Night shift")


def test_pasted_words_survive_a_reload_and_become_a_song(visit, shelf):
    page = visit("/")
    words = "# Lluvia\n\n## Verse 1\nLlueve sobre el mar\ny no sé nadar\n"
    page.get_by_label("Lyrics, prompts in Markdown").fill(words)
    page.reload()
    expect(page.get_by_label("Lyrics, prompts in Markdown")).to_have_value(words)
    page.get_by_role("button", name="Make a song of it").click()
    page.wait_for_url("**/songs/lluvia")
    expect(page.get_by_label("Lyrics").first).to_have_value("Llueve sobre el mar\ny no sé nadar")
    page.go_back()
    expect(page.get_by_label("Lyrics, prompts in Markdown")).to_have_value("")


def test_a_file_with_a_hostile_name_and_text_is_only_text(visit, shelf):
    page = visit("/", expected=("status of 4",))
    name = "..%2F<img src=x onerror=alert(1)>.yaml"
    text = "title: <script>alert(1)</script>\nsegments: <b>\n"
    page.locator("#file").set_input_files(
        {"name": name, "mimeType": "text/plain", "buffer": text.encode()}
    )
    page.wait_for_url("**/songs/**")
    expect(page.get_by_label("Title")).to_have_value("<script>alert(1)</script>")
    (folder,) = shelf.iterdir()
    assert folder.name == "script-alert-1-script"
    page.goto(page.url.rpartition("/songs/")[0])
    page.evaluate(
        """() => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File(["MZ"], "song.exe"));
          document.dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));
        }"""
    )
    expect(page.get_by_role("alert")).to_contain_text("A song is read from")
    assert [one.name for one in shelf.iterdir()] == [folder.name]


def test_form_and_yaml_stay_in_step(visit, song):
    page = visit("/songs/noise")
    yaml = page.get_by_role("textbox", name="The sheet as YAML")
    page.get_by_label("Tempo (BPM)").first.fill("96")
    expect(yaml).to_have_value(re.compile("tempo: 96  # as always"))
    page.get_by_label("Lyrics").nth(1).fill("Two lines\n(now)")
    saved(page)
    text = (song / "song.yaml").read_text()
    assert "# Kept as it is." in text
    assert "    lyrics: |\n      Two lines\n      (now)\n" in text
    yaml.fill(text.replace("name: First", "name: Overture"))
    expect(page.get_by_label("Name").first).to_have_value("Overture")
    page.get_by_role("button", name="Add a segment").click()
    expect(page.locator(".segment-card")).to_have_count(3)
    saved(page)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".segment-card")).to_have_count(2)
    page.get_by_role("button", name="Redo").click()
    expect(page.locator(".segment-card")).to_have_count(3)


def test_a_problem_stands_at_its_field_while_typing(visit, song, check_access):
    page = visit("/songs/noise")
    seconds = page.get_by_label("Seconds").first
    seconds.fill("soon")
    expect(page.locator("#f-segments-0-seconds-p")).to_contain_text("not a number of seconds")
    expect(seconds).to_have_attribute("aria-invalid", "true")
    expect(seconds).to_have_value("soon")
    expect(page.locator("#problems h2")).to_have_text("1 problem")
    page.reload()
    expect(page.locator("#problems h2")).to_have_text("1 problem")
    check_access(page)
    page.get_by_label("Seconds").first.fill("5")
    expect(page.locator("#problems h2")).to_have_text("Ready to render: 7 s")


def test_a_recording_becomes_the_baseline_and_lies_with_the_song(visit, song):
    page = visit("/songs/noise", expected=("status of 4",))
    page.locator(".segment-card").nth(1).locator("summary").first.click()
    picker = page.get_by_label("Choose a recording as the baseline of segment 2")
    baseline = page.locator("#f-segments-1-baseline")
    sound = (song / "out" / "song.wav").read_bytes()
    for name in ("../../My take.wav", "My take.wav"):
        baseline.fill("")
        picker.set_input_files({"name": name, "mimeType": "audio/wav", "buffer": sound})
        expect(baseline).to_have_value(re.compile("My take"))
        saved(page)
    assert "    baseline: baseline/My take-2.wav\n" in (song / "song.yaml").read_text()
    names = {path.name for path in (song / "baseline").iterdir()}
    assert names == {"My take.wav", "My take-2.wav"}
    picker.set_input_files({"name": "x.wav", "mimeType": "audio/wav", "buffer": b"RIFF no sound"})
    expect(page.get_by_role("alert")).to_contain_text("x.wav")
    assert {path.name for path in (song / "baseline").iterdir()} == names


def test_a_reload_right_after_a_key_loses_nothing_and_undo_goes_on(visit, song):
    page = visit("/songs/noise", expected=("Failed to fetch", "answer"))
    before = (song / "song.yaml").read_text()
    page.get_by_label("Title").fill("Gale")
    page.reload()
    expect(page.get_by_label("Title")).to_have_value("Gale")
    saved(page)
    assert "title: Gale\n" in (song / "song.yaml").read_text()
    page.get_by_role("button", name="Add a segment").click()
    expect(page.locator(".segment-card")).to_have_count(3)
    saved(page)
    page.reload()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".segment-card")).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("Title")).to_have_value("Noise")
    saved(page)
    assert (song / "song.yaml").read_text() == before
    page.reload()
    page.get_by_role("button", name="Redo").click()
    expect(page.get_by_label("Title")).to_have_value("Gale")
    page.get_by_role("button", name="Redo").click()
    expect(page.locator(".segment-card")).to_have_count(3)


def test_what_is_typed_while_the_server_is_away_is_saved_when_it_is_back(visit, song):
    page = visit("/songs/noise", expected=("Failed to load resource",))
    page.route("**/sheet", lambda route: route.abort())
    page.get_by_label("Title").fill("Gale")
    expect(page.locator("#state")).to_contain_text("Not saved")
    page.get_by_label("Artist").fill("Wind")
    page.unroute("**/sheet")
    saved(page)
    expect(page.get_by_label("Title")).to_have_value("Gale")
    text = (song / "song.yaml").read_text()
    assert "title: Gale\n" in text
    assert "artist: Wind\n" in text


def test_a_tab_that_is_closed_right_after_a_key_saves_it(visit, song):
    page = visit("/songs/noise", expected=("Failed to fetch", "answer"))
    page.get_by_label("Title").fill("Gale")
    page.close(run_before_unload=True)
    for _ in range(600):
        if "title: Gale\n" in (song / "song.yaml").read_text():
            return
        time.sleep(0.05)
    raise AssertionError("The last key was lost.")


def test_two_windows_do_not_overwrite_each_other(visit, song):
    one, two = visit("/songs/noise"), visit("/songs/noise")
    one.get_by_label("Title").fill("Ours")
    saved(one)
    # Another field goes beside it; another text, or the same field, may not.
    two.get_by_label("Artist").fill("Both")
    expect(two.get_by_label("Title")).to_have_value("Ours")
    saved(two)
    one.get_by_role("textbox", name="The sheet as YAML").fill("title: Lost\n")
    expect(one.locator("#conflict")).to_be_visible()
    text = (song / "song.yaml").read_text()
    assert "title: Ours\n" in text
    assert "artist: Both\n" in text
    one.get_by_role("button", name="Take the other").click()
    expect(one.get_by_label("Artist")).to_have_value("Both")
    two.get_by_label("Title").fill("Theirs")
    saved(two)
    one.get_by_label("Title").fill("Mine")
    expect(one.locator("#conflict")).to_be_visible()
    one.get_by_role("button", name="Keep what is here").click()
    saved(one)
    expect(one.get_by_label("Title")).to_have_value("Mine")
    assert "title: Mine\n" in (song / "song.yaml").read_text()
