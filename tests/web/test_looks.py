"""Every page in both widths, light and dark, for everybody."""

import pytest
from playwright.sync_api import expect

PAGES = {
    "songs": "/",
    "sheet": "/songs/noise",
    "render": "/songs/noise/render",
    "listen": "/songs/noise/listen",
    "compare": "/compare",
    "sounds": "/sounds",
    "models": "/models",
    "doctor": "/doctor",
    "jobs": "/jobs",
    "missing": "/songs/nothing-of-this-name",
}


@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_and_are_open_to_everybody(visit, song, check_access, name):
    page = visit(PAGES[name], expected=("status of 404",))
    if name != "missing":
        expect(page.locator("body[data-ready]")).to_be_visible()
    check_access(page)
    page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(color_scheme="dark")
    check_access(page)


def test_help_opens_with_a_key(visit, song):
    page = visit("/songs/noise/listen")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Listen and choose")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
