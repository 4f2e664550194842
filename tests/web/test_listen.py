"""Listening, choosing and mixing in a browser."""

import json
import re
import shutil

import pytest
from playwright.sync_api import expect

PLAYING = (
    "([name, least]) => { const track = milonga.player.track;"
    " return track && track.label === name && track.audio && !track.audio.paused"
    " && !track.audio.seeking && track.audio.currentTime > least }"
)

# As slowly as Chromium plays: on a busy machine, too, the end isn't reached within a test.
SLOWLY = """() => {
  const play = HTMLMediaElement.prototype.play;
  HTMLMediaElement.prototype.play = function () {
    this.playbackRate = 1 / 16;
    return play.call(this);
  };
  milonga.player.track.audio.playbackRate = 1 / 16;
}"""


def row(page, segment, take, role=None):
    found = page.locator(f"#s{segment} .take[data-take='{take}']")
    return found.and_(page.locator(f"[data-layer='{segment}/{role}']")) if role else found


def test_the_song_stands_in_time(visit, song, check_access):
    page = visit("/songs/noise/listen")
    blocks = page.locator("#timeline a.block")
    expect(blocks).to_have_count(3)
    about = blocks.nth(0).get_attribute("aria-label")
    assert about == "Segment 1 First, instrumental: editor-s0 in the mix; 2 takes"
    first, second = (blocks.nth(index).bounding_box() for index in (0, 2))
    # 8 s and 2 s, less the 30 ms of the crossfade.
    assert first["width"] / second["width"] == pytest.approx(4.0, rel=0.04)
    stale = row(page, 2, "editor-s0", "vocals")
    expect(stale.locator(".badge.warn")).to_have_text("stale")
    expect(stale.locator(".note")).to_contain_text("style early -> late")
    expect(row(page, 2, "editor-s0.2", "vocals")).to_contain_text("in the mix")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Listen and choose")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    check_access(page)


def test_a_switch_keeps_the_position_and_the_level(visit, song):
    page = visit("/songs/noise/listen")
    row(page, 1, "editor-s0").locator(".play").click()
    page.wait_for_function(PLAYING, arg=["editor-s0", 0.5])
    page.evaluate(SLOWLY)
    before = page.evaluate("milonga.player.track.audio.currentTime")
    page.keyboard.press("b")
    page.wait_for_function(PLAYING, arg=["loud-s0", before])
    assert page.evaluate("milonga.player.deck.position") < before + 1.0
    # The louder one is turned down to the other's loudness.
    page.wait_for_function("() => milonga.player.deck.tracks.every(t => t.lufs !== null)")
    quiet, loud = page.evaluate("milonga.player.deck.tracks.filter(t => t.key).map(t => t.lufs)")
    assert loud > quiet + 6
    level = "20 * Math.log10(milonga.player.track.audio.volume)"
    page.wait_for_function(f"() => Math.abs({level} + {loud - quiet}) < 0.01")
    page.get_by_role("switch", name="Match levels").uncheck()
    page.wait_for_function(f"() => Math.abs({level}) < 0.01")
    page.locator("main").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press(" ")
    expect(page.locator("#dock-play")).to_have_attribute("aria-label", "Play")


def test_the_baseline_is_heard_beside_the_takes(visit, song):
    page = visit("/songs/noise/listen")
    expect(page.locator("#s1 .baseline")).to_contain_text("first.aiff · 8.0 s")
    expect(page.locator("#s2 .baseline")).to_have_count(0)
    row(page, 1, "editor-s0").locator(".play").click()
    page.wait_for_function(PLAYING, arg=["editor-s0", 0.3])
    before = page.evaluate("milonga.player.track.audio.currentTime")
    page.keyboard.press("0")
    page.wait_for_function(PLAYING, arg=["Baseline of 1", before])
    page.wait_for_function("() => milonga.player.deck.tracks.every(t => t.lufs !== null)")
    held, quiet = page.evaluate("milonga.player.deck.tracks.map(t => t.lufs)")[:2]
    # Turned down to the quietest take; the sine is about 20 LU louder.
    assert held > quiet + 6
    level = "20 * Math.log10(milonga.player.track.audio.volume)"
    page.wait_for_function(f"() => Math.abs({level} + {held - quiet}) < 0.01")
    page.keyboard.press("m")
    expect(page.locator("#s1 .use[aria-pressed=true]")).to_have_text("In the mix")


def test_what_is_not_in_the_mix_takes_no_time(visit, song):
    for path in (song / "out" / "takes" / "01-first").glob("*.json"):
        path.rename(path.with_suffix(".gone"))
    page = visit("/songs/noise/listen", expected=("Failed to load resource",))
    expect(page.locator("#hints")).to_contain_text("The mix was made from other takes.")
    page.get_by_role("button", name="Mix again").click()
    expect(page.locator("#hints")).not_to_contain_text("other takes")
    expect(page.locator("#s1 .lede-small")).to_have_text("intro, not in the mix")
    expect(page.locator("#s2 .lede-small")).to_have_text("verse, 0:00.0 to 0:02.0 in the mix")
    lane = page.locator("#timeline .lane", has_text="Vocals").locator(".lane-time")
    whole, block = lane.bounding_box(), lane.locator(".block").bounding_box()
    assert block["width"] == pytest.approx(whole["width"], abs=1)
    assert page.evaluate("milonga.player.decks[0].active.length") == pytest.approx(2.0, abs=0.01)
    sheet = song / "song.yaml"
    sheet.write_text(sheet.read_text().replace("style: plain", "style: fancy"))
    page.reload()
    expect(page.locator("#hints")).to_contain_text("The sheet was changed since")


