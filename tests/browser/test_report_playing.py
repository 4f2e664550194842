import shutil

import pytest
from playwright.sync_api import expect

from milonga import audio
from milonga.analysis.report import (
    Report,
    ReportSection,
    ReportTrack,
    write_comparison_report,
    write_report,
)

SOUNDING = "audios => audios.filter(a => !a.paused).map(a => a.getAttribute('aria-label'))"
MOVES = "([n, than]) => document.querySelectorAll('audio')[n].currentTime > than"


# As slowly as Chromium plays: what a busy machine delays moves the position by little.
SLOWLY = "document.querySelectorAll('audio').forEach(a => { a.playbackRate = 1 / 16 })"


def card(page, section, label):
    return page.locator(f"#{section}").locator(f'.track[data-label="{label}"]')


def time_of(page, section, label):
    return card(page, section, label).locator("audio").evaluate("a => a.currentTime")


def sounding(page):
    return page.locator("audio").evaluate_all(SOUNDING)


def play(page, section, label):
    card(page, section, label).locator(".play").click()
    page.wait_for_function(
        '([s, l]) => { const a = document.querySelector(`#${s} [data-label="${l}"] audio`);'
        " return !a.paused && !a.seeking && a.currentTime > 0.05 }",
        arg=[section, label],
    )


def test_every_player_has_its_duration_and_plays(visit, song):
    page = visit(song)
    page.wait_for_function(
        "() => [...document.querySelectorAll('audio')].every(a => a.readyState >= 1)"
    )
    durations = page.locator("audio").evaluate_all("audios => audios.map(a => a.duration)")
    # Exact to a sample of 22,050 Hz.
    assert durations == pytest.approx([16.0, 12.0, 12.0, 9.0, 12.0, 12.0, 9.0], abs=1e-3)
    buttons = page.locator(".track .play")
    for index in range(buttons.count()):
        buttons.nth(index).click()
        page.wait_for_function(MOVES, arg=[index, 0.1])


def test_one_plays_at_a_time_and_a_button_stops_it(visit, song):
    page = visit(song)
    play(page, "song", "song.wav")
    play(page, "s1", "guide-s0")
    assert sounding(page) == ["guide-s0"]
    play(page, "s2", "Original")
    assert sounding(page) == ["Original"]
    button = card(page, "s2", "Original").locator(".play")
    expect(button).to_have_attribute("aria-label", "Pause Original")
    button.click()
    assert sounding(page) == []
    # The label follows the player's own event, which comes after the click.
    expect(button).to_have_attribute("aria-label", "Play Original")


def test_switching_keeps_the_position(visit, song):
    page = visit(song)
    play(page, "s1", "Original")
    page.wait_for_function(MOVES, arg=[1, 0.8])
    page.evaluate(SLOWLY)
    before = time_of(page, "s1", "Original")
    page.keyboard.press("b")
    page.wait_for_function(MOVES, arg=[2, before])
    assert sounding(page) == ["guide-s0"]
    # The switch takes some tens of milliseconds, reading it back up to seconds if busy.
    assert before <= time_of(page, "s1", "guide-s0") < before + 1.0
    page.locator("#dock-switch button").nth(0).click()
    page.wait_for_function(MOVES, arg=[1, before])
    assert sounding(page) == ["Original"]
    assert page.locator("#dock-switch [aria-pressed=true]").text_content() == "A"


def test_switching_while_paused_stays_paused(visit, song):
    page = visit(song)
    play(page, "s1", "Original")
    page.keyboard.press("Escape")
    card(page, "s1", "Original").locator(".play").click()
    page.keyboard.press("c")
    assert sounding(page) == []
    assert page.locator("#dock-track").text_content() == "guide-s1"


def test_clicking_a_picture_seeks(visit, song):
    page = visit(song)
    view = card(page, "s1", "guide-s0").locator(".view")
    view.scroll_into_view_if_needed()
    box = view.bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 100)
    # One pixel of some 350 for 12 s is 35 ms.
    assert time_of(page, "s1", "guide-s0") == pytest.approx(9.0, abs=0.07)
    assert sounding(page) == []
    playhead = card(page, "s1", "Original").locator(".playhead")
    assert playhead.is_visible()
    width = card(page, "s1", "Original").locator(".view").bounding_box()
    assert playhead.bounding_box()["x"] - width["x"] == pytest.approx(0.75 * width["width"], abs=2)
    page.keyboard.press(" ")
    page.wait_for_function(MOVES, arg=[2, 9.2])


def test_a_tap_seeks_and_a_swipe_does_not(visit, song):
    page = visit(song, width=375, height=800, has_touch=True)
    view = card(page, "s1", "guide-s0").locator(".view")
    view.scroll_into_view_if_needed()
    box = view.bounding_box()
    x, y = box["x"] + 0.5 * box["width"], box["y"] + 60
    page.touchscreen.tap(x, y)
    # One pixel of some 290 for 12 s is 41 ms.
    assert time_of(page, "s1", "guide-s0") == pytest.approx(6.0, abs=0.09)
    touch = {"pointerType": "touch", "clientX": box["x"] + 5, "clientY": y, "bubbles": True}
    view.dispatch_event("pointerdown", touch)
    assert time_of(page, "s1", "guide-s0") == pytest.approx(6.0, abs=0.09)