def test_a_chosen_take_that_is_stale_says_which_button_takes_it(visit, song):
    record = song / "out" / "song.json"
    document = {**json.loads(record.read_text()), "choices": {"2/vocals": "editor-s0"}}
    record.write_text(json.dumps(document))
    page = visit("/songs/noise/listen")
    note = page.locator("#s2 .notes", has_text="The chosen take editor-s0 is")
    expect(note).to_contain_text("choose it again: “Use in the mix”.")


def test_a_take_is_chosen_with_a_key_and_mixed_at_once(visit, song):
    # A mix that is being loaded while a new one takes its place breaks off.
    page = visit("/songs/noise/listen", expected=("Failed to load resource",))
    mixed = (song / "out" / "song.wav").read_bytes()
    row(page, 1, "loud-s0").locator(".view").click()
    page.keyboard.press("m")
    expect(row(page, 1, "loud-s0")).to_contain_text("by name")
    expect(page.locator("#mix-text")).to_contain_text("Song: 10.0 s")
    assert (song / "out" / "song.wav").read_bytes() != mixed
    record = json.loads((song / "out" / "song.json").read_text())
    assert record["choices"] == {"1/instrumental": "loud-s0"}
    expect(page.locator("#timeline a.block").first).to_contain_text("loud-s0")
    row(page, 1, "loud-s0").get_by_role("button", name="Use loud-s0 in the mix").click()
    expect(row(page, 1, "editor-s0")).to_contain_text("in the mix")
    page.locator("#mix-row").scroll_into_view_if_needed()
    page.get_by_role("button", name="Play the mix").click()
    page.wait_for_function(PLAYING, arg=["The mix", 0.1])


def test_differences_of_two_takes_and_a_receipt(visit, song):
    page = visit("/songs/noise/listen")
    row(page, 2, "editor-s0.2", "vocals").get_by_role("button", name="Differences").click()
    dialog = page.get_by_role("dialog")
    # At first the take of the same layer that is in the mix, else the one that it prefers.
    expect(dialog.get_by_role("row", name="request.style")).to_contain_text("early")
    dialog.get_by_label("In", exact=True).select_option(label="loud-s0.2")
    expect(dialog.get_by_role("row", name="generator")).to_contain_text("loud")
    dialog.get_by_role("button", name="Close").click()
    row(page, 1, "loud-s0").get_by_role("button", name="Receipt").click()
    expect(dialog).to_contain_text("SHA-256")


def test_a_range_is_marked_by_dragging_and_by_keys(visit, song):
    page = visit("/songs/noise/listen")
    view = row(page, 1, "editor-s0").locator(".view")
    view.scroll_into_view_if_needed()
    box = view.bounding_box()
    y = box["y"] + 10
    page.mouse.move(box["x"] + 0.25 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], y, steps=4)
    page.mouse.up()
    text = page.locator("#s1 .range-text")
    # A pixel of some 400 for 8 s is 20 ms.
    expect(text).to_have_text(re.compile("Marked: .* s"))
    low, high = (float(part) for part in text.text_content()[8:-2].split(" to "))
    assert (low, high) == (pytest.approx(2.0, abs=0.05), pytest.approx(4.0, abs=0.05))
    page.get_by_role("button", name="Clear the marked range").click()
    expect(text).to_have_text("")
    page.locator("#dock-seek").fill("1")
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("[")
    expect(text).to_have_text("Marked: 1.00 to 8.00 s")


def test_two_browsers_at_once_do_not_mix_their_songs(visit, song, shelf):
    shutil.copytree(song, shelf / "other")
    (shelf / "bare").mkdir()
    (shelf / "bare" / "song.yaml").write_text("title: Bare\n")
    pages = {
        name: visit(f"/songs/{name}/listen", expected=("Failed to load resource",))
        for name in ("noise", "other")
    }
    takes = {"noise": "loud-s0", "other": "editor-s0"}
    for name, page in pages.items():
        # The answer to one is under way while the other asks.
        row(page, 1, takes[name]).locator(".use").dispatch_event("click")
    for name, page in pages.items():
        expect(row(page, 1, takes[name])).to_contain_text("by name")
        record = json.loads((shelf / name / "out" / "song.json").read_text())
        assert record["choices"] == {"1/instrumental": takes[name]}
    pages["other"].goto(pages["other"].url.replace("other", "bare"))
    expect(pages["other"].get_by_text("no takes yet")).to_be_visible()