def test_a_place_beyond_a_shorter_take_starts_it_anew(visit, song):
    page = visit(song)
    card(page, "s1", "Original").locator(".play").click()
    card(page, "s1", "Original").locator("audio").evaluate("a => { a.playbackRate = 1 / 16 }")
    page.locator("#dock-seek").fill("10.5")
    page.keyboard.press("c")
    page.wait_for_function(MOVES, arg=[3, 0.1])
    assert time_of(page, "s1", "guide-s1") < 8.0


def test_matched_levels_turn_the_louder_ones_down(visit, song):
    page = visit(song)
    volumes = "audios => audios.map(a => 20 * Math.log10(a.volume))"
    deck = page.locator("#s1 audio")
    assert deck.evaluate_all(volumes) == [0, 0, 0]
    page.get_by_role("switch", name="Match levels").check()
    # The page rounds gains to hundredths of a decibel.
    assert deck.evaluate_all(volumes) == pytest.approx([0.0, -6.0, -3.0], abs=0.01)
    assert card(page, "s1", "guide-s0").locator(".gain").text_content() == " → −20.0"
    page.get_by_role("switch", name="Match levels").uncheck()
    assert deck.evaluate_all(volumes) == [0, 0, 0]


def test_the_keyboard_alone_is_enough(visit, song):
    page = visit(song)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    button = card(page, "s1", "guide-s0").locator(".play")
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function(MOVES, arg=[2, 0.05])
    page.keyboard.press("Space")
    assert sounding(page) == []
    seek = page.get_by_role("slider", name="Position")
    seek.focus()
    page.keyboard.press("End")
    assert time_of(page, "s1", "guide-s0") == pytest.approx(12.0, abs=0.02)
    page.get_by_role("switch", name="Shortcuts").uncheck()
    page.keyboard.press("a")
    assert page.locator("#dock-track").text_content() == "guide-s0"


def test_an_output_folder_that_was_moved_still_plays(visit, song, tmp_path):
    moved = tmp_path / "über uns #1 100%"
    shutil.copytree(song.parent.parent, moved)
    page = visit(moved / "report" / "index.html")
    for index in range(7):
        page.locator(".track .play").nth(index).click()
        page.wait_for_function(MOVES, arg=[index, 0.05])
    page.locator("img").evaluate_all("images => images.forEach(i => { i.loading = 'eager' })")
    page.wait_for_function("() => [...document.images].every(i => i.complete && i.naturalWidth)")


def test_a_comparison_moved_alone_still_plays_what_was_converted(visit, song, tmp_path):
    source = audio.read(song.parent.parent / "song.wav")
    audio.write(tmp_path / "float.wav", source.scaled(4.0), subtype="FLOAT")
    audio.write(tmp_path / "apple.aiff", source)
    audio.write(tmp_path / "plain.mp3", source)
    features = {"duration_s": 8.0, "loudness_lufs": -14.0}
    document = {
        "baseline": {"path": str(tmp_path / "plain.mp3"), "features": features},
        "candidates": [
            {
                "path": str(tmp_path / name),
                "features": features,
                "differences": {"mfcc_similarity": 1.0},
            }
            for name in ("float.wav", "apple.aiff")
        ],
        "yardsticks": {},
    }
    page_path = write_comparison_report(document, tmp_path / "made")
    shutil.move(page_path.parent, tmp_path / "moved")
    page = visit(tmp_path / "moved" / "index.html")
    for index in range(3):
        page.locator(".track .play").nth(index).click()
        page.wait_for_function(MOVES, arg=[index, 0.05])


def test_many_takes_load_as_they_come_near_and_still_play(visit, song, tmp_path):
    short = audio.read(song.parent.parent / "song.wav").fitted(11025)
    audio.write(tmp_path / "short.wav", short)
    tracks = [ReportTrack(f"take-{n}", tmp_path / "short.wav") for n in range(4)]
    sections = [ReportSection(f"Segment {n}", tracks=tracks) for n in range(20)]
    page = visit(write_report(Report("Long", sections=sections), tmp_path / "report"))
    states = "audios => audios.map(a => a.readyState >= 1)"
    page.wait_for_function("() => document.querySelector('audio').readyState >= 1")
    assert sum(page.locator("audio").evaluate_all(states)) < 40
    last = page.locator("audio").count() - 1
    page.locator(".track .play").nth(last).click()
    page.wait_for_function(MOVES, arg=[last, 0.1])


def test_without_scripts_the_browsers_own_players_are_there(visit, song):
    page = visit(song, java_script_enabled=False)
    assert page.locator("audio").first.is_visible()
    assert page.locator(".track .play").first.is_hidden()
    assert page.locator(".dock").is_hidden()
